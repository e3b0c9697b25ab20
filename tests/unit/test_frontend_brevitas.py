"""Layers of Brevitas: their integers are taken over as they are, or refused by name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import e3ne
from e3ne import reference
from e3ne.config import parse_config
from e3ne.frontend import trace
from e3ne.ir import Array, Graph, Rectify, TraceMismatch, UnsupportedModel, text
from e3ne.lower import lower
from e3ne.network_file import load_network, save_network

qnn: Any = pytest.importorskip("brevitas.nn", reason="pip install 'e3ne[brevitas]'")
from brevitas import quant as bq  # noqa: E402  (behind importorskip)

pytestmark = pytest.mark.filterwarnings("ignore")

CONFIG = parse_config({"default": {"multiplier_bits": 24}})


def bits_of_weights(bits: float) -> Any:
    """A configuration of the model's own bits: biases get no finer weights then."""
    return parse_config({"default": {"multiplier_bits": 24, "weight_bits": bits}})


FRAMES = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def network(
    weight_quant: Any = bq.Int8WeightPerTensorFloat,
    weight_bits: int | None = 4,
    act_quant: Any = bq.Uint8ActPerTensorFloat,
    act_bits: int = 4,
    input_quant: Any = bq.Int8ActPerTensorFloat,
    bias_quant: Any = bq.Int32Bias,
    act: Any = None,
    quant_tensors: bool = True,
    between: Any = None,
    last: dict[str, Any] | None = None,
    **weights: Any,
) -> nn.Module:
    """A convolution, a quantised ReLU, a pooling, a Linear; its scales have seen FRAMES."""
    torch.manual_seed(0)
    bits = {} if weight_bits is None else {"weight_bit_width": weight_bits}
    options = {"weight_quant": weight_quant, "bias_quant": bias_quant, **bits, **weights}
    returned = {"return_quant_tensor": quant_tensors}
    relu = act or qnn.QuantReLU(act_quant=act_quant, bit_width=act_bits, **returned)
    layers = {
        "inp": qnn.QuantIdentity(act_quant=input_quant, bit_width=6, **returned),
        "conv": qnn.QuantConv2d(1, 4, 3, bias=True, **options, **returned),
        "relu": relu,
        "pool": nn.MaxPool2d(2),
        **({} if between is None else {"between": between}),
        "flat": nn.Flatten(),
        "fc": qnn.QuantLinear(36, 3, bias=True, **{**options, **(last or {})}),
    }
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return seen(model)


def seen(model: nn.Module) -> nn.Module:
    """The model in evaluation, after a few batches in training."""
    model.train()
    with torch.no_grad():
        for part in torch.split(FRAMES, 50):
            model(part)
    return model.eval()


def values(tensor: Any) -> Array:
    return np.asarray(getattr(tensor, "value", tensor).detach().numpy())


def integers(model: nn.Module, config: Any = CONFIG) -> Graph:
    """The lowered graph, without any calibration frames: the model says everything itself."""
    return lower(trace(model, FRAMES[:8]), config=config)


def logit_error(model: nn.Module, graph: Graph, frames: Any = FRAMES) -> float:
    """The largest difference between the words and Brevitas's own logits, in units of a word."""
    words = reference.encode_input(graph.inputs[0], frames.numpy())
    last = graph.nodes[-1]
    found = reference.run(graph, words)[last.name][:, -1]
    return float(np.abs(found - values(model(frames)).reshape(found.shape) / last.scale).max())


