"""Nanoseconds of one unit of what a path has; `python -m benchmarks.fit_clock --write` wrote it."""

PERIODS: dict[str, dict[str, float]] = {
    "ecp5": {
        "counted_log2": 0.389,
        "luts_log2": 0.526,
        "rom_address_bits": 0.39,
        "serial_adders": 0.511,
    },
}
"""By family (and die, on ice40)."""
