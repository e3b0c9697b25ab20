"""From a graph of stage FLOAT to a `.nir` file that comes back as the same graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...ir import (
    BadInput,
    Conv2d,
    E3neError,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Op,
    Relay,
    Stage,
    SumPool2d,
    Synapse,
    UnsupportedModel,
    computing_order,
    text,
    verify,
)
from .hdf5 import Tree, h5py_module
from .metadata import MIXED, graph_notes
from .network import network_of
from .read import graph_of
from .write_neurons import neuron_tree
from .write_ops import flatten, ones, op_tree

NIR_VERSION = "1.0.8"


def write_nir(graph: Graph, path: str | Path, dt: float) -> None:
    """Writes a graph of stage FLOAT to the file `path`; `dt` is the length of a step in seconds.

    Neurons stand by the equations of forward Euler (`convention` euler); what NIR lacks (which
    reset and when, spikes a step, steps, readouts, order) goes to the metadata, so that `read_nir`
    of the file gives a graph of equal text. UnsupportedModel lists every node that NIR cannot
    express; nothing is written then.
    """
    if not 0 < dt < float("inf"):
        raise BadInput(f"dt: found {dt}, accepted the length of a step in seconds > 0")
    if graph.stage is not Stage.FLOAT:
        raise BadInput(
            f"graph: found stage {graph.stage.value}, accepted float; write the traced graph"
        )
    tree = _Writer(verify(graph), float(dt)).tree()
    _check_round_trip(graph, tree)
    h5py = h5py_module()
    with h5py.File(path, "w") as file:
        file.create_dataset("version", data=NIR_VERSION, dtype=h5py.string_dtype())
        _save(h5py, file.create_group("node"), tree)


def _check_round_trip(graph: Graph, tree: Tree) -> None:
    try:
        again = text(graph_of(network_of(tree)))
    except E3neError as error:
        raise UnsupportedModel(f"graph: found a network that NIR cannot hold: {error}") from error
    before = text(graph)
    if again == before:
        return
    first = next(
        (pair for pair in zip(before.splitlines(), again.splitlines(), strict=False)
         if pair[0] != pair[1]),
        ("", ""),
    )  # fmt: skip
    raise UnsupportedModel(
        f"graph: found {first[0]!r}, which comes back from NIR as {first[1]!r}, accepted networks "
        "that NIR keeps; simplify this node"
    )


def _save(h5py: Any, group: Any, tree: Tree) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            if value:
                _save(h5py, group.create_group(name), value)
        elif isinstance(value, str):
            group.create_dataset(name, data=value, dtype=h5py.string_dtype())
        elif name == "edges":
            pairs = np.array(value, dtype=object).reshape(-1, 2)
            group.create_dataset(name, data=pairs, dtype=h5py.string_dtype())
        elif isinstance(value, np.ndarray) and value.size > 64:
            group.create_dataset(name, data=value, compression="gzip")
        else:
            group.create_dataset(name, data=value)


class _Writer:
    """The tree of a NIRGraph, node by node."""

    def __init__(self, graph: Graph, dt: float) -> None:
        self.graph, self.dt = graph, dt
        self.nodes: dict[str, Tree] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.problems: list[str] = []
        self.rows = _all_rows(graph)
        members: list[Input | Node] = [*graph.inputs, *graph.nodes]
        self.shapes = {member.name: self.shape(member.type.shape) for member in members}
        self.taken = set(self.shapes)
        self.number = {member.name: index for index, member in enumerate(members)}
        self.loops = {
            node.name: {other.name for other in group}
            for group in computing_order(graph)
            for node in group
        }

    def shape(self, place: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in NIR: rows alone lose their axis of length 1."""
        return (place[0], place[2]) if self.rows and len(place) == 3 else place

    def tree(self) -> Tree:
        """The NIRGraph; UnsupportedModel where there are problems."""
        for source in self.graph.inputs:
            shape = np.array(self.shapes[source.name])
            self.nodes[source.name] = {"type": "Input", "shape": shape}
        for node in self.graph.nodes:
            try:
                self.population(node)
            except ValueError as error:
                self.problems.append(f"{node.name}: {error}")
        for output in self.graph.outputs:
            name = self.fresh("output")
            shape = np.array(self.shapes[output.source])
            self.nodes[name] = {"type": "Output", "shape": shape}
            self.edges[output.source, name] = None
        if self.problems:
            raise UnsupportedModel(self.problems)
        reset = _common_reset(self.graph)
        return {
            "type": "NIRGraph", "nodes": self.nodes, "edges": list(self.edges),
            "metadata": graph_notes(self.graph, self.dt, reset, "euler"),
        }  # fmt: skip

    def fresh(self, name: str) -> str:
        """`name`, or with the first number that makes it new."""
        found, index = name, 0
        while found in self.taken:
            index += 1
            found = f"{name}.{index}"
        self.taken.add(found)
        return found

    def population(self, node: Node) -> None:
        """The node itself and what leads to it."""
        for synapse in node.synapses:
            if synapse.gain != 1:
                raise ValueError(f"found a synapse of gain {synapse.gain}, accepted 1")
        neuron, shape = node.neuron, self.shapes[node.name]
        only = node.synapses[0]
        if isinstance(neuron, Relay):
            if len(node.synapses) == 1 and not isinstance(only.op, Identity):
                self.nodes[node.name] = op_tree(only.op, self.shapes[only.source], self.rows)
                metadata = self.nodes[node.name].setdefault("metadata", {})
                metadata["population"] = "relay"
                self.edges[self.led(node, only, node.name), node.name] = None
                return
            self.nodes[node.name] = ones(shape) | {"metadata": {"population": "sum"}}
        elif isinstance(neuron, IntegrateFire | Integrate):
            self.nodes[node.name] = neuron_tree(neuron, shape, node.type.shape, self.dt)
        else:
            raise ValueError(
                f"found {type(neuron).__name__}, accepted neurons that integrate; NIR has no others"
            )
        last = [
            self.through(node, synapse, f"{node.name}.synapse{index if index else ''}")
            for index, synapse in enumerate(node.synapses)
        ]
        if len(last) > 1:
            self.nodes[node.name].setdefault("metadata", {})["sources"] = "\n".join(last)

    def through(self, node: Node, synapse: Synapse, name: str) -> str:
        """Adds a synapse into `node`; the name of the last node before it."""
        before = self.led(node, synapse, name)
        if isinstance(synapse.op, Identity) and (before, node.name) not in self.edges:
            self.edges[before, node.name] = None
            return before
        own = self.fresh(name)
        self.nodes[own] = op_tree(synapse.op, self.shapes[synapse.source], self.rows)
        self.edges[before, own] = None
        self.edges[own, node.name] = None
        return own

    def led(self, node: Node, synapse: Synapse, name: str) -> str:
        """What the op of a synapse reads: its source, behind a Delay and a Flatten where needed."""
        before, shape = synapse.source, self.shapes[synapse.source]
        closes = (
            synapse.source in self.loops[node.name]
            and self.number[synapse.source] >= self.number[node.name]
            and not isinstance(self.graph.node(synapse.source).neuron, Relay)
        )
        if synapse.delay > (1 if closes else 0):
            own = self.fresh(f"{name}.delay")
            self.nodes[own] = {"type": "Delay", "delay": np.full(shape, synapse.delay * self.dt)}
            self.edges[before, own] = None
            before = own
        if isinstance(synapse.op, Linear) and len(shape) > 1:
            own = self.fresh(f"{name}.flatten")
            self.nodes[own] = flatten(shape)
            self.edges[before, own] = None
            before = own
        return before


