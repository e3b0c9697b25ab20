"""Takes every flatten out of the graph: a Linear reads an image in torch's order by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..ir import Flatten, Graph, Identity, Linear, Neuron, Node, Relay, Synapse, UnsupportedModel
from ..ir import frozen as frozen_array
from .context import Context
from .rewiring import is_plain

Image = tuple[int, ...]


def absorb_flatten(graph: Graph, context: Context) -> Graph:
    """Removes Flatten nodes; neurons between a Flatten and a Linear take the image's shape.

    Where the image is (channels, 1, 1) a Flatten remains as the op of a synapse: wires only.
    UnsupportedModel lists every flattened image that something else than a Linear reads.
    """
    walk = _Walk(graph)
    for node in graph.nodes:
        walk.visit(node)
    outputs = [replace(out, source=walk.name(out.source)) for out in graph.outputs]
    for output in graph.outputs:
        image = walk.images.get(output.source)
        if image is not None:
            walk.problems.append(
                f"output {output.source}: found a flattened image of shape {image}, accepted "
                "(features,) or (channels, 1, 1); return the scores of a Linear or a global pooling"
            )
    if walk.problems:
        raise UnsupportedModel(walk.problems)
    return replace(graph, nodes=tuple(walk.nodes), outputs=tuple(outputs))


@dataclass
class _Walk:
    """`images`: what the graph calls flat and now is an image; `sources`: who sends it now."""

    graph: Graph

    def __post_init__(self) -> None:
        self.nodes: list[Node] = []
        self.images: dict[str, Image] = {}
        self.sources: dict[str, str] = {}
        self.problems: list[str] = []

    def name(self, source: str) -> str:
        """Who sends what the graph calls `source`."""
        return self.sources.get(source, source)

    def visit(self, node: Node) -> None:
        """Adds `node` in its new form, or takes it out."""
        if self._is_flatten(node):
            source = node.synapses[0].source
            image = self.images.get(source) or self.graph.edge(source).shape
            leaves = any(output.source == node.name for output in self.graph.outputs)
            if not (leaves and image[1:] == (1, 1)):
                self.sources[node.name] = self.name(source)
                if len(image) == 3:
                    self.images[node.name] = image
                return
        flat = [s for s in node.synapses if s.source in self.images]
        images = {self.images[synapse.source] for synapse in flat}
        straight = all(isinstance(s.op, Identity) and is_plain(s) for s in node.synapses)
        if straight and len(flat) == len(node.synapses) and len(images) == 1:
            image = images.pop()
            if image[1:] != (1, 1):
                self._reshape(node, image)
                return
        synapses = tuple(self._synapse(node, synapse) for synapse in node.synapses)
        self.nodes.append(replace(node, synapses=synapses))

    def _is_flatten(self, node: Node) -> bool:
        synapse = node.synapses[0]
        return (
            isinstance(node.neuron, Relay)
            and len(node.synapses) == 1
            and isinstance(synapse.op, Flatten)
            and is_plain(synapse)
            and self.graph.edge(synapse.source).steps == node.type.steps
        )

    def _synapse(self, node: Node, synapse: Synapse) -> Synapse:
        """The synapse on the image that stands behind its flat source."""
        image = self.images.get(synapse.source)
        op = synapse.op
        if image is None or isinstance(op, Linear):
            return replace(synapse, source=self.name(synapse.source))
        if isinstance(op, Identity | Flatten) and image[1:] == (1, 1):
            return replace(synapse, op=Flatten(), source=self.name(synapse.source))
        self.problems.append(
            f"{node.name}: found {type(op).__name__} on a flattened image of shape {image}, "
            "accepted Linear, or neurons in front of a Linear; flatten later"
        )
        return synapse

    def _reshape(self, node: Node, image: Image) -> None:
        neuron, problem = _image_neuron(node.neuron, image)
        if problem:
            self.problems.append(f"{node.name}: {problem}")
        synapses = tuple(replace(s, source=self.name(s.source)) for s in node.synapses)
        type = replace(node.type, shape=image)
        self.nodes.append(replace(node, synapses=synapses, neuron=neuron, type=type))
        self.images[node.name] = image


def _image_neuron(neuron: Neuron, image: Image) -> tuple[Neuron, str | None]:
    """The neuron with parameters a channel in the place of parameters a feature."""
    changed: dict[str, Any] = {}
    for item in fields(neuron):
        value = getattr(neuron, item.name)
        if not isinstance(value, np.ndarray) or value.shape != (math.prod(image),):
            continue
        table = value.reshape(image[0], -1)
        if (table != table[:, :1]).any():
            return neuron, (
                f"found a {item.name} a feature on a flattened image of shape {image}, accepted "
                "one a channel; put the neurons in front of the flatten"
            )
        changed[item.name] = frozen_array(table[:, 0], value.dtype)
    return replace(neuron, **changed), None
