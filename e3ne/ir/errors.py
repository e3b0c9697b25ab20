"""The family of errors a caller can act on. Messages read *where: found X, accepted Y; do Z*."""

from __future__ import annotations

from collections.abc import Sequence


class E3neError(Exception):
    """Base of every error that e3ne raises on purpose; the CLI prints it and exits with 1."""


class Problems(E3neError):
    """Several problems found in one walk, each *where: found X, accepted Y; do Z*."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class UnsupportedModel(Problems):
    """The model holds something that e3ne cannot compile exactly; lists every such place."""


class DoesNotFit(Problems):
    """The network needs more than the board, or a bound of the hardware, allows."""


class TraceMismatch(E3neError):
    """The traced graph and the user's own forward disagree; names the first node and step."""


class BadInput(Problems):
    """A file, array, option or folder given by the user is not what it must be."""


class Mismatch(E3neError):
    """Hardware and reference disagree; names node, step, index, expected and got."""
