"""Torch modules of several inputs and outputs, images and signals, all the way to the hardware."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import e3ne
from e3ne.__main__ import main
from e3ne.ir import BadInput
from tests.fixed_lanes import no_search


class TwoEyes(nn.Module):
    """A vector and an image in, classes and two more numbers out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Linear(6, 8)
        self.b = nn.Conv2d(1, 2, 3, padding=1)
        self.c = nn.Linear(32, 8)
        self.relu = nn.ReLU()
        self.classes, self.more = nn.Linear(8, 3), nn.Linear(8, 2)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen = torch.relu(self.b(right)).flatten(1)
        hidden = self.relu(self.a(left) + self.c(seen))
        return self.classes(hidden), self.more(hidden)


class Segmenter(nn.Module):
    """Down by a stride, up by a transposed convolution and by repeated pixels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.larger = nn.Upsample(scale_factor=2)
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.up(torch.relu(self.down(x))))
        out: torch.Tensor = self.head(self.larger(x))
        return out


class Ear(nn.Module):
    """A signal of two channels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv, self.pool, self.head = nn.Conv1d(2, 4, 3), nn.MaxPool1d(2), nn.Linear(28, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.pool(torch.relu(self.conv(x))).flatten(1))
        return out


def two_eyes() -> nn.Module:
    return TwoEyes().eval()


def real(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


PAIR = (real(20, 6), real(20, 1, 4, 4, seed=1))


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> e3ne.hardware.Hardware:
    folder = tmp_path_factory.mktemp("eyes") / "build"
    example = tuple(x[:2] for x in PAIR)
    return e3ne.compile(two_eyes(), example, outputs=2, calibration=PAIR, output=folder)


def test_two_inputs_and_two_outputs(eyes: e3ne.hardware.Hardware) -> None:
    answers = eyes.reference(PAIR)
    (more,) = answers.more
    assert (answers.words.shape, more.words.shape) == ((20, 3), (20, 2))
    with torch.no_grad():
        wanted = two_eyes()(*map(torch.from_numpy, PAIR))
    for found, want, output in zip((answers, more), wanted, eyes.graph.outputs, strict=True):
        assert np.abs(found.words * eyes.graph.scale(output.source) - want.numpy()).max() < 0.1
    result = eyes.simulate({"left": PAIR[0], "right": PAIR[1]}, answers.classes, stalls=1)
    result.raise_for_mismatch()
    assert result.rtl_accuracy == 100.0
    figures = eyes.figures()
    assert figures["bit_exact"]["mismatches"] == 0
    assert abs(figures["cycles"]["predicted_latency"] - figures["cycles"]["latency_max"]) <= 5


def test_too_few_arrays_are_refused(eyes: e3ne.hardware.Hardware) -> None:
    with pytest.raises(BadInput, match="x: found one array, accepted 2: left, right"):
        eyes.reference(PAIR[0])
    with pytest.raises(BadInput, match="x: found 20, 19 frames, accepted as many for each input"):
        eyes.simulate((PAIR[0], PAIR[1][:19]))


def test_the_command_line_takes_an_array_an_input(tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, x_left=PAIR[0], x_right=PAIR[1], y=np.zeros(20, int))
    build = tmp_path / "build"
    model = f"{__name__}:two_eyes"
    arguments = ["compile", model, "--calibration", str(data), "--outputs", "2", "-o", str(build)]
    with no_search():
        compiled = CliRunner().invoke(main, [*arguments, "--json"])
    assert compiled.exit_code == 0, compiled.output
    ran = CliRunner().invoke(main, ["simulate", str(build), "--data", str(data), "--json"])
    assert ran.exit_code == 0, ran.output
    manifest = json.loads((build / "manifest.json").read_text())
    assert [item["port"] for item in manifest["inputs"]] == ["s_axis_left", "s_axis_right"]
    assert [item["port"] for item in manifest["outputs"]] == ["m_axis_classes", "m_axis_more"]


def test_a_segmentation_network(tmp_path: Path) -> None:
    x = real(8, 1, 8, 8)
    hardware = e3ne.compile(Segmenter().eval(), x[:2], calibration=x, output=tmp_path / "build")
    answers = hardware.reference(x)
    assert (answers.words.shape, answers.classes.shape) == ((8, 3, 16, 16), (8, 16, 16))
    np.testing.assert_array_equal(answers.classes, answers.words.argmax(axis=1))
    labels = answers.classes.copy()
    labels[:, :8] = (labels[:, :8] + 1) % 3
    result = hardware.simulate(x, labels)
    result.raise_for_mismatch()
    assert result.rtl_accuracy == result.reference_accuracy == 50.0
    assert hardware.build.manifest["output"]["class_word"] is None
    cycles = hardware.figures()["cycles"]
    assert abs(cycles["predicted_latency"] - cycles["latency_max"]) <= 0.1 * cycles["latency_max"]


def test_a_signal_needs_no_axis_of_rows(tmp_path: Path) -> None:
    x = real(8, 2, 16)
    with no_search():
        hardware = e3ne.compile(Ear().eval(), x[:2], calibration=x, output=tmp_path / "build")
    assert hardware.graph.inputs[0].type.shape == (2, 1, 16)
    words = hardware.reference(x).words
    np.testing.assert_array_equal(words, hardware.reference(x[:, :, None]).words)
    hardware.simulate(x).raise_for_mismatch()
