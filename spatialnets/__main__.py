"""``python -m spatialnets``."""

from spatialnets.cli.app import main

if __name__ == "__main__":
    main()
