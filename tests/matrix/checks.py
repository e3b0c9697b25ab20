"""What is compared of a case: float graph, integer network and Verilog."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

import e3ne
from e3ne import reference
from e3ne.check import CheckResult
from e3ne.ir import Array, Engine, Graph, IntegrateFire, Readout
from e3ne.lower import prepared, quantized
from e3ne.lower.fidelity import Agreement, dequantized, spike_agreement
from tests.fixed_lanes import no_search

from .case import FRAMES, Case, draw
from .own_forward import own_forward

TOLERANCE = 1e-5


@dataclass(frozen=True)
class FloatResult:
    """How the float graph and the library's forward compare: all equal, or AssertionError."""

    spikes: int
    compared: int


def check_float(case: Case, graph: Graph, seed: int = 7) -> FloatResult:
    """AssertionError where a spike differs, or another number by more than 1e-5.

    Compares every neuron module that has a node of its name, and the output. At least one
    population must fire and rest, else the case says nothing.
    """
    x = draw(case, seed)
    own = own_forward(case, x)
    values = reference.run(graph, x)
    spikes = compared = 0
    active = False
    for path, returned in own.neurons.items():
        for node in graph.nodes:
            if node.name not in (path, f"{path}.value", f"{path}.membrane", f"{path}.potential"):
                continue
            got = values[node.name].reshape(len(x), node.type.steps, -1)
            fires = isinstance(node.neuron, IntegrateFire) and node.neuron.sends == "spikes"
            if fires:
                spikes += int(got.sum())
                active = active or bool((got > 0).any() and (got == 0).any())
            if f"{node.name}.value" in values or f"{node.name}.potential" in values:
                continue  # the library returns these in units of its own
            check_returned(node.name, got, returned)
            active = active or (not fires and bool(got.any()))
            compared += got.size
    compared += check_output(case, graph, values, own.output)
    assert active or not own.neurons, "no population fires and rests; choose other weights"
    return FloatResult(spikes, compared)


def check_returned(name: str, got: Array, returned: list[Array]) -> None:
    """`got` must be one of the trains that the module returned."""
    gaps = [
        float(np.abs(got - expected).max(initial=0))
        for expected in returned
        if expected.shape == got.shape
    ]
    assert min(gaps, default=np.inf) <= TOLERANCE, f"{name}: off by {gaps} from what it returns"


def check_output(case: Case, graph: Graph, values: dict[str, Array], expected: Array) -> int:
    """The output as the forward returns it: a record of all steps, or scores."""
    output = graph.outputs[0]
    sent = values[output.source].reshape(*values[output.source].shape[:2], -1)
    if expected.shape == sent.shape and sent.shape[1] > 1:
        np.testing.assert_allclose(sent, expected, rtol=0, atol=TOLERANCE)
    else:
        words, _ = reference.read_out(output, values)
        if output.readout is Readout.MEAN:
            words = words / sent.shape[1]
        scores = expected[:, 0] if expected.shape[1] == 1 else expected[:, -1]
        factor = 1.0
        if output.readout is Readout.COUNT and scores.any():  # a mean of spikes counts them
            ratio = words.sum() / scores.sum()
            factor = ratio if np.isclose(ratio, sent.shape[1]) else 1.0
        np.testing.assert_allclose(words / factor, scores, rtol=0, atol=TOLERANCE)
    return expected.size


@dataclass(frozen=True)
class IntegerResult:
    """How many spikes of the integer network are those of the float one with its weights."""

    agreement: Agreement


def check_integer(case: Case, graph: Graph, seed: int = 8) -> IntegerResult:
    """Lowers with default settings and counts equal values; never fails for being unequal."""
    frames = draw(case, 2, frames=8)
    ready = prepared(graph, frames)
    integer = quantized(ready, frames)
    real = dequantized(ready, integer)
    found = spike_agreement(real, integer, with_steps(graph, draw(case, seed)))
    total = Agreement(0, 0)
    for part in found.values():
        total = total + part
    return IntegerResult(total)


def check_rtl(case: Case, graph: Graph, folder: Path, seed: int = 9) -> CheckResult:
    """The compiled Verilog in Verilator on random frames: Mismatch where a word differs.

    Cases take turns with the engines; lanes are few, for a neuron is the same behind any.
    """
    engine = tuple(Engine)[crc32(case.name.encode()) % len(Engine)]
    with no_search(engine):
        hardware = e3ne.compile(graph, calibration=draw(case, 2, frames=8), output=folder / "build")
    result = hardware.simulate(draw(case, seed))
    result.raise_for_mismatch()
    assert (result.mismatches, result.frames) == (0, FRAMES)
    assert result.nodes_checked == len(hardware.graph.nodes)
    return result


def with_steps(graph: Graph, x: Array) -> Array:
    """Frames in the shape of the graph's input: (frames, steps, *shape)."""
    type = graph.inputs[0].type
    return x.reshape(len(x), type.steps, *type.shape)
