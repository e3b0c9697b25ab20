"""Nanoseconds of one unit of what a path has; fitted by `python -m benchmarks.fit_clock`."""

PERIODS: dict[str, dict[str, float]] = {
    "ecp5": {"carry_bits": 0.325, "luts_log2": 0.441},
}
"""By family (and die, on ice40)."""
