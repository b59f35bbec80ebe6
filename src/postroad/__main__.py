"""Run the command line with `python -m postroad`."""

from postroad.cli import main

if __name__ == "__main__":
    main()
