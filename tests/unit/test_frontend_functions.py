"""Each torch function becomes ops with the numbers of torch: `trace` checks them itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from e3ne import reference
from e3ne.frontend import trace
from e3ne.ir import Conv2d, Graph, Linear, MaxPool2d, SumPool2d, UnsupportedModel, Upsample2d
from tests.traced import Forward, frames, names, ops


def traced(function: Callable[..., Any], *shape: int, **modules: nn.Module) -> Graph:
    return trace(Forward(function, **modules), frames(*shape))


# ------------------------------------------------------------------------------- convolutions


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": 5, "padding": 2, "stride": 2},
        {"kernel_size": 3, "dilation": 2, "padding": "same"},
        {"kernel_size": 2, "groups": 2, "bias": False},
        {"kernel_size": 1, "padding": "valid"},
    ],
)
def test_conv1d_is_a_conv2d_over_one_row(options: dict[str, Any]) -> None:
    module = nn.Conv1d(4, 6, **options)
    graph = trace(nn.Sequential(module), frames(4, 12))
    op = graph.nodes[0].synapses[0].op
    assert isinstance(op, Conv2d)
    assert op.weight.shape[2:] == (1, options["kernel_size"])
    assert (op.stride[0], op.padding[0], op.dilation[0]) == (1, 0, 1)
    assert graph.inputs[0].type.shape == (4, 1, 12)
    assert graph.nodes[0].type.shape[1] == 1


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
        {"kernel_size": 4, "stride": 2, "padding": 1},
        {"kernel_size": 2, "stride": 2},
        {"kernel_size": (3, 2), "stride": (1, 3), "dilation": (2, 1), "padding": (2, 0)},
        {"kernel_size": 3, "stride": 2, "groups": 2},
        {"kernel_size": 3, "groups": 4, "bias": False},
        {"kernel_size": 2, "stride": 3, "output_padding": (0, 2)},
    ],
)
def test_transposed_convolutions_are_zeros_between_pixels_and_a_conv2d(
    options: dict[str, Any],
) -> None:
    module = nn.ConvTranspose2d(4, 4, **options)
    graph = trace(nn.Sequential(module), frames(4, 5, 6))
    strided = options.get("stride", 1) != 1
    assert ops(graph) == [["Upsample2d"], ["Conv2d"]][not strided :]
    if strided:
        upsampling = graph.nodes[0].synapses[0].op
        assert isinstance(upsampling, Upsample2d)
        assert upsampling.fill == "zero"
    assert graph.nodes[-1].name == "0"


def test_conv_transpose1d() -> None:
    graph = trace(nn.Sequential(nn.ConvTranspose1d(4, 2, 4, stride=2, padding=1)), frames(4, 7))
    assert ops(graph) == [["Upsample2d"], ["Conv2d"]]
    assert graph.nodes[-1].type.shape == (2, 1, 14)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize(("shape", "factor"), [((3, 4, 5), (2, 3)), ((3, 6), 2)])
def test_nearest_upsampling(shape: tuple[int, ...], factor: Any, mode: str) -> None:
    graph = trace(nn.Sequential(nn.Upsample(scale_factor=factor, mode=mode)), frames(*shape))
    op = graph.nodes[0].synapses[0].op
    assert op == Upsample2d((2, 3) if len(shape) == 3 else (1, 2))


def test_upsampling_by_expand_is_the_same_op() -> None:
    def doubled(m: Any, x: torch.Tensor) -> torch.Tensor:
        large = x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2)
        return F.relu(large.reshape(-1, 2, 8, 6))

    graph = traced(doubled, 2, 4, 3)
    assert graph.nodes[0].synapses[0].op == Upsample2d((2, 2))


# ------------------------------------------------------------------------------------ pooling


@pytest.mark.parametrize(
    ("module", "shape", "op"),
    [
        (nn.MaxPool1d(2), (4, 9), MaxPool2d((1, 2), (1, 2))),
        (nn.MaxPool1d(3, stride=1), (4, 9), MaxPool2d((1, 3), (1, 1))),
        (nn.AvgPool1d(3), (4, 9), SumPool2d((1, 3), (1, 3), (0, 0), 3.0)),
        (nn.AvgPool1d(2, stride=1, padding=1), (4, 9), SumPool2d((1, 2), (1, 1), (0, 1), 2.0)),
        (nn.AdaptiveAvgPool1d(3), (4, 9), SumPool2d((1, 3), (1, 3), (0, 0), 3.0)),
        (nn.AdaptiveMaxPool1d(1), (4, 9), MaxPool2d((1, 9), (1, 9))),
        (nn.AdaptiveMaxPool2d((2, 1)), (4, 8, 6), MaxPool2d((4, 6), (4, 6))),
        (nn.AdaptiveAvgPool2d(1), (4, 8, 6), SumPool2d((8, 6), (8, 6), (0, 0), 48.0)),
        (nn.MaxPool2d(2, ceil_mode=True), (4, 8, 6), MaxPool2d((2, 2), (2, 2))),
        (nn.AvgPool2d(2, count_include_pad=False), (4, 8, 6), SumPool2d((2, 2), (2, 2), (0, 0), 4)),
    ],
)
def test_pooling(module: nn.Module, shape: tuple[int, ...], op: object) -> None:
    graph = trace(nn.Sequential(module), frames(*shape))
    assert graph.nodes[0].synapses[0].op == op


def test_groups_of_features_vote() -> None:
    def vote(m: Any, x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool1d(m.fc(x).unsqueeze(1), 5, 5).squeeze(1)

    graph = traced(vote, 4, fc=nn.Linear(4, 10))
    op = graph.nodes[-1].synapses[0].op
    assert isinstance(op, Linear)
    np.testing.assert_allclose(op.weight, np.kron(np.eye(2), np.full((1, 5), 0.2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "weight"),
    [
        (lambda m, x: x.view(-1, 2, 3).sum(-1), [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]),
        (lambda m, x: x.view(-1, 3, 2).sum(1), [[1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1]]),
        (lambda m, x: x.mean(1, keepdim=True), [[1 / 6] * 6]),
        (lambda m, x: x.sum(dim=1), [[1.0] * 6]),
    ],
)
def test_sums_of_features_are_a_linear(function: Any, weight: Any) -> None:
    op = traced(lambda m, x: F.relu(function(m, x)), 6).nodes[0].synapses[0].op
    assert isinstance(op, Linear)
    np.testing.assert_allclose(op.weight, weight, rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (lambda x: x.mean((2, 3)), SumPool2d((4, 6), (4, 6), (0, 0), 24.0)),
        (lambda x: x.sum(-1), SumPool2d((1, 6), (1, 6), (0, 0), 1.0)),
        (lambda x: x.mean(2, keepdim=True), SumPool2d((4, 1), (4, 1), (0, 0), 4.0)),
        (lambda x: x.amax((2, 3), keepdim=True), MaxPool2d((4, 6), (4, 6))),
        (lambda x: x.max(dim=3, keepdim=True)[0].amax(2), MaxPool2d((1, 6), (1, 6))),
    ],
)
def test_reductions_over_pixels_are_poolings(function: Any, op: object) -> None:
    graph = traced(lambda m, x: function(F.relu(x)), 3, 4, 6)
    assert graph.nodes[1].synapses[0].op == op


# ------------------------------------------------------------------- joining, slicing, moving


def test_concatenation_has_a_selecting_synapse_from_each_part() -> None:
    modules = {"a": nn.Conv2d(2, 3, 1), "b": nn.Conv2d(2, 1, 1), "c": nn.Conv2d(6, 2, 3)}
    graph = traced(lambda m, x: m.c(torch.cat([m.a(x), x, m.b(x)], 1)), 2, 5, 5, **modules)
    joined = graph.node("cat")
    weights = {s.source: s.op.weight[:, :, 0, 0] for s in joined.synapses}  # type: ignore[union-attr]
    assert np.array_equal(weights["a"], np.eye(6)[:, :3])
    assert np.array_equal(weights["input"], np.eye(6)[:, 3:5])
    assert np.array_equal(weights["b"], np.eye(6)[:, 5:])
    assert joined.type.shape == (6, 5, 5)


def test_a_linear_behind_a_concatenation_reads_each_part_itself() -> None:
    graph = traced(
        lambda m, x: m.c(torch.cat([m.a(x), F.relu(x)], 1)), 4, a=nn.Linear(4, 3), c=nn.Linear(7, 2)
    )
    assert names(graph) == ["a", "relu", "c"] or names(graph) == ["relu", "a", "c"]
    assert sorted(s.source for s in graph.node("c").synapses) == ["a", "relu"]


@pytest.mark.parametrize(
    "flattened",
    [
        lambda x: x.permute(0, 2, 3, 1).flatten(1),
        lambda x: x.transpose(1, 3).reshape(len(x), -1),
        lambda x: x.flip(-1).flatten(1),
        lambda x: x[:, :, 1:, ::2].flatten(1).repeat(1, 2),
        lambda x: torch.cat([x[:, 1].flatten(1), x[:, 0].flatten(1)], 1),
    ],
)
def test_a_linear_reads_features_in_any_order(flattened: Any) -> None:
    x = frames(2, 4, 6)
    count = flattened(x).shape[1]
    graph = traced(lambda m, x: m.fc(flattened(x)), 2, 4, 6, fc=nn.Linear(count, 3))
    assert ops(graph) == [["Linear"]]


@pytest.mark.parametrize(
    ("part", "kernel", "stride", "padding"),
    [
        (lambda x: x[:, 1:3], (1, 1), (1, 1), (0, 0)),
        (lambda x: torch.chunk(x, 2, 1)[1], (1, 1), (1, 1), (0, 0)),
        (lambda x: torch.split(x, [1, 3], dim=1)[0], (1, 1), (1, 1), (0, 0)),
        (lambda x: x.narrow(1, 1, 2), (1, 1), (1, 1), (0, 0)),
        (lambda x: x[:, [3, 0, 0]], (1, 1), (1, 1), (0, 0)),
        (lambda x: x.index_select(1, torch.tensor([2, 1])), (1, 1), (1, 1), (0, 0)),
        (lambda x: x[:, :, ::2, ::3], (1, 1), (2, 3), (0, 0)),
        (lambda x: x[:, :, 1:-1], (3, 1), (1, 1), (0, 0)),
        (lambda x: x[..., 2:], (1, 3), (1, 1), (0, 0)),
        (lambda x: F.pad(x, (0, 1, 2, 0)), (3, 2), (1, 1), (2, 1)),
        (lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)), (1, 1), (2, 2), (0, 0)),
        (lambda x: F.channel_shuffle(x, 2), (1, 1), (1, 1), (0, 0)),
        (
            lambda x: x.view(-1, 2, 2, 6, 6).transpose(1, 2).reshape(-1, 4, 6, 6),
            (1, 1),
            (1, 1),
            (0, 0),
        ),
        (lambda x: torch.cat([x[:, :1], torch.zeros(3, 2, 6, 6)], 1), (1, 1), (1, 1), (0, 0)),
        (lambda x: torch.roll(x, 1, dims=1), (1, 1), (1, 1), (0, 0)),
    ],
)
def test_parts_of_an_image_are_a_selecting_convolution(
    part: Any, kernel: Any, stride: Any, padding: Any
) -> None:
    graph = traced(lambda m, x: F.relu(part(x)), 4, 6, 6)
    op = graph.nodes[0].synapses[0].op
    assert isinstance(op, Conv2d)
    assert (op.kernel, op.stride, op.padding) == (kernel, stride, padding)
    assert set(np.unique(op.weight)) <= {0.0, 1.0}
    assert graph.nodes[0].name not in ("relu", "")


def test_slices_of_features_are_a_selecting_linear() -> None:
    graph = traced(lambda m, x: F.relu(x[:, 2:5]), 6)
    op = graph.nodes[0].synapses[0].op
    assert isinstance(op, Linear)
    assert np.array_equal(op.weight, np.eye(6)[2:5])


def test_zeros_around_an_image_become_the_padding_of_the_convolution() -> None:
    graph = traced(lambda m, x: m.c(F.pad(x, (2, 2, 1, 1))), 2, 5, 5, c=nn.Conv2d(2, 3, 3, 2, 1))
    (node,) = graph.nodes
    assert node.synapses[0].op.padding == (2, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2),
        lambda x: x.T.T if x.ndim == 2 else x.mT.mT,
        lambda x: x.flatten(1).unflatten(1, (2, 4, 6)),
        lambda x: x.unsqueeze(0).squeeze(0),
        lambda x: x.view(3, 2, 1, 24).reshape(3, 2, 4, 6),
        lambda x: torch.cat(torch.chunk(x, 2, 1), 1),
        lambda x: torch.stack(x.unbind(1), 1),
        lambda x: x.movedim(1, -1).swapaxes(-1, 1).transpose(2, 3),
    ],
)
def test_moves_that_come_back_leave_no_node(function: Any) -> None:
    assert names(traced(lambda m, x: F.relu(function(x)), 2, 4, 6)) == ["relu"]


@pytest.mark.parametrize("given", [(784,), (28, 28), (1, 784)])
def test_an_input_has_the_shape_in_which_it_is_read_first(given: tuple[int, ...]) -> None:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        return m.conv(x.view(-1, 1, 28, 28))

    graph = traced(forward, *given, conv=nn.Conv2d(1, 2, 3))
    assert graph.inputs[0].type.shape == (1, 28, 28)
    assert ops(graph) == [["Conv2d"]]


def test_a_sequence_of_one_axis_layers_equals_the_model() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv1d(2, 6, 5, padding=2), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(6, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )  # fmt: skip
    model(frames(2, 32))
    x = frames(2, 32)
    graph = trace(model.eval(), x)
    got, _ = reference.read_out(
        graph.outputs[0], reference.run(graph, x.numpy().reshape(3, 2, 1, 32))
    )
    with torch.no_grad():
        np.testing.assert_allclose(got, model(x).numpy(), rtol=1e-4, atol=1e-5)


# --------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("function", "gain"),
    [
        (lambda m, x: m.a(x) - m.b(x), -1),
        (lambda m, x: torch.sub(m.a(x), m.b(x), alpha=3), -3),
        (lambda m, x: torch.add(m.a(x), m.b(x), alpha=2), 2),
        (lambda m, x: m.a(x).sub_(m.b(x)), -1),
    ],
)
def test_differences_and_weighted_sums(function: Any, gain: float) -> None:
    graph = traced(function, 4, a=nn.Linear(4, 3), b=nn.Linear(4, 3))
    first, second = graph.nodes[-1].synapses
    assert type(first.op).__name__ == "Identity"
    assert second.op.gain.tolist() == [gain]  # type: ignore[union-attr]


def itimes(m: Any, x: torch.Tensor) -> torch.Tensor:
    x = m.a(x)
    x *= 2
    x -= 1
    x /= 4
    return x


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: 1 - m.a(x),
        lambda m, x: -m.a(x),
        lambda m, x: torch.rsub(m.a(x), 2, alpha=0.5),
        lambda m, x: m.a(x).mul_(2),
        lambda m, x: m.a(x).div_(2).neg(),
        itimes,
    ],
)
def test_arithmetic_in_place_and_from_the_right(function: Any) -> None:
    graph = traced(function, 4, a=nn.Linear(4, 3))
    assert {name for node in ops(graph)[1:] for name in node} == {"ChannelAffine"}


def test_a_tensor_that_is_overwritten_through_a_view_is_refused() -> None:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.a(x)
        y.view(3, 4).mul_(-1)  # and y with it, in torch
        return y.relu()

    with pytest.raises(UnsupportedModel, match="overwritten in place through another view"):
        traced(forward, 4, a=nn.Linear(4, 4))


def test_a_shared_stateless_module_is_two_nodes_with_names_of_their_own() -> None:
    graph = traced(
        lambda m, x: m.conv(m.pool(m.conv(m.pool(x)))), 2, 12, 12, conv=nn.Conv2d(2, 2, 3, 1, 1),
        pool=nn.AvgPool2d(2),
    )  # fmt: skip
    assert names(graph) == ["pool", "conv", "pool_1", "conv_1"]


@pytest.mark.parametrize(
    "constant",
    [
        torch.tensor([1.0, 2.0, 3.0]).view(3, 1),
        torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1),
        torch.tensor(0.5),
        torch.tensor([[[0.5]]]),
    ],
)
def test_constants_a_channel_of_one_axis(constant: torch.Tensor) -> None:
    graph = traced(lambda m, x: m.conv(x) * constant, 2, 9, conv=nn.Conv1d(2, 3, 2))
    assert ops(graph) == [["Conv2d"], ["ChannelAffine"]]
