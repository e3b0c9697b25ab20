"""Bits and codes for a network on the user's own labelled frames, under an accuracy floor."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from . import reference
from .boards import Board, load_board
from .config import Config, config_as_dict
from .data import inputs_with_steps
from .ir import Array, BadInput, ChannelAffine, Graph
from .ir.user_arrays import UserArrays, as_frames, input_arrays
from .lower.choose_encoding import RADIX_BITS, ChosenCode, candidates, shortened
from .lower.choose_encoding import choose_encoding as search_codes
from .lower.choose_precision import HELD_OUT, Chosen
from .lower.choose_precision import choose_precision as search_bits
from .lower.evaluation import Evaluator, Measured, Run, by_reference, half_width, score_scale
from .lower.evaluation import chunks as evaluated_chunks
from .lower.sensitivity import (
    COST_KINDS,
    EDGE_BITS,
    WEIGHT_BITS,
    Bits,
    Costs,
    Part,
    bits_of,
    kinds_for,
    parts,
    written_out,
)
from .progress import Tell, tell_nobody

COST_NAMES = {"synaptic-ops": "synaptic_ops", "value-ops": "value_ops", "memory": "memory_bits"}
CostChoice = str | Mapping[str, float]


@dataclass(frozen=True)
class Network:
    """A traced network, the frames that its ranges come from, and labelled frames to judge it."""

    traced: Graph
    x: tuple[Array, ...]
    y: Array
    calibration: tuple[Array, ...]


def choose_precision(
    model: Any,
    x: UserArrays,
    y: Array,
    floor: float,
    *,
    cost: CostChoice = "synaptic-ops",
    edge_bits: Sequence[Bits] = EDGE_BITS,
    weight_bits: Sequence[Bits] = WEIGHT_BITS,
    held_out: float = HELD_OUT,
    calibration: UserArrays | None = None,
    config: Any = None,
    example_input: Any = None,
    steps: int | None = None,
    input_has_steps: bool = False,
    progress: Tell = tell_nobody,
) -> Chosen:
    """Bits for every layer of `model` that keep `floor` percent of the labels `y` of frames `x`.

    `model`, `calibration` (default: `x`), `config`, `steps` and `input_has_steps` as of
    `e3ne.compile`. `cost` is what shall be small: `synaptic-ops` (weights added a frame),
    `value-ops` (weights used), `memory` (bits of the weights), or a dict of several with weights,
    each as a part of the start's. Edges and inputs get some of `edge_bits` where operations cost,
    weights some of `weight_bits` where memory does. `held_out` of the frames, the last, only check
    the result. The configuration to compile with is `config` of the result; `Chosen` has the table.
    Raises BadInput and UnsupportedModel with every problem.
    """
    settings, network = _network(
        model, x, y, calibration, config, example_input, steps, input_has_steps
    )
    costs = costs_of(cost)
    bench = Bench(network, progress)
    ready, integer = bench.ready(settings), bench.integer(settings)
    settings = written_out(settings, ready, integer)

    def allowed(part: Part) -> Sequence[Bits]:
        return weight_bits if part.kind == "weight" else edge_bits

    found = parts(ready, integer, kinds_for(costs))
    count = len(network.y)
    return search_bits(bench.measure, settings, found, floor, costs, allowed, count, held_out)


def choose_encoding(
    model: Any,
    x: UserArrays,
    y: Array,
    floor: float,
    *,
    cost: str = "synaptic-ops",
    radix_bits: Sequence[int] = RADIX_BITS,
    code_steps: Sequence[int] | None = None,
    board: str | Board = "ulx3s-85f",
    calibration: UserArrays | None = None,
    config: Any = None,
    example_input: Any = None,
    steps: int | None = None,
    input_has_steps: bool = False,
    progress: Tell = tell_nobody,
) -> ChosenCode:
    """A code for the whole `model` that keeps `floor` percent of the labels `y` of frames `x`.

    Tries radix edges of `radix_bits` and rate codes of `code_steps` for ReLUs, fewer steps for
    spiking neurons, and samples that go to the first layer as they are (direct) or as regular,
    Bernoulli and latency trains. `cost` is `synaptic-ops`, `value-ops` or `cycles` (predicted on
    `board`). Other arguments and errors as of `choose_precision`.
    """
    settings, network = _network(
        model, x, y, calibration, config, example_input, steps, input_has_steps
    )
    chosen_board = board if isinstance(board, Board) else load_board(board)
    bench = Bench(network, progress)

    def measure(tried: Config) -> tuple[Measured, int | None]:
        return bench.measure(tried), bench.cycles(tried, chosen_board)

    found = candidates(network.traced, settings, radix_bits, code_steps)
    return search_codes(measure, found, floor, cost.replace("-", "_"), len(network.y))


class Bench:
    """Measures configurations of one network; what they share is computed once."""

    def __init__(self, network: Network, progress: Tell = tell_nobody) -> None:
        self.network, self.progress = network, progress
        self.run = best_run()
        self.measured = 0
        self._ready: dict[str, Graph] = {}
        self._evaluators: dict[str, Evaluator] = {}
        self._real = real_scores(network)
        ops = [synapse.op for node in network.traced.nodes for synapse in node.synapses]
        self._biased = any(
            isinstance(op, ChannelAffine) or getattr(op, "bias", None) is not None for op in ops
        )

    def ready(self, config: Config) -> Graph:
        """The FLOAT graph right before the integer line."""
        from .lower import prepared

        key = _float_key(config, self._biased)
        if key not in self._ready:
            traced = self._traced(config)
            self._ready[key] = prepared(traced, self._frames(traced), config)
        return self._ready[key]

    def integer(self, config: Config) -> Graph:
        """The INTEGER graph."""
        from .lower import quantized

        return quantized(self.ready(config), self._frames(self._traced(config)), config)

    def measure(self, config: Config) -> Measured:
        """What a configuration measures on the labelled frames."""
        with quiet():
            graph = self.integer(config)
        measured = self._evaluator(graph).measure(graph)
        self.measured += 1
        self.progress("networks measured", self.measured, 0)
        return measured

    def cycles(self, config: Config, board: Board) -> int | None:
        """Predicted cycles between two frames; None where the network does not fit."""
        from .cost import predict
        from .ir import DoesNotFit
        from .optimize import map_graph

        try:
            mapped = map_graph(self.integer(config), board, config)
        except DoesNotFit:
            return None
        return predict(mapped, board.family).interval_cycles

    def _traced(self, config: Config) -> Graph:
        return (
            self.network.traced
            if config.code == "rate"
            else shortened(self.network.traced, config.steps)
        )

    def _frames(self, traced: Graph) -> tuple[Array, ...]:
        """The calibration frames, with as many steps as the network takes."""
        return tuple(
            cut(array, source.type.steps)
            for array, source in zip(self.network.calibration, traced.inputs, strict=True)
        )

    def _evaluator(self, graph: Graph) -> Evaluator:
        key = str([source.type.steps for source in graph.inputs])
        if key not in self._evaluators:
            x = tuple(
                cut(array, source.type.steps)
                for array, source in zip(self.network.x, graph.inputs, strict=True)
            )
            x = inputs_with_steps(graph.inputs, x)
            evaluator = Evaluator(x, self.network.y, self.run, self._real)
            evaluator.check(graph)
            self._evaluators[key] = evaluator
        return self._evaluators[key]


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of lowering: what a network loses is measured, not told."""
    logger = logging.getLogger("e3ne.lower")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def cut(array: Array, steps: int) -> Array:
    """Trains (frames, steps, *shape) without what comes behind the first `steps`."""
    return array[:, :steps] if array.ndim > 2 and 1 < steps < array.shape[1] else array


