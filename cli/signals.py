"""Signals that stop the command line: as an exception where work is cleaned up, and never as a traceback."""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["Signalled", "Signals"]


class Signalled(KeyboardInterrupt):
    """A signal has come.

    Parameters
    ----------
    number
        Which.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def is_interrupt(self) -> bool:
        """Whether it was Ctrl-C."""
        return self.number == signal.SIGINT


class Signals:
    """The signals that this process has been sent, from the moment it listens."""

    def __init__(self) -> None:
        self.first: int | None = None

    def listen(self) -> None:
        """Raise `Signalled` for Ctrl-C, SIGTERM and SIGUSR1."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._note)

    @staticmethod
    def ignore() -> None:
        """Listen no longer: there is nothing left to stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.first is not None and number != signal.SIGINT:
            return  # it is being stopped; who presses Ctrl-C again does not want to wait
        self.first = self.first or number
        raise Signalled(number)
