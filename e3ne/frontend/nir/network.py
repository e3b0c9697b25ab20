"""The primitives of NIR 1.0 and the edges between them, from a file or from a NIRGraph.

Everything arrives as `Primitive`s with NumPy values; nothing else of e3ne knows the file format
or the `nir` package. Nested graphs are flattened, their nodes named with dots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...ir import Array, BadInput
from .hdf5 import Tree, read_tree
from .kinds import ALTERNATIVES, PRIMITIVES, parameter_problems

Edge = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Primitive:
    """One node: its kind, its parameters by NIR's names (None or absent: not given), metadata."""

    kind: str
    values: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def array(self, name: str) -> Array | None:
        """A parameter as float64, None where it is not given."""
        value = self.values.get(name)
        return None if value is None else np.asarray(value, np.float64)

    def note(self, name: str) -> str:
        """A text of the metadata, empty where there is none."""
        found = self.metadata.get(name)
        return found if isinstance(found, str) else ""

    def count(self, name: str) -> int | None:
        """A positive whole number of the metadata, None where there is none."""
        found = self.metadata.get(name)
        try:
            number = int(np.asarray(found).reshape(()))
        except (TypeError, ValueError, OverflowError):
            return None
        return number if number > 0 else None

    def needed(self, name: str) -> Array:
        """A parameter that the kind must have, as float64."""
        return np.asarray(self.values[name], np.float64)


