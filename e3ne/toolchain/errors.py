"""What can go wrong with another program. Messages read *where: found X, accepted Y; do Z*."""

from __future__ import annotations


class ToolError(Exception):
    """Base of the errors of this room; the CLI prints them and exits with 1."""


class ToolMissing(ToolError):
    """A program that the job needs is not installed; the message has the line that installs it."""


class ToolTooOld(ToolError):
    """A program is installed, but older than the job needs."""


class ToolFailed(ToolError):
    """A program ended with an error, ran too long, or could not write its files."""


class ToolTimedOut(ToolFailed):
    """A program ran longer than it may, and was ended."""
