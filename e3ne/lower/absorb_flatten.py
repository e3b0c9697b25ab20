"""Takes every flatten out of the graph: a Linear reads an image in torch's order by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..ir import (
    ChannelAffine,
    Flatten,
    Graph,
    Identity,
    Linear,
    Node,
    Relay,
    Synapse,
    UnsupportedModel,
    frozen,
)
from .context import Context
from .parameters import of_image
from .rewiring import is_plain, leaves

Image = tuple[int, ...]

LARGEST_REORDERING = 1024  # features; as weights it has the square of it


def absorb_flatten(graph: Graph, context: Context) -> Graph:
    """Removes Flatten nodes; neurons between a Flatten and a Linear take the image's shape.

    An output that was flat is the image, whose words have the same order. Where the image is
    (channels, 1, 1) a Flatten remains as the op of a synapse: wires only. Other readers of a
    flattened image (a sum with a vector) reorder it by a Linear of zeros and ones;
    UnsupportedModel lists those that are too large for that.
    """
    images = _images(graph)
    removed = {
        node.name: node.synapses[0].source
        for node in graph.nodes
        if _is_flatten(graph, node) and (node.name in images or not _has_image(graph, images, node))
    }
    names = {name: _sender(name, removed) for name in removed}
    nodes: list[Node] = []
    problems: list[str] = []
    for node in graph.nodes:
        if node.name in removed:
            continue
        if node.name in images:
            image = images[node.name]
            node = replace(
                node,
                neuron=of_image(node.neuron, image),
                type=replace(node.type, shape=image),
            )
        elif too_large := _reordered(node, images):
            problems += too_large
            continue
        else:
            node = replace(node, synapses=tuple(_on_image(s, images) for s in node.synapses))
        synapses = tuple(replace(s, source=names.get(s.source, s.source)) for s in node.synapses)
        nodes.append(replace(node, synapses=synapses))
    if problems:
        raise UnsupportedModel(problems)
    outputs = [replace(out, source=names.get(out.source, out.source)) for out in graph.outputs]
    return replace(graph, nodes=tuple(nodes), outputs=tuple(outputs))


def _images(graph: Graph) -> dict[str, Image]:
    """What the graph calls flat and will be an image (or read as one), by node.

    A neuron joins where all its sources do, the population itself and later nodes included: so
    the walk is repeated until nothing changes.
    """
    images: dict[str, Image] = {}
    while True:
        before = len(images)
        for node in graph.nodes:
            if node.name not in images and (image := _image_of(graph, node, images)):
                images[node.name] = image
        if len(images) == before:
            return images


def _image_of(graph: Graph, node: Node, images: dict[str, Image]) -> Image | None:
    if _is_flatten(graph, node):
        source = node.synapses[0].source
        shape = images.get(source) or graph.edge(source).shape
        own = any(source == other.name for other in graph.nodes)
        stays = leaves(graph, node.name) and (shape[1:] == (1, 1) or not own)
        return shape if len(shape) == 3 and not stays else None
    found = {images.get(s.source) for s in node.synapses if s.source != node.name}
    straight = all(_keeps_places(synapse) for synapse in node.synapses)
    image = found.pop() if straight and len(found) == 1 else None
    return image if image is not None and image[1:] != (1, 1) else None


def _keeps_places(synapse: Synapse) -> bool:
    """Does each neuron read the one of its own place, whatever the shape?"""
    uniform = isinstance(synapse.op, ChannelAffine) and len(synapse.op.gain) == 1
    return isinstance(synapse.op, Identity) or uniform


def _is_flatten(graph: Graph, node: Node) -> bool:
    synapse = node.synapses[0]
    return (
        isinstance(node.neuron, Relay)
        and len(node.synapses) == 1
        and isinstance(synapse.op, Flatten)
        and is_plain(synapse)
        and graph.edge(synapse.source).steps == node.type.steps
    )


def _has_image(graph: Graph, images: dict[str, Image], node: Node) -> bool:
    """Does the flatten `node` read an image? It stays then where it is an output."""
    source = node.synapses[0].source
    return len(images.get(source) or graph.edge(source).shape) == 3


def _sender(name: str, removed: dict[str, str]) -> str:
    """Who sends what the graph calls `name`."""
    while name in removed:
        name = removed[name]
    return name


def _on_image(synapse: Synapse, images: dict[str, Image]) -> Synapse:
    """The synapse on the image that stands behind its flat source."""
    image, op = images.get(synapse.source), synapse.op
    if image is None or isinstance(op, Linear):
        return synapse
    if isinstance(op, Identity | Flatten) and image[1:] == (1, 1):
        return replace(synapse, op=Flatten())
    factor = float(op.gain[0]) if isinstance(op, ChannelAffine) else 1.0
    return replace(
        synapse, op=Linear(frozen(np.eye(math.prod(image), dtype=np.float32) * factor, np.float32))
    )


def _reordered(node: Node, images: dict[str, Image]) -> list[str]:
    """A problem for each synapse that would need too large a Linear to reorder its image."""
    return [
        f"{node.name}: found {type(synapse.op).__name__} on a flattened image of shape "
        f"{images[synapse.source]}, accepted Linear, neurons in front of a Linear, or at most "
        f"{LARGEST_REORDERING} features; flatten later"
        for synapse in node.synapses
        if synapse.source in images
        and not isinstance(synapse.op, Linear)
        and images[synapse.source][1:] != (1, 1)
        and math.prod(images[synapse.source]) > LARGEST_REORDERING
    ]
