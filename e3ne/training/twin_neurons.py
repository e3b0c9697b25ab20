"""Neurons of the integer twin: the integers of `reference.neurons`, in the fastest exact dtype.

A node computes in float32 where no number on the way reaches 2**24, in float64 below 2**53, else
in int64. In a float dtype `factor * x`, rounded half up, is floor(x * multiplier / 2**shift + 1/2),
every part of which is exact.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np
import torch
from torch import Tensor, nn

from .. import reference
from ..ir import (
    Array,
    Dyadic,
    Encode,
    Graph,
    Integrate,
    IntegrateFire,
    Node,
    Rectify,
    Relay,
    Requantize,
    SpikeType,
)
from ..ir.ranges import summed_current_range
from .torch_ops import EXACT_FLOAT32, EXACT_FLOAT64, exact_dtype, largest_value
from .walk import State


def broadcast(parameter: object, type: SpikeType) -> Array:
    """A scalar, one value a channel or one a neuron, to broadcast over (frames, *shape)."""
    array = np.asarray(parameter)
    if array.ndim == 0 or array.shape == type.shape:
        return array
    return array.reshape(-1, *(1,) * (len(type.shape) - 1))


def sent_dtype(type: SpikeType) -> torch.dtype:
    """The dtype in which the integers of an edge travel."""
    return exact_dtype(largest_value(type), "edge")


class Times(nn.Module):
    """(x * multiplier + half) >> shift, exactly, in one dtype."""

    multiplier: Tensor

    def __init__(self, factor: object, type: SpikeType, dtype: torch.dtype) -> None:
        super().__init__()
        assert isinstance(factor, Dyadic)
        self.shift = factor.shift
        self.one = bool(np.all(np.asarray(factor.multiplier) == 1)) and factor.shift == 0
        values = broadcast(factor.multiplier, type)
        if dtype is torch.int64:
            held = torch.tensor(values, dtype=dtype)
        else:
            held = torch.tensor(values / 2.0**factor.shift, dtype=dtype)
        self.register_buffer("multiplier", held)

    def forward(self, x: Tensor) -> Tensor:
        if self.one:
            return x
        if x.dtype is torch.int64:
            return (x * self.multiplier + ((1 << self.shift) >> 1)) >> self.shift
        scaled = x * self.multiplier
        return scaled if self.shift == 0 else scaled.add_(0.5).floor_()


class Population(nn.Module):
    """The neurons of one node of an integer graph."""

    threshold: Tensor
    offset: Tensor

    def __init__(self, graph: Graph, node: Node) -> None:
        super().__init__()
        self.neuron, self.edge = node.neuron, node.type
        self.sent = sent_dtype(node.type)
        self.dtype = working_dtype(graph, node)
        neuron = node.neuron
        match neuron:
            case Relay() | Encode():
                pass
            case Requantize():
                factor = Dyadic(neuron.multiplier, neuron.shift)
                self.gain = Times(factor, node.type, self.dtype)
            case IntegrateFire() | Integrate():
                self._add_membrane(neuron)
            case Rectify():
                raise TypeError(f"{node.name}: found Rectify, accepted an integer graph")
            case _:
                assert_never(neuron)

    def _add_membrane(self, neuron: IntegrateFire | Integrate) -> None:
        type, dtype = self.edge, self.dtype
        self.decay, self.gain = Times(neuron.decay, type, dtype), Times(neuron.gain, type, dtype)
        self.synaptic = (
            None if neuron.synaptic_decay is None else Times(neuron.synaptic_decay, type, dtype)
        )
        self.register_buffer("offset", torch.tensor(broadcast(neuron.offset, type), dtype=dtype))
        theta = neuron.threshold if isinstance(neuron, IntegrateFire) else 1
        self.register_buffer("threshold", torch.tensor(broadcast(theta, type), dtype=dtype))
        self.low = -(1 << (neuron.membrane_bits - 1))
        self.high = (1 << (neuron.membrane_bits - 1)) - 1
        self.has_offset = bool(np.any(np.asarray(neuron.offset)))

    def forward(self, current: Tensor, state: State | None) -> tuple[Tensor, State | None]:
        """What the population sends for (frames, steps, *shape) of its current; its state then."""
        neuron, type = self.neuron, self.edge
        match neuron:
            case Relay():
                return current.clamp(type.low, type.high).to(self.sent), None
            case Requantize():
                scaled = self.gain(current.to(self.dtype))
                return scaled.clamp(type.low, type.high).to(self.sent), None
            case IntegrateFire() | Integrate():
                return self._train(neuron, current, state)
            case Encode():
                return encoded(neuron, current, type).to(self.sent), None
            case _:
                raise AssertionError(neuron)

    def _train(
        self, neuron: IntegrateFire | Integrate, current: Tensor, state: State | None
    ) -> tuple[Tensor, State]:
        sent = torch.empty(current.shape, dtype=self.sent, device=current.device)
        if state is None:
            zero = torch.zeros_like(current[:, 0], dtype=self.dtype)
            state = State(zero, zero, zero)
        for step in range(current.shape[1]):
            drive = self._drive(current[:, step].to(self.dtype), state)
            if isinstance(neuron, Integrate):
                state.membrane = self._saturated(self.decay(state.membrane) + drive)
                sent[:, step] = state.membrane
            else:
                self._fire(neuron, drive, state)
                sent[:, step] = state.spikes if neuron.sends == "spikes" else state.membrane
        return sent, state

    def _drive(self, current: Tensor, state: State) -> Tensor:
        """What is added to the membrane: gain, synaptic current and offset."""
        drive: Tensor = self.gain(current)
        if self.synaptic is not None:
            drive = state.synaptic = self._saturated(self.synaptic(state.synaptic) + drive)
        return drive + self.offset if self.has_offset else drive

    def _fire(self, neuron: IntegrateFire, drive: Tensor, state: State) -> None:
        """One step: `reference.neurons.fire`."""
        theta = self.threshold
        total = self.decay(state.membrane) + drive
        again = self._fires(neuron, state.membrane) if neuron.reset_step == "both" else None
        if neuron.reset_step == "next" and neuron.reset == "subtract":
            total = total - state.spikes * theta
        elif neuron.reset_step == "next" and neuron.reset == "to_value":
            kept = drive if neuron.reset_keeps_input else torch.zeros_like(drive)
            total = torch.where(state.spikes > 0, kept + neuron.reset_value, total)
        elif again is not None:
            total = total - again * theta
        if neuron.floor is not None:
            total = total.clamp(min=neuron.floor)
        membrane = self._saturated(total)
        spikes = self._fires(neuron, membrane)
        if neuron.reset_step == "same" and neuron.reset == "subtract":
            membrane = membrane - spikes * theta
        elif neuron.reset_step == "same" and neuron.reset == "to_value":
            membrane = membrane.masked_fill(spikes > 0, neuron.reset_value)
        elif again is not None:
            membrane = self._saturated(membrane - (spikes - again) * theta)
        state.membrane, state.spikes = membrane, spikes

    def _fires(self, neuron: IntegrateFire, membrane: Tensor) -> Tensor:
        """How many multiples of the threshold the membrane has passed, max_spikes at most."""
        theta = self.threshold
        if neuron.most_spikes == 1:
            fires = membrane > theta if neuron.fire_on == ">" else membrane >= theta
            return fires.to(membrane.dtype)
        if neuron.fire_on == ">":
            passed = -torch.div(-membrane, theta, rounding_mode="floor") - 1
        else:
            passed = torch.div(membrane, theta, rounding_mode="floor")
        return passed.clamp(0, neuron.most_spikes)

    def _saturated(self, x: Tensor) -> Tensor:
        return x.clamp(self.low, self.high)


def encoded(neuron: Encode, samples: Tensor, type: SpikeType) -> Tensor:
    """The trains of an encoder, as `reference.encode` makes them, on the device of the samples."""
    trains = reference.encode(neuron, samples.detach().cpu().numpy(), type)
    return torch.from_numpy(trains).to(samples.device)


def working_dtype(graph: Graph, node: Node) -> torch.dtype:
    """The fastest dtype in which every number on the way through the neurons is exact."""
    found = summed_current_range(graph, node)
    current = max(found.high, -found.low)
    neuron = node.neuron
    match neuron:
        case Requantize():
            largest = _times_bound(Dyadic(neuron.multiplier, neuron.shift), current)
        case IntegrateFire() | Integrate():
            largest = _membrane_bound(neuron, current)
        case _:
            largest = current
    if largest < EXACT_FLOAT32:
        return torch.float32
    return torch.float64 if largest < EXACT_FLOAT64 else torch.int64


def _times_bound(factor: object, largest: int) -> int:
    assert isinstance(factor, Dyadic)
    return largest * _most(factor.multiplier) + (1 << factor.shift)


def _membrane_bound(neuron: IntegrateFire | Integrate, current: int) -> int:
    membrane = 1 << neuron.membrane_bits
    parts = [
        _times_bound(neuron.decay, membrane),
        _times_bound(neuron.gain, current),
        _most(neuron.offset),
        membrane,
    ]
    if neuron.synaptic_decay is not None:
        parts.append(_times_bound(neuron.synaptic_decay, membrane))
    if isinstance(neuron, IntegrateFire):
        parts.append(_most(neuron.threshold) * (neuron.most_spikes + 1))
    return sum(parts)


def _most(values: object) -> int:
    return int(np.abs(np.asarray(values)).max())
