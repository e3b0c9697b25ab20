"""Registered neurons are checked, containers reset, and neurons that nobody registered named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from e3ne.frontend import NeuronModel, exercise, register_neuron, register_reset, trace
from e3ne.ir import (
    IntegrateFire,
    TraceMismatch,
    UnsupportedModel,
)
from tests.unit.own_neurons import (
    FIRES,
    SHOWS,
    THETA,
    Explicit,
    Explicitly,
    Scaled,
    Units,
    describe_scaled,
    events,
    fired,
    forget,
    forget_kept,
    sent,
)

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


class Doubled(nn.Module):
    """A neuron of ours around a neuron that is registered too: only the outer one counts."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(2 * x)


@register_neuron(Doubled, lambda module: forget(module.inner))
def describe_doubled(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    return NeuronModel(replace(FIRES, gain=2.0), None)


def test_a_neuron_around_another_one() -> None:
    torch.manual_seed(3)
    model, x = nn.Sequential(nn.Linear(6, 4), Doubled(), nn.Linear(4, 3), Inner()), events(6)
    graph = trace(model, x, input_has_steps=True)
    assert [node.name for node in graph.nodes] == ["0", "1", "2", "3"]
    assert graph.node("1").neuron.gain == 2.0  # type: ignore[union-attr]
