"""Digits through every encoder, on the chip: from torch or by configuration, to Verilator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import e3ne
from e3ne import reference
from e3ne.ir import BadInput, Encode
from e3ne.training.datasets import digits
from e3ne.training.encoders import Bernoulli, BitPlanes, Delta, Encoder, Latency, Regular
from tests.fixed_lanes import no_search

snntorch = pytest.importorskip("snntorch")

STEPS = 6
FRAMES = 12


class Network(nn.Module):
    """Trains (steps, frames, 1, 8, 8), perhaps of an encoder, to spikes of ten classes."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.fc = encoder, nn.Linear(64, 10)
        self.lif = snntorch.Leaky(beta=0.875, threshold=0.25)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        trains = x if self.encoder is None else self.encoder(x)
        membrane, sent = self.lif.init_leaky(), []
        for spikes in trains:
            spikes, membrane = self.lif(self.fc(spikes.flatten(1)), membrane)
            sent.append(spikes)
        return torch.stack(sent)


def images(kind: str) -> np.ndarray:
    """Digits of 0 .. 1; for delta they move by a row a step."""
    x = digits().test_x[:FRAMES]
    if kind != "delta":
        return x
    return np.stack([np.roll(x, step, axis=2) for step in range(STEPS)], axis=1)


MODULES = [
    Regular(STEPS),
    Bernoulli(STEPS, bits=5, seed=77),
    Latency(STEPS, bits=4),
    BitPlanes(STEPS),
    Delta(0.25, signed=False),
]


@pytest.mark.parametrize("encoder", MODULES, ids=lambda encoder: encoder.neuron.kind)
def test_encoders_of_the_model(encoder: Encoder, tmp_path: Path) -> None:
    kind, network = encoder.neuron.kind, Network(encoder).eval()
    x, delta = images(kind), kind == "delta"
    config, output = {"window": 3}, tmp_path / "b"
    with no_search():
        hardware = e3ne.compile(
            network, input_has_steps=delta, calibration=x, output=output, config=config
        )
    assert hardware.graph.node("encoder").neuron == encoder.neuron
    samples = torch.from_numpy(x).transpose(0, 1) if delta else torch.from_numpy(x)
    trains = encoder(samples).transpose(0, 1).numpy()
    result = hardware.simulate(x, np.zeros(FRAMES, int), stalls=3)
    result.raise_for_mismatch()
    figures = hardware.figures()
    assert figures["bit_exact"]["nodes_checked"] == 2
    spikes = np.abs(trains).sum() / FRAMES
    assert figures["activity"]["encoder"]["spikes_per_frame"] == pytest.approx(spikes, abs=1e-3)
    assert figures["fidelity"]["percent"] > 95
    manifest = hardware.build.manifest["input"]
    assert manifest["encoder"]["kind"] == kind
    assert manifest["scale"] == encoder.neuron.unit
    if kind == "bernoulli":
        assert manifest["encoder"] == {"kind": kind, "bits": 5, "steps": STEPS, "seed": 77}


def test_a_stream_of_changes_from_torch_to_verilator(tmp_path: Path) -> None:
    """Short frames of a stream are what the model makes of one long piece, spike for spike."""
    model, x = Network(Delta(0.25, signed=False)).eval(), images("delta")
    with no_search():
        hardware = e3ne.compile(
            model,
            input_has_steps=True,
            calibration=x,
            output=tmp_path / "b",
            config={"streaming": True},
        )
    with torch.no_grad():
        long = torch.from_numpy(x.reshape(FRAMES * STEPS, 1, *x.shape[2:]))
        trains, spikes = (part[:, 0].numpy() for part in (model.encoder(long), model(long)))
    counts = spikes.reshape(FRAMES, STEPS, 10).sum(axis=1)
    real = reference.run(hardware.traced, x.astype(np.float64))
    np.testing.assert_array_equal(real["encoder"].reshape(trains.shape), trains)
    words, _ = reference.read_out(hardware.traced.outputs[0], real)
    np.testing.assert_array_equal(words, counts)
    result = hardware.simulate(x, counts.argmax(axis=1), stalls=3)
    result.raise_for_mismatch()
    figures = hardware.figures()
    assert figures["accuracy"]["float"] == 100.0  # of the stream, not of frames that start anew
    sent = np.abs(trains).sum() / FRAMES
    assert figures["activity"]["encoder"]["spikes_per_frame"] == pytest.approx(sent, abs=1e-3)
    apart = reference.run(replace(hardware.traced, streaming=False), x.astype(np.float64))
    assert not np.array_equal(apart["encoder"], real["encoder"])


