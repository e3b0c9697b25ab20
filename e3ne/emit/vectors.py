"""Golden vectors: frames, and every word that the reference says must be sent for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import reference
from ..ir import Array, Graph, Output, OutputWords
from ..ir.frames import (
    frame_beats,
    input_ports,
    is_image,
    output_format,
    output_ports,
    to_output_beats,
)
from ..ir.order import from_wire, to_wire, to_words
from ..ir.weight_port import WEIGHT_PORT, WEIGHTS_FILE, loads_weights
from .packing import pack_words

GOLDEN_FRAMES = 2
MOST_RANDOM_EVENTS = 3  # of one place and step


def random_frames(graph: Graph, frames: int, seed: int) -> tuple[Array, ...]:
    """Integers (frames, steps, *shape) for each input that use the whole range of its type.

    Events are few: an eighth of all places have some, one of them the most.
    """
    random = np.random.default_rng(seed)
    drawn = []
    for source in graph.inputs:
        type = source.type
        shape = (frames, type.steps, *type.shape)
        values = random.integers(type.low, type.high + 1, shape)
        if source.events:
            values = np.minimum(values, MOST_RANDOM_EVENTS) * (random.random(shape) < 1 / 8)
            values.reshape(frames, -1)[:, -1] = type.high
        drawn.append(values)
    return tuple(drawn)


def write_vectors(
    folder: Path, graph: Graph, nodes: Sequence[dict[str, Any]], frames: Sequence[Array]
) -> None:
    """Writes `vectors.json` into `folder` for integers (frames, steps, *shape) of each input.

    `nodes` is the manifest's list: the word layout of each node.
    """
    values = reference.run(graph, *frames)
    loads = {
        "port": WEIGHT_PORT,
        "file": WEIGHTS_FILE,
        "beat_bits": graph.weight_port_bits,
    }
    vectors = {
        **({"weights": loads} if loads_weights(graph) else {}),
        "frames": len(frames[0]),
        "inputs": [
            {"port": port, "beats": [[f"{beat:x}", int(last)] for beat, last in beats]}
            for port, beats in beats_of(graph, frames).items()
        ],
        "outputs": [
            {
                "port": port,
                "beats": [f"{beat:x}" for beat in output_beats(graph, output, values).flat],
            }
            for port, output in zip(output_ports(graph), graph.outputs, strict=True)
        ],
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


def beats_of(graph: Graph, frames: Sequence[Array]) -> dict[str, list[tuple[int, bool]]]:
    """By port the beats (tdata, tlast) of whole frames, integers (frames, steps, *shape) each."""
    found = {}
    for port, source, values in zip(input_ports(graph), graph.inputs, frames, strict=True):
        beats, lengths = frame_beats(graph, source, values)
        ends = set((np.cumsum(lengths) - 1).tolist())
        found[port] = [
            (int.from_bytes(beat.tobytes(), "little"), index in ends)
            for index, beat in enumerate(beats)
        ]
    return found


def output_words(graph: Graph, output: Output, values: dict[str, Array]) -> Array:
    """int64 (frames, words) of an output: one word an element, then the class of a vector.

    Of an output that sends the class alone, this one.
    """
    words, classes = reference.read_out(output, values)
    type = graph.edge(output.source)
    if output.words is OutputWords.CLASS:
        return classes[:, None].astype(np.int64)
    if is_image(type):
        return to_wire(words.reshape(-1, *type.shape), type.shape).astype(np.int64)
    return np.concatenate([words, classes[:, None]], axis=1).astype(np.int64)


def output_beats(graph: Graph, output: Output, values: dict[str, Array]) -> Array:
    """int64 (frames, beats), unsigned: the words as the port sends them."""
    return to_output_beats(output_format(graph, output), output_words(graph, output, values))


def output_classes(graph: Graph, output: Output, words: Array) -> Array:
    """The class of each frame (frames,), or of each pixel of an image (frames, rows, columns)."""
    type = graph.edge(output.source)
    if is_image(type):
        classes: Array = from_wire(words, type.shape).argmax(axis=1)
        return classes
    return words[:, -1]


def node_words(graph: Graph, node: dict[str, Any], values: dict[str, Array]) -> Array:
    """uint8 (frames * words, bytes): what the node sends, packed as probes record it."""
    shape = graph.edge(node["node"]).shape
    words = to_words(values[node["node"]], shape, node["lanes"], node["steps"])
    return pack_words(words.reshape(-1, node["lanes"], node["steps"]), node["bits"])


def hexadecimal(packed: Array) -> str:
    """Bytes, low first, as one hexadecimal number."""
    return f"{int.from_bytes(packed.tobytes(), 'little'):x}"
