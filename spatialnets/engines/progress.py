"""Progress of long work: a bar with time left, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

__all__ = ["Bar", "Lines", "NoProgress", "Progress", "terminal_progress"]


class Progress(Protocol):
    """What an engine reports to; numbers count updates of single networks."""

    def begin(self, total: int, done: int, label: str) -> None:
        """Begin; `done` of `total` updates were made in earlier sittings."""
        ...

    def advance(self, count: int, status: str) -> None:
        """Note that some more updates have been made; `status` says where."""
        ...

    def say(self, text: str) -> None:
        """Tell the user that something happened."""
        ...

    def end(self) -> None:
        """End, whether the work is finished or not."""
        ...


class NoProgress:
    """Reports nothing."""

    def begin(self, total: int, done: int, label: str) -> None: ...

    def advance(self, count: int, status: str) -> None: ...

    def say(self, text: str) -> None: ...

    def end(self) -> None: ...


def clock_words(seconds: float) -> str:
    """Write a duration as a clock does.

    Examples
    --------
    >>> clock_words(75), clock_words(7384)
    ('1:15', '2:03:04')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Lines:
    """A plain line now and then, for logs.

    Parameters
    ----------
    stream
        Where lines go; standard error by default.
    interval
        Seconds between lines; the first comes after 2.
    clock
        Seconds since some fixed moment.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        interval: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._interval, self._clock = interval, clock
        self._running = False

    def begin(self, total: int, done: int, label: str) -> None:
        self._total, self._done, self._earlier, self._running = total, done, done, True
        self._started = self._clock()
        self._next = self._started + min(2.0, self._interval)
        resumed = f", {done:,} of them made before" if done else ""
        self.say(f"{label}: {total:,} updates{resumed}")

    def advance(self, count: int, status: str) -> None:
        self._done += count
        if self._clock() >= self._next:
            self._next = self._clock() + self._interval
            self.say(self._line(status))

    def _line(self, status: str) -> str:
        elapsed = self._clock() - self._started
        made = self._done - self._earlier
        line = f"{100 * self._done / self._total:3.0f} % {self._done:,} of {self._total:,} updates"
        line += f", {clock_words(elapsed)} elapsed"
        if made > 0:
            line += f", about {clock_words(elapsed * (self._total - self._done) / made)} left"
        return f"{line} ({status})"

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def end(self) -> None:
        if self._running:
            self._running = False
            self.say(self._line("end"))


class Bar:
    """A bar with updates per second, time elapsed and time left."""

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, total: int, done: int, label: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("[dim]{task.fields[status]}"),
            console=Console(stderr=True),
            expand=True,
        )
        self._total, self._done, self._earlier, self._started = total, done, done, time.monotonic()
        self._task = self._bar.add_task(label, total=total, completed=done, status="starting", left="")
        self._bar.start()

    def advance(self, count: int, status: str) -> None:
        if self._bar is None:
            return
        self._done += count
        made, elapsed = self._done - self._earlier, time.monotonic() - self._started
        left = f"{clock_words(elapsed * (self._total - self._done) / made)} left" if made and elapsed > 1 else ""
        self._bar.update(self._task, completed=self._done, status=status, left=left)

    def say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def terminal_progress() -> Progress:
    """Return a bar where standard error is a terminal, plain lines elsewhere."""
    return Bar() if sys.stderr.isatty() else Lines()
