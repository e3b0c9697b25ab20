"""How near the integers are to the float network of the same quantised weights.

Quantising weights changes a network; it is a loss of accuracy that training can undo. What else
differs (rounded decays and thresholds, the membrane's unit, requantisation) is the fidelity of the
integer network, and is measured here spike by spike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .. import reference
from ..config import Config
from ..ir import Array, Conv2d, Graph, IntegrateFire, Linear, Node, Requantize, Synapse
from ..ir import frozen as frozen_array
from ..ir.loops import computing_order
from ..reference import Stream
from . import STRUCTURE
from .context import Context
from .fuse_nodes import fuse
from .quantize_neurons import sends_spikes
from .synapse_scales import effective_scales


@dataclass(frozen=True)
class Agreement:
    """How many of the compared values of a node are equal."""

    equal: int
    compared: int

    @property
    def fraction(self) -> float:
        """0 .. 1; 1 where nothing was compared."""
        return self.equal / self.compared if self.compared else 1.0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.equal + other.equal, self.compared + other.compared)


def dequantized(ready: Graph, integer: Graph, config: Config | None = None) -> Graph:
    """The FLOAT graph `ready` with the weights and biases of `integer` loaded back.

    `ready` is lower.prepared(...), `integer` lower.quantized(ready, ..., config); every neuron
    keeps its real parameters, but sends at most as many spikes a step as its integer twin.
    """
    nodes = []
    for node, weights in _loaded(ready, integer, config or Config()):
        synapses = [
            synapse if loaded is None else replace(synapse, op=_with(synapse, *loaded))
            for synapse, loaded in zip(node.synapses, weights, strict=True)
        ]
        neuron, twin = node.neuron, integer.node(node.name).neuron
        if isinstance(neuron, IntegrateFire) and isinstance(twin, IntegrateFire):
            neuron = replace(neuron, max_spikes=twin.max_spikes)
        nodes.append(replace(node, synapses=tuple(synapses), neuron=neuron))
    return ready.with_nodes(nodes)


def quantized_state(
    traced: Graph, ready: Graph, integer: Graph, config: Config | None = None
) -> dict[str, tuple[Array, Array | None]]:
    """Module path to its quantised (weight, bias) as float32 arrays, to load into the torch model.

    `ready` is lower.prepared(traced, ...), `integer` lower.quantized(ready, ..., config).
    A folded batch normalisation is part of them: make the torch one an identity. Weights that
    several synapses share stand once; those that were split (over the parts of a concatenation)
    are no tensor of the torch model any more and are left out.
    """
    origins = _origins(traced)
    found: dict[str, list[tuple[Array, Array | None]]] = {}
    for node, weights in _loaded(ready, integer, config or Config()):
        for path, loaded in zip(origins[node.name], weights, strict=True):
            if loaded is not None:
                assert path is not None
                found.setdefault(path, []).append(loaded)
    return {path: several[0] for path, several in found.items() if _shared(several)}


def _shared(several: list[tuple[Array, Array | None]]) -> bool:
    """Are these the same weights, the first with the bias?"""
    first = several[0][0]
    return all(np.array_equal(first, weight) for weight, _ in several)


def spike_agreement(
    real: Graph,
    integer: Graph,
    x: Array | Sequence[Array],
    streams: tuple[Stream, Stream] | None = None,
) -> dict[str, Agreement]:
    """For each spiking or radix node, how many values of its trains are equal.

    `real` is `dequantized`, `x` real frames (frames, steps, *shape), or a sequence of them, one
    an input; both networks get the input as the integers that the hardware gets. Radix edges of
    the real network are rounded to their scale, as in training, clip(floor(x / scale + 1/2));
    nothing else in it is. Membranes are not counted. `streams` are the states of both where the
    frames go on with those of the call before (streaming graphs).
    """
    real_stream, integer_stream = streams or (Stream(), Stream())
    frames = x if isinstance(x, list | tuple) else (x,)
    words = [
        reference.encode_input(source, array)
        for source, array in zip(integer.inputs, frames, strict=True)
    ]
    integers = reference.run(integer, *words, stream=integer_stream)
    values = {
        source.name: reference.real_input(source, array * coded.scale)
        for source, coded, array in zip(real.inputs, integer.inputs, words, strict=True)
    }
    found = {}
    for group in computing_order(real):
        values.update(reference.group_spikes(real, group, values, real_stream))
        for node in (integer.node(other.name) for other in group):
            sent = values[node.name]
            if isinstance(node.neuron, Requantize):
                units = np.floor(sent / node.scale + 0.5)
                sent = np.clip(units, node.type.low, node.type.high) * node.scale
                values[node.name] = sent
            if isinstance(node.neuron, Requantize) or sends_spikes(node.neuron):
                equal = np.rint(sent / node.scale) == integers[node.name]
                found[node.name] = Agreement(int(equal.sum()), equal.size)
    if real.streaming:
        real_stream.advance(real, values)
    return {node.name: found[node.name] for node in integer.nodes if node.name in found}


def _loaded(
    ready: Graph, integer: Graph, config: Config
) -> Iterator[tuple[Node, list[tuple[Array, Array | None] | None]]]:
    """Each node of `ready`, and for each synapse the real (weight, bias) of its integers.

    A gain that brings several synapses to one unit is part of them.
    """
    for node in ready.nodes:
        scales = effective_scales(integer, node, config.node(node.name), config.scale)
        weights: list[tuple[Array, Array | None] | None] = []
        for scale, after in zip(scales, integer.node(node.name).synapses, strict=True):
            if not isinstance(after.op, Linear | Conv2d):
                weights.append(None)
                continue
            shape = (-1, *(1,) * (after.op.weight.ndim - 1))
            weight = frozen_array(after.op.weight * scale.reshape(shape), np.float32)
            bias = after.op.bias
            if bias is not None:
                bias = frozen_array(bias * (scale * integer.scale(after.source)), np.float32)
            weights.append((weight, bias))
        yield node, weights


def _with(synapse: Synapse, weight: Array, bias: Array | None) -> Linear | Conv2d:
    assert isinstance(synapse.op, Linear | Conv2d)
    return replace(synapse.op, weight=weight, bias=bias)


def _origins(traced: Graph) -> dict[str, tuple[str | None, ...]]:
    """For each simplified node the module path of each synapse's weights.

    fuse_nodes is the last pass of STRUCTURE and the only one that merges paths.
    """
    graph = traced
    for step in STRUCTURE[:-1]:
        graph = step(graph, Context())
    return fuse(graph).origins