def _all_rows(graph: Graph) -> bool:
    """Are all images single rows, which NIR calls (channels, length), and may they be so?"""
    shapes = [source.type.shape for source in graph.inputs]
    shapes += [node.type.shape for node in graph.nodes]
    images = [shape for shape in shapes if len(shape) == 3]
    ops = [synapse.op for node in graph.nodes for synapse in node.synapses]
    return (
        bool(images)
        and all(shape[1] == 1 for shape in images)
        and any(isinstance(op, Conv2d) for op in ops)
        and all(_acts_on_rows(op) for op in ops)
    )


def _acts_on_rows(op: Op) -> bool:
    if isinstance(op, Conv2d):
        return (op.kernel[0], op.stride[0], op.padding[0], op.dilation[0]) == (1, 1, 0, 1)
    return not isinstance(op, SumPool2d)


def _common_reset(graph: Graph) -> str:
    """The reset of all firing neurons by the name that `read_nir` takes, or mixed."""
    found: set[str] = set()
    for node in graph.nodes:
        if isinstance(node.neuron, IntegrateFire) and node.neuron.reset != "to_value":
            found.add(node.neuron.reset)
        elif isinstance(node.neuron, IntegrateFire):
            found.add("zero" if node.neuron.reset_value == 0 else "value")
    return found.pop() if len(found) == 1 else MIXED if found else "none"
