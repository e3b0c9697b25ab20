"""The grids on which weights are trained, and the integers that lowering makes of them.

A grid's scale has at most 16 significant bits, so that every level is a float32 exactly and
lowering finds the very scale again. What does not depend on the values of the weights (factors,
thresholds, widths) is read off a lowered *probe*: the same network with weights that use the whole
grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..config import Config, InputConfig, NodeConfig, ScaleKind
from ..ir import (
    Array,
    Conv2d,
    Dyadic,
    Encode,
    Graph,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Synapse,
    frozen,
)
from ..ir.user_arrays import UserArrays
from ..lower.calibrate import checked_calibration
from ..lower.context import Context
from ..lower.factors import largest_level
from ..lower.quantize_input import quantized_inputs
from ..lower.synapse_weights import weight_units

SCALE_BITS = 16
DECAY_BITS = 12  # of trained decays, where the configuration does not say

Weighted = Linear | Conv2d
Loaded = Callable[[Node, int, Weighted], Weighted]
"""(node, index of its synapse, the op) to the op with other arrays."""


@dataclass(frozen=True)
class Grid:
    """Weights are whole numbers of -limit .. limit times `scale`: float64, () or (outputs,).

    Binary weights (`bits` 1) have a sign and no 0, but for those that are exactly 0.
    """

    bits: float
    scale: Array

    @property
    def limit(self) -> int:
        """The largest level."""
        return largest_level(self.bits)


def is_trained(op: object) -> bool:
    """Are these weights to train? Not a selection (each output copies one input, or none), nor a
    single weight, which is its own scale."""
    if not isinstance(op, Linear | Conv2d) or op.weight.size == 1:
        return False
    if op.bias is not None and op.bias.any():
        return True
    rows = op.weight.reshape(len(op.weight), -1)
    magnitudes = np.unique(op.weight[op.weight != 0])
    return len(magnitudes) > 1 or bool((np.count_nonzero(rows, axis=1) > 1).any())


def chosen_grid(node: Node, op: Weighted, settings: NodeConfig, kind: ScaleKind) -> Grid:
    """The grid of the weights of `op` by the rule of lowering; for `max` that of least error.

    Weights that are on a grid of these bits already keep it.
    """
    if settings.weight_scale == "max":
        settings = replace(settings, weight_scale="mse")
    plain = replace(op, bias=None)
    scale = weight_units(node, plain, settings, kind, 1.0).scale
    return Grid(settings.weight_bits, short(scale))


def short(scale: Array) -> Array:
    """The scale with 16 significant bits: float64."""
    mantissa, exponent = np.frexp(np.asarray(scale, np.float64))
    return np.asarray(np.ldexp(np.rint(mantissa * 2.0**SCALE_BITS), exponent - SCALE_BITS))


def spread(scale: Array, ndim: int) -> Array:
    """A scale () or (outputs,) to broadcast over weights of `ndim` axes."""
    return scale.reshape(-1, *(1,) * (ndim - 1)) if scale.ndim else scale


def probe_weights(op: Weighted, grid: Grid) -> Weighted:
    """Weights of the largest levels of both signs, no bias: lowering finds the grid in them."""
    rows = len(op.weight) if grid.scale.ndim else 1
    levels = np.full((rows, op.weight.size // rows), grid.limit)
    levels[:, 1::2] *= -1
    if grid.limit > 1 and levels.shape[1] > 1:
        levels[:, 0] -= 1  # two neighbouring levels: no coarser grid holds both
    weight = levels.reshape(op.weight.shape) * spread(grid.scale, op.weight.ndim)
    bias = None if op.bias is None else frozen(np.zeros_like(op.bias), np.float32)
    return replace(op, weight=frozen(weight, np.float32), bias=bias)


def loaded(graph: Graph, load: Loaded) -> Graph:
    """The graph with the ops that have weights as `load` makes them."""
    nodes = []
    for node in graph.nodes:
        synapses = [
            replace(synapse, op=load(node, index, synapse.op))
            if isinstance(synapse.op, Linear | Conv2d)
            else synapse
            for index, synapse in enumerate(node.synapses)
        ]
        nodes.append(replace(node, synapses=tuple(synapses)))
    return graph.with_nodes(nodes)


def settled(graph: Graph, config: Config, train_decays: bool) -> Config:
    """The configuration for a network that is prepared already: nothing is chosen a second time.

    Weights with one element a channel have one scale, as each would be its own otherwise. Decays
    that are trained have a number of bits.
    """
    nodes = {
        node.name: replace(
            config.node(node.name),
            fit_threshold=False,
            decay_bits=(config.node(node.name).decay_bits or DECAY_BITS)
            if train_decays
            else config.node(node.name).decay_bits,
            per_channel=config.node(node.name).per_channel
            and all(_has_rows(synapse) for synapse in node.synapses),
        )
        for node in graph.nodes
    }
    off = {"equalize": False, "correct_biases": False, "code": "radix"}
    default = replace(config.default, fit_threshold=False)
    return with_nodes(replace(config, default=default, **off), nodes)  # type: ignore[arg-type]


def with_nodes(config: Config, nodes: Mapping[str, NodeConfig]) -> Config:
    """The configuration with these settings of its nodes, the default ones left out."""
    kept = {name: chosen for name, chosen in nodes.items() if chosen != config.default}
    return replace(config, nodes=kept)


def input_types(graph: Graph, calibration: UserArrays | None, config: Config) -> tuple[Input, ...]:
    """What the inputs of a FLOAT graph become; BadInput where neither frames nor `config` say."""
    frames = None if calibration is None else checked_calibration(graph, calibration)
    return quantized_inputs(graph, Context(config, frames))


def with_inputs(config: Config, graph: Graph, integer: Sequence[Input]) -> Config:
    """The configuration that gives the inputs `integer`, whatever the frames."""
    encoders = {n.synapses[0].source for n in graph.nodes if isinstance(n.neuron, Encode)}
    inputs: dict[str, InputConfig] = {}
    for source in integer:
        chosen = config.input_of(source.name)
        kept = replace(chosen, encoder=None) if source.name in encoders else chosen
        type = source.type
        inputs[source.name] = replace(kept, bits=type.bits, scale=source.scale, signed=type.signed)
    return replace(config, inputs=inputs)


def pinned(config: Config, integer: Graph) -> Config:
    """The configuration that gives the membranes of `integer` their units, for any weights."""
    nodes = dict(config.nodes)
    for node in integer.nodes:
        if isinstance(node.neuron, IntegrateFire | Integrate):
            fraction = fraction_bits(node.neuron)
            nodes[node.name] = replace(config.node(node.name), membrane_fraction_bits=fraction)
    return with_nodes(config, nodes)


def fraction_bits(neuron: IntegrateFire | Integrate) -> int:
    """How much finer the membrane is than the current: the power of two that its gain is."""
    gain = neuron.gain
    assert isinstance(gain, Dyadic)
    return round(math.log2(float(np.abs(np.asarray(gain.multiplier)).max()) / 2.0**gain.shift))


def _has_rows(synapse: Synapse) -> bool:
    op = synapse.op
    return not isinstance(op, Linear | Conv2d) or op.weight.size > len(op.weight)
