"""Neuron modules of every form: their states, layouts, layers inside, and what they return."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from e3ne import reference
from e3ne.frontend import NeuronModel, exercise, register_neuron, register_reset, trace
from e3ne.frontend.values import Layout
from e3ne.ir import (
    BadInput,
    ChannelAffine,
    Graph,
    IntegrateFire,
    Linear,
    Readout,
    Relay,
    TraceMismatch,
    UnsupportedModel,
    frozen,
)

STEPS = 6
THETA = 0.5


class State(NamedTuple):
    v: torch.Tensor
    spikes: torch.Tensor


def fired(v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(spikes, membrane behind the reset)."""
    spikes = (v > THETA).to(v.dtype)
    return spikes, v - THETA * spikes


FIRES = IntegrateFire(THETA, decay=0.8, reset_step="same")
SHOWS = IntegrateFire(THETA, decay=0.8, reset_step="same", sends="membrane")


class Explicit(nn.Module):
    """(x, state) to (spikes, state), the state a named tuple, a tuple, a dict or a tensor."""

    def __init__(self, form: str = "named") -> None:
        super().__init__()
        self.form = form

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        before = torch.zeros_like(x)
        if isinstance(state, dict):
            before = state["inner"][0]
        elif isinstance(state, tuple):
            before = state[0]
        elif state is not None:
            before = state
        spikes, v = fired(0.8 * before + x)
        states = {
            "named": State(v, spikes),
            "tuple": (v, spikes),
            "dict": {"inner": (v,)},
            "tensor": v,
        }
        return spikes, states[self.form]


@register_neuron(Explicit)
def describe_explicit(module: Any, shape: tuple[int, ...]) -> NeuronModel:
    return NeuronModel(FIRES, SHOWS, membrane_at=1, states=("state",))


class AllSteps(nn.Module):
    """All steps in one call, in any layout; the membrane of the last step stays in `v`."""

    def __init__(self, layout: Layout, steps: int = STEPS) -> None:
        super().__init__()
        self.layout, self.num_timesteps = layout, steps if layout.is_merged else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        whole, axis = x, 0 if self.layout.is_steps_first else 1
        if self.num_timesteps is not None:
            lead = (self.num_timesteps, -1) if axis == 0 else (-1, self.num_timesteps)
            whole = x.reshape(*lead, *x.shape[1:])
        v, record = torch.zeros_like(whole.select(axis, 0)), []
        for current in whole.unbind(axis):
            spikes, v = fired(0.8 * v + current)
            record.append(spikes)
        self.v = v
        return torch.stack(record, axis).reshape(x.shape)


def forget(module: nn.Module) -> None:
    module.v = None  # type: ignore[assignment]


@register_neuron(AllSteps, forget)
def describe_all_steps(module: Any, shape: tuple[int, ...]) -> NeuronModel:
    return NeuronModel(FIRES, SHOWS, layout=module.layout, membrane_name="v")


class Cell(nn.Module):
    """A recurrent cell: weights from its input, and from its own spikes; states given."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Parameter(torch.randn(4, 6) * 0.5)
        self.back = nn.Parameter(torch.randn(4, 4) * 0.5)

    def forward(
        self, x: torch.Tensor, spikes: Any = None, v: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if spikes is None:
            spikes = v = x.new_zeros(len(x), 4)
        return fired(0.8 * v + x @ self.inward.T + spikes @ self.back.T)


@register_neuron(Cell)
def describe_cell(module: Any, shape: tuple[int, ...]) -> NeuronModel:
    assert shape == (4,)
    inward, back = (
        Linear(frozen(weight.detach().numpy(), np.float32))
        for weight in (module.inward, module.back)
    )
    return NeuronModel(
        FIRES, SHOWS, membrane_at=1, states=("spikes", "v"), input_op=inward, recurrence=(back,)
    )


class Scaled(nn.Module):
    """Spikes worth 2.5, a membrane that rests at -1, elementwise recurrence; all inside."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.tensor([0.1, -0.4, 0.3, 0.0])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        v, spikes = getattr(self, "kept", None) or (torch.zeros_like(x), torch.zeros_like(x))
        spikes, v = fired(0.8 * v + x + self.gain.to(x.dtype) * spikes)
        self.kept = (v, spikes)
        return 2.5 * spikes, 3 * v - 1


def forget_kept(module: nn.Module) -> None:
    module.kept = None  # type: ignore[assignment]


