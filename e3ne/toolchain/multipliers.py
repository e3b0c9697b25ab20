"""How Yosys turns the products of `e3ne_multiply`, and no others, into multipliers of a part."""

from __future__ import annotations

MULTIPLIERS: dict[str, tuple[str, str, int, int, bool]] = {
    "ecp5": ("+/lattice/dsp_map_18x18.v", "$__MUL18X18", 18, 18, False),
    "ice40": ("+/ice40/dsp_map.v", "$__MUL16X16", 16, 16, False),
    "nexus": ("+/lattice/dsp_map_nexus.v", "$__NX_MUL18X18", 18, 18, False),
    "gowin": ("+/gowin/dsp_map.v", "$__MUL18X18", 18, 18, False),
    "xilinx7": ("+/xilinx/xc7_dsp_map.v", "$__MUL25X18", 25, 18, True),
    "ultrascale_plus": ("+/xilinx/xcu_dsp_map.v", "$__MUL27X18", 27, 18, True),
}
"""By family: the file of Yosys that knows the cell, its name there, the bits of both factors, and
whether it multiplies signed numbers only."""


def multiplier_commands(family: str, top: str) -> list[str]:
    """Commands between reading the Verilog and the synth command, which then needs no DSP option.

    Each instance of `e3ne_multiply` becomes one multiplier; every other product stays for LUTs.
    """
    if family not in MULTIPLIERS:
        return []
    file, name, a_bits, b_bits, is_signed = MULTIPLIERS[family]
    definitions = {
        "DSP_NAME": name,
        "DSP_A_MAXWIDTH": a_bits,
        "DSP_B_MAXWIDTH": b_bits,
        **({"DSP_SIGNEDONLY": 1, "DSP_A_MAXWIDTH_PARTIAL": b_bits} if is_signed else {}),
    }
    flags = " ".join(f"-D {key}={value}" for key, value in definitions.items())
    return [
        f"hierarchy -top {top}",
        f"techmap -map +/mul2dsp.v -map {file} {flags} *e3ne_multiply*/t:$mul",
    ]
