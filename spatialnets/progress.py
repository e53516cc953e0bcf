"""Progress of long computations: a bar with the time left, or plain lines without a terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

__all__ = ["Bar", "Lines", "NoProgress", "Progress", "terminal_progress"]


class Progress(Protocol):
    """Displays the progress of a long computation; by default counts are updates of single networks."""

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        """Begin a display of `total` updates (or other units `what`), of which earlier sessions made `done`."""
        ...

    def advance(self, count: int, status: str) -> None:
        """Add `count` updates; `status` says what is being computed."""
        ...

    def say(self, text: str) -> None:
        """Show a message."""
        ...

    def end(self) -> None:
        """End the display, whether all updates were made or not."""
        ...


class NoProgress:
    """Displays nothing."""

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None: ...

    def advance(self, count: int, status: str) -> None: ...

    def say(self, text: str) -> None: ...

    def end(self) -> None: ...


def clock_time(seconds: float) -> str:
    """Format a duration as ``m:ss`` or ``h:mm:ss``.

    Examples
    --------
    >>> clock_time(75), clock_time(7384)
    ('1:15', '2:03:04')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Pace:
    """The speed of this session, measured from the first report on, because starting processes takes time."""

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
        """The share that is done, rounded down, so that 100 means finished."""
        return 100 * self.done // self.total if self.total else 100

    @property
    def rate(self) -> float | None:
        """Updates per second; None until it can be estimated."""
        if self._first is None:
            return None
        done, since = self._first
        seconds = self._clock() - since
        return (self.done - done) / seconds if seconds >= 1 and self.done > done else None

    @property
    def left(self) -> str:
        """The time left (see `clock_time`); empty until it can be estimated."""
        if self.done >= self.total:
            return clock_time(0)
        return clock_time((self.total - self.done) / self.rate) if self.rate else ""


class Lines:
    """Progress as plain lines, for logs.

    Parameters
    ----------
    stream
        Where lines are written; by default standard error.
    interval
        Seconds between lines; the first is written after 2.
    clock
        Returns a time in seconds.
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
        resumed = f", {done:,} done earlier" if done else ""
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
        line = f"{pace.percent:3} % {pace.done:,} of {pace.total:,} {pace.what}, {clock_time(pace.elapsed)} elapsed"
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
    """Progress as a bar with status, percent, updates per second, time elapsed and time left.

    Parameters
    ----------
    stream
        Where it is drawn; by default standard error.
    clock
        Returns a time in seconds.
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
        self._task = self._bar.add_task(label, total=total, completed=done, **self._fields())
        self._bar.start()

    def _fields(self) -> dict[str, str]:
        assert self._pace is not None
        return {
            "percent": f"{self._pace.percent} %",
            "rate": f"{self._pace.rate:,.0f} {self._pace.what}/s" if self._pace.rate else "",
            "elapsed": clock_time(self._pace.elapsed),
            "left": f"{self._pace.left} left" if self._pace.left else "",
        }

    def advance(self, count: int, status: str) -> None:
        if self._bar is not None and self._pace is not None:
            self._pace.advance(count)
            self._bar.update(self._task, completed=self._pace.done, description=status, **self._fields())

    def say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._stream or sys.stderr, flush=True)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, **self._fields())
            self._bar.stop()
            self._bar = self._pace = None


def terminal_progress() -> Progress:
    """Return a bar if standard error is a terminal that can draw one, otherwise plain lines."""
    return Bar() if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" else Lines()
