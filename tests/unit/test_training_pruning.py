"""Pruning: what stays and when it is chosen; a network that is trained so keeps its budget."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from e3ne import reference
from e3ne.config import parse_config
from e3ne.ir import (
    BadInput,
    Graph,
    Input,
    Integrate,
    IntegrateFire,
    Node,
    Output,
    Readout,
    Rectify,
    SpikeType,
    Stage,
    Synapse,
)
from e3ne.lower import lower, prepared
from e3ne.lower.remove_silent import remove_silent
from e3ne.training.fit import Schedule, accuracy, fit
from e3ne.training.network import QuantizedNetwork
from e3ne.training.pruning import (
    CubicSchedule,
    Pruner,
    channel_masks,
    kept_of,
    magnitude_masks,
    network_pruner,
    nonzero,
)
from tests.unit.lower_graphs import chain, linear
from tests.unit.test_training_fit import two_classes


def weights(seed: int = 0) -> dict[str, Tensor]:
    """A small and a large layer, the second ten times as large in magnitude."""
    random = torch.Generator().manual_seed(seed)
    return {
        "a": torch.randn(4, 3, generator=random),
        "b": torch.randn(6, 2, 3, 3, generator=random) * 10,
    }


def test_the_schedule_is_cubic() -> None:
    schedule = CubicSchedule(steps=10, first=5, every=2)
    assert [schedule.progress(step) for step in (0, 5, 15, 99)] == [0, 0, 1, 1]
    assert schedule.progress(10) == 1 - 0.5**3
    assert [step for step in range(20) if schedule.is_due(step)] == [6, 8, 10, 12, 14, 15]
    assert CubicSchedule(steps=0).progress(0) == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**16), st.integers(0, 120), st.booleans())
def test_exactly_the_budget_stays_and_nothing_larger_goes(
    seed: int, kept: int, relative: bool
) -> None:
    found = weights(seed)
    masks = magnitude_masks(found, kept, relative)
    assert sum(int(mask.sum()) for mask in masks.values()) == kept
    for name, mask in masks.items():
        assert mask.shape == found[name].shape
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
        size = found[name].abs()
        if 0 < mask.sum() < mask.numel():
            assert size[mask == 1].min() >= size[mask == 0].max()


def test_magnitudes_of_layers_are_compared_in_their_own_units() -> None:
    found = weights()
    absolute, relative = (magnitude_masks(found, 30, relative) for relative in (False, True))
    assert absolute["a"].sum() == 0
    assert relative["a"].sum() > 0
    scaled = {"a": found["a"] * 1000, "b": found["b"]}
    assert torch.equal(magnitude_masks(scaled, 30)["a"], relative["a"])


def test_each_layer_has_its_own_budget() -> None:
    found = weights()
    masks = magnitude_masks(found, {"a": 5, "b": 100})
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {"a": 5, "b": 100}
    assert kept_of(found, 0.75) == {"a": 3, "b": 27}
    with pytest.raises(BadInput, match=r"sparsity: found 1.5, accepted 0 \.\. 1"):
        kept_of(found, 1.5)


def test_equal_magnitudes_do_not_break_the_budget() -> None:
    masks = magnitude_masks({"a": torch.ones(5, 5)}, 7)
    assert masks["a"].flatten().tolist() == [1.0] * 7 + [0.0] * 18


def test_whole_channels_go_by_their_norms() -> None:
    found = weights()
    masks = channel_masks(found, {"a": 2, "b": 1})
    for name, kept in {"a": 2, "b": 1}.items():
        rows = masks[name].flatten(1)
        assert torch.equal(rows.amin(1), rows.amax(1))
        norms = found[name].flatten(1).norm(dim=1)
        assert rows[:, 0].nonzero().flatten().tolist() == sorted(norms.topk(kept).indices.tolist())
    everywhere = channel_masks(found, 3)
    assert all(mask.sum() > 0 for mask in everywhere.values())
    assert sum(int(mask.flatten(1)[:, 0].sum()) for mask in everywhere.values()) == 3
    first = channel_masks({"a": torch.tensor([[3.0, 0.0], [2.0, 2.0]])}, {"a": 1}, order=1)
    assert first["a"].tolist() == [[0, 0], [1, 1]]


class Masked(nn.Module):
    """A perceptron whose weights are multiplied by masks, as a QuantizedNetwork's are."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(16, 12), nn.Linear(12, 2)
        self.masks: dict[str, Tensor] = {}

    def shadow(self) -> dict[str, Tensor]:
        return {"first.weight": self.first.weight, "second.weight": self.second.weight}

    def effective(self, name: str) -> Tensor:
        value = self.get_parameter(name)
        return value * self.masks[name] if name in self.masks else value

    def forward(self, x: Tensor) -> Tensor:
        linear = nn.functional.linear
        bias = self.effective("first.bias")
        x = torch.relu(linear(x.flatten(1), self.effective("first.weight"), bias))
        return linear(x, self.effective("second.weight"), self.second.bias)


