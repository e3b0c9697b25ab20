"""Digests of everything that what a node sends depends on: equal content has one key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass

import numpy as np

from ..ir import Graph
from ..ir.loops import computing_order


def content_keys(graph: Graph) -> dict[str, str]:
    """By name of input and node: a digest of everything that what it sends depends on."""
    keys = {
        source.name: digest("input", place, source.type, source.scale)
        for place, source in enumerate(graph.inputs)
    }
    for group in computing_order(graph):
        inside = {node.name for node in group}
        parts: list[object] = [graph.streaming]
        for node in group:
            parts += [node.neuron, node.type]
            for synapse in node.synapses:
                source = synapse.source if synapse.source in inside else keys[synapse.source]
                parts += [synapse.op, synapse.delay, synapse.gain, source]
        whole = digest(*parts)
        for place, node in enumerate(group):
            keys[node.name] = whole if len(group) == 1 else f"{whole}.{place}"
    return keys


def digest(*parts: object) -> str:
    """SHA-256 of plain values, arrays and frozen records."""
    found = hashlib.sha256()
    for part in parts:
        _feed(found.update, part)
    return found.hexdigest()


def _feed(update: Callable[[bytes], None], part: object) -> None:
    if isinstance(part, np.ndarray):
        update(f"{part.dtype}{part.shape}".encode())
        update(np.ascontiguousarray(part).tobytes())
    elif is_dataclass(part) and not isinstance(part, type):
        update(type(part).__name__.encode())
        for item in fields(part):
            update(item.name.encode())
            _feed(update, getattr(part, item.name))
    else:
        update(repr(part).encode() + b"\0")