WEIGHTS: dict[str, dict[str, Any]] = {
    "8 bits": {"weight_bits": 8},
    "8 bits, two-sided": {"weight_bits": 8, "weight_narrow_range": False},
    "4 bits": {"weight_bits": 4},
    "3 bits, two-sided": {"weight_bits": 3, "weight_narrow_range": False},
    "2 bits": {"weight_bits": 2},
    "2 bits, two-sided": {"weight_bits": 2, "weight_narrow_range": False},
    "binary": {
        "weight_quant": bq.SignedBinaryWeightPerTensorConst,
        "weight_bits": None,
        "weight_scaling_init": 0.1,
    },
    "ternary": {
        "weight_quant": bq.SignedTernaryWeightPerTensorConst,
        "weight_bits": None,
        "weight_scaling_init": 0.1,
    },
    "scales a channel": {
        "weight_quant": bq.Int8WeightPerChannelFloat,
        "last": {"weight_quant": bq.Int8WeightPerTensorFloat},
    },
    "a power of two": {"weight_quant": bq.Int8WeightPerTensorFixedPoint},
    "a constant scale": {"weight_scaling_impl_type": "const", "weight_scaling_init": 0.3},
    "a trained scale": {"weight_scaling_impl_type": "parameter_from_stats"},
}


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("quant_tensors", [True, False])
def test_integers_of_weights_are_taken_over(kind: str, quant_tensors: bool) -> None:
    bias = {} if quant_tensors else {"bias_quant": None}
    model: Any = network(**WEIGHTS[kind], quant_tensors=quant_tensors, **bias)
    own = {"binary": 1, "ternary": 1.58}.get(kind) or WEIGHTS[kind].get("weight_bits", 4)
    graph = integers(model, bits_of_weights(own))
    for name, layer in (("conv", model.conv), ("fc", model.fc)):
        found = graph.node(name).synapses[0].op.weight  # type: ignore[union-attr]
        assert np.array_equal(found, layer.quant_weight().int().numpy()), name
    assert [node.type.bits for node in graph.nodes[:2]] == [4, 4]
    # Without quant tensors there is no Int32Bias: biases are rounded to the unit of their sums.
    if quant_tensors:
        assert logit_error(model, graph) < 0.01


def test_two_sided_weights_use_the_lowest_level() -> None:
    model: Any = network(weight_bits=8, weight_narrow_range=False)
    with torch.no_grad():
        model.fc.weight[0, 0] = -10.0
        model.fc.weight[1, 3] = 5.0
    graph = integers(model)
    found = graph.node("fc").synapses[0].op.weight  # type: ignore[union-attr]
    assert found.min() == -128
    assert np.array_equal(found, model.fc.quant_weight().int().numpy())
    assert logit_error(model, graph) < 0.01


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_quantised_relus_keep_their_bits_and_scales(bits: int) -> None:
    model: Any = network(act_bits=bits)
    graph = trace(model, FRAMES[:8])
    neuron = graph.node("relu").neuron
    assert isinstance(neuron, Rectify)
    assert neuron.bits == bits
    scale = float(model.relu.act_quant.scale())
    assert neuron.bound == pytest.approx(scale * (2**bits - 1))
    lowered = lower(graph, config=CONFIG)
    assert lowered.node("conv").type.bits == bits
    assert lowered.node("conv").scale == pytest.approx(scale)
    assert logit_error(model, lowered) < 0.01


@pytest.mark.parametrize(
    ("quantiser", "signed"), [(bq.Int8ActPerTensorFloat, True), (bq.Uint8ActPerTensorFloat, False)]
)
@pytest.mark.parametrize("flat", [False, True])
def test_samples_are_rounded_as_the_model_does(quantiser: Any, signed: bool, flat: bool) -> None:
    torch.manual_seed(0)
    first = qnn.QuantIdentity(act_quant=quantiser, bit_width=5, return_quant_tensor=True)
    fc = qnn.QuantLinear(64, 3, bias=False, weight_bit_width=4)
    front = [nn.Flatten(), first] if flat else [first, nn.Flatten()]
    model = seen(nn.Sequential(*front, fc))
    graph = integers(model)
    (source,) = graph.inputs
    assert (source.type.bits, source.type.signed) == (5, signed)
    assert source.scale == float(first.act_quant.scale())
    assert source.type.shape == (1, 8, 8)
    assert logit_error(model, graph) < 0.01
    assert logit_error(model, graph, FRAMES * 4 - 2) < 0.01  # clipped on both sides


def test_a_configuration_that_rounds_samples_otherwise_is_told(caplog: Any) -> None:
    graph = trace(network(), FRAMES[:8])
    other = lower(graph, config=parse_config({"input": {"bits": 3, "scale": 0.5}}))
    assert other.inputs[0].type.bits == 3
    assert "the model rounds its samples itself" in caplog.text


