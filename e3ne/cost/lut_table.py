"""LUTs of one unit of each feature; written by `python -m benchmarks.fit_luts --write`."""

from ..boards import Family

LUTS: dict[str, float] = {
    "accumulator_bits": 0.88,
    "constant_digit_bits": 0.5,
    "digit_adder_bits": 1.1,
    "digit_bits": 1.0,
    "factor_bits": 2.424,
    "gate_bits": 0.905,
    "leak_bits": 1.485,
    "loaded_bits": 1.175,
    "masked_bits": 3.142,
    "pooled_bits": 2.814,
    "placed_bits": 1.0,
    "rounded_bits": 4.444,
    "row_memory": 142.288,
    "split_bits": 0.907,
    "tree_bits": 1.15,
    "triple_digit_bits": 2.0,
    "vector_memory": 141.125,
}
"""Fitted to `synth_ecp5 -nodsp`; a feature that is not here costs nothing."""

FAMILY_FACTOR: dict[Family, float] = {"ecp5": 1.0, "ice40": 0.76}
"""Logic of a family, in that of ECP5."""
