"""Which encoder reads an input."""

from __future__ import annotations

from ..config import Config
from ..ir import Encode, Graph


def encoder_of(graph: Graph, name: str) -> Encode | None:
    """The encoder that reads the input called `name`; None where none does."""
    for node, _ in graph.consumers(name):
        if isinstance(node.neuron, Encode):
            return node.neuron
    return None


def is_encoded(graph: Graph, name: str, config: Config) -> bool:
    """Has the input an encoder that knows its unit: of the model, or with a scale by the user?"""
    chosen = config.input_of(name)
    return encoder_of(graph, name) is not None and (
        chosen.encoder is None or chosen.scale is not None
    )
