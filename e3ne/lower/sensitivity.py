"""What each layer loses when its bits alone are reduced: measured, not guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..config import Config
from ..ir import Conv2d, Graph, Linear, Rectify
from .evaluation import Measured

Bits = int | float
Kind = Literal["input", "edge", "weight"]
Costs = dict[str, float]
"""How much each kind of cost (`synaptic_ops`, `value_ops`, `memory_bits`) counts."""

WEIGHT_BITS: tuple[Bits, ...] = (1, 1.58, 2, 3, 4, 5, 6, 7, 8)
EDGE_BITS: tuple[Bits, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
COST_KINDS = ("synaptic_ops", "value_ops", "memory_bits")

Measure = Callable[[Config], Measured]
"""The network of a configuration, measured."""


@dataclass(frozen=True)
class Part:
    """Something that has bits: an input, what a ReLU sends (edge), the weights of a node."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.name} {self.kind}"


@dataclass(frozen=True)
class Tried:
    """A network in which only `part` has another number of bits than at the start.

    `points` of accuracy, nats of `entropy` (against labels) and of `divergence` (from the float
    network) that it is worse than the start; `cost` is that of the whole network.
    """

    part: Part
    bits: Bits
    points: float
    entropy: float
    divergence: float
    cost: float


def parts(ready: Graph, integer: Graph, kinds: Sequence[Kind]) -> list[Part]:
    """What of a network may have other bits; `integer` is `ready` behind the integer line.

    Spikes have one bit and stay so, a ReLU that is quantised already keeps its bits.
    """
    found = [
        Part("input", source.name)
        for source in integer.inputs
        if "input" in kinds and source.type.bits > 1 + source.type.signed
    ]
    for node in ready.nodes:
        if "edge" in kinds and isinstance(node.neuron, Rectify) and node.neuron.bits is None:
            found.append(Part("edge", node.name))
    for node in ready.nodes:
        if "weight" in kinds and any(isinstance(s.op, Linear | Conv2d) for s in node.synapses):
            found.append(Part("weight", node.name))
    return found


def kinds_for(cost: Costs) -> tuple[Kind, ...]:
    """The kinds of parts whose bits change this cost."""
    edges = cost.get("synaptic_ops", 0) > 0 or cost.get("value_ops", 0) > 0
    return (*(("input", "edge") if edges else ()), *(("weight",) if _counts_memory(cost) else ()))


def _counts_memory(cost: Costs) -> bool:
    return cost.get("memory_bits", 0) > 0


def written_out(config: Config, ready: Graph, integer: Graph) -> Config:
    """The configuration with an entry for every node and input: what its parts have now."""
    nodes = {node.name: config.node(node.name) for node in ready.nodes}
    inputs = {
        source.name: replace(
            config.input_of(source.name),
            bits=source.type.bits,
            signed=source.type.signed,
            scale=source.scale,
        )
        for source in integer.inputs
    }
    return replace(config, nodes=nodes, inputs=inputs)


def bits_of(config: Config, part: Part) -> Bits:
    """The bits of a part in a configuration that is written out."""
    if part.kind == "input":
        bits = config.input_of(part.name).bits
        assert bits is not None
        return bits
    node = config.node(part.name)
    return node.weight_bits if part.kind == "weight" else node.edge_bits


def with_bits(config: Config, part: Part, bits: Bits) -> Config:
    """The configuration in which `part` has `bits`.

    An input whose unit the user chose keeps its range: fewer bits get a coarser unit.
    """
    if part.kind == "input":
        chosen = config.input_of(part.name)
        assert chosen.bits is not None
        scale = chosen.scale
        if scale is not None and config.scale == "power_of_two":
            scale = scale * 2.0 ** (chosen.bits - int(bits))
        elif scale is not None:
            scale = scale * _high(chosen.bits, chosen.signed) / _high(int(bits), chosen.signed)
        changed = replace(chosen, bits=int(bits), scale=scale)
        return replace(config, inputs={**config.inputs, part.name: changed})
    node = config.node(part.name)
    if part.kind == "weight":
        node = replace(node, weight_bits=bits)
    else:
        node = replace(node, edge_bits=int(bits))
    return replace(config, nodes={**config.nodes, part.name: node})


def _high(bits: int, signed: bool | None) -> int:
    return int((1 << (bits - bool(signed))) - 1)


def options(part: Part, allowed: Sequence[Bits], config: Config) -> list[Bits]:
    """The bits that a part may have, ascending: those `allowed` that its kind has."""
    own = WEIGHT_BITS if part.kind == "weight" else EDGE_BITS
    signed = part.kind == "input" and bool(config.input_of(part.name).signed)
    return [bits for bits in own if bits in allowed and bits > int(signed)]


def priced(measured: Measured, cost: Costs, unit: Measured) -> float:
    """The cost of a network: by one kind as it is, by several as weighted parts of `unit`'s."""
    used = {kind: weight for kind, weight in cost.items() if weight > 0}
    if len(used) == 1:
        return measured.cost(next(iter(used)))
    return sum(
        weight * measured.cost(kind) / max(unit.cost(kind), 1.0) for kind, weight in used.items()
    )


def remembered(measure: Measure) -> Measure:
    """`measure` that measures every configuration once."""
    known: dict[str, Measured] = {}

    def measured(config: Config) -> Measured:
        key = repr(config)
        if key not in known:
            known[key] = measure(config)
        return known[key]

    return measured


def sensitivities(
    measure: Measure,
    config: Config,
    found: Sequence[Part],
    allowed: Callable[[Part], Sequence[Bits]],
    cost: Costs,
    frames: slice = slice(None),
) -> Iterator[Tried]:
    """Each part at each of its allowed bits, alone; the bits of the start lose nothing."""
    start = measure(config)
    for part in found:
        for bits in allowed(part):
            one = measure(with_bits(config, part, bits))
            yield Tried(
                part,
                bits,
                start.accuracy(frames) - one.accuracy(frames),
                one.cross_entropy(frames) - start.cross_entropy(frames),
                one.divergence(frames) - start.divergence(frames),
                priced(one, cost, start),
            )
