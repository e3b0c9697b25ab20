"""Figures of other systems, each with its kind and how it was had."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rival:
    """One system on the same network; None where no figure is known."""

    system: str
    cycles: int | None
    time_us: float | None
    clock_mhz: float | None
    luts: int | None
    brams: float | None
    kind: str
    source: str


RIVALS = {
    "e3ne_lenet5_4": Rival(
        *("E3NE, 4 convolution units", 58_656, 293.0, 200.0, None, None, "simulated"),
        "the authors' released RTL (Gerlinghoff et al., TPDS 2022), T = 4; time at the clock that "
        "they state, XCVU13P",
    ),
    "e3ne_lenet5_1": Rival(
        *("E3NE, 1 convolution unit", 140_923, 705.0, 200.0, None, None, "simulated"),
        "the authors' released RTL, T = 4; time at the clock that they state",
    ),
    "spiker_b": Rival(
        *("Spiker+ 2.0.3", 2_539, 37.8, 67.1, 5_815, 6, "post-route"),
        "ECP5 with Yosys and nextpnr, 6-bit weights, 12-bit membranes; 76.8 % of its output bits "
        "equal snnTorch's",
    ),
    "sc_neurocore_b": Rival(
        *("sc-neurocore", 1_075, 67.6, 15.9, 12_390, 0, "post-route"),
        "ECP5 with Yosys and nextpnr; 81.4 % of its output bits equal snnTorch's",
    ),
}