class Residual(nn.Module):
    """A sum of quantised branches, with quantisers that are signed and see nothing below zero."""

    def __init__(self) -> None:
        super().__init__()
        options = {"weight_bit_width": 4, "return_quant_tensor": True, "bias": False}
        self.inp = qnn.QuantIdentity(bit_width=6, return_quant_tensor=True)
        self.first = qnn.QuantConv2d(1, 3, 3, **options)
        self.relu = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.second = qnn.QuantConv2d(3, 3, 3, padding=1, **options)
        self.relu2 = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.add = qnn.QuantEltwiseAdd(input_quant=None, output_quant=None)
        self.join = qnn.QuantIdentity(bit_width=6, return_quant_tensor=True)
        self.fc = qnn.QuantLinear(108, 3, bias=False, weight_bit_width=4)

    def forward(self, x: Any) -> Any:
        x = self.relu(self.first(self.inp(x)))
        branch = self.relu2(self.second(x)).value
        joined = self.join(x.value + branch)
        return self.fc(joined.flatten(1))


def test_signed_quantisers_of_what_is_never_negative() -> None:
    torch.manual_seed(0)
    model = seen(Residual())
    graph = trace(model, FRAMES[:8])
    neuron = graph.node("join").neuron
    assert isinstance(neuron, Rectify)
    assert neuron.bits == 5  # of 6 with a sign
    # The branches have scales of their own, so the gains of the sum are near, not equal.
    found = lower(graph, config=CONFIG)
    largest = np.abs(values(model(FRAMES))).max() / found.nodes[-1].scale
    assert logit_error(model, found) < 0.03 * largest


def test_batch_normalisation_behind_a_layer_keeps_its_integers() -> None:
    torch.manual_seed(0)
    options = {"weight_bit_width": 4, "bias": False}
    model: Any = seen(
        nn.Sequential(
            qnn.QuantIdentity(bit_width=6, return_quant_tensor=True),
            qnn.QuantConv2d(1, 4, 3, **options),
            nn.BatchNorm2d(4),
            qnn.QuantReLU(bit_width=4),
            nn.Flatten(),
            qnn.QuantLinear(144, 3, **options),
        )
    )
    graph = integers(model, bits_of_weights(4))
    found = graph.node("1").synapses[0].op.weight  # type: ignore[union-attr]
    signs = np.sign(model[2].weight.detach().numpy() + 0.0).reshape(-1, 1, 1, 1)
    assert np.array_equal(found, model[1].quant_weight().int().numpy() * signs)


@pytest.mark.parametrize("pool", [nn.AvgPool2d(2), qnn.TruncAvgPool2d(2), nn.MaxPool2d(3, 1)])
def test_pools_between(pool: nn.Module) -> None:
    torch.manual_seed(0)
    size = 9 if not isinstance(pool, nn.MaxPool2d) else 16
    model = seen(
        nn.Sequential(
            qnn.QuantIdentity(bit_width=6, return_quant_tensor=True),
            qnn.QuantConv2d(1, 2, 3, weight_bit_width=4, bias=False, return_quant_tensor=True),
            qnn.QuantReLU(bit_width=4, return_quant_tensor=True),
            pool,
            nn.Flatten(),
            qnn.QuantLinear(2 * size, 3, weight_bit_width=4, bias=False),
        )
    )
    assert logit_error(model, integers(model)) < 0.01


