"""Whether the records of a graph from a file make sense at all, before `verify` computes with them.

What the frontend makes is well formed; a file may hold anything. Problems are texts, *where:
found X, accepted Y*.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .arrays import Array
from .graph import Graph, Node
from .ops import ChannelAffine, Conv2d, Linear, MaxPool2d, Op, Pair, SumPool2d, Upsample2d
from .spikes import SpikeType

LARGEST_EDGE = 1 << 28  # values that an edge carries in one frame
LARGEST_DELAY = 1 << 16


def misshapen(graph: Graph) -> list[str]:
    """Every edge of impossible or absurd size, and every array and geometry that no op takes."""
    edges = [(source.name, source.type) for source in graph.inputs]
    edges += [(node.name, node.type) for node in graph.nodes]
    problems = [f"{name}: {text}" for name, type in edges for text in _type(type)]
    scales = [(source.name, source.scale) for source in graph.inputs]
    scales += [(node.name, node.scale) for node in graph.nodes]
    problems += [
        f"{name}: found scale {scale}, accepted a number > 0"
        for name, scale in scales
        if not 0 < scale < float("inf")
    ]
    for node in graph.nodes:
        problems += [f"{node.name}: {text}" for text in _node(node)]
    return problems


def _type(type: SpikeType) -> Iterator[str]:
    if len(type.shape) not in (1, 3) or min(*type.shape, type.steps) < 1:
        yield (
            f"found shape {type.shape} with {type.steps} steps, accepted (features,) or (channels, "
            "rows, columns) with 1 step or more"
        )
    elif type.neurons * type.steps > LARGEST_EDGE:
        yield (
            f"found {type.neurons * type.steps} values in a frame, accepted at most {LARGEST_EDGE}"
        )
    if not 0 <= type.bits <= 64:
        yield f"found {type.bits} bits, accepted 0 .. 64"


def _node(node: Node) -> Iterator[str]:
    for synapse in node.synapses:
        if synapse.delay > LARGEST_DELAY:
            yield f"found a delay of {synapse.delay} steps, accepted at most {LARGEST_DELAY}"
        yield from _geometry(synapse.op)
        yield from _arrays(synapse.op)


def _geometry(op: Op) -> Iterator[str]:
    """Kernels, strides, paddings, dilations, groups, factors."""
    positive: list[Pair] = []
    padding: Pair = (0, 0)
    match op:
        case Conv2d():
            positive, padding = [op.stride, op.dilation, (op.groups, op.groups)], op.padding
        case MaxPool2d() | SumPool2d():
            positive, padding = [op.kernel, op.stride], op.padding
        case Upsample2d():
            positive = [op.factor]
    if isinstance(op, SumPool2d) and not 0 < op.divisor < float("inf"):
        yield f"SumPool2d.divisor: found {op.divisor}, accepted a number > 0"
    if any(min(pair) < 1 for pair in positive) or min(padding) < 0:
        yield (
            f"{type(op).__name__}: found {positive} and padding {padding}, accepted kernel, "
            "stride, dilation, groups and factor >= 1 and padding >= 0"
        )


def _arrays(op: Op) -> Iterator[str]:
    """Axes of weights, one bias or factor an output channel."""
    where = type(op).__name__
    if isinstance(op, ChannelAffine) and not (op.gain.shape == op.offset.shape == (op.gain.size,)):
        yield (
            f"{where}: found gain {op.gain.shape} and offset {op.offset.shape}, accepted one "
            "value a channel of each"
        )
    if not isinstance(op, Linear | Conv2d):
        return
    axes = 2 if isinstance(op, Linear) else 4
    if op.weight.ndim != axes or not op.weight.size:
        yield f"{where}.weight: found shape {op.weight.shape}, accepted {axes} axes"
        return
    outputs = int(op.weight.shape[0])
    if not _is_bias(op.bias, outputs):
        yield f"{where}.bias: found {op.bias!r:.60}, accepted {outputs} values"
    if isinstance(op, Conv2d) and op.groups > 0 and outputs % op.groups:
        yield f"{where}: found {outputs} channels in {op.groups} groups, accepted equal groups"


def _is_bias(bias: Array | None, outputs: int) -> bool:
    return bias is None or np.shape(bias) == (outputs,)