@register_neuron(Scaled, forget_kept)
def describe_scaled(module: Any, shape: tuple[int, ...]) -> NeuronModel:
    gain = frozen(module.gain.numpy(), np.float32)
    back = ChannelAffine(gain, frozen(np.zeros(4), np.float32))
    return NeuronModel(
        FIRES, SHOWS, membrane_at=1, recurrence=(back,), spike_value=2.5,
        membrane_gain=3.0, membrane_offset=-1.0,
    )  # fmt: skip


def events(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return (torch.rand(4, STEPS, *shape, generator=generator) < 0.5).float()


def sent(graph: Graph, x: torch.Tensor) -> np.ndarray[Any, Any]:
    return reference.run(graph, x.numpy())[graph.outputs[0].source]


class Explicitly(nn.Module):
    """A loop that carries the state of an Explicit."""

    def __init__(self, neuron: nn.Module, what: str = "spikes") -> None:
        super().__init__()
        torch.manual_seed(3)
        self.fc, self.neuron, self.what = nn.Linear(6, 4), neuron, what

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, record = None, []
        for current in x:
            spikes, state = self.neuron(self.fc(current), state)
            record.append(spikes if self.what == "spikes" else state[0])
        return torch.stack(record)


@pytest.mark.parametrize("form", ["named", "tuple", "dict", "tensor"])
def test_states_in_any_nesting(form: str) -> None:
    model, x = Explicitly(Explicit(form)), events(6)
    graph = trace(model, x, input_has_steps=True)
    assert [node.name for node in graph.nodes] == ["fc", "neuron"]
    expected = model(x.transpose(0, 1)).transpose(0, 1)
    np.testing.assert_array_equal(sent(graph, x), expected.detach().numpy())
    assert 0 < expected.mean() < 1


def test_a_membrane_as_output_is_the_only_population() -> None:
    model, x = Explicitly(Explicit("named"), "membrane"), events(6)
    graph = trace(model, x, input_has_steps=True)
    (node,) = graph.nodes[1:]
    assert node.name == "neuron"
    assert isinstance(node.neuron, IntegrateFire)
    assert node.neuron.sends == "membrane"
    expected = model(x.transpose(0, 1)).transpose(0, 1)
    np.testing.assert_allclose(sent(graph, x), expected.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("layout", list(Layout))
def test_all_steps_in_one_call(layout: Layout) -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 4), AllSteps(layout), nn.Linear(4, 3), AllSteps(layout))
    x = events(6)
    graph = trace(model, x, input_has_steps=True)
    assert [node.name for node in graph.nodes] == ["0", "1", "2", "3"]
    assert graph.outputs[0].readout is Readout.COUNT
    arranged = x.transpose(0, 1) if layout.is_steps_first else x
    expected = model(arranged.flatten(0, 1) if layout.is_merged else arranged)
    back = expected.reshape(*arranged.shape[:2], -1)
    back = back.transpose(0, 1) if layout.is_steps_first else back
    np.testing.assert_array_equal(sent(graph, x), back.detach().numpy())
    assert 0 < back.mean() < 1


def test_all_steps_in_one_call_of_the_same_frame() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 4), AllSteps(Layout.STEPS_FRAMES))
    x = events(6)[:, 0]
    graph = trace(model, x, steps=STEPS)
    assert graph.inputs[0].type.steps == 1
    assert graph.node("1").type.steps == STEPS
    expected = model(x.expand(STEPS, *x.shape)).transpose(0, 1).detach().numpy()
    np.testing.assert_array_equal(sent(graph, x), expected)


def test_the_wrong_layout_is_named() -> None:
    model = nn.Sequential(
        AllSteps(Layout.STEPS_FRAMES), nn.Linear(6, 4), AllSteps(Layout.FRAMES_STEPS)
    )
    with pytest.raises(UnsupportedModel, match=r"2 \(AllSteps\): found all time steps as "
                       r"\(steps, frames, \*shape\) in its call, accepted all time steps in one "
                       r"call as \(frames, steps"):  # fmt: skip
        trace(model, events(6), input_has_steps=True)


def test_a_number_of_steps_that_neurons_insist_on() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 4), AllSteps(Layout.MERGED_STEPS_FRAMES, steps=4))
    assert trace(model, events(6)[:, 0]).node("1").type.steps == 4  # and nobody had to say so
    for options in ({"input_has_steps": True}, {"steps": STEPS}):
        x = events(6) if "input_has_steps" in options else events(6)[:, 0]
        with pytest.raises(BadInput, match=r"^steps: found 6 for neurons whose num_timesteps is 4"):
            trace(model, x, **options)  # type: ignore[arg-type]


