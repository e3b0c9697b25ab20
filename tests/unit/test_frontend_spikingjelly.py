"""SpikingJelly's neurons beside e3ne's, step by step; runs with 2.0.0 and with 0.0.0.0.14."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("spikingjelly", reason="make setup")

from spikingjelly.activation_based import (
    base,
    functional,
    layer,
    neuron,
    surrogate,
)

from e3ne import reference
from e3ne.frontend import trace
from e3ne.frontend.registry import find_neuron
from e3ne.frontend.values import Layout
from e3ne.ir import Array, Integrate, IntegrateFire, Readout, UnsupportedModel
from tests.beside import (
    assert_membranes,
    assert_spikes,
    by_reference,
    currents,
    described,
)

NEW = not version("spikingjelly").startswith("0.")


def library_trains(module: nn.Module, x: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes, and membranes after the resets, (frames, steps, *shape), as the library computes."""
    module.double().eval()
    steps = torch.from_numpy(x).double()
    if module.step_mode == "m":
        module.store_v_seq = True
        spikes = module(steps.transpose(0, 1).contiguous())
        return spikes.transpose(0, 1), module.v_seq.transpose(0, 1)
    spikes, membranes = [], []
    for step in steps.unbind(1):
        spikes.append(module(step))
        membranes.append(module.v.clone())
    return torch.stack(spikes, 1), torch.stack(membranes, 1)


def check(module: nn.Module, *shape: int, layout: Layout | None = None, **drawn: float) -> None:
    """The description of a fresh module equals what the module computes."""
    model = described(module, shape)
    assert (model.layout, model.membrane_name) == (layout, "v")
    x = currents(*shape, **drawn)
    spikes, membranes = library_trains(module, x)
    assert_spikes(model, x, spikes)
    assert_membranes(model, x, membranes)


RESETS: tuple[float | None, ...] = (None, 0.0, -0.3, 0.25)
MODES = ("s", "m")


def layout_of(mode: str) -> Layout | None:
    return Layout.STEPS_FRAMES if mode == "m" else None


@pytest.mark.parametrize(("v_reset", "mode"), list(product(RESETS, MODES)))
def test_if_node(v_reset: float | None, mode: str) -> None:
    module = neuron.IFNode(v_threshold=0.8, v_reset=v_reset, step_mode=mode)
    check(module, 5, layout=layout_of(mode))


@pytest.mark.parametrize(
    ("decay_input", "v_reset", "mode"), list(product((True, False), RESETS, MODES))
)
def test_lif_node(decay_input: bool, v_reset: float | None, mode: str) -> None:
    module = neuron.LIFNode(2.5, decay_input, 0.4, v_reset, step_mode=mode)
    check(module, 2, 3, 4, layout=layout_of(mode))


@pytest.mark.parametrize(
    ("decay_input", "v_reset", "mode"), list(product((True, False), RESETS, MODES))
)
def test_parametric_lif_node(decay_input: bool, v_reset: float | None, mode: str) -> None:
    module = neuron.ParametricLIFNode(3.0, decay_input, 0.4, v_reset, step_mode=mode)
    with torch.no_grad():
        module.w.add_(0.3)  # learned
    check(module, 4, layout=layout_of(mode))


if NEW:

    @pytest.mark.parametrize(("v_reset", "mode"), list(product(RESETS, MODES)))
    def test_cuba_lif_node(v_reset: float | None, mode: str) -> None:
        module = neuron.CUBALIFNode(0.4, 0.7, 0.9, v_reset)
        module.step_mode = mode
        check(module, 4, layout=layout_of(mode))

    @pytest.mark.parametrize("mode", MODES)
    def test_online_learning_nodes_are_lif_nodes_in_evaluation(mode: str) -> None:
        for cls in (neuron.OTTTLIFNode, neuron.SLTTLIFNode):
            module = cls(2.5, False, 0.7)
            module.step_mode = mode
            check(module, 3, layout=layout_of(mode))

    @pytest.mark.parametrize("decay_input", [True, False])
    def test_simple_nodes(decay_input: bool) -> None:
        for module in (neuron.SimpleIFNode(0.8), neuron.SimpleLIFNode(2.5, decay_input, 0.4)):
            model = described(module, (4,))
            x = currents(4)
            spikes, membranes = library_trains(module, x)
            assert_spikes(model, x, spikes)
            assert_membranes(model, x, membranes)

    def test_a_first_membrane_elsewhere_is_refused() -> None:
        refused(neuron.SimpleIFNode(1.0, v_reset=0.5), r"found v = 0.0 before .* accepted 0.5")
        refused(neuron.HalfThresholdIFNode(), r"HalfThresholdIFNode.*use IFNode\(v_reset=None\)")


