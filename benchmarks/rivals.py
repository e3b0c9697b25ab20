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
    "e3ne_fang": Rival(
        *("E3NE, 8 convolution units", 81_584, 408.0, 200.0, None, None, "simulated"),
        "the authors' released RTL, T = 4; time at the clock that they state",
    ),
    "spiker_mnist": Rival(
        *("Spiker+ (2024)", None, 780.0, 100.0, 7_612, 18, "quoted"),
        "Zynq-7020 class, 100 steps, 93.85 %",
    ),
    "snn_fpga": Rival(
        *("snn-fpga (2025)", None, 520.0, 100.0, 6_358, 40.5, "quoted"),
        "Artix-7, 100 steps",
    ),
    "syn2logic": Rival(
        *("Syn2Logic (2026)", None, 0.581, 45.0, 38_103, None, "quoted"),
        "MAX10, 25 steps, 93.80 %, 1.72 million frames a second; logic elements",
    ),
    "spiker_a": Rival(
        *("Spiker+ 2.0.3", 22_837, 502.6, 45.4, 21_509, 45, "post-route"),
        "ECP5 with Yosys and nextpnr, 6-bit weights, 12-bit membranes; 86.7 % of its output bits "
        "equal snnTorch's",
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