def best_run() -> Run:
    """The integer twin where torch is installed, else the reference: the same integers."""
    try:
        from .training.twin import Twin
    except ImportError:
        return by_reference
    import torch

    def run(graph: Graph, inputs: Sequence[Array]) -> Mapping[str, Array]:
        tensors = [torch.from_numpy(array.astype(np.int32)) for array in inputs]
        return {name: sent.numpy() for name, sent in Twin(graph)(*tensors).items()}

    return run


def real_scores(network: Network) -> Array | None:
    """The float network's scores; None where its frames are not those of the integer network."""
    traced = network.traced
    shaped = [
        as_frames(source.type, array)
        for source, array in zip(traced.inputs, network.x, strict=True)
    ]
    arrays = [array for array in shaped if array is not None]
    if len(arrays) < len(shaped):
        return None
    words = []
    for chunk in evaluated_chunks(traced, len(network.y)):
        values = reference.run(traced, *(array[chunk].astype(np.float64) for array in arrays))
        words.append(reference.read_out(traced.outputs[0], values)[0])
    return np.asarray(np.concatenate(words) * score_scale(traced))


def costs_of(cost: CostChoice) -> Costs:
    """The costs by the names that `Measured` has; BadInput for other names."""
    given = {cost: 1.0} if isinstance(cost, str) else dict(cost)
    unknown = sorted(name for name in given if name not in COST_NAMES)
    if unknown:
        raise BadInput(
            f"cost: found {', '.join(unknown)}, accepted {', '.join(COST_NAMES)}, or some of them "
            "with weights"
        )
    return {COST_NAMES[name]: float(weight) for name, weight in given.items()}


def save_config(config: Config, path: str | Path) -> None:
    """Writes a configuration as YAML that `-c` reads; what is as by default is left out."""
    tree = config_as_dict(config)
    plain = config_as_dict(Config())
    nodes = {name: _less(node, tree["default"]) for name, node in tree["nodes"].items()}
    mapping = {
        name: {key: value for key, value in lanes.items() if value is not None}
        for name, lanes in tree["mapping"].items()
    }
    inputs = {
        name: _less(own, tree["input"])
        for name, own in tree["input"].items()
        if isinstance(own, Mapping)
    }
    tree["input"] = {key: own for key, own in tree["input"].items() if key not in inputs}
    short = _less(tree, plain) | {
        "input": _less(tree["input"], plain["input"]) | inputs,
        "nodes": {name: node for name, node in nodes.items() if node},
        "mapping": {name: lanes for name, lanes in mapping.items() if lanes},
    }
    kept = {key: value for key, value in short.items() if value != {}}
    Path(path).write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")


