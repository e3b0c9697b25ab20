"""Random frames for the inputs of a graph."""

from __future__ import annotations

import numpy as np

from e3ne.ir import Array, Graph


def frames_of(graph: Graph, count: int, seed: int = 5) -> Array:
    """Frames of the only input."""
    (frames,) = inputs_of(graph, count, seed)
    return frames


def inputs_of(graph: Graph, count: int, seed: int = 5) -> tuple[Array, ...]:
    """Random frames of each input."""
    random = np.random.default_rng(seed)
    types = [source.type for source in graph.inputs]
    return tuple(
        random.integers(type.low, type.high + 1, (count, type.steps, *type.shape)) for type in types
    )


def sparse_frames_of(graph: Graph, count: int, share: float, seed: int = 5) -> Array:
    """Frames of the only input, about `share` of whose elements are not zero."""
    type, random = graph.inputs[0].type, np.random.default_rng(seed)
    shape = (count, type.steps, *type.shape)
    return random.integers(type.low, type.high + 1, shape) * (random.random(shape) < share)
