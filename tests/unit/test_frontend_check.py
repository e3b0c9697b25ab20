"""The check of a trace has teeth: wrong readings of a model are found, and named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import e3ne.frontend.registry as registry
from e3ne.frontend import NeuronModel, register_neuron, table, trace
from e3ne.frontend import check as trace_check
from e3ne.frontend.examples import random_inputs
from e3ne.frontend.exercise import exercised_shapes
from e3ne.frontend.spiking import SpikingModule
from e3ne.frontend.values import Kind, Layout, Value
from e3ne.ir import (
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    TraceMismatch,
)

snntorch = pytest.importorskip("snntorch", reason="pip install snntorch")

LEAKY = "snntorch._neurons.leaky.Leaky"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves the registered neurons as they were."""
    monkeypatch.setattr(registry, "_NEURONS", dict(registry._NEURONS))
    return


def spiking(**options: Any) -> nn.Sequential:
    torch.manual_seed(2)
    chosen = {"beta": 0.9, "init_hidden": True, **options}
    return nn.Sequential(
        nn.Linear(8, 16), snntorch.Leaky(**chosen), nn.Linear(16, 4), snntorch.Leaky(**chosen)
    )


def example() -> torch.Tensor:
    return torch.rand(4, 8, generator=torch.Generator().manual_seed(5)) * 4


def twist(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """Describes Leaky with some fields of its neuron wrong."""
    right = registry._NEURONS[LEAKY]

    def describe(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
        model = right.describe(module, shape)
        assert model.neuron is not None
        return replace(model, neuron=replace(model.neuron, **fields))

    monkeypatch.setitem(registry._NEURONS, LEAKY, replace(right, describe=describe))


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({}, {"reset_step": "same"}),
        ({}, {"reset": "to_value"}),
        ({}, {"reset": "none"}),
        ({}, {"decay": 0.85}),
        ({}, {"threshold": 1.05}),
        ({}, {"max_spikes": 2}),
        ({}, {"floor": 0}),
        ({}, {"offset": 0.01}),
        ({"reset_mechanism": "zero"}, {"reset_keeps_input": False}),
        ({"reset_delay": False}, {"reset_step": "same"}),
        ({"reset_delay": False}, {"reset_step": "next"}),
    ],
)
def test_a_wrong_neuron_is_found(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], wrong: dict[str, Any]
) -> None:
    trace(spiking(**options), example(), steps=10)
    twist(monkeypatch, **wrong)
    with pytest.raises(
        TraceMismatch, match=r"^[13], step \d+, frame \d+, index \(\d+,\): expected"
    ):
        trace(spiking(**options), example(), steps=10)


def test_a_wrong_comparison_is_found_where_membranes_lie_on_the_threshold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = nn.Sequential(nn.Linear(8, 16), snntorch.Leaky(beta=1.0, init_hidden=True))
    with torch.no_grad():
        model[0].weight.copy_(torch.randint(-2, 4, (16, 8)) / 4)
        model[0].bias.zero_()
    x = (example() > 2).float()
    trace(model, x, steps=8)
    twist(monkeypatch, fire_on=">=")
    with pytest.raises(TraceMismatch, match=r"^1, step \d+"):
        trace(model, x, steps=8)


def test_a_silent_neuron_is_checked_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(8, 3), snntorch.Leaky(beta=0.5, init_hidden=True))
    with torch.no_grad():
        model[0].bias.fill_(-50.0)  # it never fires in the network
    trace(model, example(), steps=5)
    twist(monkeypatch, reset="to_value")
    with pytest.raises(TraceMismatch, match=r"^1, step \d+"):
        trace(model, example(), steps=5)


