"""Golden vectors: frames, and every word that the reference says must be sent for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import reference
from ..ir import Array, Graph, SpikeType
from ..ir.frames import to_beats
from ..ir.order import to_words
from .packing import pack_words

GOLDEN_FRAMES = 2


def random_frames(type: SpikeType, frames: int, seed: int) -> Array:
    """Integers (frames, steps, *shape) that use the whole range of an input's type."""
    random = np.random.default_rng(seed)
    return random.integers(type.low, type.high + 1, (frames, type.steps, *type.shape))


def write_vectors(
    folder: Path, graph: Graph, nodes: Sequence[dict[str, Any]], frames: Array
) -> None:
    """Writes `vectors.json` into `folder` for integer `frames` (frames, steps, *shape).

    `nodes` is the manifest's list: the word layout of each node.
    """
    values = reference.run(graph, frames)
    beats = to_beats(graph, graph.inputs[0], values[graph.inputs[0].name])
    last = beats.shape[1] - 1
    vectors = {
        "frames": len(frames),
        "beats": [
            [hexadecimal(beat), int(index == last)]
            for frame in beats
            for index, beat in enumerate(frame)
        ],
        "words": [f"{int(word) & 0xFFFFFFFF:x}" for word in output_words(graph, values).flat],
        "nodes": [
            {
                "node": node["node"],
                "offset_bits": node["offset_bits"],
                "width_bits": node["lanes"] * node["steps"] * node["bits"],
                "words": [hexadecimal(word) for word in node_words(graph, node, values)],
            }
            for node in nodes
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vectors.json").write_text(json.dumps(vectors, indent=0) + "\n")


def output_words(graph: Graph, values: dict[str, Array]) -> Array:
    """int64 (frames, classes + 1): one word a class, then the class."""
    words, classes = reference.read_out(graph.outputs[0], values)
    return np.concatenate([words, classes[:, None]], axis=1).astype(np.int64)


def node_words(graph: Graph, node: dict[str, Any], values: dict[str, Array]) -> Array:
    """uint8 (frames * words, bytes): what the node sends, packed as probes record it."""
    shape = graph.edge(node["node"]).shape
    words = to_words(values[node["node"]], shape, node["lanes"], node["steps"])
    return pack_words(words.reshape(-1, node["lanes"], node["steps"]), node["bits"])


def hexadecimal(packed: Array) -> str:
    """Bytes, low first, as one hexadecimal number."""
    return f"{int.from_bytes(packed.tobytes(), 'little'):x}"
