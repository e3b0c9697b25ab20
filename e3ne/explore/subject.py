"""What is explored: a traced network, labelled frames and a board. All that a worker needs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..boards import Board
from ..config import Config
from ..ir import Array, Graph, frozen
from ..ir.tree import from_tree, to_tree
from .keys import content_key

Part = Literal["search", "held_out"]
"""Which of the frames judge: those of the search, or those that only confirm its front."""


@dataclass(frozen=True)
class Subject:
    """One network in each number of steps, real frames and labels, calibration, board.

    `traced` is by `steps` of the configuration (None: as the model has them). The first
    `search_frames` of `x` are the search's, the others are held out.
    """

    title: str
    traced: Mapping[int | None, Graph]
    x: tuple[Array, ...]
    y: Array
    calibration: tuple[Array, ...] | None
    board: Board
    search_frames: int

    def graph(self, config: Config) -> Graph:
        """The traced network of a configuration."""
        return self.traced[config.steps]

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: graphs as trees, since pickle forgets that their arrays are fixed."""
        graphs = list({id(graph): graph for graph in self.traced.values()}.values())
        places = {steps: graphs.index(graph) for steps, graph in self.traced.items()}
        return {**self.__dict__, "traced": (places, [_packed(graph) for graph in graphs])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        places, packed = state["traced"]
        graphs = [_unpacked(*one) for one in packed]
        traced = {steps: graphs[place] for steps, place in places.items()}
        self.__dict__.update(state, traced=traced)

    def frames(self, part: Part) -> tuple[tuple[Array, ...], Array]:
        """(x of each input, y) of the frames that judge."""
        chosen = (
            slice(None, self.search_frames) if part == "search" else slice(self.search_frames, None)
        )
        return tuple(array[chosen] for array in self.x), self.y[chosen]

    @functools.cached_property
    def key(self) -> str:
        """The key of networks and calibration."""
        graphs = {str(steps): graph for steps, graph in self.traced.items()}
        return content_key(graphs, self.calibration)

    @functools.cached_property
    def data_keys(self) -> dict[str, str]:
        """The keys of the frames that judge, by part."""
        parts: tuple[Part, ...] = ("search", "held_out")
        return {part: content_key(*self.frames(part)) for part in parts}


def _packed(graph: Graph) -> tuple[Any, list[Array]]:
    """(tree, arrays) of a graph."""
    arrays: list[Array] = []

    def store(where: str, array: Array) -> dict[str, Any]:
        arrays.append(array)
        return {"array": len(arrays) - 1}

    return to_tree(graph, store), arrays


def _unpacked(tree: Any, arrays: list[Array]) -> Graph:
    def fetch(leaf: dict[str, Any]) -> Array:
        array = arrays[leaf["array"]]
        return frozen(array, array.dtype)

    graph = from_tree(tree, fetch)
    assert isinstance(graph, Graph)
    return graph
