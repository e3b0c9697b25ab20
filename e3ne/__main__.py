"""`python -m e3ne` and the program `e3ne`."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="e3ne")
