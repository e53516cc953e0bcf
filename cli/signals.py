"""Handling of signals: Ctrl-C, SIGTERM and SIGUSR1 raise an exception, so that work can be cleaned up."""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["Signalled", "Signals"]


class Signalled(KeyboardInterrupt):
    """A signal has arrived that stops this process.

    Parameters
    ----------
    number
        The signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def is_interrupt(self) -> bool:
        """Whether it was Ctrl-C."""
        return self.number == signal.SIGINT


class Signals:
    """The signals that this process receives after a call of `listen`; `first` is the first of them."""

    def __init__(self) -> None:
        self.first: int | None = None

    def listen(self) -> None:
        """Raise `Signalled` for Ctrl-C, SIGTERM and SIGUSR1 from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._receive)

    @staticmethod
    def ignore() -> None:
        """Ignore these signals from now on, because there is nothing left to stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.first is not None and number != signal.SIGINT:
            return  # already stopping; only another Ctrl-C interrupts the cleanup
        self.first = self.first or number
        raise Signalled(number)
