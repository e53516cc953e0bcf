"""The command ``spatialnets``, and ``python -m spatialnets``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is loaded ends it without a word too many."""
    try:
        from spatialnets.cli.app import main as run
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr, flush=True)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
