"""Bits and codes for a network on the user's own labelled frames, under an accuracy floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..boards import Board, load_board
from ..config import Config
from ..ir import Array, BadInput
from ..ir.user_arrays import UserArrays, input_arrays
from ..lower.choose_encoding import RADIX_BITS, ChosenCode, candidates
from ..lower.choose_encoding import choose_encoding as search_codes
from ..lower.choose_precision import HELD_OUT, Chosen
from ..lower.choose_precision import choose_precision as search_bits
from ..lower.evaluation import Measured
from ..lower.sensitivity import (
    EDGE_BITS,
    WEIGHT_BITS,
    Bits,
    Costs,
    Part,
    kinds_for,
    parts,
    written_out,
)
from ..progress import Tell, tell_nobody
from .bench import Bench, Network, best_run
from .figures import bits_figures, code_figures, networks, part_rows, save_config

__all__ = [
    "Bench",
    "Chosen",
    "ChosenCode",
    "Network",
    "best_run",
    "bits_figures",
    "choose_encoding",
    "choose_precision",
    "code_figures",
    "costs_of",
    "networks",
    "part_rows",
    "save_config",
]

COST_NAMES = {"synaptic-ops": "synaptic_ops", "value-ops": "value_ops", "memory": "memory_bits"}
CostChoice = str | Mapping[str, float]
SENSITIVITIES = ("perturbation", "hessian")
HESSIAN_FRAMES = 256


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
    sensitivity: str = "perturbation",
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
    the result. With `sensitivity` hessian the search orders the steps of weights by the curvature
    of the loss (`e3ne.training.hessian`; networks of ReLUs), not by what each measured alone. The
    configuration to compile with is `config` of the result; `Chosen` has the table.
    Raises BadInput and UnsupportedModel with every problem.
    """
    settings, network = _network(
        model, x, y, calibration, config, example_input, steps, input_has_steps
    )
    costs = costs_of(cost)
    if sensitivity not in SENSITIVITIES:
        raise BadInput(f"sensitivity: found {sensitivity!r}, accepted {' or '.join(SENSITIVITIES)}")
    bench = Bench(network, progress)
    ready, integer = bench.ready(settings), bench.integer(settings)
    settings = written_out(settings, ready, integer)

    def allowed(part: Part) -> Sequence[Bits]:
        return weight_bits if part.kind == "weight" else edge_bits

    found = parts(ready, integer, kinds_for(costs))
    count = len(network.y)
    foretold = _foretold(bench, settings, found) if sensitivity == "hessian" else None
    return search_bits(
        bench.measure, settings, found, floor, costs, allowed, count, held_out, foretold
    )


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


def _foretold(
    bench: Bench, config: Config, found: Sequence[Part]
) -> dict[tuple[Part, Bits], float]:
    """The losses of weights that the Hessian predicts, by part and bits."""
    from ..training.hessian import hessian_traces, predicted_losses

    ready, network = bench.ready(config), bench.network
    few = tuple(array[:HESSIAN_FRAMES] for array in network.x)
    traces = hessian_traces(ready, few, network.y[:HESSIAN_FRAMES])
    losses = predicted_losses(ready, traces, WEIGHT_BITS, config, network.calibration)
    return {
        (part, bits): loss
        for part in found
        if part.kind == "weight" and part.name in losses
        for bits, loss in losses[part.name].items()
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
    from ..compile import read_config, trace_model
    from ..data import checked_frames
    from ..trace_frames import example_of

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
    traced = replace(traced, streaming=traced.streaming or settings.streaming)
    assert frames.y is not None
    return settings, Network(
        traced,
        input_arrays("data", traced.inputs, frames.x),
        frames.y,
        input_arrays("calibration", traced.inputs, ranges),
    )
