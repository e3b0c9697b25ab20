"""Encoders inside of models: they are traced to `Encode` nodes, and checked like all others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from e3ne import reference
from e3ne.frontend import trace
from e3ne.ir import Encode, Graph, IntegrateFire, TraceMismatch, UnsupportedModel
from e3ne.training.encoders import Bernoulli, BitPlanes, Delta, Encoder, Latency, Regular

snntorch = pytest.importorskip("snntorch")

Way = Callable[[nn.Module, torch.Tensor], torch.Tensor]


class Network(nn.Module):
    """Samples, an encoder, a layer of neurons; `way` is what calls the encoder."""

    def __init__(self, encoder: Encoder, way: Way = lambda encoder, x: encoder(x)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.way = encoder, way
        self.fc = nn.Linear(32, 5)
        self.lif = snntorch.Leaky(beta=0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        trains = self.way(self.encoder, x)
        if self.encoder.frames_first:
            trains = trains.transpose(0, 1)
        membrane, sent = self.lif.init_leaky(), []
        for spikes in trains:
            spikes, membrane = self.lif(self.fc(spikes.flatten(1)), membrane)
            sent.append(spikes)
        return torch.stack(sent)


def images(*lead: int) -> torch.Tensor:
    """Samples of 0 .. 1 for 2 channels of 4 x 4."""
    return torch.rand(*lead, 2, 4, 4, generator=torch.Generator().manual_seed(1))


KINDS = [Regular(6), Bernoulli(6, seed=9), Latency(9, bits=4), BitPlanes(5)]


@pytest.mark.parametrize("frames_first", [False, True])
@pytest.mark.parametrize("encoder", KINDS, ids=lambda encoder: encoder.neuron.kind)
def test_encoders_become_encode_nodes(encoder: Encoder, frames_first: bool) -> None:
    encoder.frames_first = frames_first
    model = Network(encoder)
    graph = trace(model, images(3))
    node = graph.node("encoder")
    assert node.neuron == encoder.neuron
    assert graph.inputs[0].type.steps == 1
    assert node.type.steps == encoder.steps
    x = images(7)
    sent = reference.run(graph, x.numpy())["lif"]
    assert np.array_equal(sent.swapaxes(0, 1), model(x).detach().numpy())


def test_delta_reads_all_steps() -> None:
    model = Network(Delta(0.2))
    graph = trace(model, images(3, 8) * 2 - 1, input_has_steps=True)
    assert graph.node("encoder").neuron == Encode("delta", 8, 1 / 127, threshold=25, signed=True)
    assert graph.inputs[0].type.steps == graph.node("encoder").type.steps == 8
    x = images(2, 8) * 2 - 1
    sent = reference.run(graph, x.numpy())["lif"]
    assert np.array_equal(sent, model(x.transpose(0, 1)).detach().transpose(0, 1).numpy())


def flat(encoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return encoder(x.flatten(1))


def test_a_flattened_input_is_encoded_before_it_is_flattened() -> None:
    """Hardware has its samples in wire order, whatever the model calls them."""
    graph = trace(Network(Latency(6), flat), images(3))
    assert graph.node("encoder").type.shape == (2, 4, 4)
    assert graph.node("encoder.flatten").type.shape == (32,)


def spiking_first(encoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return encoder(torch.relu(x - 0.5))


def twice(encoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return encoder(x) + encoder(x)


WRONG = [
    (Network(Bernoulli(6), flat), "encoder .Bernoulli.: found a Bernoulli encoder of a flattened"),
    (Network(Regular(6), spiking_first), "found an encoder behind other layers, accepted one that"),
    (Network(Delta(0.2), lambda encoder, x: encoder(torch.stack([x, x]))), "encoder behind other"),
]


@pytest.mark.parametrize(("model", "message"), WRONG, ids=[message for _, message in WRONG])
def test_models_that_no_hardware_has_are_refused(model: Network, message: str) -> None:
    with pytest.raises(UnsupportedModel, match=message):
        trace(model, images(3))


def test_samples_with_steps_are_refused() -> None:
    def first(encoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return encoder(x[0])

    with pytest.raises(UnsupportedModel, match="found samples of one step, accepted samples with"):
        trace(Network(Regular(6), first), images(3, 6), input_has_steps=True)


def test_one_call_more_is_the_same_population() -> None:
    graph = trace(Network(Regular(6), twice), images(3))
    assert sum(isinstance(node.neuron, Encode) for node in graph.nodes) == 1


def test_a_network_of_an_encoder_and_layers_alone() -> None:
    """No spiking neuron behind it: the readout is a sum over the steps."""

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.fc = Regular(6), nn.Linear(32, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return sum(self.fc(step.flatten(1)) for step in self.encoder(x))

    graph = trace(Counting(), images(3))
    assert not any(isinstance(node.neuron, IntegrateFire) for node in graph.nodes)
    assert graph.node("fc").type.steps == 6


def test_random_trains_of_torch_are_refused_with_what_to_take() -> None:
    def rate(encoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return torch.bernoulli(x.expand(6, *x.shape))

    with pytest.raises(UnsupportedModel, match=r"found bernoulli, .* use e3ne.encoders.Bernoulli"):
        trace(Network(Regular(6), rate), images(3))


class Cheating(Regular):
    """The broken twin: sends something else than its record says."""

    def trains(self, x: torch.Tensor, time: int) -> torch.Tensor:
        return super().trains(x, time).roll(1, time)


def test_a_wrong_encoder_is_found() -> None:
    with pytest.raises(TraceMismatch, match="encoder, step 0, frame"):
        trace(Network(Cheating(6)), images(3))


def test_the_graph_is_free_of_torch() -> None:
    graph: Graph = trace(Network(Regular(6)), images(2))
    assert type(graph.node("encoder").neuron) is Encode
