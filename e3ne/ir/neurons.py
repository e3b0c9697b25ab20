"""Neurons: what becomes of the current of a population. The equations of e3ne stand here.

Symbols: i current of this step (sum over the synapses), v membrane, u synaptic current,
n spikes sent at this step, theta threshold. Each `Factor` f multiplies by a constant:

    stage FLOAT      f * x
    integer line on  (x * multiplier + half) >> shift,   half = 2**(shift - 1), 0 where shift == 0

that is, round half up, the one rounding rule of the hardware (`docs/semantics.md`).
Parameters that differ are arrays of shape (channels,), one value a channel, or of the whole shape
of the population, one value a neuron. `Neuron` is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .arrays import Array


@dataclass(frozen=True, eq=False)
class Dyadic:
    """The number multiplier / 2**shift, multiplier an integer or one integer a channel."""

    multiplier: int | Array
    shift: int = 0


Factor = float | Array | Dyadic
"""A constant: float or float32 array in stage FLOAT, `Dyadic` after the integer line."""

ONE = Dyadic(1, 0)


@dataclass(frozen=True)
class Relay:
    """n = i: the sum itself (pooling, residual sums of graded edges, class scores)."""


@dataclass(frozen=True)
class Rectify:
    """n = min(max(i, 0), bound): ReLU, or clipped ReLU with a bound. Stage FLOAT only.

    With `bits`, which needs a bound, n is a whole number of units as after the integer line:
    n = min(floor(max(i, 0) / unit + 1/2), 2**bits - 1) * unit,  unit = bound / (2**bits - 1).
    """

    bound: float | None = None
    bits: int | None = None


@dataclass(frozen=True, eq=False)
class Requantize:
    """n = clip((i * multiplier + half) >> shift, low, high) of the edge's type; steps == 1.

    The radix neuron (Gerlinghoff et al., TPDS 2022, eq. 2, with rounding and saturation added).
    """

    multiplier: int | Array
    shift: int


@dataclass(frozen=True, eq=False)
class IntegrateFire:
    """Every integrate-and-fire neuron in which the libraries differ, as one record.

    At each step, from v = 0, u = 0, no earlier spikes (n_before = 0):

        x = gain * i
        u = sat(synaptic_decay * u + x), x = u                  where synaptic_decay is given
        w = decay * v + x + offset
        if reset_step == "next" and n_before > 0:
            subtract:  w = w - n_before * theta
            to_value:  w = reset_value + (x + offset if reset_keeps_input else 0)
        if reset_step == "both":                    r = 1 if v fires, else 0;  w = w - r * theta
        v = sat(max(w, floor))
        n = number of k in 1 .. max_spikes with v > k * theta    (>= where fire_on is ">=")
            (of all k >= 1 where max_spikes is None: stage FLOAT only)
        if reset_step == "same" and n > 0:
            subtract:  v = v - n * theta
            to_value:  v = reset_value
        if reset_step == "both":                    v = sat(v - (n - r) * theta)

    The edge carries n, or v at the end of the step where `sends` is "membrane" (a readout of the
    membrane of neurons that fire; n is then known inside only).

    sat() saturates to membrane_bits of two's complement; in stage FLOAT it does nothing. theta > 0.
    Sources: "next" is snnTorch 1.0 Leaky (mem = beta*mem + i - theta*(mem_before > theta)), "same"
    is SpikingJelly LIFNode and (max_spikes > 1) sinabs IAF. "both" is snnTorch's
    reset_delay=False with subtract, whose reset of the step before is taken back and taken again
    as long as the membrane stays above threshold; it needs subtract and max_spikes == 1.
    """

    threshold: float | int | Array
    decay: Factor = 1.0
    gain: Factor = 1.0
    synaptic_decay: Factor | None = None
    offset: float | int | Array = 0
    fire_on: Literal[">", ">="] = ">"
    reset: Literal["subtract", "to_value", "none"] = "subtract"
    reset_value: float | int = 0
    reset_step: Literal["same", "next", "both"] = "next"
    reset_keeps_input: bool = True
    max_spikes: int | None = 1
    floor: float | int | None = None
    membrane_bits: int = 0
    sends: Literal["spikes", "membrane"] = "spikes"

    @property
    def most_spikes(self) -> int:
        """max_spikes where it has a limit; TypeError in stage FLOAT where it has none."""
        if self.max_spikes is None:
            raise TypeError("a neuron without a limit of spikes: calibrate before quantising")
        return self.max_spikes


@dataclass(frozen=True, eq=False)
class Integrate:
    """A leaky integrator that never fires; the edge carries the membrane.

    x = gain * i;  u = sat(synaptic_decay * u + x), x = u where given;
    v = sat(decay * v + x + offset);  n = v.
    """

    decay: Factor = 1.0
    gain: Factor = 1.0
    synaptic_decay: Factor | None = None
    offset: float | int | Array = 0
    membrane_bits: int = 0


EncoderKind = Literal["radix", "regular", "bernoulli", "latency", "delta"]


@dataclass(frozen=True)
class Encode:
    """Samples become a spike train on the chip. The same numbers in every stage.

    The only synapse is an Identity from an input: of 1 step, unsigned (delta: T steps, perhaps
    signed). In stage FLOAT the current i is real and is rounded first, half to even; after the
    integer line it is x itself (the input's scale is `unit`):

        x = clip(rint(i / unit), low, high)       0 .. 2**bits - 1, two's complement where `signed`

    The train has t = 0 .. T - 1 steps; j is the place of the neuron in wire order (`ir/order.py`).
    Every frame starts anew; in a streaming graph ref alone is kept from frame to frame, as if all
    of them were one: a change across a border of frames is a spike like any other.

        radix      n = (x >> (T - 1 - t)) & 1                                  bits == T
        regular    n = (((t + 1) * x) >> bits) - ((t * x) >> bits)
        bernoulli  n = 1 if r[t, j] < x                 r from the seed: `ir/random_bits.py`
        latency    n = 1 if x > 0 and t == ((2**bits - 1 - x) * T) >> bits
        delta      n = +1 and ref += threshold  where x[t] - ref >= threshold,
                   n = -1 and ref -= threshold  where ref - x[t] >= threshold, else 0;
                   ref = x[0] and n = 0 at t == 0, of a stream at its first step only

    So a radix train holds the sample's bit planes, most significant first; a regular train has
    floor(T x / 2**bits) spikes, evenly spread, a Bernoulli train T x / 2**bits in the mean; a
    latency train at most one, the earlier the larger x is. Delta trains are signed, of 2 bits; all
    others 0 or 1. `threshold` is in units of x, `seed` 1 .. 65535 (Bernoulli alone reads it).
    Sources: rate and latency codes as in snnTorch's spikegen, made deterministic; delta as in
    address-event sensors (Lichtsteiner et al., JSSC 2008), one event a step.
    """

    kind: EncoderKind
    bits: int
    unit: float = 1.0
    seed: int = 1
    threshold: int = 0
    signed: bool = False


Neuron = Relay | Rectify | Requantize | IntegrateFire | Integrate | Encode


def goes_on(neuron: Neuron) -> bool:
    """Has it a state that a streaming graph keeps from frame to frame?"""
    if isinstance(neuron, Encode):
        return neuron.kind == "delta"
    return isinstance(neuron, IntegrateFire | Integrate)
