"""The command line: parses, calls, prints."""

from .commands import main

__all__ = ["main"]
