"""Where the command `spatialnets` begins: it listens to signals before it loads anything that takes time."""

from __future__ import annotations

import sys

from spatialnets.cli.signals import Signals

__all__ = ["main"]


def main() -> None:
    """Run the command line: exit codes as `spatialnets.cli.app.main`, and 143 or 138 for SIGTERM or SIGUSR1."""
    signals = Signals()
    code: int | str | None
    try:
        signals.listen()
        from spatialnets.cli.app import main as run

        run()
        code = 0
    except SystemExit as ended:
        code = ended.code
        if code == 130 and signals.first is not None:  # typer's for all of them
            code = 128 + signals.first
    except BaseException:
        # what a signal meets may turn it into something else: an import that fails, say
        if signals.first is None:
            raise
        print("stopped", file=sys.stderr, flush=True)
        code = 128 + signals.first
    signals.ignore()
    sys.exit(code)
