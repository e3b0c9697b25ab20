"""The port that fills memories without contents of their own (Storage.LOADED) after a reset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .graph import Graph, Storage

WEIGHT_PORT = "w_axis"
"""What the names of its AXI4-Stream signals begin with."""

WEIGHTS_FILE = "rom/weights.bin"
"""What a build writes for it: the bytes of all its beats."""


@dataclass(frozen=True)
class LoadedMemory:
    """A memory that the port fills: `depth` words of `width_bits` bits, from word 0 on."""

    name: str
    width_bits: int
    depth: int

    def beats_per_word(self, port_bits: int) -> int:
        """Beats of one word: its bits, the lowest first, and zeros up to a whole beat."""
        return -(-self.width_bits // port_bits)

    def beats(self, port_bits: int) -> int:
        """Beats of all words."""
        return self.depth * self.beats_per_word(port_bits)


def loads_weights(graph: Graph) -> bool:
    """Whether any memory of a mapped graph is filled by the port, so that there is one."""
    return any(
        lanes.storage is Storage.LOADED
        for node in graph.nodes
        if node.mapping is not None
        for lanes in node.mapping.synapses
    )


def load_cycles(memories: Iterable[LoadedMemory], port_bits: int) -> int:
    """Cycles from the first beat of weights, a beat a cycle, to the first one of a frame."""
    return sum(memory.beats(port_bits) for memory in memories) - 1 + LOADED_AFTER


LOADED_AFTER = 2
"""Cycles from the last beat of weights to the first of a frame, at the soonest."""


def word_bytes(words: Iterable[int], width_bits: int, port_bits: int) -> bytes:
    """The bytes of the beats of a memory's words, in turn."""
    size = -(-width_bits // port_bits) * port_bits // 8
    return b"".join(word.to_bytes(size, "little") for word in words)
