"""What neurons make of their current: the membrane equations of `ir/neurons.py`, step by step."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from ..ir import (
    Array,
    Dyadic,
    Encode,
    Factor,
    Integrate,
    IntegrateFire,
    Node,
    Rectify,
    Relay,
    Requantize,
    SpikeType,
)


class Population:
    """The neurons of a node for a number of frames; it remembers membranes between steps."""

    def __init__(self, node: Node, frames: int) -> None:
        self.neuron, self.type = node.neuron, node.type
        dtype = np.float64 if node.type.bits == 0 else np.int64
        self.membrane: Array = np.zeros((frames, *node.type.shape), dtype)
        self.synaptic: Array = np.zeros_like(self.membrane)
        self.spikes: Array = np.zeros_like(self.membrane)

    def step(self, current: Array) -> Array:
        """What the neurons send, (frames, *shape), given their current of the next step."""
        neuron, type = self.neuron, self.type
        match neuron:
            case Relay():
                return clip_to_type(current, type)
            case Rectify():
                return rectified(neuron, current)
            case Requantize():
                scaled = times(Dyadic(neuron.multiplier, neuron.shift), current, type)
                return np.clip(scaled, type.low, type.high)
            case Integrate():
                leaked = times(neuron.decay, self.membrane, type)
                self.membrane = saturate(
                    leaked + self._drive(neuron, current), neuron.membrane_bits
                )
                return self.membrane
            case IntegrateFire():
                drive = self._drive(neuron, current)
                leaked = times(neuron.decay, self.membrane, type)
                self.membrane, self.spikes = fire(
                    neuron, type, leaked, drive, self.membrane, self.spikes
                )
                return self.spikes if neuron.sends == "spikes" else self.membrane
            case Encode():
                raise TypeError("an encoder works on whole frames: reference.encode")
            case _:
                assert_never(neuron)

    def _drive(self, neuron: IntegrateFire | Integrate, current: Array) -> Array:
        """What is added to the membrane: gain, synaptic current and offset."""
        drive = times(neuron.gain, current, self.type)
        if neuron.synaptic_decay is not None:
            kept = times(neuron.synaptic_decay, self.synaptic, self.type)
            drive = self.synaptic = saturate(kept + drive, neuron.membrane_bits)
        return drive + per_neuron(neuron.offset, self.type)


def fire(
    neuron: IntegrateFire,
    type: SpikeType,
    leaked: Array,
    drive: Array,
    membrane: Array,
    spikes_before: Array,
) -> tuple[Array, Array]:
    """(membrane after this step, spikes of this step), each (frames, *shape)."""
    theta = per_neuron(neuron.threshold, type)
    total = leaked + drive
    again = fires(neuron, membrane, theta) if neuron.reset_step == "both" else 0
    if neuron.reset_step == "next" and neuron.reset == "subtract":
        total = total - spikes_before * theta
    elif neuron.reset_step == "next" and neuron.reset == "to_value":
        kept = drive if neuron.reset_keeps_input else 0
        total = np.where(spikes_before > 0, neuron.reset_value + kept, total)
    elif neuron.reset_step == "both":
        total = total - again * theta
    if neuron.floor is not None:
        total = np.maximum(total, neuron.floor)
    membrane = saturate(total, neuron.membrane_bits)
    spikes = fires(neuron, membrane, theta)
    if neuron.reset_step == "same" and neuron.reset == "subtract":
        membrane = membrane - spikes * theta
    elif neuron.reset_step == "same" and neuron.reset == "to_value":
        membrane = np.where(spikes > 0, neuron.reset_value, membrane)
    elif neuron.reset_step == "both":
        membrane = saturate(membrane - (spikes - again) * theta, neuron.membrane_bits)
    return membrane, spikes


def fires(neuron: IntegrateFire, membrane: Array, theta: Array) -> Array:
    """Spikes of this step: how many multiples of the threshold the membrane has passed."""
    if neuron.max_spikes is None:
        multiples = membrane / theta
        passed = np.ceil(multiples) - 1 if neuron.fire_on == ">" else np.floor(multiples)
        return np.asarray(np.maximum(passed, 0))
    compare = np.greater if neuron.fire_on == ">" else np.greater_equal
    counts = [compare(membrane, k * theta) for k in range(1, neuron.max_spikes + 1)]
    return np.asarray(np.sum(counts, axis=0, dtype=np.int64))


def rectified(neuron: Rectify, current: Array) -> Array:
    """The (quantised) ReLU of a current of stage FLOAT."""
    if neuron.bits is None:
        return np.clip(current, 0, neuron.bound)
    assert neuron.bound is not None
    largest = (1 << neuron.bits) - 1
    unit = neuron.bound / largest
    return np.clip(np.floor(current / unit + 0.5), 0, largest) * unit


def times(factor: Factor, x: Array, type: SpikeType) -> Array:
    """factor * x; a Dyadic rounds half up."""
    if isinstance(factor, Dyadic):
        half = (1 << factor.shift) >> 1
        return (x * per_neuron(factor.multiplier, type) + half) >> factor.shift
    return x * per_neuron(factor, type)


def per_neuron(parameter: float | int | Array, type: SpikeType) -> Array:
    """A scalar, one value a channel or one a neuron, to broadcast over (frames, *shape)."""
    array = np.asarray(parameter)
    if array.ndim == 0 or array.shape == type.shape:
        return array
    return array.reshape(-1, *(1,) * (len(type.shape) - 1))


def saturate(x: Array, width_bits: int) -> Array:
    """Saturation to two's complement of `width_bits`; nothing where it is 0 (stage FLOAT)."""
    if width_bits == 0:
        return x
    return np.clip(x, -(1 << (width_bits - 1)), (1 << (width_bits - 1)) - 1)


def clip_to_type(x: Array, type: SpikeType) -> Array:
    """Saturation to the edge; `verify` asks for edges that make it do nothing."""
    return x if type.bits == 0 else np.clip(x, type.low, type.high)
