"""Nanoseconds of one unit of what a path has; `python -m benchmarks.fit_clock --write` wrote it."""

PERIODS: dict[str, dict[str, float]] = {}
"""By family (and die, on ice40)."""