def trained(pruner_of: object) -> Masked:
    x, y = two_classes(400)
    model = Masked()
    pruner = pruner_of(model)  # type: ignore[operator]
    fit(model, x, y, Schedule(8, 16, learning_rate=1e-2), after_step=pruner)
    assert accuracy(model, x, y) > 90
    return model


def test_a_network_that_is_trained_so_keeps_its_budget() -> None:
    counts: list[int] = []

    def pruner_of(model: Masked) -> object:
        schedule = CubicSchedule(steps=120, first=20, every=10)
        pruner = Pruner(model.shadow(), model.masks, 40, schedule)

        def after_step(step: int) -> None:
            pruner(step)
            if model.masks:
                counts.append(nonzero({n: model.effective(n) for n in model.shadow()}))

        return after_step

    model = trained(pruner_of)
    assert nonzero({name: model.effective(name) for name in model.shadow()}) == 40
    assert counts[0] == 16 * 12 + 12 * 2
    assert counts == sorted(counts, reverse=True)
    assert 60 < counts[30] < 216 * 0.7  # most of the way is gone early: the schedule is cubic


def test_channels_go_with_their_bias_and_are_silent() -> None:
    def pruner_of(model: Masked) -> object:
        weights = {"first.weight": model.first.weight}
        schedule = CubicSchedule(steps=100)
        bound = {"first.weight": {"first.bias": model.first.bias}}
        return Pruner(weights, model.masks, {"first.weight": 5}, schedule, True, bound)

    model = trained(pruner_of)
    x, _ = two_classes(50)
    linear = nn.functional.linear
    weight, bias = (model.effective(f"first.{name}") for name in ("weight", "bias"))
    hidden = torch.relu(linear(x.flatten(1), weight, bias))
    assert int((hidden.detach().abs().amax(0) == 0).sum()) >= 7


@pytest.mark.parametrize("kept", [0, 10**6, {"a": 1}, {"a": 0, "b": 1}, {"a": 1, "b": 999}])
def test_impossible_budgets_are_refused(kept: object) -> None:
    with pytest.raises(BadInput, match=r"kept.*found .*, accepted"):
        Pruner(weights(), {}, kept, CubicSchedule(10))  # type: ignore[arg-type]


CONFIG = parse_config({"input": {"bits": 4, "scale": 1 / 15}, "default": {"weight_bits": 1.58}})


def quantized_network() -> QuantizedNetwork:
    layers = {"fc1": linear(12, 16), "relu": Rectify(2.0), "fc2": linear(2, 12, 3)}
    return QuantizedNetwork(prepared(chain((1, 4, 4), layers), None, CONFIG), CONFIG)


def integers_of(network: QuantizedNetwork) -> Graph:
    return lower(network.float_graph(), config=network.config)


def test_a_quantised_network_keeps_its_budget_in_the_integers() -> None:
    x, y = two_classes(400)
    network = quantized_network()
    pruner = network_pruner(network, 50, CubicSchedule(steps=60, every=5))
    fit(network, x, y, Schedule(6, 16, learning_rate=1e-2), after_step=pruner)
    exported = network.export()
    weights = [node.synapses[0].op.weight for node in exported.nodes]  # type: ignore[union-attr]
    assert 20 < sum(int(np.count_nonzero(weight)) for weight in weights) <= 50
    assert accuracy(network, x, y) > 75
    words = reference.encode_input(exported.inputs[0], x.numpy())
    before, after = (reference.run(g, words) for g in (exported, integers_of(network)))
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("kept", [{"fc1.weight": 5}, 5])
def test_pruned_channels_leave_the_network_and_nothing_changes(kept: object) -> None:
    x, y = two_classes(400)
    network = quantized_network()
    pruner = network_pruner(network, kept, CubicSchedule(steps=60, every=5), channels=True)  # type: ignore[arg-type]
    fit(network, x, y, Schedule(4, 16, learning_rate=1e-2), after_step=pruner)
    graph = network.float_graph()
    smaller = remove_silent(graph)
    assert [node.type.shape for node in smaller.nodes] == [(5,), (2,)]
    whole, less = (lower(g, config=network.config) for g in (graph, smaller))
    words = reference.encode_input(whole.inputs[0], x.numpy())
    name = graph.outputs[0].source
    assert np.array_equal(reference.run(whole, words)[name], reference.run(less, words)[name])


def test_channels_go_with_all_synapses_of_their_population() -> None:
    train = SpikeType((4,), 5)
    synapses = (Synapse(linear(4, 4), "x"), Synapse(linear(4, 4, 3), "lif", delay=1))
    lif = Node("lif", synapses, IntegrateFire(0.5, 0.9), train)
    out = Node("out", (Synapse(linear(2, 4), "lif"),), Integrate(0.9), SpikeType((2,), 5))
    outputs = (Output("out", Readout.LAST),)
    graph = Graph(Stage.FLOAT, (Input("x", train),), (lif, out), outputs)
    config = parse_config({"input": {"bits": 1, "scale": 1.0}})
    network = QuantizedNetwork(prepared(graph, None, config), config)
    network_pruner(network, 2, CubicSchedule(0), channels=True).choose(1.0)
    assert remove_silent(network.float_graph()).node("lif").type.shape == (2,)
