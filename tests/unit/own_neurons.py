"""Neuron modules of every form, with their descriptions, and small models of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from e3ne import reference
from e3ne.frontend import NeuronModel, register_neuron
from e3ne.frontend.values import Layout
from e3ne.ir import (
    ChannelAffine,
    Graph,
    IntegrateFire,
    Linear,
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


class Units(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.fc, self.neuron = nn.Linear(6, 4), Scaled()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, v = self.neuron(self.fc(x))
        return spikes + v
