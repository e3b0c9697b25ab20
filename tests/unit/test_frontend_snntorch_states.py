"""Tracing of snnTorch's states: passed on, hidden, read, reset, fed back, or mixed up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

snntorch = pytest.importorskip("snntorch", reason="pip install snntorch")

from snntorch import surrogate, utils  # noqa: E402  (behind importorskip)

from e3ne import reference  # noqa: E402
from e3ne.frontend import trace  # noqa: E402
from e3ne.ir import (  # noqa: E402
    Graph,
    Integrate,
    IntegrateFire,
    Readout,
    TraceMismatch,
    UnsupportedModel,
)

STEPS = 12

NEURONS: dict[str, Callable[..., nn.Module]] = {
    "Leaky": lambda **options: snntorch.Leaky(beta=0.9, **options),
    "Synaptic": lambda **options: snntorch.Synaptic(alpha=0.6, beta=0.8, **options),
    "Lapicque": lambda **options: snntorch.Lapicque(beta=0.8, threshold=0.3, **options),
    "RLeaky": lambda **options: snntorch.RLeaky(beta=0.8, linear_features=4, **options),
    "RSynaptic": lambda **options: snntorch.RSynaptic(
        alpha=0.5, beta=0.8, linear_features=4, **options
    ),
}
RESETS = ("subtract", "zero", "none")


@pytest.fixture(autouse=True)
def no_neurons_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """`utils.reset` resets every neuron of the process, and fails on those built wrongly."""
    monkeypatch.setattr(snntorch.SpikingNeuron, "instances", [])


def frames() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(3, STEPS, 8, generator=generator) * 2 - 0.3


class Loop(nn.Module):
    """One layer over (steps, frames, 8), explicit states; `read` picks from all that is returned.

    `first` makes the first states.
    """

    def __init__(
        self, neurons: nn.Module, read: Callable[..., Any], first: Callable[..., Any] | None = None
    ) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.fc = nn.Linear(8, 4)
        nn.init.uniform_(self.fc.weight, -0.2, 0.6)
        self.neurons = neurons
        self._read, self._first = read, first or (lambda neurons, x: neurons.reset_mem())

    def forward(self, x: torch.Tensor) -> Any:
        states = self._first(self.neurons, x)
        states = states if isinstance(states, tuple) else (states,)
        returned = []
        for step in x:
            outputs = self.neurons(self.fc(step), *states)
            states = outputs[-len(states) :]
            returned.append(outputs)
        return self._read(*zip(*returned, strict=True))


def sent(graph: Graph, x: torch.Tensor) -> np.ndarray:
    """(steps, frames, 4) of the output node."""
    trains = reference.run(graph, x.numpy())[graph.outputs[0].source]
    return trains.swapaxes(0, 1)


def steps_first(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(0, 1)


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("reset", RESETS)
def test_membranes_as_output(name: str, reset: str) -> None:
    model = Loop(
        NEURONS[name](reset_mechanism=reset), lambda *outputs: torch.stack(outputs[-1])
    ).eval()
    x = frames()
    graph = trace(model, x, input_has_steps=True)
    assert graph.outputs[0].readout is Readout.LAST
    neuron = graph.node(graph.outputs[0].source).neuron
    assert isinstance(neuron, Integrate if reset == "none" else IntegrateFire)
    with torch.no_grad():
        np.testing.assert_allclose(sent(graph, x), model(steps_first(x)), atol=1e-5)


@pytest.mark.parametrize(
    ("read", "readout"),
    [
        (lambda s, m: m[-1], Readout.LAST),
        (lambda s, m: torch.stack(m).max(0).values, Readout.MAX),
        (lambda s, m: torch.stack(m).mean(0), Readout.MEAN),
        (lambda s, m: torch.stack(m).sum(0), Readout.MEAN),
        (lambda s, m: (torch.stack(m), torch.stack(s)), Readout.LAST),
    ],
)
def test_readouts_of_membranes_that_are_reset(read: Any, readout: Readout) -> None:
    graph = trace(Loop(NEURONS["Leaky"](), read), frames(), input_has_steps=True)
    assert graph.outputs[0].readout is readout
    neuron = graph.node(graph.outputs[0].source).neuron
    assert isinstance(neuron, IntegrateFire)
    assert neuron.sends == "membrane"


@pytest.mark.parametrize("name", NEURONS)
def test_hidden_membranes_that_forward_reads(name: str) -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 4)
            self.neurons = NEURONS[name](init_hidden=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            utils.reset(self)
            record = []
            for step in x:
                self.neurons(self.fc(step))
                record.append(self.neurons.mem)
            return torch.stack(record)

    torch.manual_seed(1)
    model, x = Reads().eval(), frames()
    graph = trace(model, x, input_has_steps=True)
    with torch.no_grad():
        np.testing.assert_allclose(sent(graph, x), model(steps_first(x)), atol=1e-5)


def zeros(neurons: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    count = len([name for name in ("spk", "syn", "mem") if name in neurons._buffers])
    return (torch.zeros(x.shape[1], 4),) * count


def helper(neurons: nn.Module, x: torch.Tensor) -> Any:
    return getattr(neurons, f"init_{type(neurons).__name__.lower()}")()


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("first", [None, zeros, helper], ids=["reset_mem", "zeros", "init"])
def test_every_way_to_start(name: str, first: Any) -> None:
    model = Loop(NEURONS[name](), lambda *outputs: torch.stack(outputs[0]), first).eval()
    x = frames()
    graph = trace(model, x, input_has_steps=True)
    with torch.no_grad():
        spikes = model(steps_first(x))
    assert 0 < float(spikes.mean()) < 1
    np.testing.assert_array_equal(sent(graph, x), spikes)


@pytest.mark.parametrize("name", NEURONS)
def test_hidden_states_that_forward_resets_through_the_library(name: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.fc = nn.Linear(8, 4)
            self.neurons = NEURONS[name](init_hidden=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            utils.reset(self)
            return torch.stack([self.neurons(self.fc(step)) for step in x])

    model, x = Net().eval(), frames()
    graph = trace(model, x, input_has_steps=True)
    with torch.no_grad():
        np.testing.assert_array_equal(sent(graph, x), model(steps_first(x)))


def test_states_in_the_wrong_order_are_refused() -> None:
    class Swapped(Loop):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            syn, mem = self.neurons.reset_mem()
            record = []
            for step in x:
                spikes, syn, mem = self.neurons(self.fc(step), mem, syn)
                record.append(spikes)
            return torch.stack(record)

    with pytest.raises(UnsupportedModel, match=r"found a syn in call number 2 that is not the one"):
        trace(Swapped(NEURONS["Synaptic"](), None), frames(), input_has_steps=True)


def test_a_first_membrane_other_than_zero_is_refused() -> None:
    model = Loop(
        NEURONS["Leaky"](),
        lambda *outputs: torch.stack(outputs[0]),
        lambda neurons, x: torch.ones(x.shape[1], 4),
    )
    with pytest.raises(UnsupportedModel, match="found a first mem other than zero, accepted"):
        trace(model, frames(), input_has_steps=True)


def test_graded_spikes_are_worth_their_factor_behind_the_neurons() -> None:
    torch.manual_seed(1)
    factor = torch.tensor([0.5, 1.0, 2.0, -1.0])
    first = snntorch.Leaky(beta=0.9, graded_spikes_factor=factor, init_hidden=True)
    last = snntorch.Leaky(beta=0.9, init_hidden=True)
    model = nn.Sequential(nn.Linear(8, 4), first, nn.Linear(4, 4), last).eval()
    x = frames()
    graph = trace(model, x, input_has_steps=True)
    assert graph.node("1.value").synapses[0].source == "1"
    utils.reset(model)
    with torch.no_grad():
        spikes = torch.stack([model(step) for step in x.unbind(1)])
    assert 0 < float(spikes.mean()) < 1
    np.testing.assert_array_equal(sent(graph, x), spikes)


@pytest.mark.parametrize(
    "gradient",
    [
        surrogate.fast_sigmoid(slope=25), surrogate.straight_through_estimator(),
        surrogate.sigmoid(), surrogate.triangular(), surrogate.spike_rate_escape(),
        surrogate.SSO(), surrogate.SFS(),
    ],
)  # fmt: skip
def test_no_surrogate_gradient_changes_the_spikes(gradient: Any) -> None:
    read = Loop(NEURONS["Leaky"](spike_grad=gradient), lambda *outputs: torch.stack(outputs[0]))
    plain = Loop(NEURONS["Leaky"](), lambda *outputs: torch.stack(outputs[0]))
    graphs = [trace(model, frames(), input_has_steps=True) for model in (read, plain)]
    np.testing.assert_array_equal(*(sent(graph, frames()) for graph in graphs))


def test_a_spike_function_of_another_kind_is_noticed() -> None:
    """Firing on >= would go unseen in most frames; half a spike does not."""
    neurons = NEURONS["Leaky"](spike_grad=lambda shifted: 0.5 * (shifted > 0).to(shifted))
    model = Loop(neurons, lambda *outputs: torch.stack(outputs[0]))
    with pytest.raises(TraceMismatch, match="neurons"):
        trace(model, frames(), input_has_steps=True)


def test_neurons_with_a_delayed_reset_of_nothing_fail_in_their_own_words() -> None:
    """RSynaptic(init_hidden=True, reset_delay=False) cannot run in snnTorch 1.0."""
    neurons = NEURONS["RSynaptic"](init_hidden=True, reset_delay=False)
    with pytest.raises(Exception, match=r"1 \(RSynaptic\): .* fails with TypeError"):
        trace(nn.Sequential(nn.Linear(8, 4), neurons), frames(), input_has_steps=True)