class OneByOne(AllSteps):
    """It insists on a number of frames instead, and finds the steps by itself."""

    def __init__(self, frames: int) -> None:
        super().__init__(Layout.MERGED_FRAMES_STEPS)
        self.batch_size, self.num_timesteps = frames, None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        whole = x.reshape(self.batch_size, -1, *x.shape[1:])
        inner = AllSteps(Layout.FRAMES_STEPS)
        return inner(whole).reshape(x.shape)


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_a_number_of_frames_that_neurons_insist_on(frames: int) -> None:
    torch.manual_seed(3)
    model, x = nn.Sequential(nn.Linear(6, 4), OneByOne(frames)), events(6)
    graph = trace(model, x, input_has_steps=True)
    one = nn.Sequential(model[0], OneByOne(1))
    expected = torch.stack([one(frame) for frame in x])
    np.testing.assert_array_equal(sent(graph, x), expected.detach().numpy())


class Reads(nn.Module):
    """A model whose output is an attribute of its neuron."""

    def __init__(self, layout: Layout | None) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.fc, self.neuron = nn.Linear(6, 4), AllSteps(layout or Layout.STEPS_FRAMES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.neuron(self.fc(x))
        return self.neuron.v


def test_a_membrane_read_from_the_module() -> None:
    model, x = Reads(None), events(6)
    graph = trace(model, x, input_has_steps=True)
    assert graph.outputs[0].readout is Readout.LAST
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, x.numpy()))
    np.testing.assert_allclose(words, model(x.transpose(0, 1)).detach().numpy(), atol=1e-5)


class CellLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.cell, self.out = Cell(), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes = v = None
        for current in x:
            spikes, v = self.cell(current, spikes, v)
        return self.out(spikes) + self.out(v)


def test_layers_inside_a_neuron_module() -> None:
    model, x = CellLoop(), events(6)
    graph = trace(model, x, input_has_steps=True)
    found = [(s.source, s.delay, type(s.op)) for s in graph.node("cell").synapses]
    assert found == [("input", 0, Linear), ("cell", 1, Linear)]
    found = [(s.source, s.delay, type(s.op)) for s in graph.node("cell.membrane").synapses]
    assert found == [("input", 0, Linear), ("cell", 1, Linear)]
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, x.numpy()))
    np.testing.assert_allclose(words, model(x.transpose(0, 1)).detach().numpy(), atol=1e-4)