class MembraneRecord(nn.Module):
    """Scores are means over the membranes of all steps, or the last of them."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.fc = layer.Linear(6, 4, step_mode="m")
        self.neurons = neuron.LIFNode(v_reset=0.25, step_mode="m", store_v_seq=True)
        self.name = name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.neurons(self.fc(x))
        kept = getattr(self.neurons, self.name)
        return kept.mean(0) if self.name == "v_seq" else kept


@pytest.mark.parametrize(("name", "readout"), [("v", Readout.LAST), ("v_seq", Readout.MEAN)])
def test_membranes_that_a_call_for_all_steps_leaves(name: str, readout: Readout) -> None:
    torch.manual_seed(1)
    model, x = MembraneRecord(name), currents(6, high=4.0, steps=20)
    graph = trace(model, x, input_has_steps=True)
    assert graph.outputs[0].readout is readout
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, x))
    with torch.no_grad():
        found = model(torch.from_numpy(x).transpose(0, 1)).numpy()
    scale = 20 if readout is Readout.MEAN else 1
    np.testing.assert_allclose(words, found * scale, atol=1e-4)


def test_thresholds_one_a_channel_and_one_a_neuron() -> None:
    for threshold in (torch.rand(3, 1, 1) + 0.2, torch.rand(3, 2, 2) + 0.2):
        module = neuron.IFNode(v_reset=0.1)
        module.v_threshold = threshold + 0.1
        model = described(module, (3, 2, 2))
        x = currents(3, 2, 2)
        steps = torch.from_numpy(x).double()  # 2.0.0 has an op of its own for float32 and numbers
        module.train()  # 0.0.0.0.14 has a script of its own for evaluation with numbers
        spikes = torch.stack([module(step) for step in steps.unbind(1)], 1)
        assert_spikes(model, x, spikes)


def test_an_infinite_threshold_integrates() -> None:
    module = neuron.LIFNode(2.0, v_threshold=float("inf"))
    model = described(module, (4,))
    assert (model.neuron, model.spikes_at) == (None, None)
    assert isinstance(model.membrane, Integrate)
    x = currents(4)
    spikes, membranes = library_trains(module, x)
    assert not spikes.any()
    assert_membranes(model, x, membranes)


def test_a_wrong_description_is_caught() -> None:
    """The broken twin: each switch of the description, turned, is seen by the comparison."""
    module = neuron.LIFNode(2.5, False, 0.4)
    model = described(module, (4,))
    x = currents(4)
    spikes, _ = library_trains(module, x)
    assert isinstance(model.neuron, IntegrateFire)
    wrong: list[dict[str, Any]] = [
        {"gain": 0.4}, {"decay": 0.61}, {"threshold": 0.41}, {"reset": "subtract"},
        {"reset_step": "next", "reset_keeps_input": False},
    ]  # fmt: skip
    for change in wrong:
        twin = replace(model, neuron=replace(model.neuron, **change))
        with pytest.raises(AssertionError):
            assert_spikes(twin, x, spikes)
    exact = np.full((1, 3, 1), 0.5, np.float32)  # meets a threshold of 1 at the second step
    by_one = described(neuron.IFNode(), (1,))
    assert isinstance(by_one.neuron, IntegrateFire)
    assert by_reference(by_one, by_one.neuron, exact, (1,)).ravel().tolist() == [0, 1, 0]
    assert neuron.IFNode(step_mode="m")(torch.full((3, 1, 1), 0.5)).ravel().tolist() == [0, 1, 0]


def test_forget_brings_back_the_first_state() -> None:
    module = neuron.LIFNode(v_reset=0.25)
    module(torch.full((2, 3), 0.6))
    assert isinstance(module.v, torch.Tensor)
    found = find_neuron(module)
    assert found is not None
    found.reset(module)
    assert module.v == 0.25


def refused(module: nn.Module, pattern: str) -> None:
    with pytest.raises(UnsupportedModel, match=pattern):
        described(module, (4,))


def test_options_that_are_refused() -> None:
    soft = surrogate.ATan(spiking=False)
    refused(neuron.IFNode(surrogate_function=soft), "found surrogate_function=.*leave out spiking")
    refused(neuron.IFNode(v_threshold=0.2, v_reset=0.2), "found v_threshold - v_reset 0, accepted")
    moved = neuron.LIFNode()
    moved.set_reset_value("v", 0.5)
    refused(moved, r"found v = 0.5 before the first step, accepted 0.0; leave out set_reset_value")
    stochastic = neuron.IFNode(surrogate_function=lambda x: (torch.rand_like(x) < x).to(x))
    refused(stochastic, "does not send 1 from 0 on")


if not NEW:

    def test_other_backends_are_refused() -> None:
        module = neuron.LIFNode()
        module.__dict__["_backend"] = "cupy"  # as set_backend does where CuPy is installed
        refused(module, "found backend='cupy', accepted 'torch'.*set_backend")


@pytest.mark.parametrize(
    "function",
    [cls() for cls in (surrogate.Sigmoid, surrogate.ATan, surrogate.Erf, surrogate.LeakyKReLU,
                       surrogate.PiecewiseQuadratic, surrogate.S2NN, surrogate.SoftSign)],
    ids=lambda function: type(function).__name__,
)  # fmt: skip
def test_surrogates_that_spike(function: nn.Module) -> None:
    assert described(neuron.IFNode(surrogate_function=function), (4,)).neuron is not None


DESCRIBED = {
    "IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode", "SimpleIFNode", "SimpleLIFNode",
    "OTTTLIFNode", "SLTTLIFNode",
}  # fmt: skip


def exported() -> list[type[nn.Module]]:
    """Every class of the library's neuron package that is a module."""
    found = vars(neuron).values()
    return [cls for cls in found if isinstance(cls, type) and issubclass(cls, nn.Module)]