def test_the_first_wrong_node_is_named_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(call: Any, input: Any, weight: torch.Tensor, bias: Any = None) -> Any:
        return table.functions.linear(call, input, weight * (1 + 0.01 * (len(weight) == 16)), bias)

    monkeypatch.setitem(table.HANDLERS, "linear", doubled)
    with pytest.raises(
        TraceMismatch,
        match=r"^0, step 0, frame 0, index \(0,\): expected -?[\d.e-]+ from the model's forward, "
        r"got -?[\d.e-]+ from the traced graph, accepted equal numbers; e3ne reads this part of "
        r"the model \(Relay\) wrongly",
    ):
        trace(spiking(), example(), steps=3)


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        ("relu", lambda call, input, inplace=False: call.node(Identity(), input)),
        ("hardtanh", lambda call, input, *a, **k: call.node(Identity(), input, Rectify(3.0))),
        ("max_pool2d", lambda call, input, k, *a, **n: table.pooling.avg_pool2d(call, input, k)),
        ("dropout", lambda call, input, *a, **k: call.affine(input, 2.0, 0.0)),
        ("add", lambda call, x, y, *a: call.nodes([Identity(), Identity()], [x, x])),
    ],
)
def test_a_wrong_reading_of_a_function_is_found(
    monkeypatch: pytest.MonkeyPatch, function: str, wrong: Any
) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)
            self.layers = nn.Sequential(
                nn.ReLU(), nn.Dropout(), nn.MaxPool2d(2), nn.ReLU6(), nn.Flatten()
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(self.conv(x) + x)

    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 10
    trace(Net(), x)
    monkeypatch.setitem(table.HANDLERS, function, wrong)
    with pytest.raises(TraceMismatch):
        trace(Net(), x)


# --------------------------------------------------------------------------- neurons of users


class Accumulate(nn.Module):
    """Adds what comes in, and sends the sum: a neuron that nobody has described."""

    def __init__(self) -> None:
        super().__init__()
        self.total: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.total = x if self.total is None else self.total / 2 + x
        return self.total


def forget(module: nn.Module) -> None:
    module.total = None  # type: ignore[assignment]


@pytest.mark.parametrize("decay", [0.5, 0.75])
def test_a_described_neuron_is_used_and_checked(decay: float) -> None:
    @register_neuron(Accumulate, forget)
    def describe(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
        return NeuronModel(None, Integrate(decay=decay), spikes_at=None, membrane_at=0)

    model = nn.Sequential(nn.Linear(8, 4), Accumulate())
    if decay != 0.5:
        with pytest.raises(TraceMismatch, match=r"^1, step 1"):
            trace(model, example(), steps=4)
        return
    graph = trace(model, example(), steps=4)
    neuron = graph.node("1").neuron
    assert isinstance(neuron, Integrate)
    assert neuron.decay == 0.5
    assert graph.node("1").type.steps == 4
    assert model[1].total is None


# --------------------------------------------------------------------------------------- ties


def test_a_spike_within_rounding_of_the_threshold_drops_its_frame_only() -> None:
    graph = trace(nn.Sequential(nn.Linear(1, 1), snntorch.Leaky(0.5, init_hidden=True)),
                  torch.rand(3, 1), steps=2)  # fmt: skip
    node = replace(graph.node("1"), neuron=IntegrateFire(1.0, 0.5))
    currents = np.array([[[0.3], [0.2]], [[1.0 + 1e-9], [0.0]], [[2.0], [0.0]]])
    spikes = np.array([[[0.0], [0.0]], [[0.0], [0.0]], [[1.0], [0.0]]])
    values = {"0": currents, "1": np.array([[[0.0], [0.0]], [[1.0], [0.0]], [[1.0], [0.0]]])}
    alive = trace_check._compare_spikes(graph, node, values, spikes, np.ones(3, bool), 1e-5)
    assert alive.tolist() == [True, False, True]
    values["0"] = currents * [[[1.0]], [[1.1]], [[1.0]]]
    with pytest.raises(
        TraceMismatch, match=r"^1, step 0, frame 1, index \(0,\): expected 0 .* got 1"
    ):
        trace_check._compare_spikes(graph, node, values, spikes, np.ones(3, bool), 1e-5)


# ----------------------------------------------------------------------------- random inputs


def test_random_inputs_are_like_the_example() -> None:
    binary = (np.random.default_rng(0).random((5, 40)) < 0.5).astype(np.float32)
    drawn = list(random_inputs(binary))
    assert len(drawn) >= 2
    assert all(set(np.unique(x)) == {0.0, 1.0} for x in drawn)
    assert not np.array_equal(drawn[0], drawn[1])
    reals = np.linspace(-2, 3, 200, dtype=np.float32).reshape(5, 40)
    for x in random_inputs(reals):
        assert x.shape == reals.shape
        assert x.min() >= -2
        assert x.max() <= 3
        assert x.max() - x.min() > 4
    assert {0.0, 1.0} >= set(np.unique(next(random_inputs(np.zeros((2, 30), np.float32)))))


def two_layers(weight: float) -> Graph:
    """A neuron and a layer behind it that reads its spikes."""
    linear = Linear(np.full((1, 1), weight, np.float32))
    nodes = (
        Node("n", (Synapse(Identity(), "input"),), IntegrateFire(1.0, 0.5), SpikeType((1,), 2)),
        Node("fc", (Synapse(linear, "n"),), Relay(), SpikeType((1,), 2)),
    )
    entry = Input("input", SpikeType((1,), 2))
    return Graph(Stage.FLOAT, (entry,), nodes, (Output("fc", Readout.COUNT),))


def test_what_follows_a_tie_is_computed_from_the_models_own_spikes() -> None:
    x = np.array([[[1.0 + 1e-9], [0.0]], [[2.0], [0.0]]], np.float64)
    spikes = np.array([[[0.0], [0.0]], [[1.0], [0.0]]])  # the first frame is a tie
    observed = {Value(1, Kind.STEP, step): torch.from_numpy(spikes[:, step]) for step in (0, 1)}
    observed[Value(2, Kind.TRAIN, 2)] = torch.from_numpy(3 * spikes).transpose(0, 1)
    names = {1: "n", 2: "fc"}
    assert trace_check.compare(two_layers(3.0), names, observed, [x], 1e-5) == 2
    observed[Value(2, Kind.TRAIN, 2)][:, 0] += 1
    with pytest.raises(TraceMismatch, match=r"^fc, step 0, frame 0"):  # also in the tied frame
        trace_check.compare(two_layers(3.0), names, observed, [x], 1e-5)


@pytest.mark.parametrize("layout", list(Layout))
def test_trains_are_compared_in_any_layout(layout: Layout) -> None:
    x = np.random.default_rng(0).uniform(0, 2, (3, 2, 1))
    sent = trace_check.reference.run(two_layers(3.0), x)["fc"]
    train = torch.from_numpy(sent if not layout.is_steps_first else np.moveaxis(sent, 1, 0).copy())
    train = train.flatten(0, 1) if layout.is_merged else train
    value = Value(2, Kind.TRAIN, 2, layout=layout)
    assert trace_check.compare(two_layers(3.0), {2: "fc"}, {value: train}, [x], 1e-5) == 3
    train.view(-1)[-1] += 1
    with pytest.raises(TraceMismatch, match=r"^fc, step 1, frame 2"):
        trace_check.compare(two_layers(3.0), {2: "fc"}, {value: train}, [x], 1e-5)


def test_a_function_that_is_read_as_changing_nothing_but_does_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
    trace(model, example())
    monkeypatch.setitem(table.HANDLERS, "relu", table.functions.same)
    with pytest.raises(TraceMismatch, match=r"^1 \(ReLU\): found numbers that change"):
        trace(model, example())


def test_neurons_of_an_image_are_driven_in_a_corner_unless_they_differ() -> None:
    seen = SpikingModule(nn.Identity(), lambda module, shape: NeuronModel(None, None))
    seen.shape = seen.input_shape = seen.taken_shape = (3, 20, 2)
    alike = NeuronModel(IntegrateFire(np.ones(3, np.float32), 0.5), None)
    differ = NeuronModel(IntegrateFire(np.ones((3, 20, 2), np.float32), 0.5), None)
    joined = replace(alike, recurrence=(Linear(np.ones((120, 120), np.float32)),))
    assert exercised_shapes(seen, alike)[2] == (3, 4, 2)
    assert exercised_shapes(seen, differ)[2] == (3, 20, 2)
    assert exercised_shapes(seen, joined)[2] == (3, 20, 2)
