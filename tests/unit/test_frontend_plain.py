"""Tracing of plain torch: every module and functional form becomes the node that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from e3ne import reference
from e3ne.frontend import examples, trace
from e3ne.ir import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Linear,
    MaxPool2d,
    Node,
    Readout,
    Rectify,
    Relay,
    SumPool2d,
    UnsupportedModel,
)


class Lambda(nn.Module):
    """A model whose forward is a function; further modules are given by name."""

    def __init__(self, function: Callable[..., torch.Tensor], **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self._function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._function(self, x)


def frames(*shape: int) -> torch.Tensor:
    return torch.rand(3, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 0.5


def ran_in_eval(*layers: nn.Module) -> nn.Sequential:
    """A Sequential whose batch norms have seen data."""
    model = nn.Sequential(*layers)
    model.train()
    model(frames(2, 8, 8) if not isinstance(layers[0], nn.Linear) else frames(6))
    return model.eval()


def only_node(graph: Graph) -> Node:
    (node,) = graph.nodes
    return node


class LeNet(nn.Module):
    """LeNet-5 with batch norm, both poolings, and functional calls between modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 84)
        self.drop = nn.Dropout()
        self.fc2 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.avg_pool2d(torch.clamp(self.conv2(x), 0, 4), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)), inplace=True)
        return self.fc2(self.drop(x))


