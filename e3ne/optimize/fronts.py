"""The layouts worth considering for each node, and the cheapest ones of a frame interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..boards import Family
from ..config import Config
from ..cost import node_cycles, node_resources
from ..ir import Graph, Node
from .lanes import node_mappings


@dataclass(frozen=True)
class Choice:
    """One layout of a node, its cycles a frame and its estimated LUTs and block RAMs."""

    node: Node
    cycles: int
    luts: int
    brams: int


Front = list[Choice]
"""The layouts of a node that no other beats in both cycles and LUTs, fastest first."""


def node_front(graph: Graph, node: Node, config: Config, window: int, family: Family) -> Front:
    """The front of one node; empty where no layout has the lanes that the user fixed."""
    fixed = config.mapping.get(node.name)
    choices = []
    for mapping in node_mappings(graph, node, window, fixed):
        mapped = replace(node, mapping=mapping)
        used = node_resources(graph, mapped, family)
        choices.append(Choice(mapped, node_cycles(graph, mapped), used.luts, used.brams))
    choices.sort(key=lambda choice: (choice.luts, choice.cycles))
    front: Front = []
    for choice in choices:
        if not front or choice.cycles < front[-1].cycles:
            front.append(choice)
    return front[::-1]


def balanced(fronts: list[Front], floor: int) -> Iterator[tuple[int, list[Choice]]]:
    """(interval, the cheapest layouts of all nodes for it), for each interval, ascending.

    Intervals start where every node has a layout, and no lower than `floor`: the input brings no
    frame sooner.
    """
    least = max(floor, *(front[0].cycles for front in fronts))
    cycles = {choice.cycles for front in fronts for choice in front}
    for interval in sorted({max(least, found) for found in cycles}):
        chosen = [[choice for choice in front if choice.cycles <= interval][-1] for front in fronts]
        yield interval, chosen