def _less(tree: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """What of `tree` differs from `plain`."""
    kept: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            inner = _less(value, plain.get(key) or {})
            if inner:
                kept[key] = inner
        elif key not in plain or value != plain[key]:
            kept[key] = value
    return kept


def part_rows(found: Chosen) -> list[dict[str, Any]]:
    """For each part: its bits at the start and as chosen, and what it loses alone, by bits."""
    rows = []
    for part in found.parts:
        tried = [row for row in found.table if row.part == part]
        rows.append(
            {
                "part": str(part),
                "kind": part.kind,
                "start": bits_of(found.start_config, part),
                "chosen": bits_of(found.config, part),
                "points": {row.bits: round(row.points, 4) for row in tried},
                "entropy": {row.bits: round(row.entropy, 6) for row in tried},
                "divergence": {row.bits: round(row.divergence, 6) for row in tried},
                "cost": {row.bits: round(row.cost, 3) for row in tried},
            }
        )
    return rows


def networks(found: Chosen) -> list[dict[str, Any]]:
    """Accuracy and costs of the start, the cheapest network of equal bits, and the choice."""
    measured = [("start", found.start)]
    if found.uniform is not None:
        measured.append(("equal bits", found.uniform[1]))
    measured.append(("chosen", found.measured))
    held = found.checked_on
    return [
        {
            "name": name,
            "percent": one.accuracy(found.chosen_on),
            "held_out_percent": one.accuracy(held) if held.stop > held.start else None,
            "error_points": half_width(one.accuracy(), len(one.right)),
            **{kind: one.cost(kind) for kind in COST_KINDS},
            "spikes": one.spikes,
        }
        for name, one in measured
    ]


def bits_figures(found: Chosen) -> dict[str, Any]:
    """Everything that a choice of bits was decided from, as plain values."""
    return {
        "floor": found.floor,
        "cost": found.cost,
        "parts": part_rows(found),
        "networks": networks(found),
        "steps": list(found.steps),
    }


def code_figures(found: ChosenCode) -> dict[str, Any]:
    """Everything that a choice of code was decided from, as plain values."""
    return {
        "floor": found.floor,
        "cost": found.cost,
        "chosen": found.row.name,
        "codes": [
            {"name": row.name, "refused": row.refused}
            if row.measured is None
            else {
                "name": row.name,
                "percent": row.measured.accuracy(),
                "error_points": half_width(row.measured.accuracy(), len(row.measured.right)),
                "synaptic_ops": row.measured.cost("synaptic_ops"),
                "value_ops": row.measured.cost("value_ops"),
                "spikes": row.measured.spikes,
                "predicted_cycles": row.cycles,
            }
            for row in found.table
        ],
    }


def _network(
    model: Any,
    x: UserArrays,
    y: Array,
    calibration: UserArrays | None,
    config: Any,
    example_input: Any,
    steps: int | None,
    input_has_steps: bool,
) -> tuple[Config, Network]:
    """Everything that is checked and traced once."""
    from .compile import read_config, trace_model
    from .data import checked_frames
    from .trace_frames import example_of

    settings = read_config(config)
    settings = replace(settings, steps=settings.steps if steps is None else steps)
    labels = np.asarray(y) if y is not None else None
    if labels is None:
        raise BadInput(
            "data: found no labels, accepted y, one class a frame; an accuracy floor needs them"
        )
    frames = checked_frames("data", x, labels)
    ranges = frames.x if calibration is None else calibration
    example = example_input
    if example is None:
        example = example_of(ranges, input_has_steps, settings)
    traced = trace_model(model, example, input_has_steps, settings)
    assert frames.y is not None
    return settings, Network(
        traced,
        input_arrays("data", traced.inputs, frames.x),
        frames.y,
        input_arrays("calibration", traced.inputs, ranges),
    )


def _float_key(config: Config, biased: bool) -> str:
    """Equal for configurations whose networks right before the integer line are equal.

    `biased`: there are biases, which are corrected by what rounding does to the weights.
    """
    corrects = biased and config.correct_biases is not False
    depends = config.calibration == "mse" or corrects or config.equalize
    every = [config.default, *config.nodes.values()]
    if depends or any(node.fit_threshold for node in every):
        return repr(config)
    neutral = {
        name: replace(node, edge_bits=1, weight_bits=8) for name, node in config.nodes.items()
    }
    default = replace(config.default, edge_bits=1, weight_bits=8)
    return repr(replace(config, nodes=neutral, default=default))
