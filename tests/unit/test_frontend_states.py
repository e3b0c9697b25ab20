"""Neuron modules of every form: their states, layouts, layers inside, and what they return."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from e3ne import reference
from e3ne.frontend import trace
from e3ne.frontend.values import Layout
from e3ne.ir import (
    BadInput,
    IntegrateFire,
    Linear,
    Readout,
    Relay,
    TraceMismatch,
    UnsupportedModel,
)
from tests.unit.own_neurons import (
    STEPS,
    AllSteps,
    CellLoop,
    Explicit,
    Explicitly,
    State,
    Units,
    events,
    forget_kept,
    sent,
)


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
@pytest.mark.parametrize("large", [False, True])
def test_a_number_of_frames_that_neurons_insist_on(
    frames: int, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:  # such models get few frames
        monkeypatch.setattr("e3ne.frontend.examples.LARGE_WEIGHTS", 0)
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


def test_layers_inside_a_neuron_module() -> None:
    model, x = CellLoop(), events(6)
    graph = trace(model, x, input_has_steps=True)
    found = [(s.source, s.delay, type(s.op)) for s in graph.node("cell").synapses]
    assert found == [("input", 0, Linear), ("cell", 1, Linear)]
    found = [(s.source, s.delay, type(s.op)) for s in graph.node("cell.membrane").synapses]
    assert found == [("input", 0, Linear), ("cell", 1, Linear)]
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, x.numpy()))
    np.testing.assert_allclose(words, model(x.transpose(0, 1)).detach().numpy(), atol=1e-4)


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


def test_states_that_are_not_passed_on_at_all() -> None:
    class Restarts(Explicitly):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([self.neuron(self.fc(current))[0] for current in x])

    message = r"^neuron, step 1, .*; neuron was called without its state behind the first step"
    with pytest.raises(TraceMismatch, match=message):
        trace(Restarts(Explicit()), events(6), input_has_steps=True)


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
