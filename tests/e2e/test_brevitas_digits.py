"""A small network that Brevitas trained on digits, down to Verilator, with its own accuracy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import e3ne
from e3ne import reference
from e3ne.training.datasets import digits
from e3ne.training.fit import Schedule, accuracy, fit

qnn: Any = pytest.importorskip("brevitas.nn", reason="pip install 'e3ne[brevitas]'")
pytest.importorskip("sklearn", reason="pip install 'e3ne[examples]'")
from brevitas.quant import Int8WeightPerChannelFloat, Int32Bias, Uint8ActPerTensorFloat  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        shutil.which("verilator") is None, reason="no verilator: sudo apt-get install -y verilator"
    ),
]


class Net(nn.Module):
    """Digits (batch, 1, 8, 8): a convolution a channel, a two-sided one, a Linear."""

    def __init__(self) -> None:
        super().__init__()
        returned = {"return_quant_tensor": True}
        options = {"bias": True, "bias_quant": Int32Bias, "weight_bit_width": 4}
        channels = {"weight_quant": Int8WeightPerChannelFloat}
        self.inp = qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, bit_width=4, **returned)
        self.conv1 = qnn.QuantConv2d(1, 8, 3, **options, **channels, **returned)
        self.relu1 = qnn.QuantReLU(bit_width=3, **returned)
        self.conv2 = qnn.QuantConv2d(8, 8, 3, weight_narrow_range=False, **options, **returned)
        self.relu2 = qnn.QuantReLU(bit_width=3, **returned)
        self.pool = nn.MaxPool2d(2)
        self.fc = qnn.QuantLinear(32, 10, **options)

    def forward(self, x: Any) -> Any:
        x = self.relu1(self.conv1(self.inp(x)))
        x = self.pool(self.relu2(self.conv2(x)))
        return self.fc(torch.flatten(x, 1))


def test_the_accuracy_in_verilog_is_that_of_brevitas(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, split = Net(), digits()
    x, y = torch.from_numpy(split.train_x), torch.from_numpy(split.train_y)
    fit(model, x[:600], y[:600], Schedule(8, 64, learning_rate=2e-2))
    tests, labels = torch.from_numpy(split.test_x), torch.from_numpy(split.test_y)
    own = accuracy(model, tests, labels)
    torch.set_num_threads(threads)
    assert own > 60

    settings = {"default": {"weight_bits": 4, "multiplier_bits": 24}}
    hardware = e3ne.compile(model, tests[:8], config=settings, output=tmp_path / "net")
    graph = hardware.graph
    for name in ("conv1", "conv2", "fc"):
        expected = getattr(model, name).quant_weight().int().numpy()
        assert np.array_equal(graph.node(name).synapses[0].op.weight, expected)
    words = reference.encode_input(graph.inputs[0], split.test_x)
    scores, classes = reference.read_out(graph.outputs[0], reference.run(graph, words))
    with torch.no_grad():
        logits = torch.cat([model(part) for part in torch.split(tests, 100)]).numpy()
    units = np.rint(logits / graph.nodes[-1].scale)
    assert np.array_equal(scores, units)  # every integer of every frame
    ties = (units == units.max(axis=1, keepdims=True)).sum(axis=1) > 1  # float noise decides them
    assert ties.sum() < 5
    assert np.array_equal(classes[~ties], logits.argmax(axis=1)[~ties])
    percent = 100 * float(np.mean(classes == split.test_y))
    assert abs(percent - own) <= 100 * ties.mean()

    outcome = hardware.simulate(split.test_x[:40], split.test_y[:40])
    outcome.raise_for_mismatch()
    found = hardware.figures()["accuracy"]["rtl"]
    assert found == pytest.approx(100 * float(np.mean(classes[:40] == split.test_y[:40])))
