"""Run the command line with ``python -m serbero``."""

from serbero.cli.main import main

if __name__ == "__main__":
    main()
