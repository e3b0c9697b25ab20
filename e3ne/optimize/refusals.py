"""Why no layout keeps a budget: the best one found, the layer that limits it, what would fit."""

from __future__ import annotations

import math
from dataclasses import replace

from ..boards import Board, list_boards, load_board
from ..config import Config
from ..cost import Prediction, node_cycles, node_resources, port_cycles
from ..cost.schedule import node_times
from ..ir import BadInput, Graph
from ..ir.frames import input_words
from .designs import Design, Designs
from .limits import COLUMNS, Limits
from .stages import Stages
from .targets import few

FIGURES = ("latency_cycles", "interval_cycles", "energy_nj")
NAMES = {
    "luts": "LUTs",
    "ffs": "flip-flops",
    "brams": "block RAMs",
    "dsps": "multipliers",
    "spram_bits": "bits of large RAM",
}


def no_layout(nodes: list[str], config: Config) -> list[str]:
    """For each node whose lanes the user fixed to what no window allows."""
    return [
        f"config.mapping.{name}: found no layout with {config.mapping.get(name)}, accepted lanes "
        "that divide: in_lanes the elements under a kernel, out_lanes the channels of a group, "
        "pixel_lanes the columns where out_lanes is all channels, step_lanes the window"
        for name in nodes
    ]


def contradictions(every: list[Stages], limits: Limits) -> None:
    """BadInput where a frame alone takes longer to come in than the budget allows."""
    beats = min(
        max(input_words(stages.graph, source) for source in stages.graph.inputs) for stages in every
    )
    ports = min(port_cycles(stages.graph) for stages in every)
    problems = []
    for name, least in (("latency_cycles", beats), ("interval_cycles", ports)):
        if getattr(limits, name) < least:
            key = name if name in limits.given else name.replace("cycles", "us")
            problems.append(
                f"config.budget.{key}: found {getattr(limits, name):g} cycles, accepted at least "
                f"{least:,}: a frame takes as many at the ports in their widest beats; raise it, "
                "or pack more into a beat (input_lanes, packed)"
            )
    if problems:
        raise BadInput(problems)


def unreachable(designs: Designs, limits: Limits, board: Board, config: Config) -> list[str]:
    """What no layout keeps: resources alone, or a figure within them."""
    found = _everything(designs, limits)
    free = replace(limits, latency_cycles=math.inf, interval_cycles=math.inf, energy_nj=math.inf)
    within = [design for design in found if not free.exceeded(design.prediction)]
    if not within:
        every = found or designs.unbounded().plain(math.inf)
        return _too_large(every, free, board, config)
    problems = []
    for name in ("latency_cycles", "interval_cycles"):
        limit = getattr(limits, name)
        if limit < math.inf:
            best = min(within, key=lambda design: getattr(design.prediction, name))
            least = getattr(best.prediction, name)
            if least <= limit:  # the schedule keeps it; the hardware may not
                least = getattr(best.outcome(limits), name)
            if least > limit:
                problems.append(_too_slow(name, limit, best, least, found, limits, board))
    frugal = min(within, key=lambda design: design.energy_nj)
    if frugal.energy_nj > limits.energy_nj:
        problems.append(
            f"config.budget.energy_nj: found {limits.energy_nj:g}, accepted at least "
            f"{frugal.energy_nj:,.1f}: that is the best layout found on {board.name}; raise it, or "
            "take fewer bits, steps or channels"
        )
    if problems:
        return problems
    best = min(within, key=lambda design: design.prediction.latency_cycles)
    named = [name for name in FIGURES if getattr(limits, name) < math.inf]
    return [
        f"config.budget: found {' and '.join(f'{n}<={getattr(limits, n):g}' for n in named)}, "
        f"accepted one of them: no layout found keeps all on {board.name}; the one of the least "
        f"latency has {best.prediction.latency_cycles:,} cycles, "
        f"{best.prediction.interval_cycles:,} between frames and {best.energy_nj:,.1f} nJ; "
        "raise one of them"
    ]


def _everything(designs: Designs, limits: Limits) -> list[Design]:
    """Designs of every kind, the smallest ones and the fastest ones among them."""
    found = list(designs.plain(math.inf))
    if any(getattr(limits, name) < math.inf for name in FIGURES):
        found += designs.timed(math.inf)
        for interval in few(designs.intervals()):
            found += designs.plain(interval)
    return found


