"""The committed checkpoints reach their accuracy as integers, and equal torch value by value."""

from functools import cache

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from snntorch import utils
from torch import nn

from e3ne import reference
from e3ne.data import encoded
from e3ne.frontend import load_model
from e3ne.ir import Array, Conv2d, Linear
from e3ne.lower import prepared
from e3ne.training.datasets import MissingData
from e3ne.training.network import QuantizedNetwork
from e3ne.training.quantizers import quantize_edge
from examples.evaluate import (
    EXAMPLES,
    NAMES,
    Accuracy,
    Example,
    classes,
    evaluate,
    load_example,
    percent,
    readme_lines,
)

LEAST_PERCENT = {"digits_radix": 97.0, "digits_lif": 95.0, "peer_a": 93.0, "peer_b": 93.0}
MNIST_FRAMES = 1000
SPIKES_EQUAL_PERCENT = 99.5

measured = cache(evaluate)
loaded = cache(load_example)


def torch_model(name: str) -> nn.Module:
    return load_model(
        f"{EXAMPLES / name / 'model.py'}:net", EXAMPLES / name / "weights.safetensors"
    )


def reference_values(example: Example, frames: int) -> dict[str, Array]:
    source = example.integer.inputs[0]
    return reference.run(example.integer, encoded(source, example.x[:frames]))


@pytest.mark.parametrize("name", LEAST_PERCENT)
def test_digits_accuracy_of_all_360_frames(name: str) -> None:
    found: Accuracy = measured(name)
    assert found.samples == 360
    assert found.reference_percent >= LEAST_PERCENT[name]
    assert found.reference_percent >= found.float_percent - 1.0
    assert found.reference_percent >= found.training_float_percent - 1.0
    assert found.reference_percent == found.training_percent


@pytest.mark.parametrize("name", LEAST_PERCENT)
def test_the_readme_says_what_is_measured(name: str) -> None:
    assert readme_lines(measured(name)) in (EXAMPLES / name / "README.md").read_text()


def test_lenet5_accuracy_of_the_first_thousand_frames() -> None:
    try:
        example = loaded("mnist_lenet5")
    except MissingData as error:
        pytest.skip(str(error))
    found = percent(classes(example.integer, example.x[:MNIST_FRAMES]), example.y[:MNIST_FRAMES])
    assert found >= 98.5


@pytest.mark.parametrize("name", NAMES)
def test_committed_weights_are_taken_over_exactly(name: str) -> None:
    try:
        example = loaded(name)
    except MissingData as error:
        pytest.skip(str(error))
    weights = load_file(EXAMPLES / name / "weights.safetensors")
    for node in example.integer.nodes:
        op = node.synapses[0].op
        if isinstance(op, Conv2d | Linear):
            weight = weights[f"{node.name}.weight"].numpy()
            scale = np.abs(weight).max() / np.abs(op.weight).max()
            if example.config.scale == "power_of_two":
                assert np.log2(scale) % 1 == 0
            # Whole multiples of the scale, up to the rounding of float32.
            assert np.allclose(op.weight.reshape(weight.shape) * scale, weight, rtol=2**-21, atol=0)


@pytest.mark.parametrize("name", LEAST_PERCENT)
def test_training_goes_on_from_the_committed_integers(name: str) -> None:
    example = loaded(name)
    ready = prepared(example.traced, None, example.config)
    network = QuantizedNetwork(ready, example.config)
    frames = example.x[:60]
    sent = network.values(torch.from_numpy(frames.astype(np.float32)))
    for node, train in reference_values(example, 60).items():
        assert np.array_equal(sent[node].detach().numpy(), train), node


def test_every_radix_value_equals_the_quantised_torch_model() -> None:
    example, model, unit = loaded("digits_radix"), torch_model("digits_radix"), 1 / 16
    sent: dict[str, Array] = {}

    def keep(path: str, output: torch.Tensor) -> torch.Tensor:
        edge = output if path == "linear2" else quantize_edge(output, 4, unit)
        sent[path] = edge.detach().numpy()
        return edge

    for path in ("clip1", "clip2", "clip3", "linear2"):
        model.get_submodule(path).register_forward_hook(
            lambda _, __, output, path=path: keep(path, output)
        )
    model((torch.from_numpy(example.x) / unit).round().clamp(0, 15) * unit)
    values = reference_values(example, 360)
    nodes = {"conv1": "clip1", "conv2": "clip2", "linear1": "clip3", "linear2": "linear2"}
    for node, path in nodes.items():
        scale = example.integer.scale(node)
        assert np.array_equal(values[node][:, 0], sent[path] / scale), node


@pytest.mark.parametrize("name", ["digits_lif", "peer_a", "peer_b"])
def test_spikes_equal_the_torch_model_step_by_step(name: str) -> None:
    example, model = loaded(name), torch_model(name)
    sent: dict[str, list[Array]] = {"lif1": [], "lif2": [], "lif3": []}

    def keep(path: str, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        spikes = output[0] if isinstance(output, tuple) else output
        sent[path].append(spikes.detach().numpy())

    for path, module in model.named_modules():
        if path in sent:
            module.register_forward_hook(lambda _, __, output, path=path: keep(path, output))
    frames = torch.from_numpy(example.x.astype(np.float32))
    with torch.no_grad():
        if name in ("peer_a", "peer_b"):
            utils.reset(model)
            for spikes in frames.unbind(1):
                model(spikes)
        else:
            model(frames)
    values = reference_values(example, 360)
    nodes = {f"lif{k}": node for k, node in enumerate(spiking_nodes(example), start=1)}
    for path, node in nodes.items():
        trains = np.stack(sent[path], axis=1)
        assert percent(trains, values[node]) >= SPIKES_EQUAL_PERCENT, node
        assert 0.01 < trains.mean() < 0.99, node


def spiking_nodes(example: Example) -> list[str]:
    """The nodes with spikes in graph order; pools of spikes are not neurons of the model."""
    pools = {n.name for n in example.integer.nodes if n.name.startswith("pool")}
    return [n.name for n in example.integer.nodes if n.name not in pools]