def test_cycles_are_those_predicted(tmp_path: Path) -> None:
    x = images("regular")
    hardware = e3ne.compile(Network(Regular(STEPS)).eval(), calibration=x, output=tmp_path / "b")
    hardware.simulate(x).raise_for_mismatch()
    cycles = hardware.figures()["cycles"]
    assert abs(cycles["latency_max"] - cycles["predicted_latency"]) <= 2
    assert cycles["interval_mean"] == pytest.approx(cycles["predicted_interval"], abs=2)


def test_encoders_of_the_configuration(tmp_path: Path) -> None:
    """The same hardware as with the encoder in the model: trained on trains."""
    x = images("bernoulli")
    chosen: dict[str, Any] = {"input": {"encoder": "bernoulli", "seed": 5, "scale": 1 / 255}}
    hardware = e3ne.compile(
        Network().eval(),
        steps=STEPS,
        input_has_steps=True,
        calibration=x,
        config=chosen,
        output=tmp_path / "b",
    )
    assert hardware.graph.node("input.encoder").neuron == Encode("bernoulli", 8, 1 / 255, 5)
    assert hardware.traced.inputs[0].type.steps == 1
    own = Network(Bernoulli(STEPS, seed=5)).eval()
    twin = e3ne.compile(own, calibration=x, output=tmp_path / "c")
    answers = hardware.reference(x)
    np.testing.assert_array_equal(answers.words, twin.reference(x).words)
    result = hardware.simulate(x, answers.classes)
    result.raise_for_mismatch()
    assert result.rtl_accuracy == 100.0
    report = hardware.figures()["accuracy"]
    assert report["float"] > 50  # the float graph has the encoder, too


class Eyes(nn.Module):
    """Trains of several inputs into one layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Linear(64, 10) for _ in range(3))
        self.lif = snntorch.Leaky(beta=0.875, threshold=0.25)

    def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        membrane, sent = self.lif.init_leaky(), []
        for parts in zip(a, b, c, strict=True):
            current = sum(layer(x.flatten(1)) for layer, x in zip(self.layers, parts, strict=True))
            spikes, membrane = self.lif(current, membrane)
            sent.append(spikes)
        return torch.stack(sent)


def test_an_encoder_an_input(tmp_path: Path) -> None:
    """Two encoders, and an input of trains beside them, each with its own bits."""
    trains = (np.random.default_rng(0).random((FRAMES, STEPS, 64)) < 0.3).astype(np.float32)
    x = {"a": images("radix"), "b": trains, "c": images("delta")}
    chosen = {
        "input": {
            "a": {"encoder": "radix"},
            "c": {"encoder": "delta", "threshold": 0.5, "bits": 4},
        }
    }
    hardware = e3ne.compile(
        Eyes().eval(), input_has_steps=True, calibration=x, config=chosen, output=tmp_path / "b"
    )
    kinds = [source.type.bits for source in hardware.graph.inputs]
    assert kinds == [6, 1, 4]
    hardware.simulate(x).raise_for_mismatch()
    assert "encoder" not in hardware.build.manifest["inputs"][1]


def test_bad_choices_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="steps: found none for a model of trains behind an encoder"):
        e3ne.compile(
            Network(),
            input_has_steps=True,
            calibration=images("regular"),
            config={"input": {"encoder": "regular"}},
            output=tmp_path / "b",
        )
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU())
    with pytest.raises(BadInput, match="encoder latency for a network of one time step"):
        e3ne.compile(
            plain,
            calibration=images("latency"),
            config={"input": {"encoder": "latency"}},
            output=tmp_path / "b",
        )
