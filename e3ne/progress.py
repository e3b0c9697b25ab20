"""Stages of a long job: their wall time, and somebody to tell."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

Tell = Callable[[str, int, int], None]
"""tell(stage, done, total): total 0 where it is not known."""


def tell_nobody(stage: str, done: int, total: int) -> None:
    """Progress without a listener."""


class Stages:
    """Wall seconds by stage, in the order in which the stages ran; a stage may run twice."""

    def __init__(self, tell: Tell | None = None) -> None:
        self.tell = tell or tell_nobody
        self.wall_s: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Times what runs inside as the stage `name`."""
        self.tell(name, 0, 0)
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begun
            self.wall_s[name] = round(self.wall_s.get(name, 0.0) + spent, 3)
            logger.info("%s: %.2f s", name, spent)
        self.tell(name, 1, 1)


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far (its resident set)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
