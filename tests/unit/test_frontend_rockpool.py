"""Tracing of Rockpool: its combinators, its layout, what it keeps between calls, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from e3ne import reference
from e3ne.frontend import trace
from e3ne.ir import BadInput, Graph, Integrate, IntegrateFire, Linear, Readout, UnsupportedModel

modules = pytest.importorskip("rockpool.nn.modules", reason="pip install rockpool")

from rockpool.nn.combinators import Residual, Sequential  # noqa: E402  (behind importorskip)

FRAMES, STEPS, FEATURES = 3, 20, 6


def events() -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return (torch.rand(FRAMES, STEPS, FEATURES, generator=generator) < 0.4).float()


def lif(count: int, **options: Any) -> nn.Module:
    return modules.LIFTorch((count,), tau_mem=8e-3, tau_syn=2e-3, **options)


def linear(inputs: int, outputs: int, **options: Any) -> nn.Module:
    weight = torch.rand(inputs, outputs, generator=torch.Generator().manual_seed(inputs))
    return modules.LinearTorch((inputs, outputs), weight=weight - 0.2, **options)


def assert_counts_equal(graph: Graph, model: Any, x: torch.Tensor) -> None:
    """Spike counts of the reference against those of the library (an independent comparison)."""
    model.reset_state()
    trains, _, _ = model(x)
    counts = trains.detach().sum(1).numpy()
    assert counts.sum() > 0
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, x.numpy()))
    np.testing.assert_array_equal(words, counts)


def test_sequential_takes_frames_first_and_returns_three_things() -> None:
    model = Sequential(linear(FEATURES, 8), lif(8), linear(8, 4, has_bias=True), lif(4))
    graph = trace(model, events(), input_has_steps=True)
    assert [node.name for node in graph.nodes] == [
        "0_LinearTorch", "1_LIFTorch", "2_LinearTorch", "3_LIFTorch",
    ]  # fmt: skip
    assert {node.type.steps for node in graph.nodes} == {STEPS}
    assert graph.outputs[0].readout is Readout.COUNT
    assert_counts_equal(graph, model, events())


def test_as_many_frames_as_steps() -> None:
    """The layout is not guessed from the sizes."""
    x = events()[:, :FRAMES]
    model = Sequential(linear(FEATURES, 8), lif(8))
    graph = trace(model, x, input_has_steps=True)
    assert {node.type.steps for node in graph.nodes} == {FRAMES}
    assert_counts_equal(graph, model, x)


def test_residual_adds_trains() -> None:
    model = Sequential(linear(FEATURES, 8), lif(8), Residual(linear(8, 8), lif(8)))
    graph = trace(model, events(), input_has_steps=True)
    add = graph.node(graph.outputs[0].source)
    assert sorted(synapse.source for synapse in add.synapses) == [
        "1_LIFTorch", "2_TorchResidual.1_LIFTorch",
    ]  # fmt: skip
    assert_counts_equal(graph, model, events())


def test_recurrence_reads_the_step_before() -> None:
    model = Sequential(linear(FEATURES, 8), lif(8, has_rec=True, w_rec=torch.full((8, 8), -0.1)))
    node = trace(model, events(), input_has_steps=True).node("1_LIFTorch")
    assert [(synapse.source, synapse.delay) for synapse in node.synapses] == [
        ("0_LinearTorch", 0), ("1_LIFTorch", 1),
    ]  # fmt: skip


def test_two_synapses_a_neuron_are_added_up() -> None:
    model = Sequential(linear(FEATURES, 8), modules.LIFTorch((8, 4), tau_syn=torch.tensor(2e-3)))
    graph = trace(model, events(), input_has_steps=True)
    (synapse,) = graph.node("1_LIFTorch").synapses
    assert isinstance(synapse.op, Linear)
    assert synapse.op.weight.sum(axis=1).tolist() == [2, 2, 2, 2]
    assert_counts_equal(graph, model, events())


def test_torch_layers_inside_and_the_torch_call() -> None:
    torch.manual_seed(1)
    mixed = Sequential(nn.Linear(FEATURES, 8), lif(8), modules.TimeStepDropout((8,)))
    assert [node.name for node in trace(mixed, events(), input_has_steps=True).nodes] == [
        "0_Linear", "1_LIFTorch",
    ]  # fmt: skip
    alone = Sequential(linear(FEATURES, 8), lif(8)).to_torch()
    assert alone(events()).shape == (FRAMES, STEPS, 8)  # no tuple
    graph = trace(alone, events(), input_has_steps=True)
    assert [node.name for node in graph.nodes] == ["0_LinearTorch", "1_LIFTorch"]


def test_a_synapse_as_readout() -> None:
    model = Sequential(linear(FEATURES, 8), lif(8), linear(8, 3), modules.ExpSynTorch(3))
    graph = trace(model, events(), input_has_steps=True)
    assert isinstance(graph.node("3_ExpSynTorch").neuron, Integrate)
    assert graph.outputs[0].readout is Readout.LAST
    model.reset_state()
    last = model(events())[0].detach()[:, -1]
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, events().numpy()))
    np.testing.assert_allclose(words, last, atol=1e-5)


def test_spikes_have_no_limit_where_the_limit_is_out_of_reach() -> None:
    found = []
    for options in ({}, {"max_spikes_per_dt": 31}):
        neuron = trace(
            Sequential(linear(FEATURES, 8), lif(8, **options)), events(), input_has_steps=True
        ).node("1_LIFTorch").neuron  # fmt: skip
        assert isinstance(neuron, IntegrateFire)
        found.append(neuron.max_spikes)
    assert found == [None, 31]


def test_the_states_of_the_users_model_stay_and_do_not_matter() -> None:
    model = Sequential(linear(FEATURES, 8), lif(8))
    model(events())
    before = model[1].vmem.clone()
    assert before.any()
    graph = trace(model, events(), input_has_steps=True)
    assert torch.equal(model[1].vmem, before)
    assert_counts_equal(graph, model, events())


@pytest.mark.parametrize(
    ("neurons", "found"),
    [
        (lambda: lif(8, noise_std=0.1), "1_LIFTorch (LIFTorch): found noise_std != 0, accepted 0"),
        (lambda: modules.RateTorch(8), "1_RateTorch (RateTorch): found rockpool.RateTorch, acc"),
        (lambda: modules.aLIFTorch(8), "1_aLIFTorch (aLIFTorch): found rockpool.aLIFTorch, acc"),
    ],
)
def test_refused_by_path(neurons: Any, found: str) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        trace(Sequential(linear(FEATURES, 8), neurons()), events(), input_has_steps=True)
    (problem,) = caught.value.problems
    assert problem.startswith(found)


def test_other_backends_are_refused() -> None:
    numpy = Sequential(modules.Linear((FEATURES, 8)), modules.LIF(8))
    for model in (numpy, modules.LIF(FEATURES)):
        with pytest.raises(BadInput, match=r"of rockpool, accepted a torch\.nn\.Module"):
            trace(model, events(), input_has_steps=True)
