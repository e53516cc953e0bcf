"""Progress of long work: a bar with time left, or plain lines where there is no terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

__all__ = ["Bar", "Lines", "NoProgress", "Progress", "terminal_progress"]


class Progress(Protocol):
    """What long work reports to; unless it says otherwise, numbers count updates of single networks."""

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        """Begin; `done` of `total` updates (or of what else is counted) were made in earlier sittings."""
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

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None: ...

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


class _Pace:
    """How fast this sitting's work goes, from the first report on: starting the processes is no work."""

    def __init__(self, total: int, done: int, clock: Callable[[], float], what: str = "updates") -> None:
        self.total, self.done, self._clock, self.what = total, done, clock, what
        self.started = clock()
        self._first: tuple[int, float] | None = None

    def advance(self, count: int) -> None:
        self.done += count
        if self._first is None:
            self._first = self.done, self._clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self.started

    @property
    def percent(self) -> int:
        """How much is done, rounded down: 100 means finished."""
        return 100 * self.done // self.total if self.total else 100

    @property
    def rate(self) -> float | None:
        """Updates per second; None as long as nothing can be said."""
        if self._first is None:
            return None
        done, since = self._first
        seconds = self._clock() - since
        return (self.done - done) / seconds if seconds >= 1 and self.done > done else None

    @property
    def left(self) -> str:
        """The time left, as a clock writes it; empty as long as nothing can be said."""
        if self.done >= self.total:
            return clock_words(0)
        return clock_words((self.total - self.done) / self.rate) if self.rate else ""


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
        self._pace: _Pace | None = None

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        self._pace = _Pace(total, done, self._clock, what)
        self._next = self._pace.started + min(2.0, self._interval)
        resumed = f", {done:,} of them made before" if done else ""
        self.say(f"{label}: {total:,} {what}{resumed}")

    def advance(self, count: int, status: str) -> None:
        if self._pace is None:
            return
        self._pace.advance(count)
        if self._clock() >= self._next:
            self._next = self._clock() + self._interval
            self.say(self._line(self._pace, status))

    @staticmethod
    def _line(pace: _Pace, status: str) -> str:
        line = f"{pace.percent:3} % {pace.done:,} of {pace.total:,} {pace.what}, {clock_words(pace.elapsed)} elapsed"
        if pace.done < pace.total and pace.left:
            line += f", about {pace.left} left"
        return f"{line} ({status})" if status else line

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def end(self) -> None:
        if self._pace is not None:
            pace, self._pace = self._pace, None
            self.say(self._line(pace, ""))


class Bar:
    """A bar with what is going on, percent, updates per second, time elapsed and time left.

    Parameters
    ----------
    stream
        Where it is drawn; standard error by default.
    clock
        Seconds since some fixed moment.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._bar: Any = None
        self._pace: _Pace | None = None

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self.end()
        console = Console(file=self._stream) if self._stream else Console(stderr=True)
        columns: list[Any] = [
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=2, no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
        ]
        columns += [
            TextColumn(f"{{task.fields[{name}]}}", justify="right", markup=False, table_column=Column(no_wrap=True))
            for name in ("percent", "rate", "elapsed", "left")
        ]
        self._pace = _Pace(total, done, self._clock, what)
        self._bar = Progress(*columns, console=console, expand=True, get_time=self._clock)
        self._task = self._bar.add_task(label, total=total, completed=done, **self._figures())
        self._bar.start()

    def _figures(self) -> dict[str, str]:
        assert self._pace is not None
        return {
            "percent": f"{self._pace.percent} %",
            "rate": f"{self._pace.rate:,.0f} {self._pace.what}/s" if self._pace.rate else "",
            "elapsed": clock_words(self._pace.elapsed),
            "left": f"{self._pace.left} left" if self._pace.left else "",
        }

    def advance(self, count: int, status: str) -> None:
        if self._bar is not None and self._pace is not None:
            self._pace.advance(count)
            self._bar.update(self._task, completed=self._pace.done, description=status, **self._figures())

    def say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._stream or sys.stderr, flush=True)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, **self._figures())
            self._bar.stop()
            self._bar = self._pace = None


def terminal_progress() -> Progress:
    """Return a bar where standard error is a terminal that can draw one, plain lines elsewhere."""
    return Bar() if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" else Lines()
