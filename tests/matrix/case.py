"""One case of the matrix: a small model of a library, run by the library and by e3ne."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeGuard
from zlib import crc32

import numpy as np
import torch
from torch import nn

import e3ne
from e3ne import reference
from e3ne.check import CheckResult
from e3ne.frontend import trace
from e3ne.frontend.nesting import flat
from e3ne.frontend.registry import find_neuron
from e3ne.ir import Array, Engine, Graph, IntegrateFire, Readout
from e3ne.lower import prepared, quantized
from e3ne.lower.fidelity import Agreement, dequantized, spike_agreement
from tests.fixed_lanes import no_search

FRAMES = 3
STEPS = 100
TOLERANCE = 1e-5

LIBRARIES: dict[str, str | None] = {
    "snntorch": None,
    "rockpool": None,
    "spikingjelly": None,
    "norse": None,
    "networks": None,
    "brevitas": None,
    "spikingjelly_0_0_0_0_14": "spikingjelly-0.0.0.0.14",
    "sinabs": "sinabs-3.1.3",
}
"""The case files, and the folder below `.venv/separate` of a library that cannot stand beside
the others (None: it stands in `.venv`)."""

Feed = Literal["loop", "steps first", "frames first", "merged", "static"]


@dataclass(frozen=True)
class Case:
    """A model with one neuron option in one shape.

    `library` and `version` name the framework, `option` the neuron and its options (a row of the
    table), `shape` the model around it ("mlp", "conv", "recurrent", ...). `build` makes the model
    in evaluation mode, the same weights each time (seed it).

    `feed` is how a user calls it: "loop": one step a call, (frames, *input_shape) each; "steps
    first" and "frames first": all steps in one call; "merged": (frames * steps, *input_shape);
    "static": one call without steps, the model loops over time itself (`steps` is its number).
    `signal`: "spikes" are zeros and ones, "real" is uniform in -1 .. 2.

    `rtl`: also run in Verilator; at least one case of each option is. `single`: the library's own
    forward is in float32 (Brevitas, which keeps tensors of the first dtype that it saw).
    """

    library: str
    version: str
    option: str
    shape: str
    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    steps: int = STEPS
    feed: Feed = "loop"
    signal: Literal["spikes", "real"] = "spikes"
    rtl: bool = False
    single: bool = False

    @property
    def name(self) -> str:
        """For test ids and tables."""
        return f"{self.library} {self.option} / {self.shape}"


def cases(library: str) -> tuple[Case, ...]:
    """The cases of a file of `LIBRARIES`."""
    found: tuple[Case, ...] = importlib.import_module(f"tests.matrix.{library}").CASES
    return found


def draw(case: Case, seed: int, frames: int = FRAMES) -> Array:
    """Random input, float32 (frames, steps, *input_shape), or without steps where static."""
    generator = np.random.default_rng(seed)
    lead = (frames,) if case.feed == "static" else (frames, case.steps)
    shape = (*lead, *case.input_shape)
    if case.signal == "spikes":
        return (generator.random(shape) < 0.4).astype(np.float32)
    return generator.uniform(-1, 2, shape).astype(np.float32)


def traced(case: Case) -> Graph:
    """The FLOAT graph that e3ne reads from the model."""
    return trace(case.build(), draw(case, 1), input_has_steps=case.feed != "static")


@dataclass(frozen=True)
class Own:
    """What the library computed: its output, and all that each neuron module returned or shows.

    All (frames, steps, -1), or (frames, 1, -1) for scores; a module may return spikes, currents
    and membranes.
    """

    output: Array
    neurons: dict[str, list[Array]]


def own_forward(case: Case, x: Array) -> Own:
    """The library's own forward, called as a user would call it, from a fresh model.

    In float64, or in float32 where the library makes float32 numbers for its own layers (rockpool).
    """
    if case.single:
        return _own_forward(case, x, torch.float32)
    try:
        return _own_forward(case, x, torch.float64)
    except RuntimeError as error:
        if "dtype" not in str(error):
            raise
        return _own_forward(case, x, torch.float32)


def _own_forward(case: Case, x: Array, dtype: torch.dtype) -> Own:
    model = case.build().to(dtype).eval()
    caught: dict[str, list[list[torch.Tensor]]] = {}

    def watch(path: str) -> Callable[..., None]:
        def catch(module: nn.Module, args: object, output: object) -> None:
            shown = (*flat(output), getattr(module, "v", None))  # spikingjelly keeps its membrane
            found = [item.detach().clone() for item in shown if is_real(item)]
            caught.setdefault(path, []).append(found)

        return catch

    def cast(module: nn.Module, args: tuple[object, ...]) -> tuple[object, ...]:
        """Some libraries make float32 spikes whatever comes in."""
        return tuple(item.to(dtype) if is_real(item) else item for item in args)

    for path, module in model.named_modules():
        module.register_forward_pre_hook(cast)
        if find_neuron(module) is not None:
            module.register_forward_hook(watch(path))
    with torch.no_grad(), by_default(dtype):
        parts = fed(case, torch.from_numpy(x).to(dtype))
        outputs = [first_tensor(model(part)) for part in parts]
    frames = len(x)
    neurons = {
        path: [as_train(case, list(parts), frames) for parts in zip(*calls, strict=True)]
        for path, calls in caught.items()
    }
    return Own(as_train(case, outputs, frames), neurons)


def is_real(item: object) -> TypeGuard[torch.Tensor]:
    """A tensor of floats."""
    return isinstance(item, torch.Tensor) and item.is_floating_point()


def fed(case: Case, x: torch.Tensor) -> Iterator[torch.Tensor]:
    """The arguments of the calls that a user makes for frames `x`."""
    if case.feed == "loop":
        yield from x.unbind(1)
    elif case.feed == "steps first":
        yield x.transpose(0, 1).contiguous()
    elif case.feed == "merged":
        yield x.flatten(0, 1)
    else:
        yield x


def as_train(case: Case, parts: list[torch.Tensor], frames: int) -> Array:
    """What one or several calls returned, as (frames, steps or 1, -1)."""
    if len(parts) > 1:
        return torch.stack(parts, dim=1).flatten(2).numpy() if parts[0].ndim > 1 else np.array([])
    found = parts[0]
    if found.shape[:2] == (case.steps, frames):
        return found.transpose(0, 1).flatten(2).numpy()
    if found.shape[:2] == (frames, case.steps):
        return found.flatten(2).numpy()
    if found.shape[0] == frames * case.steps:
        return found.reshape(frames, case.steps, -1).numpy()
    return found.reshape(frames, 1, -1).numpy()


def first_tensor(output: object) -> torch.Tensor:
    """The tensor that a module returns first; a list of steps is stacked."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, list) and all(isinstance(item, torch.Tensor) for item in output):
        return torch.stack(output)
    assert isinstance(output, tuple | list), type(output)
    return first_tensor(output[0])


@contextmanager
def by_default(dtype: torch.dtype) -> Iterator[None]:
    """States that a model creates are of `dtype` too."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


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
