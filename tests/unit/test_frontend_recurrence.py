"""Tracing of feedback: spikes of earlier steps in the currents of this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from e3ne import reference
from e3ne.frontend import NeuronModel, register_neuron, trace
from e3ne.ir import (
    Graph,
    IntegrateFire,
    TraceMismatch,
    UnsupportedModel,
    text,
)

STEPS = 7


class Fire(nn.Module):
    """A neuron of our own: one step a call, its membrane inside."""

    def __init__(self, threshold: float = 0.6) -> None:
        super().__init__()
        self.threshold = threshold
        self.v: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        v = x if self.v is None else 0.7 * self.v + x
        spikes = (v > self.threshold).to(v.dtype)
        self.v = v - self.threshold * spikes
        return spikes


def forget(module: nn.Module) -> None:
    module.v = None  # type: ignore[assignment]


@register_neuron(Fire, forget)
def describe_fire(module: Any, shape: tuple[int, ...]) -> NeuronModel:
    return NeuronModel(IntegrateFire(module.threshold, decay=0.7, reset_step="same"), None)


class Loop(nn.Module):
    """Layers and two populations for the bodies of time loops below."""

    def __init__(self, body: Callable[..., Any], bias: bool = True) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(11)
        self.fc1, self.fc2 = nn.Linear(6, 5, bias=bias), nn.Linear(5, 5, bias=bias)
        self.back, self.late = nn.Linear(5, 5, bias=bias), nn.Linear(6, 5, bias=bias)
        self.fire1, self.fire2, self.fire3 = Fire(), Fire(0.4), Fire(0.5)
        self._body = body
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state: dict[str, Any] = {}
        return torch.stack([self._body(self, x[step], step, state) for step in range(len(x))])


def events(*shape: int, steps: int = STEPS) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return (torch.rand(4, steps, *shape, generator=generator) < 0.5).float()


def assert_equal_spikes(graph: Graph, model: nn.Module, x: torch.Tensor) -> None:
    """An independent comparison: every spike of the output, and there are some."""
    for module in model.modules():
        if isinstance(module, Fire):
            forget(module)
    first = x.transpose(0, 1) if x.ndim == 3 else x
    expected = model(first).transpose(0, 1).detach().numpy()
    sent = reference.run(graph, x.numpy())[graph.outputs[0].source]
    np.testing.assert_array_equal(sent, expected)
    assert 0 < expected.mean() < 1


def delays(graph: Graph) -> dict[tuple[str, str], int]:
    return {
        (node.name, synapse.source): synapse.delay
        for node in graph.nodes
        for synapse in node.synapses
        if synapse.delay
    }


def silence(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(x), 5)


def through_a_layer(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    spikes = state.get("spikes", silence(x))
    state["spikes"] = m.fire1(m.fc1(x) + m.back(spikes))
    return state["spikes"]


def directly(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    state["spikes"] = m.fire1(m.fc1(x) + 0.3 * state.get("spikes", silence(x)))
    return state["spikes"]


def from_the_second_layer(
    m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]
) -> torch.Tensor:
    first = m.fire1(m.fc1(x) + m.back(state.get("spikes", silence(x))))
    state["spikes"] = m.fire2(m.fc2(first))
    return state["spikes"]


def pipeline(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    """Every layer reads what the layer before it sent one step ago."""
    third = m.fire3(m.back(state.get("second", silence(x))))
    state["second"] = m.fire2(m.fc2(state.get("first", silence(x))))
    state["first"] = m.fire1(m.fc1(x))
    return third


def two_steps_ago(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    before = state.setdefault("history", [silence(x), silence(x)])
    before.append(m.fire1(m.fc1(x) + m.back(before[-2]) + 0.2 * before[-1]))
    return before[-1]


def a_step_late(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    """The layer is computed at the end of a step, and its current enters the next one."""
    spikes = m.fire1(m.fc1(x) + state.get("current", m.back(silence(x))))
    state["current"] = m.back(spikes)
    return spikes


def input_of_the_step_before(
    m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]
) -> torch.Tensor:
    before = state.get("x", torch.zeros_like(x))
    state["x"] = x
    return m.fire2(m.fc2(m.fire1(m.fc1(x) + m.late(before))))


def joined_to_the_input(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    state["spikes"] = m.fire1(m.late(torch.cat([x[:, :1], state.get("spikes", silence(x))], 1)))
    return state["spikes"]


BODIES: list[tuple[Any, dict[tuple[str, str], int]]] = [
    (through_a_layer, {("back", "fire1"): 1}),
    (directly, {("mul", "fire1"): 1}),
    (from_the_second_layer, {("back", "fire2"): 1}),
    (pipeline, {("fc2", "fire1"): 1, ("back", "fire2"): 1}),
    (two_steps_ago, {("back", "fire1"): 2, ("mul", "fire1"): 1}),
    (a_step_late, {("back", "fire1"): 1}),
    (input_of_the_step_before, {("late", "input"): 1}),
    (joined_to_the_input, {("late", "fire1"): 1}),
]


@pytest.mark.parametrize(("body", "found"), BODIES)
@pytest.mark.parametrize("bias", [True, False])
def test_what_an_earlier_step_sent(
    body: Any, found: dict[tuple[str, str], int], bias: bool
) -> None:
    model, x = Loop(body, bias), events(6)
    graph = trace(model, x, input_has_steps=True)
    assert delays(graph) == found, text(graph)
    assert_equal_spikes(graph, model, x)


def layers_from_the_second_step_on(
    m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]
) -> torch.Tensor:
    current = m.fc1(x)
    if step > 0:
        current = current + m.back(state["spikes"])
    state["spikes"] = m.fire1(current)
    return state["spikes"]


def test_a_layer_that_the_first_step_leaves_out_is_silent_then() -> None:
    model, x = Loop(layers_from_the_second_step_on), events(6)
    graph = trace(model, x, input_has_steps=True)
    assert delays(graph) == {("add", "back"): 1}  # 0 at first, and not the bias of `back`
    assert_equal_spikes(graph, model, x)


class Repeats(Loop):
    """The same frame in every step."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.unsqueeze(0).expand(STEPS, *x.shape))