def test_hard_tanh_from_zero_and_quantisers_inside_of_layers() -> None:
    hard = qnn.QuantHardTanh(
        act_quant=bq.Uint8ActPerTensorFloatMaxInit,
        max_val=1.5,
        bit_width=3,
        min_val=0.0,
        return_quant_tensor=True,
    )
    inner = {"input_quant": bq.Uint8ActPerTensorFloat, "input_bit_width": 3}
    model: Any = network(act=hard, last=inner)
    graph = trace(model, FRAMES[:8])
    assert isinstance(graph.node("relu").neuron, Rectify)
    assert graph.node("relu").neuron.bits == 3  # type: ignore[union-attr]
    assert graph.node("fc.input_quant").neuron.bits == 3  # type: ignore[union-attr]
    assert logit_error(model, lower(graph, config=CONFIG)) < 0.01


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "signed activations": (
        {"act_quant": bq.Int8ActPerTensorFloat, "act": qnn.QuantIdentity(return_quant_tensor=True)},
        r"relu\.act_quant .*found signed activations of 8 bits behind a layer, accepted unsigned",
    ),
    "16-bit weights": ({"weight_bits": 16}, r"conv \(QuantConv2d\): found weights of 16 bits"),
    "16-bit activations": ({"act_bits": 12}, r"relu\.act_quant .*found activations of 12 bits"),
    "a sigmoid": (
        {"act": qnn.QuantSigmoid(return_quant_tensor=True)},
        r"relu\.act_quant .*found Sigmoid, accepted ReLU",
    ),
    "a floor": (
        {"act": qnn.QuantReLU(float_to_int_impl_type="floor", return_quant_tensor=True)},
        r"relu\.act_quant .*rounded by floor, accepted rounding to the nearest",
    ),
    "a narrow range": (
        {"act": qnn.QuantReLU(narrow_range=True, return_quant_tensor=True)},
        r"relu\.act_quant .*narrow range, accepted the whole one",
    ),
    "scores with a quantiser": (
        {"last": {"output_quant": bq.Int8ActPerTensorFloat}},
        r"fc\.output_quant .*leave the quantiser of the scores out",
    ),
    "a zero point": (
        {"input_quant": bq.ShiftedUint8ActPerTensorFloat},
        r"inp\.act_quant .*found activations with a zero point, accepted zero point 0",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_edge_carries_is_refused_by_name(kind: str) -> None:
    options, message = REFUSED[kind]
    bias = {"bias_quant": None, "quant_tensors": False} if kind == "a zero point" else {}
    model = network(**options, **bias)
    if kind == "a zero point":
        model[0].act_quant.fused_activation_quant_proxy.tensor_quant.zero_point_impl = Shifted()  # type: ignore[union-attr,index]
    with pytest.raises(UnsupportedModel, match=message):
        trace(model, FRAMES[:8])


class Shifted(nn.Module):
    """A zero point of 3."""

    def forward(self, *arguments: Any) -> Any:
        return torch.tensor(3.0)


def test_samples_that_are_read_in_two_ways_are_refused() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inp = qnn.QuantIdentity(bit_width=4)
            self.a, self.b = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            return self.a(self.inp(x)) + self.b(x)

    with pytest.raises(UnsupportedModel, match="b: found samples of input as they are"):
        trace(Both().eval(), torch.rand(4, 4))


def test_what_brevitas_leaves_to_e3ne_is_told(caplog: Any) -> None:
    model = network(bias_quant=None, last={"weight_quant": None, "bias_quant": None})
    with caplog.at_level(logging.WARNING):
        trace(model, FRAMES[:8])
    assert "conv (QuantConv2d): found a bias without a quantiser that follows" in caplog.text
    assert "fc (QuantLinear): found weights without a quantiser" in caplog.text
    assert "does not quantise" not in caplog.text
    own_scale = bq.Int8BiasPerTensorFloatInternalScaling
    loose = network(act=nn.ReLU(), bias_quant=own_scale, quant_tensors=False)
    with caplog.at_level(logging.WARNING):
        trace(loose[1:], FRAMES[:8])  # type: ignore[index]
    assert "input: found values that the model does not quantise" in caplog.text
    assert "relu: found values that the model does not quantise" in caplog.text
    assert "fc (QuantLinear): found a bias without a quantiser that follows" in caplog.text


def test_halves_are_told(caplog: Any) -> None:
    """Powers of two everywhere: sums lie halfway between levels, which Brevitas rounds to even."""
    model = network(
        bq.Int8WeightPerTensorFixedPoint,
        act_quant=bq.Uint8ActPerTensorFixedPoint,
        input_quant=bq.Int8ActPerTensorFixedPoint,
    )
    with caplog.at_level(logging.WARNING):
        trace(model, FRAMES)
    assert "relu: found" in caplog.text
    assert "halfway between two levels" in caplog.text


@pytest.mark.parametrize("factor", [1.02, 0.5])
def test_broken_twins_are_caught(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """A scale that is read wrongly does not pass the check of the trace."""
    from e3ne.frontend.libraries import brevitas as reading

    right = reading.levels_of

    def wrong(module: nn.Module, sent: Any) -> Any:
        found = right(module, sent)
        return reading.Levels(found.bits, found.signed, found.scale * factor)  # type: ignore[union-attr]

    monkeypatch.setattr(reading, "levels_of", wrong)
    with pytest.raises(TraceMismatch):
        trace(network(), FRAMES[:8])


def test_a_network_file_keeps_the_integers_and_the_rounding_of_samples(tmp_path: Path) -> None:
    graph = trace(network(weight_narrow_range=False), FRAMES[:8])
    save_network(tmp_path / "net.safetensors", graph, CONFIG)
    found, config, _ = load_network(tmp_path / "net.safetensors")
    assert text(found) == text(graph)
    assert text(lower(found, config=config)) == text(lower(graph, config=CONFIG))


def test_lowest_levels_in_hardware(tmp_path: Path) -> None:
    """-128 in weights of 8 bits, -8 in weights of 4: in ROMs, sums and the reference alike."""
    torch.manual_seed(0)
    options = {"bias": False, "weight_narrow_range": False, "return_quant_tensor": True}
    model: Any = seen(
        nn.Sequential(
            qnn.QuantIdentity(bit_width=4, return_quant_tensor=True),
            qnn.QuantConv2d(1, 2, 3, stride=3, weight_bit_width=8, **options),
            qnn.QuantReLU(bit_width=4, return_quant_tensor=True),
            nn.Flatten(),
            qnn.QuantLinear(8, 3, weight_bit_width=4, **options),
        )
    )
    with torch.no_grad():
        model[1].weight[0] = -1.0
        model[4].weight[1] = -1.0
    x = FRAMES[:3] * 2 - 1
    hardware = e3ne.compile(seen(model), x, config=CONFIG, output=tmp_path / "net")
    lowest = [int(node.synapses[0].op.weight.min()) for node in hardware.graph.nodes]  # type: ignore[union-attr]
    assert lowest == [-128, -8]
    hardware.simulate(x.numpy(), simulator="amaranth").raise_for_mismatch()


def test_spiking_neurons_behind_quantised_layers() -> None:
    snntorch = pytest.importorskip("snntorch", reason="pip install snntorch")

    class Spiking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.inp = qnn.QuantIdentity(bit_width=4)
            self.fc1 = qnn.QuantLinear(16, 12, bias=False, weight_bit_width=4)
            self.lif1 = snntorch.Leaky(beta=0.9, threshold=0.3)
            self.fc2 = qnn.QuantLinear(12, 4, bias=False, weight_bit_width=3)
            self.lif2 = snntorch.Leaky(beta=0.8, threshold=0.3)

        def forward(self, x: Any) -> Any:
            mem1, mem2, record = self.lif1.init_leaky(), self.lif2.init_leaky(), []
            x = self.inp(x)
            for _ in range(6):
                spikes, mem1 = self.lif1(self.fc1(x), mem1)
                spikes, mem2 = self.lif2(self.fc2(spikes), mem2)
                record.append(spikes)
            return torch.stack(record, 1)

    model: Any = Spiking()
    x = FRAMES[:, 0, :2].flatten(1)
    with torch.no_grad():
        model.train()(x)
        own = model.eval()(x).numpy()
    graph = lower(trace(model, x[:4]), config=CONFIG)
    for name in ("fc1", "fc2"):
        found = graph.node(name).synapses[0].op.weight  # type: ignore[union-attr]
        assert np.array_equal(found, getattr(model, name).quant_weight().int().numpy())
    sent = reference.run(graph, reference.encode_input(graph.inputs[0], x.numpy()))["fc2"]
    assert 0.05 < own.mean() < 0.95
    assert float((sent == own).mean()) > 0.999