class Units(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.fc, self.neuron = nn.Linear(6, 4), Scaled()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, v = self.neuron(self.fc(x))
        return spikes + v


def test_spikes_and_membranes_in_the_units_of_the_library() -> None:
    model, x = Units(), events(6)
    graph = trace(model, x, input_has_steps=True)
    assert [node.name for node in graph.nodes] == [
        "fc", "neuron", "neuron.membrane", "neuron.value", "neuron.potential", "add",
    ]  # fmt: skip
    assert [synapse.delay for synapse in graph.node("neuron").synapses] == [0, 1]
    assert isinstance(graph.node("neuron.value").neuron, Relay)
    forget_kept(model.neuron)
    expected = torch.stack([model(step) for step in x.unbind(1)], 1)
    np.testing.assert_allclose(sent(graph, x), expected.detach().numpy(), atol=1e-5)


WRONG: list[dict[str, Any]] = [
    {"recurrence": ()},
    {"spike_value": 2.0},
    {"membrane_gain": 2.9},
    {"membrane_offset": 0.0},
    {"neuron": replace(FIRES, decay=0.79)},
    {"neuron": replace(FIRES, reset_step="next")},
    {"membrane": replace(SHOWS, reset="none")},
    {"membrane_at": 0, "spikes_at": 1},
]


@pytest.mark.parametrize("change", WRONG, ids=lambda change: next(iter(change)))
def test_every_field_of_a_description_is_checked(change: dict[str, Any]) -> None:
    class Wrong(Scaled):
        pass

    @register_neuron(Wrong, forget_kept)
    def describe_wrong(module: Any, shape: tuple[int, ...]) -> NeuronModel:
        return replace(describe_scaled(module, shape), **change)

    model = Units()
    model.neuron = Wrong()
    with pytest.raises(TraceMismatch):
        trace(model, events(6), input_has_steps=True)


class Container(nn.Module):
    """No neuron, but it keeps what the neuron inside it sent, and feeds it back."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.inner, self.layer = Inner(), nn.Linear(4, 4)
        self.memory: dict[str, Any] = {"spikes": None}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = self.memory["spikes"]
        before = torch.zeros_like(x) if before is None else before
        self.memory["spikes"] = self.inner(x + self.layer(before))
        return self.memory["spikes"]


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.v: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, self.v = fired(x if self.v is None else 0.8 * self.v + x)
        return spikes + 0 * x  # hangs on the training graph


@register_neuron(Inner, forget)
def describe_inner(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    return NeuronModel(FIRES, None)


@register_reset(Container)
def forget_container(module: Any) -> None:
    module.memory = {"spikes": None}


def test_containers_with_a_memory_are_reset_and_traced() -> None:
    model, x = nn.Sequential(nn.Linear(6, 4), Container()), events(6)
    before = model(x[:2, 0])  # frames of another number, on the training graph
    graph = trace(model, x, input_has_steps=True)
    assert [synapse.delay for synapse in graph.node("1.layer").synapses] == [1]
    assert model[1].memory["spikes"] is before  # the user's own stays as it was
    model[1].memory, model[1].inner.v = {"spikes": None}, None
    expected = torch.stack([model(step) for step in x.unbind(1)], 1)
    np.testing.assert_array_equal(sent(graph, x), expected.detach().numpy())


class Twin(Explicit):
    """A neuron whose description is wrong: it fires at the threshold too."""


@register_neuron(Twin)
def describe_twin(module: Any, shape: tuple[int, ...]) -> NeuronModel:
    return NeuronModel(IntegrateFire(0.51, decay=0.8, reset_step="same"), None, states=("state",))


def test_a_wrong_description_is_found_though_the_frames_leave_it_silent() -> None:
    with pytest.raises(TraceMismatch, match=r"^neuron, step "):
        trace(Explicitly(Twin()), 0 * events(6), input_has_steps=True)


class Slow(nn.Module):
    """It takes currents of many thresholds to fire; its reset is another than described."""

    def __init__(self) -> None:
        super().__init__()
        self.v: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        v = x if self.v is None else x - 0.9 * self.v
        spikes = (v > 10 * THETA).to(v.dtype)
        self.v = v - 10 * THETA * spikes
        return spikes


@register_neuron(Slow, forget)
def describe_slow(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    return NeuronModel(IntegrateFire(10 * THETA, decay=-0.9, gain=1.0, reset="none"), None)


def test_neurons_that_stay_silent_get_stronger_currents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exercise, "_strong", lambda model: 0.1)
    model = nn.Sequential(nn.Linear(6, 4), Slow())
    with pytest.raises(TraceMismatch, match=r"^1, step "):
        trace(model, events(6), input_has_steps=True)
    monkeypatch.setattr(exercise, "STRENGTHS", (1.0,))
    trace(model, events(6), input_has_steps=True)  # the twin that does not look


class Unregistered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.v: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, self.v = fired(x if self.v is None else 0.8 * self.v + x)
        return spikes


class Integrator(Unregistered):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.v = x if self.v is None else 0.8 * self.v + x
        return self.v


@pytest.mark.parametrize("options", [{}, {"steps": 4}, {"input_has_steps": True}])
@pytest.mark.parametrize("cls", [Unregistered, Integrator])
def test_neurons_that_nobody_registered_are_named(cls: Any, options: dict[str, Any]) -> None:
    x = events(6) if "input_has_steps" in options else events(6)[:, 0]
    model = nn.Sequential(nn.Linear(6, 4), cls(), nn.Linear(4, 2))
    with pytest.raises(UnsupportedModel) as caught:
        trace(model, x, **options)
    assert "describe it with @e3ne.register_neuron" in str(caught.value)
    assert f"1 ({cls.__name__})" in str(caught.value)


class Forgets(Explicitly):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = None
        for current in x:
            spikes, state = self.neuron(self.fc(current), state)
            state = State(state.spikes, state.v) if self.what == "swapped" else state
            state = State(state.v * 1, state.spikes) if self.what == "changed" else state
            state = State(state.v.clone(), state.spikes.detach()) if self.what == "same" else state
        return spikes


@pytest.mark.parametrize("what", ["swapped", "changed"])
def test_states_that_are_not_passed_on_as_they_are(what: str) -> None:
    with pytest.raises(UnsupportedModel, match=r"^neuron \(Explicit\): found a state in call numbe"
                       r"r 2 that is not the one returned by the call before"):  # fmt: skip
        trace(Forgets(Explicit(), what), events(6), input_has_steps=True)


def test_detached_and_cloned_states_are_the_same() -> None:
    trace(Forgets(Explicit(), "same"), events(6), input_has_steps=True)


def test_a_first_state_of_the_models_own() -> None:
    class Starts(Explicitly):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            state = State(torch.full((x.shape[1], 4), 0.25), torch.zeros(x.shape[1], 4))
            for current in x:
                spikes, state = self.neuron(self.fc(current), state)
            return spikes

    with pytest.raises(
        UnsupportedModel, match=r"^neuron \(Explicit\): found a first state other t"
    ):
        trace(Starts(Explicit()), events(6), input_has_steps=True)
