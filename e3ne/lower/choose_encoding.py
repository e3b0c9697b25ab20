"""One code for a whole network: radix bits, or steps of a rate code, or fewer steps of spikes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..config import Config, InputConfig
from ..ir import BadInput, Encode, Graph, Rectify, UnsupportedModel
from .choice_problems import LEAST_FRAMES
from .evaluation import Measured, half_width

RADIX_BITS = (1, 2, 3, 4, 5, 6, 8)
RATE_STEPS = (4, 8, 16, 32, 64)
STEP_PARTS = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)  # of the steps that spikes were trained with
RATES = (None, "regular", "bernoulli")
ENCODERS = (*RATES, "latency")
COSTS = ("synaptic_ops", "value_ops", "cycles")


@dataclass(frozen=True)
class Candidate:
    """A code for the whole network, and the configuration that makes it."""

    name: str
    config: Config


@dataclass(frozen=True)
class Row:
    """A code as it was measured: `cycles` between two frames, predicted; or why it is refused."""

    name: str
    config: Config
    measured: Measured | None = None
    cycles: int | None = None
    refused: str = ""

    def cost(self, kind: str) -> float:
        """One of COSTS; infinite where it is not known."""
        if self.measured is None or (kind == "cycles" and self.cycles is None):
            return float("inf")
        return float(self.cycles or 0) if kind == "cycles" else self.measured.cost(kind)


@dataclass(frozen=True)
class ChosenCode:
    """The cheapest code that keeps the floor, and the table it was chosen from."""

    row: Row
    table: tuple[Row, ...]
    floor: float
    cost: str


def choose_encoding(
    measure: Callable[[Config], tuple[Measured, int | None]],
    candidates: Sequence[Candidate],
    floor: float,
    cost: str,
    frames: int,
) -> ChosenCode:
    """The candidate of the least `cost` with at least `floor` percent of the labels.

    `measure` gives what a configuration measures on `frames` labelled frames, and its predicted
    cycles; what it refuses stands in the table with the reason. BadInput where the floor is out of
    range or impossible (with the best found), the frames are too few, or the cost is unknown.
    """
    problems = _problems(floor, cost, frames)
    if problems:
        raise BadInput(problems)
    table = tuple(_measured(measure, candidate) for candidate in candidates)
    kept = [row for row in table if row.measured and row.measured.accuracy() >= floor]
    if not kept:
        raise BadInput(_impossible(table, floor))
    best = min(kept, key=lambda row: row.cost(cost))
    return ChosenCode(best, table, floor, cost)


def candidates(
    graph: Graph,
    config: Config,
    bits: Sequence[int] = RADIX_BITS,
    steps: Sequence[int] | None = None,
) -> list[Candidate]:
    """The codes of a traced network.

    ReLUs: radix edges of each of `bits`, rate codes of each of `steps`, the samples sent to the
    first layer as they are (direct) or as trains. Spiking neurons: fewer steps, and trains for
    samples that are sent as they are. An input with an encoder keeps it.
    """
    if any(isinstance(node.neuron, Rectify) for node in graph.nodes):
        found = [Candidate(f"radix {b}", with_edge_bits(config, b)) for b in bits]
        counts: Sequence[int] = steps or RATE_STEPS
        for count in counts:
            rate = replace(config, code="rate", steps=count)
            kinds = ENCODERS if count == counts[0] else RATES  # latency is refused once
            found += _encoded(f"rate {count}", rate, graph, kinds)
        return found
    most = max(node.type.steps for node in graph.nodes)
    counts = list(steps or sorted({max(1, round(most * part)) for part in STEP_PARTS}))
    return [
        candidate
        for count in counts
        if count <= most
        for candidate in _encoded(f"{count} steps", replace(config, steps=count), graph)
    ]


def shortened(graph: Graph, steps: int | None) -> Graph:
    """The network of spiking neurons over fewer steps, its inputs of trains too."""
    most = max(node.type.steps for node in graph.nodes)
    if steps is None or most in (1, steps):
        return graph
    nodes = [
        replace(node, type=replace(node.type, steps=steps)) if node.type.steps == most else node
        for node in graph.nodes
    ]
    inputs = tuple(
        replace(source, type=replace(source.type, steps=steps))
        if source.type.steps == most
        else source
        for source in graph.inputs
    )
    return replace(graph, nodes=tuple(nodes), inputs=inputs)


def with_edge_bits(config: Config, bits: int) -> Config:
    """Radix edges of `bits` everywhere."""
    nodes = {name: replace(node, edge_bits=bits) for name, node in config.nodes.items()}
    default = replace(config.default, edge_bits=bits)
    return replace(config, code="radix", default=default, nodes=nodes)


def _encoded(
    name: str, config: Config, graph: Graph, kinds: Sequence[str | None] = ENCODERS
) -> list[Candidate]:
    """The same with each encoder in front, where samples come as they are."""
    has_own = any(isinstance(node.neuron, Encode) for node in graph.nodes)
    chosen = config.input.encoder is not None or any(
        source.encoder is not None for source in config.inputs.values()
    )
    if has_own or chosen or any(source.type.steps > 1 for source in graph.inputs):
        return [Candidate(name, config)]
    return [
        Candidate(f"{name}, {kind or 'direct'} input", _with_encoder(config, kind))
        for kind in kinds
    ]


def _with_encoder(config: Config, kind: str | None) -> Config:
    def chosen(source: InputConfig) -> InputConfig:
        return replace(source, encoder=kind)

    inputs = {name: chosen(source) for name, source in config.inputs.items()}
    return replace(config, input=chosen(config.input), inputs=inputs)


def _measured(
    measure: Callable[[Config], tuple[Measured, int | None]], candidate: Candidate
) -> Row:
    try:
        measured, cycles = measure(candidate.config)
    except (BadInput, UnsupportedModel) as error:
        return Row(candidate.name, candidate.config, refused=error.problems[0])
    return Row(candidate.name, candidate.config, measured, cycles)


def _impossible(table: Sequence[Row], floor: float) -> str:
    found = [row for row in table if row.measured is not None]
    if not found:
        reasons = "; ".join(sorted({row.refused for row in table}))
        return f"codes: found none that the network can have ({reasons})"
    best = max(found, key=lambda row: row.measured.accuracy() if row.measured else 0.0)
    assert best.measured is not None
    count, percent = len(best.measured.right), best.measured.accuracy()
    return (
        f"floor: found at most {percent:.2f} % (of {count} frames, +- "
        f"{half_width(percent, count):.2f}; {best.name}), accepted a floor that a code reaches; "
        f"lower the floor of {floor:g} %, or train the network with its code"
    )


def _problems(floor: float, cost: str, frames: int) -> list[str]:
    problems = []
    if not 0 < floor <= 100:
        problems.append(
            f"floor: found {floor:g}, accepted percent above 0 and up to 100; 98.5 asks for 98.5 % "
            "of the labels"
        )
    if cost not in COSTS:
        accepted = ", ".join(kind.replace("_", "-") for kind in COSTS)
        problems.append(f"cost: found {cost!r}, accepted {accepted}")
    if frames < LEAST_FRAMES:
        problems.append(
            f"data: found {frames} labelled frames, accepted {LEAST_FRAMES} or more; give more "
            "frames"
        )
    return problems
