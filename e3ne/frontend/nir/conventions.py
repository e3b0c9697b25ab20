"""What tau, r and the reset of a NIR neuron mean in steps, for each library that writes NIR.

NIR's equations are continuous; the writers disagree on units and on the step. Each convention
says what its library's own neurons do with the numbers that its own exporter writes. Symbols as
in `ir/neurons.py`; the table with the equations is docs/nir.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...ir import Array, BadInput
from .kinds import NEURONS
from .network import Network, Primitive

Arrays = Mapping[str, Array]

RECURRENT = "recurrent"  # neurons that read themselves through nodes without memory
RESETS = ("subtract", "value", "zero", "none")


@dataclass(frozen=True, eq=False)
class Factors:
    """A neuron in steps, one value a neuron: v = decay * v + gain * i + (1 - decay) * rest + bias.

    With `synaptic_decay` the current u = synaptic_decay * u + gain * i stands for gain * i.
    """

    decay: Array | float
    gain: Array | float
    synaptic_decay: Array | None = None
    rest: Array | float = 0.0
    bias: Array | float = 0.0


@dataclass(frozen=True)
class Convention:
    """How one library steps its neurons; see `CONVENTIONS` and docs/nir.md.

    `factors(kind, values, dt, unit)` makes steps out of NIR's parameters. `starts_at` says where
    the membrane is before the first step. `resets` lists what `--reset` may say.
    """

    name: str
    factors: Callable[[str, Arrays, float, float], Factors]
    resets: tuple[str, ...]
    fire_on: Literal[">", ">="] = ">"
    reset_step: Literal["same", "next"] = "same"
    reset_drops_input: tuple[str, ...] = ()  # kinds whose reset to 0 loses the step's input
    max_spikes: int | None = 1
    starts_at: Literal["zero", "leak", "reset"] = "zero"
    leaks_to_zero: bool = False  # the library knows no other v_leak
    steps_in_shape: bool = False  # its exporter leaves the steps in the shape of an Input
    resets_to_zero: bool = False  # the library knows no other v_reset


def forward_euler(kind: str, values: Arrays, dt: float, unit: float = 1.0) -> Factors:
    """decay = 1 - dt/tau, gain = r dt/tau; currents first, as every library does it.

    With a synapse u = (1 - dt/tau_syn) u + w_in dt/tau_syn i. IF and I: gain = r dt.
    """
    r = values["r"]
    if kind in ("I", "IF"):
        return Factors(1.0, r * dt)
    tau = values["tau" if "tau" in values else "tau_mem"]
    decay, gain = leak(tau, dt), r * dt / tau
    if "tau_syn" not in values:
        return Factors(decay, gain, rest=values["v_leak"])
    syn = values["tau_syn"]
    return Factors(decay, values["w_in"] * dt / syn * gain, leak(syn, dt), values["v_leak"])


def leak(tau: Array, dt: float) -> Array:
    """1 - dt/tau, at least 0: what a step of forward Euler keeps; ValueError for tau < dt."""
    kept = 1.0 - dt / tau
    if np.min(kept) < -1e-6:
        raise ValueError(
            f"found a time constant of {np.min(tau):g} s, shorter than the step dt {dt:g} s, "
            "accepted tau >= dt; give the dt of the writer in seconds, or another convention"
        )
    return np.maximum(kept, 0.0)


def norse(kind: str, values: Arrays, dt: float, unit: float) -> Factors:
    """Forward Euler, but a spike lets the current jump by w_in, and IF takes currents as they are.

    `unit` is what turns the file's tau into seconds (`norse_unit`).
    """
    if kind in ("I", "IF"):
        return Factors(1.0, values["r"])
    tau = values["tau" if "tau" in values else "tau_mem"] / unit
    decay, gain = leak(tau, dt), values["r"] * dt / tau
    if "tau_syn" not in values:
        return Factors(decay, gain, rest=values["v_leak"])
    syn = leak(values["tau_syn"] / unit, dt)
    return Factors(decay, values["w_in"] * gain, syn, values["v_leak"])


def sinabs(kind: str, values: Arrays, dt: float, unit: float) -> Factors:
    """tau in steps: decay = exp(-1/tau); LIF has gain r (1 - decay), LI has gain r, IF has r."""
    if kind in ("I", "IF"):
        return Factors(1.0, values["r"])
    decay = np.exp(-1.0 / values["tau" if "tau" in values else "tau_mem"])
    gain = values["r"] if kind == "LI" else values["r"] * (1.0 - decay)
    if "tau_syn" not in values:
        return Factors(decay, gain)
    syn = np.exp(-1.0 / values["tau_syn"])
    return Factors(decay, values["w_in"] * syn * gain, syn)


def rockpool(kind: str, values: Arrays, dt: float, unit: float) -> Factors:
    """decay = exp(-dt/tau); r = tau decay / dt stands for gain 1 (LI: gain decay)."""
    if kind in ("I", "IF"):
        return Factors(1.0, values["r"] * dt)
    tau = values["tau" if "tau" in values else "tau_mem"]
    decay = np.exp(-dt / tau)
    gain = values["r"] * dt / tau
    if kind == "LI":
        return Factors(decay, gain, bias=values["v_leak"])
    if kind == "LIF":
        return Factors(decay, gain / decay, bias=values["v_leak"])
    syn = np.exp(-dt / values["tau_syn"])
    return Factors(decay, values["w_in"] * syn * gain / decay, syn, bias=values["v_leak"])


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention("euler", forward_euler, RESETS),
        Convention(
            "snntorch", forward_euler, RESETS, reset_step="next",
            reset_drops_input=("CubaLIF", RECURRENT), leaks_to_zero=True, resets_to_zero=True,
        ),
        Convention(
            "spikingjelly", forward_euler, ("subtract", "value", "zero"), fire_on=">=",
            starts_at="reset",
        ),
        Convention("norse", norse, ("subtract", "value", "zero"), starts_at="leak"),
        Convention(
            "sinabs", sinabs, ("subtract", "value", "zero"), fire_on=">=", max_spikes=None,
            steps_in_shape=True, leaks_to_zero=True, resets_to_zero=True,
        ),
        Convention("rockpool", rockpool, ("subtract",), fire_on=">=", max_spikes=None),
    )
}  # fmt: skip


def convention_of(name: str) -> Convention:
    """The convention called `name`; BadInput with the names there are."""
    if name not in CONVENTIONS:
        raise BadInput(
            f"convention: found {name!r}, accepted {', '.join(CONVENTIONS)}; name the library that "
            "wrote the file, or euler for NIR's own equations"
        )
    return CONVENTIONS[name]


def time_unit(network: Network, convention: Convention, dt: float) -> float:
    """What a tau of the file is to be divided by to be in seconds: 1, or dt for Norse 1.1.

    Norse up to 1.0 writes seconds, Norse 1.1 dt times the seconds. A tau in seconds is never
    shorter than dt; dt times a time constant below 1 s always is. BadInput where a file has both.
    """
    if convention.name != "norse":
        return 1.0
    taus = [
        float(tau)
        for node in network.nodes.values()
        if node.kind in NEURONS
        for name in ("tau", "tau_mem", "tau_syn")
        if (values := node.array(name)) is not None
        for tau in (values.min(), values.max())
    ]
    short = [tau < dt * (1 - 1e-6) for tau in taus]
    if any(short) and not all(short):
        raise BadInput(
            f"nir: found time constants from {min(taus):g} to {max(taus):g} with dt {dt:g}, "
            "accepted all of them in seconds (>= dt) or all in dt times seconds as Norse 1.1 "
            "writes; mend the file and use --convention euler"
        )
    return dt if any(short) else 1.0


def check_reset(reset: str, convention: Convention) -> None:
    """BadInput where the library's neurons know no such reset."""
    if reset not in RESETS or reset not in convention.resets:
        raise BadInput(
            f"reset: found {reset!r}, accepted {', '.join(convention.resets)} with convention "
            f"{convention.name}; choose what the network was trained with"
        )


def neuron_values(node: Primitive, kind: str) -> dict[str, Array]:
    """NIR's parameters of a neuron as float64; a missing w_in is 1, a missing v_reset 0."""
    values = {name: node.needed(name) for name, value in node.values.items() if value is not None}
    if kind.startswith("Cuba"):
        values.setdefault("w_in", np.ones(()))
    if kind in ("IF", "LIF", "CubaLIF"):
        values.setdefault("v_reset", np.zeros(()))
    return values
