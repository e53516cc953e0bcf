"""Entry point of the command `spatialnets`: handles signals before anything slow is imported."""

from __future__ import annotations

import sys

from spatialnets.cli.signals import Signals

__all__ = ["main"]


def main() -> None:
    """Run the command line; exit codes as `spatialnets.cli.app.main`, and 143 or 138 for SIGTERM or SIGUSR1."""
    signals = Signals()
    code: int | str | None
    try:
        signals.listen()
        from spatialnets.cli.app import main as run

        run()
        code = 0
    except SystemExit as exit_request:
        code = exit_request.code
        if code == 130 and signals.first is not None:  # typer's code for every KeyboardInterrupt
            code = 128 + signals.first
    except BaseException:
        # code that a signal interrupts may turn it into another exception, such as a failed import
        if signals.first is None:
            raise
        print("stopped", file=sys.stderr, flush=True)
        code = 128 + signals.first
    signals.ignore()
    sys.exit(code)