class Block(nn.Module):
    """A residual block with a strided shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding="same")
        self.shortcut = nn.Conv2d(2, 4, 1, stride=2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        out += self.shortcut(x)
        return self.relu(out)


def test_lenet_nodes_and_names() -> None:
    graph = trace(LeNet(), frames(1, 28, 28))
    assert [node.name for node in graph.nodes] == [
        "conv1",
        "bn1",
        "bn1.relu",
        "bn1.relu.max_pool2d",
        "conv2",
        "conv2.clamp",
        "conv2.clamp.avg_pool2d",
        "conv2.clamp.avg_pool2d.flatten",
        "fc1",
        "fc1.relu",
        "fc2",
    ]
    assert graph.node("conv2.clamp").neuron == Rectify(4.0)
    assert graph.outputs[0].source == "fc2"
    assert graph.outputs[0].readout is Readout.LAST
    assert {graph.edge(node.name).steps for node in graph.nodes} == {1}


def test_graph_equals_the_model_in_float32() -> None:
    model, x = LeNet().eval(), frames(1, 28, 28)
    graph = trace(model, x)
    got, _ = reference.read_out(graph.outputs[0], reference.run(graph, x.numpy()))
    with torch.no_grad():
        np.testing.assert_allclose(got, model(x).numpy(), rtol=1e-4, atol=1e-5)


def test_residual_block_is_a_node_with_two_synapses() -> None:
    model = nn.Sequential(Block(), nn.Flatten(), nn.Linear(64, 3))
    graph = trace(model, frames(2, 8, 8))
    add = graph.node("0.add")
    assert [(type(s.op), s.source) for s in add.synapses] == [
        (Identity, "0.conv2"),
        (Identity, "0.shortcut"),
    ]
    assert graph.node("0.relu").synapses[0].source == "0.bn1"
    assert graph.node("0.relu_1").synapses[0].source == "0.add"


def test_a_module_used_on_two_sources_is_two_nodes_with_one_weight() -> None:
    model = Lambda(lambda m, x: m.fc(F.relu(m.fc(x))), fc=nn.Linear(6, 6))
    graph = trace(model, frames(6))
    weights = [s.op.weight for n in graph.nodes for s in n.synapses if isinstance(s.op, Linear)]
    assert len(weights) == 2
    assert weights[0] is weights[1]
    assert len({node.name for node in graph.nodes}) == 3


def test_the_same_call_twice_is_one_node() -> None:
    model = Lambda(lambda m, x: m.fc(x) + m.fc(x), fc=nn.Linear(6, 4))
    assert [node.name for node in trace(model, frames(6)).nodes] == ["fc", "add"]


@pytest.mark.parametrize(
    ("module", "op"),
    [
        (nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), Conv2d),
        (nn.Conv2d(2, 4, (3, 1), padding=(1, 0), dilation=(2, 1), bias=False), Conv2d),
        (nn.Conv2d(2, 4, 3, padding="same", dilation=2), Conv2d),
        (nn.Conv2d(2, 4, 2, padding="valid"), Conv2d),
        (nn.MaxPool2d(2), MaxPool2d),
        (nn.MaxPool2d(3, stride=2), MaxPool2d),
        (nn.AvgPool2d(2), SumPool2d),
        (nn.AvgPool2d(3, stride=2, padding=1), SumPool2d),
        (nn.AvgPool2d(2, divisor_override=3), SumPool2d),
        (nn.LPPool2d(1, 3, stride=1), SumPool2d),
        (nn.AdaptiveAvgPool2d(2), SumPool2d),
        (nn.AdaptiveAvgPool2d((1, 4)), SumPool2d),
        (nn.Flatten(), Flatten),
    ],
)
def test_image_modules(module: nn.Module, op: type) -> None:
    node = only_node(trace(nn.Sequential(module), frames(2, 8, 8)))
    assert type(node.synapses[0].op) is op
    assert node.neuron == Relay()
    assert node.name == "0"


@pytest.mark.parametrize(
    ("module", "bound"),
    [(nn.ReLU(), None), (nn.ReLU6(), 6.0), (nn.Hardtanh(0, 2.5), 2.5), (nn.ReLU(True), None)],
)
def test_rectifying_modules(module: nn.Module, bound: float | None) -> None:
    assert only_node(trace(nn.Sequential(module), frames(5))).neuron == Rectify(bound)


@pytest.mark.parametrize(
    ("function", "bound"),
    [
        (F.relu, None),
        (torch.relu, None),
        (lambda x: x.relu(), None),
        (lambda x: x.clone().relu_(), None),
        (F.relu6, 6.0),
        (lambda x: F.hardtanh(x, 0, 3), 3.0),
        (lambda x: torch.clamp(x, 0, 1), 1.0),
        (lambda x: x.clamp(min=0.0), None),
        (lambda x: x.clamp(0, max=2), 2.0),
        (lambda x: x.clamp_min(0), None),
    ],
)
def test_rectifying_functions(
    function: Callable[[torch.Tensor], torch.Tensor], bound: float | None
) -> None:
    model = Lambda(lambda m, x: function(x))
    assert only_node(trace(model, frames(5))).neuron == Rectify(bound)


@pytest.mark.parametrize(
    "flatten",
    [
        lambda x: torch.flatten(x, 1),
        lambda x: x.flatten(1),
        lambda x: x.view(x.size(0), -1),
        lambda x: x.view(-1, 128),
        lambda x: x.reshape(x.shape[0], -1),
        lambda x: x.reshape((len(x), 128)),
    ],
)
def test_flattening_methods(flatten: Callable[[torch.Tensor], torch.Tensor]) -> None:
    model = Lambda(lambda m, x: m.fc(flatten(x)), fc=nn.Linear(128, 3))
    graph = trace(model, frames(2, 8, 8))
    assert [node.name for node in graph.nodes][1] == "fc"
    assert isinstance(graph.nodes[0].synapses[0].op, Flatten)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 0.5,
        lambda x: 2 * x,
        lambda x: x / 255.0,
        lambda x: x - 0.25,
        lambda x: 1 + x,
        lambda x: (
            (x - torch.tensor([0.1, 0.2]).view(1, 2, 1, 1)) / torch.tensor([[[2.0]], [[4.0]]])
        ),
    ],
)
def test_arithmetic_with_constants(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    graph = trace(Lambda(lambda m, x: function(x)), frames(2, 8, 8))
    assert all(isinstance(node.synapses[0].op, ChannelAffine) for node in graph.nodes)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("axes", [(2, 3), [-2, -1]])
def test_the_mean_over_pixels_is_a_pooling(axes: Any, keepdim: bool) -> None:
    model = Lambda(lambda m, x: F.relu(x).mean(axes, keepdim=keepdim))
    graph = trace(model, frames(2, 8, 4))
    pooling = graph.nodes[1].synapses[0].op
    assert isinstance(pooling, SumPool2d)
    assert (pooling.kernel, pooling.divisor) == ((8, 4), 32.0)
    assert graph.nodes[-1].type.shape == ((2, 1, 1) if keepdim else (2,))


def test_adding_zero_and_vanishing_modules_leave_no_node() -> None:
    model = Lambda(
        lambda m, x: m.fc(m.drop(m.same(x.data.clone().contiguous() + 0).float())),
        fc=nn.Linear(6, 2),
        drop=nn.Dropout(),
        same=nn.Identity(),
    )
    assert [node.name for node in trace(model, frames(6)).nodes] == ["fc"]


def test_batch_norms_become_a_gain_and_an_offset_a_channel() -> None:
    images = trace(ran_in_eval(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)), frames(2, 8, 8))
    features = trace(ran_in_eval(nn.Linear(6, 4), nn.BatchNorm1d(4, affine=False)), frames(6))
    for graph, channels in ((images, 3), (features, 4)):
        op = graph.node("1").synapses[0].op
        assert isinstance(op, ChannelAffine)
        assert op.gain.shape == op.offset.shape == (channels,)
        assert float(np.abs(op.offset).max()) > 0


def test_an_input_module_does_not_take_the_name_of_the_input() -> None:
    model = Lambda(lambda m, x: m._modules["input"](x), input=nn.Linear(4, 2))
    graph = trace(model, frames(4))
    assert graph.nodes[0].name != "input"


def test_numpy_examples_and_a_readout_of_ones_own() -> None:
    graph = trace(nn.Sequential(nn.Linear(4, 2)), frames(4).numpy(), readout=Readout.MAX)
    assert graph.outputs[0].readout is Readout.MAX


def test_dead_code_and_messages_on_the_way_are_no_problem() -> None:
    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        torch.sigmoid(x).mean()
        assert x.shape[1] == 4
        return m.fc(x)

    assert [n.name for n in trace(Lambda(forward, fc=nn.Linear(4, 2)), frames(4)).nodes] == ["fc"]


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True))
    model.train()
    model(frames(6)).sum().backward()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    trace(model, frames(6))
    assert model.training
    assert model[0].weight.dtype == torch.float32
    assert not model[0]._forward_hooks
    assert torch.get_default_dtype() == torch.float32
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.equal(parameter.grad, gradient)


def test_forwards_that_insist_on_float32_are_checked_in_float32() -> None:
    model = Lambda(lambda m, x: F.linear(x, torch.eye(4, dtype=torch.float32)))
    assert isinstance(only_node(trace(model, frames(4))).synapses[0].op, Linear)


def test_squeeze_needs_two_frames_or_more() -> None:
    model = Lambda(
        lambda m, x: m.fc(F.adaptive_avg_pool2d(m.conv(x), 1).squeeze()),
        conv=nn.Conv2d(2, 4, 3),
        fc=nn.Linear(4, 3),
    )
    assert trace(model, frames(2, 8, 8)).outputs[0].source == "fc"
    with pytest.raises(UnsupportedModel, match=r"found squeeze from .*; give an example of two fr"):
        trace(model, frames(2, 8, 8)[:1])


def test_large_models_get_by_with_one_frame_but_for_those_that_squeeze(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = []

    def count(m: Lambda, x: torch.Tensor) -> torch.Tensor:
        counts.append(len(x))
        return F.adaptive_avg_pool2d(m.conv(x), 1)

    plain = Lambda(lambda m, x: m.fc(count(m, x).flatten(1)), conv=nn.Conv2d(2, 4, 3),
                   fc=nn.Linear(4, 3))  # fmt: skip
    squeezing = Lambda(lambda m, x: m.fc(count(m, x).squeeze()), **plain._modules)
    monkeypatch.setattr(examples, "LARGE_WEIGHTS", 10)
    trace(plain, frames(2, 8, 8))
    assert set(counts) == {1}
    trace(squeezing, frames(2, 8, 8))
    assert counts[-1] == 2
