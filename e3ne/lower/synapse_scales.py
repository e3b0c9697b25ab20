"""Brings the synapses of a node to integers and to one accumulator scale."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from ..config import NodeConfig, ScaleKind
from ..ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Linear,
    MaxPool2d,
    Node,
    Op,
    SumPool2d,
    Synapse,
    UnsupportedModel,
    Upsample2d,
)
from .factors import integers
from .synapse_weights import weight_units

log = logging.getLogger(__name__)

GAIN_BITS = 6  # residual gains are at most so much finer than the smallest scale
LARGEST_BIAS = 1 << 53  # units of the current: no float64 counts further
GAIN_ERROR = 2.0**-9  # and no finer once every gain is as near as this


@dataclass(frozen=True)
class Currents:
    """Integer synapses, and the real value of one unit of their sum: float64, () or (channels,)."""

    synapses: tuple[Synapse, ...]
    scale: Array


def integer_synapses(graph: Graph, node: Node, settings: NodeConfig, kind: ScaleKind) -> Currents:
    """The synapses of `node` as integers; `graph` has integer types and scales of its sources."""
    ops: list[Op] = []
    scales: list[Array] = []
    for synapse in node.synapses:
        source_scale = graph.scale(synapse.source)
        op, scale = _integer_op(node, synapse, settings, kind, source_scale)
        if isinstance(op, Linear | Conv2d) and isinstance(synapse.op, Linear | Conv2d):
            op = replace(op, bias=_integer_bias(node, synapse.op, scale * source_scale))
        ops.append(op)
        scales.append(scale * source_scale)
    gains, scale = common_gains(scales, node.name, _fixed(node))
    synapses = zip(node.synapses, ops, gains, strict=True)
    return Currents(tuple(replace(s, op=op, gain=gain) for s, op, gain in synapses), scale)


def common_gains(
    scales: Sequence[Array], where: str, fixed: Sequence[bool] = ()
) -> tuple[list[int], Array]:
    """(an integer gain a synapse, the scale of the sum): gain * scale of sum is near each scale.

    The sum's unit is about the smallest scale / 2**k with the least k of 0 .. 6 that brings every
    gain within 2**-9 of its ratio. The first synapse of a `fixed` scale (without weights, which
    could take the error over) gets an exact gain. What error is left is logged.
    """
    if len(scales) == 1:
        return [1], scales[0]
    values = np.array([float(scale) for scale in scales])
    anchor = next((value for value, is_fixed in zip(values, fixed, strict=False) if is_fixed), None)
    for k in range(GAIN_BITS + 1):
        unit = values.min() / 2**k
        if anchor is not None:
            unit = anchor / np.rint(anchor / unit)
        gains = np.rint(values / unit)
        error = float(np.abs(gains * unit / values - 1).max())
        if error <= GAIN_ERROR:
            break
    if error > 0:
        log.info("%s: gains %s are within %.2g of the synapses' scales", where, gains, error)
    return [int(gain) for gain in gains], np.asarray(unit)


def effective_scales(
    graph: Graph, node: Node, settings: NodeConfig, kind: ScaleKind
) -> list[Array]:
    """What one unit of the weights of each synapse is worth in the sum, gains included.

    `node` is of stage FLOAT, `graph` has the integer scales of its sources. Near to the scale of
    `weight_units`, and equal where no gain is rounded: this is the weight that the hardware has.
    Without weights: what the synapse makes of 1.
    """
    sources = [graph.scale(synapse.source) for synapse in node.synapses]
    own = [
        _integer_op(node, synapse, settings, kind, source)[1]
        for synapse, source in zip(node.synapses, sources, strict=True)
    ]
    scales = [scale * source for scale, source in zip(own, sources, strict=True)]
    gains, unit = common_gains(scales, node.name, _fixed(node))
    if len(gains) == 1:
        return own
    return [np.asarray(gain * unit / source) for gain, source in zip(gains, sources, strict=True)]


def _fixed(node: Node) -> list[bool]:
    return [not isinstance(synapse.op, Linear | Conv2d) for synapse in node.synapses]


def _integer_bias(node: Node, op: Linear | Conv2d, scale: Array) -> Array | None:
    """The bias in units of the current, int64 (outputs,)."""
    if op.bias is None:
        return None
    units = np.broadcast_to(op.bias.astype(np.float64) / scale, op.bias.shape)
    if np.abs(units).max() >= LARGEST_BIAS:
        worst = int(np.argmax(np.abs(units)))
        raise UnsupportedModel(
            f"{node.name}: found a bias of {op.bias[worst]:.4g}, which is {units[worst]:.3g} units "
            f"of its current, accepted less than 2**53; inputs and weights are too small beside "
            "it: check the training, or scale the input"
        )
    return np.asarray(integers(units))


def _integer_op(
    node: Node, synapse: Synapse, settings: NodeConfig, kind: ScaleKind, source_scale: float
) -> tuple[Op, Array]:
    """(the op with integer weights and no bias yet, real value of a unit of what it makes of 1)."""
    one = np.asarray(1.0)
    op = synapse.op
    match op:
        case Linear() | Conv2d():
            units = weight_units(node, op, settings, kind, source_scale)
            return replace(op, weight=units.integers), units.scale
        case SumPool2d():
            return replace(op, divisor=1), np.asarray(1.0 / op.divisor)
        case MaxPool2d() | Upsample2d() | Identity() | Flatten():
            return op, one
        case ChannelAffine():
            factor = uniform_gain(op)
            if factor is None:
                raise UnsupportedModel(f"{node.name}: found a batch normalisation; fold it first")
            return Identity(), np.asarray(factor)
        case _:
            assert_never(op)


def uniform_gain(op: ChannelAffine) -> float | None:
    """The factor > 0 of an affine map that only scales, so that it can be part of a scale."""
    gain = float(op.gain.reshape(-1)[0])
    only_scales = gain > 0 and bool((op.gain == op.gain.reshape(-1)[0]).all())
    return gain if only_scales and not op.offset.any() else None