class Static(Loop):
    """The same, without a tensor of all steps."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state: dict[str, Any] = {}
        return torch.stack([self._body(self, x, step, state) for step in range(STEPS)])


@pytest.mark.parametrize("kind", [Repeats, Static])
@pytest.mark.parametrize(
    "body",
    [through_a_layer, directly, from_the_second_layer, two_steps_ago, pipeline, a_step_late,
     joined_to_the_input, layers_from_the_second_step_on],
)  # fmt: skip
def test_feedback_of_static_input(kind: Any, body: Any) -> None:
    model, x = kind(body), events(6)[:, 0]
    graph = trace(model, x)
    assert graph.inputs[0].type.steps == 1
    assert delays(graph)
    assert_equal_spikes(graph, model, x)


def activations(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    state["h"] = torch.relu(m.fc1(x) + m.back(state.get("h", silence(x))))
    return m.fire1(m.fc2(state["h"]))


def currents(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    state["h"] = m.fc1(x) + 0.5 * state.get("h", silence(x))
    return m.fire1(m.fc2(state["h"]))


def the_first_step_for_ever(
    m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]
) -> torch.Tensor:
    spikes = m.fire1(m.fc1(x))
    second = m.fire2(m.fc2(spikes) + state.get("first", silence(x)))
    state.setdefault("first", spikes)
    return second


def every_other_step(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    layer = m.back if step % 2 else m.fc2
    state["spikes"] = m.fire1(m.fc1(x) + layer(state.get("spikes", silence(x))))
    return state["spikes"]


def constants_alone(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    return m.fire1(m.fc1(x) + m.fire2(m.fc2(silence(x))))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (activations, "forward: found a recurrence of currents or activations"),
        (currents, "forward: found a recurrence of currents or activations"),
        (the_first_step_for_ever, "fire2 (Fire): found another input in call number 3"),
        (every_other_step, "fire1 (Fire): found another input in call number 3"),
        (constants_alone, "fire2 (Fire): found an input that does not come from the network's"),
    ],
)
def test_loops_that_no_delay_explains(body: Any, found: str) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        trace(Loop(body), events(6), input_has_steps=True)
    (problem,) = caught.value.problems
    assert problem.startswith(found)
    assert "accepted" in problem


@pytest.mark.parametrize("body", [activations, currents])
def test_recurrences_over_many_steps_are_named_before_they_grow(body: Any) -> None:
    message = r"^forward of Loop: found a recurrence of currents or activations"
    with pytest.raises(UnsupportedModel, match=message):
        trace(Loop(body), events(6, steps=200), input_has_steps=True)


def starts_with_spikes(m: Loop, x: torch.Tensor, step: int, state: dict[str, Any]) -> torch.Tensor:
    state["spikes"] = m.fire1(m.fc1(x) + m.back(state.get("spikes", silence(x) + 1)))
    return state["spikes"]


def test_a_start_that_is_not_silent_names_the_neurons_and_the_first_step() -> None:
    message = r"^fire1, step 0, .*; this network reads spikes of earlier steps, of which those bef"
    with pytest.raises(TraceMismatch, match=message):
        trace(Loop(starts_with_spikes), events(6), input_has_steps=True)