@pytest.mark.parametrize("cls", exported(), ids=lambda cls: cls.__name__)
def test_every_neuron_is_described_or_refused_by_name(cls: type[nn.Module]) -> None:
    if cls.__name__ in DESCRIBED:
        return
    module = cls.__new__(cls)
    with pytest.raises(UnsupportedModel) as caught:
        described(module, (4,))
    problem = caught.value.problems[0]
    assert problem.startswith(f"found spikingjelly's {cls.__name__}, accepted IFNode, LIFNode")
    assert "; use " in problem


def test_all_that_should_be_described_are() -> None:
    names = {cls.__name__ for cls in exported()}
    assert (DESCRIBED & names) == (DESCRIBED if NEW else {"IFNode", "LIFNode", "ParametricLIFNode"})
    assert len(names) > (30 if NEW else 8)


def test_layers_with_a_state_that_is_no_neuron_are_refused() -> None:
    for module in (layer.SynapseFilter(), layer.NeuNorm(2, 4, 4), layer.DropConnectLinear(3, 3)):
        refused(module, f"found spikingjelly's {type(module).__name__}.*; use ")


def test_layers_without_a_state_are_no_neurons() -> None:
    for module in (layer.Dropout(), layer.Conv2d(1, 1, 1), layer.SeqToANNContainer(nn.ReLU())):
        assert find_neuron(module) is None
    assert isinstance(layer.Dropout(), base.MemoryModule)


def test_reset_net_of_the_library_is_what_forget_does() -> None:
    net = nn.Sequential(neuron.IFNode(), neuron.LIFNode(v_reset=None))
    net(torch.rand(2, 3))
    functional.reset_net(net)
    assert [module.v for module in net] == [0.0, 0.0]


def test_refusals_name_every_module_of_a_network() -> None:
    """All at once, by path, in both step modes; the neurons behind the first are reported too."""
    net = nn.Sequential(
        layer.Linear(6, 5),
        neuron.QIFNode(),
        layer.Linear(5, 4),
        neuron.LIFNode(surrogate_function=surrogate.ATan(spiking=False)),
        layer.Linear(4, 3),
        neuron.EIFNode(),
    )
    for mode in MODES:
        functional.set_step_mode(net, mode)
        with pytest.raises(UnsupportedModel) as caught:
            trace(net, torch.rand(2, 7, 6), input_has_steps=True)
        text = "\n".join(caught.value.problems)
        assert "1 (QIFNode): found spikingjelly's QIFNode, accepted IFNode, LIFNode" in text
        assert "3 (LIFNode): found surrogate_function=" in text
        assert "5 (EIFNode): found spikingjelly's EIFNode" in text


def test_a_model_is_left_as_it_was() -> None:
    """Its memories, its mode and its step mode; the library resets our copy only."""
    net = nn.Sequential(layer.Linear(6, 5), neuron.IFNode(step_mode="s")).train()
    net(torch.ones(2, 6))
    membranes = net[1].v.clone()
    trace(net, currents(6, steps=8), input_has_steps=True)
    assert net.training
    assert net[1].step_mode == "s"
    assert torch.equal(net[1].v, membranes)
    assert net[1].v.requires_grad
