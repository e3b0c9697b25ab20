"""From integers to a layout: windows, input lanes, and a layout for every node under a budget.

For each window and each width of the input's beats the layouts of all nodes are searched together
(`labels.py`), and of all that is found the best for `config.target` is taken (`targets.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

import numpy as np

from ..boards import Board
from ..config import Config
from ..cost.activity import SearchedTrains
from ..ir import Array, BadInput, DoesNotFit, Graph, Stage, Storage, verify
from ..ir.sketch import sketch
from .choices import Choice
from .designs import Designs
from .input_lanes import input_lane_choices
from .limits import Limits, limits_of
from .multipliers import multiplier_problems
from .ports import with_ports
from .refusals import contradictions, no_layout, unreachable
from .stages import Stages
from .targets import best_design
from .windows import allowed_windows

logger = logging.getLogger(__name__)

MOST_BEATS = 3  # widths of an input's beats that are tried, the widest; fewer of many windows


def choose_mapping(
    graph: Graph, board: Board, config: Config, trains: Mapping[str, Array] | None = None
) -> Graph:
    """A graph of stage INTEGER with a mapping for `board`, the best for `config.target`.

    `trains` are what every input and node sends on some frames, (frames, steps, *shape): EVENT
    nodes are judged by their mean cycles, and energy by their activity.

    The design keeps `config.budget`, and `config.utilisation` of the board's LUTs where the budget
    names none; `config.mapping`, `config.window` and `config.input_lanes` fix what the user wants
    fixed. Weights lie in large RAM that the user fills only where `config.mapping` says so, or
    nothing else fits, which is logged. BadInput where the budget contradicts itself or the board;
    DoesNotFit where no layout keeps it: with the best one found and the layer that limits it.
    """
    limits = limits_of(board, config)
    graph = with_ports(graph, config)
    if problems := multiplier_problems(graph, board, config):
        raise BadInput(problems)
    try:
        return _best(graph, board, config, limits, trains)
    except DoesNotFit:
        if not board.resources.spram_bits:
            raise
        found = _loading(graph, board, config, limits, trains)
        if found is None:
            raise
        return found


def _loading(
    graph: Graph, board: Board, config: Config, limits: Limits, trains: Mapping[str, Array] | None
) -> Graph | None:
    """The best layout with weights in large RAM, which the user must fill; None without any."""
    try:
        found = _best(graph, board, config, limits, trains, loads=True)
    except DoesNotFit:
        return None
    names = [
        node.name
        for node in found.nodes
        if node.mapping and any(s.storage is Storage.LOADED for s in node.mapping.synapses)
    ]
    logger.warning(
        "nothing else fits board %s: the weights of %s lie in its large RAM, and are sent through "
        "`w_axis` after each reset",
        board.name,
        ", ".join(names),
    )
    return found


def _best(
    graph: Graph,
    board: Board,
    config: Config,
    limits: Limits,
    trains: Mapping[str, Array] | None,
    loads: bool = False,
) -> Graph:
    """As `choose_mapping`, within `limits`; `loads` as of `node_choices`."""
    frames = None if trains is None else typical_first(trains)
    known: dict[object, list[Choice]] = {}
    every, impossible = [], set()
    for laid in laid_out(sketch(graph), config):
        stages = Stages(laid, config, board, frames, known, loads)
        missing = [name for part in stages.parts if not part.choices for name in part.names]
        impossible.update(missing)
        if not missing:
            every.append(stages)
    if not every:
        raise DoesNotFit(no_layout(sorted(impossible), config))
    contradictions(every, limits)
    designs = Designs(graph, every, board)
    best = best_design(config.target, designs, limits, board)
    if best is None:
        raise DoesNotFit(unreachable(designs, limits, board, config))
    return verify(best.graph)


def typical_first(trains: Mapping[str, Array]) -> SearchedTrains:
    """The same frames, the one of median activity first: the one that schedules follow."""
    counts = sum(
        np.count_nonzero(values.reshape(len(values), -1), axis=1) for values in trains.values()
    )
    order = np.argsort(np.asarray(counts), kind="stable")
    middle = len(order) // 2
    order = np.concatenate([order[middle : middle + 1], order[:middle], order[middle + 1 :]])
    return SearchedTrains({name: values[order] for name, values in trains.items()})


def laid_out(graph: Graph, config: Config) -> Iterator[Graph]:
    """The graph, of stage MAPPED without mappings, for every window and widths of input beats."""
    windows = allowed_windows(graph, config.window)
    most = MOST_BEATS if len(windows) < MOST_BEATS else 2
    for window in windows:
        choices = [
            [config.input_lanes]
            if config.input_lanes
            else input_lane_choices(source, window)[-most:]
            for source in graph.inputs
        ]
        if len(choices) > 1:  # all as wide as they can be, or all narrow
            choices = [[lanes[0], lanes[-1]] if len(lanes) > 1 else lanes for lanes in choices]
        for lanes in product(*choices) if len(choices) < 3 else [[c[-1] for c in choices]]:
            inputs = tuple(
                replace(source, lanes=count)
                for source, count in zip(graph.inputs, lanes, strict=True)
            )
            yield replace(graph, stage=Stage.MAPPED, inputs=inputs, steps_in_window=window)