@dataclass(frozen=True, eq=False)
class Network:
    """Primitives by name, edges between them (each once, in the order given), metadata."""

    nodes: Mapping[str, Primitive]
    edges: tuple[Edge, ...]
    metadata: Mapping[str, Any]
    _sources: dict[str, list[str]] = field(init=False, repr=False)
    _readers: dict[str, list[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sources: dict[str, list[str]] = {name: [] for name in self.nodes}
        readers: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, reader in self.edges:
            sources.setdefault(reader, []).append(source)
            readers.setdefault(source, []).append(reader)
        object.__setattr__(self, "_sources", sources)
        object.__setattr__(self, "_readers", readers)

    def sources(self, name: str) -> list[str]:
        """Who sends to `name`."""
        return self._sources[name]

    def readers(self, name: str) -> list[str]:
        """Who reads `name`."""
        return self._readers[name]

    def of(self, kind: str) -> list[str]:
        """The names of the nodes of a kind, in order."""
        return [name for name, node in self.nodes.items() if node.kind == kind]


def load_network(source: str | Path | Any) -> Network:
    """The network of a `.nir` file or of a nir.NIRGraph, checked to be whole.

    BadInput lists unknown primitives and parameters, values that are no finite numbers, edges to
    nodes that do not exist, nodes that no input reaches or that reach no output.
    """
    if isinstance(source, str | Path):
        tree = read_tree(Path(source))
        _check_version(str(source), tree)
        return network_of(tree.get("node"))
    return network_of(_tree_of(source))


def network_of(root: Any) -> Network:
    """The network of the tree of a NIRGraph, checked as in `load_network`."""
    if kind_of(root) != "NIRGraph":
        raise BadInput(
            "nir: found no NIRGraph at the top, accepted a file as nir.write makes it or a "
            "nir.NIRGraph; wrap a single node with nir.NIRGraph.from_list"
        )
    problems: list[str] = []
    nodes: dict[str, Primitive] = {}
    edges: list[Edge] = []
    _flatten(root, "", nodes, edges, problems)
    network = Network(nodes, tuple(dict.fromkeys(edges)), _metadata(root))
    if not problems:
        network = _without_ports(network, problems)
        problems += _connections(network)
    if problems:
        raise BadInput(problems)
    return network


def _check_version(path: str, tree: Tree) -> None:
    version = tree.get("version")
    parts = version.split(".") if isinstance(version, str) else []
    if not parts or not parts[0].isdigit() or int(parts[0]) > 1:
        raise BadInput(
            f"{path}: found version {version!r}, accepted NIR 0 and 1; write it with nir 1.0.8"
        )


def _tree_of(node: Any) -> Tree:
    """A NIRGraph or one of its nodes as `read_tree` gives it."""
    kind = type(node).__name__
    if not is_dataclass(node):
        raise BadInput(f"nir: found {kind}, accepted a path or a nir.NIRGraph")
    tree: Tree = {"type": kind, "metadata": getattr(node, "metadata", None)}
    if kind == "NIRGraph":
        graph: Any = node
        tree["nodes"] = {name: _tree_of(part) for name, part in graph.nodes.items()}
        tree["edges"] = list(graph.edges)
        return tree
    names = [item.name for item in fields(node)]
    tree |= {name: _value(getattr(node, name, None)) for name in names}
    tree = {name: value for name, value in tree.items() if name not in ("output_type",)}
    ports = tree.pop("input_type", None)
    shape = None if not isinstance(ports, dict) else ports.get("input")
    if kind in ("Input", "Output"):
        tree["shape"] = shape
    elif kind == "Flatten":
        tree["input_type"] = shape
    return tree


def _value(value: Any) -> Any:
    detach = getattr(value, "detach", None)  # exporters leave torch tensors in their nodes
    return detach().cpu().numpy() if detach is not None else value


def _flatten(
    tree: Tree,
    prefix: str,
    nodes: dict[str, Primitive],
    edges: list[Edge],
    problems: list[str],
) -> None:
    """Adds the nodes of a graph and of the graphs in it; an inner graph keeps its ports."""
    members = tree.get("nodes")
    if not isinstance(members, dict):
        problems.append(f"{prefix or 'graph'}: found no nodes, accepted at least Input and Output")
        return
    inner: dict[str, Tree] = {}
    for name, member in members.items():
        path = f"{prefix}{name}"
        kind = kind_of(member)
        if kind == "NIRGraph":
            inner[name] = member
            _flatten(member, f"{path}.", nodes, edges, problems)
        elif kind not in PRIMITIVES:
            accepted = ", ".join(PRIMITIVES)
            instead = ALTERNATIVES.get(kind, "build it from these")
            problems.append(f"{path}: found primitive {kind}, accepted {accepted}; {instead}")
        else:
            problems += parameter_problems(path, kind, member)
            nodes[path] = _primitive(kind, member)
    for source, reader in _pairs(tree.get("edges"), prefix, problems):
        ends = []
        for name, port in ((source, "Output"), (reader, "Input")):
            if name not in members:
                problems.append(
                    f"edge {prefix}{source} -> {prefix}{reader}: found no node {name}, accepted "
                    f"the names of nodes; check its spelling"
                )
                break
            ends.append(prefix + _port(name, inner, port, prefix, problems))
        else:
            edges.append((ends[0], ends[1]))


def _port(name: str, inner: Mapping[str, Tree], port: str, prefix: str, problems: list[str]) -> str:
    """Where an edge to or from `name` ends: at the one port of an inner graph, else at the node."""
    if name not in inner:
        return name
    members = inner[name].get("nodes")
    parts = members.items() if isinstance(members, dict) else ()
    ports = [key for key, part in parts if kind_of(part) == port]
    if len(ports) != 1:
        problems.append(
            f"{prefix}{name}: found {len(ports)} nodes {port} in an inner graph, accepted one, "
            "because edges to a graph do not say which; flatten the graph"
        )
        return name
    return f"{name}.{ports[0]}"


def _pairs(value: Any, prefix: str, problems: list[str]) -> Iterator[Edge]:
    if value is None or (isinstance(value, np.ndarray) and value.size == 0):
        return
    if not isinstance(value, list) and np.ndim(value) != 2:
        problems.append(f"{prefix}edges: found {value!r}, accepted pairs of names of nodes")
        return
    for pair in value:
        if (
            not isinstance(pair, tuple | list)
            or len(pair) != 2
            or not all(isinstance(end, str) for end in pair)
        ):
            problems.append(f"{prefix}edges: found {pair!r}, accepted pairs of names of nodes")
            return
        yield pair[0], pair[1]


def kind_of(tree: Any) -> str:
    """The type that a node of a tree gives itself, empty where it gives none."""
    kind = tree.get("type") if isinstance(tree, dict) else None
    return kind if isinstance(kind, str) else ""


def _metadata(tree: Tree) -> Mapping[str, Any]:
    metadata = tree.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _primitive(kind: str, member: Tree) -> Primitive:
    required, optional = PRIMITIVES[kind]
    values = {name: member[name] for name in (*required, *optional) if name in member}
    return Primitive(kind, values, _metadata(member))


def _without_ports(network: Network, problems: list[str]) -> Network:
    """Takes out the Inputs and Outputs of inner graphs: their edges pass through."""
    inner = [
        name
        for name, node in network.nodes.items()
        if (node.kind == "Input" and network.sources(name))
        or (node.kind == "Output" and network.readers(name))
    ]
    edges = list(network.edges)
    for name in inner:
        sources = [a for a, b in edges if b == name]
        readers = [b for a, b in edges if a == name]
        if name in sources:
            problems.append(f"{name}: found an edge to itself, accepted edges between nodes")
        edges = [edge for edge in edges if name not in edge]
        edges += [(source, reader) for source in sources for reader in readers]
    nodes = {name: node for name, node in network.nodes.items() if name not in inner}
    return Network(nodes, tuple(dict.fromkeys(edges)), network.metadata)


def _connections(network: Network) -> Iterator[str]:
    for kind in ("Input", "Output"):
        if not network.of(kind):
            yield f"graph: found no {kind}, accepted at least one; add nir.{kind}"
    reached = _walk(network.of("Input"), network.readers)
    reaching = _walk(network.of("Output"), network.sources)
    for name in network.nodes:
        if name not in reached:
            yield f"{name}: found no path to it from an Input, accepted connected nodes; add edges"
        elif name not in reaching:
            yield f"{name}: found no path from it to an Output, accepted connected nodes; remove it"


def _walk(start: list[str], following: Any) -> set[str]:
    seen, waiting = set(start), list(start)
    while waiting:
        for name in following(waiting.pop()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen
