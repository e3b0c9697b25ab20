"""Ops of a graph as NIR's primitives."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from ...ir import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    Op,
    SumPool2d,
    Upsample2d,
)
from .hdf5 import Tree
from .primitives import ungrouped


def op_tree(op: Op, shape: tuple[int, ...], rows: bool) -> Tree:
    """The NIR node of an op that reads NIR shape `shape`; ValueError where NIR has none.

    `rows` says that images of the graph are written as (channels, length).
    """
    match op:
        case Identity():
            return ones(shape)
        case Flatten():
            return flatten(shape)
        case Linear():
            return _linear(op)
        case Conv2d():
            return _conv(op, shape, rows)
        case SumPool2d():
            return _pool(op)
        case ChannelAffine():
            return _scale(op, shape)
        case MaxPool2d() | Upsample2d():
            instead = "use average pooling" if isinstance(op, MaxPool2d) else "use Conv2d"
            raise ValueError(
                f"found {type(op).__name__}, which NIR 1.0 lacks, accepted Linear, Conv2d, sum and "
                f"average pooling; {instead}"
            )
        case _:
            assert_never(op)


def ones(shape: tuple[int, ...]) -> Tree:
    """A Scale that changes nothing: NIR has no identity."""
    return {"type": "Scale", "scale": np.ones(shape, np.float32)}


def flatten(shape: tuple[int, ...]) -> Tree:
    """A Flatten of all axes."""
    return {"type": "Flatten", "input_type": np.array(shape), "start_dim": 0, "end_dim": -1}


def _linear(op: Linear) -> Tree:
    if op.bias is None:
        return {"type": "Linear", "weight": op.weight}
    metadata = {} if op.bias.any() else {"keep_bias": 1}
    return {"type": "Affine", "weight": op.weight, "bias": op.bias, "metadata": metadata}


def _conv(op: Conv2d, shape: tuple[int, ...], rows: bool) -> Tree:
    """A Conv2d, or a Conv1d where all images of the graph are rows."""
    weight = ungrouped(op.weight, op.groups) if op.groups > 1 else op.weight
    tree: Tree = {"type": "Conv2d", "input_shape": np.array(shape[1:])}
    geometry = {"stride": op.stride, "padding": op.padding, "dilation": op.dilation}
    if rows:
        tree = {"type": "Conv1d", "input_shape": shape[1]}
        weight = weight[:, :, 0]
        tree |= {name: value[1] for name, value in geometry.items()}
    else:
        tree |= {name: np.array(value) for name, value in geometry.items()}
    zeros = np.zeros(len(weight), np.float32)
    bias = zeros if op.bias is None else op.bias
    metadata: Tree = {"groups": op.groups} if op.groups > 1 else {}
    if op.bias is not None and not op.bias.any():
        metadata["keep_bias"] = 1
    return tree | {"weight": weight, "bias": bias, "groups": 1, "metadata": metadata}


def _pool(op: SumPool2d) -> Tree:
    area = op.kernel[0] * op.kernel[1]
    if op.divisor not in (1, area):
        raise ValueError(f"found a pooling divided by {op.divisor}, accepted 1 or its area {area}")
    return {
        "type": "SumPool2d" if op.divisor == 1 else "AvgPool2d",
        "kernel_size": np.array(op.kernel),
        "stride": np.array(op.stride),
        "padding": np.array(op.padding),
    }


def _scale(op: ChannelAffine, shape: tuple[int, ...]) -> Tree:
    if op.offset.any():
        raise ValueError(
            "found a batch normalisation, which NIR lacks, accepted one folded into weights; fold "
            "it with e3ne.lower.simplify(graph) first"
        )
    gain = np.array(np.broadcast_to(op.gain.reshape(-1, *(1,) * (len(shape) - 1)), shape))
    return {
        "type": "Scale",
        "scale": gain,
        "metadata": {"op": "ChannelAffine", "channels": len(op.gain)},
    }