def _too_slow(
    name: str,
    limit: float,
    best: Design,
    least: int,
    found: list[Design],
    limits: Limits,
    board: Board,
) -> str:
    """A figure that is not reached: the best found, who limits it, and what reaching it takes.

    `least` is that of the `best` design.
    """
    figure = name.removesuffix("_cycles")
    layer, share = limiting_layer(best.graph, figure)
    keys = [key for key in (name, f"{figure}_us") if key in limits.given]
    unit = "" if keys == [name] else " cycles"
    text = (
        f"config.budget.{' and '.join(keys)}: found {limit:g}{unit}, accepted at least {least:,} "
        f"in {_words(limits)}: that is the best layout found on {board.name}, and {layer} "
        f"limits it ({share:.0%})"
    )
    larger = [d for d in found if any(_over(d.prediction, limits))]
    reaching = [design for design in larger if getattr(design.prediction, name) <= limit]
    if reaching:
        fewest = min(reaching, key=lambda design: design.prediction.luts).prediction
        over = [f"{getattr(fewest, key):,} {NAMES[key]}" for key in _over(fewest, limits)]
        return f"{text}; {limit:g} takes {' and '.join(over)}: raise one of the two"
    return f"{text}; raise it, take fewer bits, steps or channels, or a larger part"


def _over(found: Prediction, limits: Limits) -> list[str]:
    """The resources of which a design takes more than the limits."""
    return [name for name in COLUMNS if getattr(found, name, 0) > getattr(limits, name)]


def _words(limits: Limits) -> str:
    named = [name for name in limits.given if name in COLUMNS] or ["luts"]
    return ", ".join(f"{name}<={getattr(limits, name):,.0f}" for name in named)


def limiting_layer(graph: Graph, figure: str) -> tuple[str, float]:
    """(node that takes most of a frame's interval or latency, its share of all nodes' cycles)."""
    if figure == "interval":
        taken = {node.name: float(node_cycles(graph, node)) for node in graph.nodes}
        slowest = max(taken, key=lambda name: taken[name])
        return slowest, taken[slowest] / max(sum(taken.values()), 1)
    times = node_times(graph)
    taken = {}
    for node in graph.nodes:
        before = max((int(times[s.source][-1]) for s in node.synapses if not s.delay), default=0)
        taken[node.name] = float(max(0, int(times[node.name][-1]) - before))
    slowest = max(taken, key=lambda name: taken[name])
    ends = max(int(times[output.source][-1]) for output in graph.outputs)
    return slowest, taken[slowest] / max(ends, 1)


def largest_layer(graph: Graph, name: str, board: Board) -> tuple[str, float]:
    """(node that takes most of a resource, its share of what all nodes take)."""
    taken = {
        node.name: float(getattr(node_resources(graph, node, board.family), name, 0))
        for node in graph.nodes
    }
    largest = max(taken, key=lambda node: taken[node])
    return largest, taken[largest] / max(sum(taken.values()), 1)


def _too_large(designs: list[Design], limits: Limits, board: Board, config: Config) -> list[str]:
    """Need, have and what would fit, for every resource of which the smallest takes too much."""
    found = [design.prediction for design in designs]
    problems = []
    for name in COLUMNS:
        least = min(getattr(prediction, name, 0) for prediction in found)
        most = getattr(limits, name)
        if least <= most:
            continue
        have = getattr(board.resources, name)
        accepted, more = f"{most:,.0f}", ""
        if name in limits.given:
            more = f"raise {name} of `budget`, "
        elif name == "luts":
            accepted, more = f"{config.utilisation:.0%} of {have:,}", "raise `utilisation`, "
        elif name == "spram_bits":
            more = "give fewer nodes `storage: loaded`, "
        about = "about " if name in ("luts", "ffs") else ""
        smallest = min(designs, key=lambda design: getattr(design.prediction, name, 0))
        layer, share = largest_layer(smallest.graph, name, board)
        boards = "" if name in limits.given else f"{_would_fit(found, board, config)}, "
        problems.append(
            f"board {board.name}: found a network of {about}{least:,} {NAMES[name]} in its "
            f"smallest layout, accepted {accepted}; {boards}{more}or use fewer weight bits, steps "
            f"or channels, most of all in {layer} ({share:.0%} of what layers take)"
        )
    return problems or [_together(found, limits, board)]


def _together(found: list[Prediction], limits: Limits, board: Board) -> str:
    """Each resource is enough in some layout, and no layout keeps all of them."""
    names = [
        name
        for name in COLUMNS
        if any(getattr(prediction, name, 0) > getattr(limits, name) for prediction in found)
    ]
    each = ", ".join(
        f"{name}<={getattr(limits, name):,.0f} (the least found is "
        f"{min(getattr(prediction, name, 0) for prediction in found):,})"
        for name in names
    )
    return (
        f"config.budget: found {each}, accepted less of them at once: each is kept by a layout on "
        f"{board.name}, and none keeps all; raise one of them"
    )


def _would_fit(found: list[Prediction], board: Board, config: Config) -> str:
    """The boards of the family that hold the smallest layout."""
    luts = min(prediction.luts for prediction in found)
    brams = min(prediction.brams for prediction in found)
    spram_bits = min(prediction.spram_bits for prediction in found)
    fitting = [
        name
        for name in list_boards()
        for other in [load_board(name)]
        if other.family == board.family
        and other.resources.luts * config.utilisation >= luts
        and other.resources.brams >= brams
        and other.resources.spram_bits >= spram_bits
        and other.name != board.name
    ]
    return f"take {' or '.join(fitting)}" if fitting else "take a larger part"
