"""``python -m spatialnets``."""

from spatialnets.cli.start import main

if __name__ == "__main__":
    main()
