"""Steps on any axis: direct coding, merged axes, records, and what is taken of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import e3ne.frontend.registry as registry
from e3ne.frontend import NeuronModel, register_neuron, trace
from e3ne.frontend.values import Layout
from e3ne.ir import Graph, IntegrateFire, Readout, UnsupportedModel
from tests.traced import AllSteps, Forward, frames, names

snntorch = pytest.importorskip("snntorch", reason="pip install snntorch")

STEPS = 4
IMAGE = frames(2, 8, 8) * 2


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AllSteps is a neuron, for as long as a test runs."""
    monkeypatch.setattr(registry, "_NEURONS", dict(registry._NEURONS))

    @register_neuron(AllSteps)
    def describe(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
        layout = Layout.FRAMES_STEPS if module.axis else Layout.STEPS_FRAMES
        neuron = IntegrateFire(1.0, 0.5, fire_on=">=", reset_step="same")
        return NeuronModel(neuron, None, layout=layout)

    return


def layers(frames_first: bool = False) -> dict[str, nn.Module]:
    torch.manual_seed(4)
    return {
        "conv1": nn.Conv2d(2, 4, 3, padding=1),
        "bn": nn.BatchNorm2d(4),
        "lif1": AllSteps(frames_first),
        "conv2": nn.Conv2d(4, 4, 3, padding=1),
        "lif2": AllSteps(frames_first),
        "pool": nn.MaxPool2d(2),
        "fc": nn.Linear(64, 3),
        "lif3": AllSteps(frames_first),
    }


LAYERS = ["conv1", "bn", "lif1", "conv2", "lif2", "pool", "pool.flatten", "fc", "lif3"]


def network(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Layers on both leading axes merged, neurons on both apart, in whichever order."""

    def merged(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    x = m.lif1(merged(nn.Sequential(m.conv1, m.bn), x))
    x = merged(m.pool, m.lif2(merged(m.conv2, x)))
    return m.lif3(m.fc(x.flatten(2)))


# ------------------------------------------------------------------------------ direct coding


@pytest.mark.parametrize(
    ("repeated", "frames_first"),
    [
        (lambda x: x.unsqueeze(0).repeat(STEPS, 1, 1, 1, 1), False),
        (lambda x: x[None].expand(STEPS, -1, -1, -1, -1), False),
        (lambda x: torch.stack([x] * STEPS), False),
        (lambda x: x.repeat(STEPS, 1, 1, 1).view(STEPS, -1, 2, 8, 8), False),
        (lambda x: torch.cat([x] * STEPS).view(STEPS, -1, 2, 8, 8), False),
        (lambda x: x.unsqueeze(1).repeat(1, STEPS, 1, 1, 1), True),
        (lambda x: x.repeat_interleave(STEPS, 0).unflatten(0, (-1, STEPS)), True),
        (lambda x: torch.stack([x] * STEPS, 1), True),
    ],
)
def test_frames_that_are_repeated_are_read_once(
    repeated: Callable[[torch.Tensor], torch.Tensor], frames_first: bool
) -> None:
    axis = 1 if frames_first else 0
    model = Forward(lambda m, x: network(m, repeated(x)).mean(axis), **layers(frames_first))
    graph = trace(model.eval(), IMAGE)
    assert names(graph) == LAYERS
    assert [graph.edge(name).steps for name in ("input", "conv1", "bn", "lif1")] == [1, 1, 1, STEPS]
    assert graph.outputs[0].readout is Readout.COUNT


@pytest.mark.parametrize("frames_first", [False, True])
def test_the_tracer_finds_where_a_model_wants_its_steps(frames_first: bool) -> None:
    model = Forward(network, **layers(frames_first)).eval()
    given = torch.rand(3, STEPS, 2, 8, 8, generator=torch.Generator().manual_seed(2)) * 3
    graph = trace(model, given, input_has_steps=True)
    assert names(graph) == LAYERS
    assert {graph.edge(name).steps for name in LAYERS} == {STEPS}
    assert trace(model, IMAGE, steps=STEPS).edge("conv1").steps == 1


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_as_many_frames_as_steps_confuse_nobody(count: int) -> None:
    model = Forward(lambda m, x: network(m, torch.stack([x] * STEPS)).mean(0), **layers()).eval()
    assert names(trace(model, IMAGE.repeat(2, 1, 1, 1)[:count])) == LAYERS


def test_a_current_that_is_the_same_at_every_step_joins_one_that_is_not() -> None:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.lif1(torch.stack([m.conv1(x)] * STEPS))
        return m.lif2(m.conv2(y.flatten(0, 1)).view(STEPS, *x.shape[:1], 4, 8, 8) + m.conv1(x))

    graph = trace(Forward(forward, **layers()), IMAGE)
    (add,) = (node for node in graph.nodes if len(node.synapses) == 2)
    assert {graph.edge(synapse.source).steps for synapse in add.synapses} == {STEPS}


def test_normalisation_over_steps_and_frames_apart_is_refused() -> None:
    model = Forward(
        lambda m, x: m.bn(m.lif1(torch.stack([x] * 3))), bn=nn.BatchNorm1d(3), lif1=AllSteps()
    ).eval()
    with pytest.raises(UnsupportedModel, match="flatten\\(0, 1\\) the steps and frames before it"):
        trace(model, frames(6))


# ------------------------------------------------------------------------------------ records


def recorded(function: Callable[[list[torch.Tensor]], Any], **modules: nn.Module) -> Graph:
    """The trace of a loop over time, with its record of spikes (frames, 4, 8, 8) used so."""

    def forward(m: Any, x: torch.Tensor) -> Any:
        membrane, record = m.lif.init_leaky(), []
        for _ in range(STEPS):
            spikes, membrane = m.lif(m.conv(x), membrane)
            record.append(spikes)
        return function(record)

    torch.manual_seed(4)
    model = Forward(forward, conv=nn.Conv2d(2, 4, 3, padding=1), lif=snntorch.Leaky(0.9), **modules)
    return trace(model, IMAGE)


def filled(record: list[torch.Tensor]) -> torch.Tensor:
    kept = torch.zeros(len(record), *record[0].shape)
    for step, spikes in enumerate(record):
        kept[step] = spikes
    return kept


@pytest.mark.parametrize(
    ("function", "readout"),
    [
        (lambda r: r, Readout.COUNT),
        (torch.stack, Readout.COUNT),
        (lambda r: torch.stack(r, 1), Readout.COUNT),
        (lambda r: torch.stack(r, -1), Readout.COUNT),
        (lambda r: torch.stack(r, 2).permute(2, 0, 1, 3, 4), Readout.COUNT),
        (lambda r: torch.cat([s.unsqueeze(0) for s in r]), Readout.COUNT),
        (lambda r: torch.cat([s[:, None] for s in r], 1).transpose(0, 1), Readout.COUNT),
        (lambda r: torch.stack(r).view(STEPS, -1, 256), Readout.COUNT),
        (filled, Readout.COUNT),
        (lambda r: torch.stack(r).mean(0), Readout.COUNT),
        (lambda r: torch.stack(r, 1).mean(1), Readout.COUNT),
        (lambda r: torch.stack(r, 1).sum(dim=1), Readout.COUNT),
        (lambda r: torch.stack(r, -1).sum(-1), Readout.COUNT),
        (lambda r: torch.stack(r).sum(0).flatten(1), Readout.COUNT),
        (lambda r: filled(r).mean(0), Readout.COUNT),
        (lambda r: sum(r) / STEPS, Readout.COUNT),
        (lambda r: torch.stack(r).max(0)[0], Readout.MAX),
        (lambda r: torch.stack(r, 1).amax(1), Readout.MAX),
        (lambda r: torch.stack(r).amax(0).flatten(1), Readout.MAX),
        (lambda r: torch.stack(r)[-1], Readout.LAST),
        (lambda r: torch.stack(r)[STEPS - 1], Readout.LAST),
        (lambda r: torch.stack(r, 1)[:, -1], Readout.LAST),
        (lambda r: torch.stack(r, -1)[..., -1], Readout.LAST),
        (lambda r: torch.stack(r).select(0, STEPS - 1), Readout.LAST),
        (lambda r: list(torch.stack(r).unbind(0))[-1], Readout.LAST),
        (lambda r: torch.chunk(torch.stack(r), STEPS)[-1].squeeze(0), Readout.LAST),
    ],
)
def test_a_record_of_the_neurons_leaves_no_node(function: Any, readout: Readout) -> None:
    graph = recorded(function)
    assert names(graph) == ["conv", "lif"]
    assert graph.outputs[0].readout is readout


def test_a_rate_is_a_sum_over_the_steps() -> None:
    fc = nn.Linear(256, 3)
    for function in (
        lambda r: fc(torch.stack(r).mean(0).flatten(1)),
        lambda r: fc(torch.stack(r, 1).flatten(2).mean(1)),
    ):
        graph = recorded(function)
        assert [node.type.steps for node in graph.nodes[1:]] == [STEPS, STEPS, 1, 1]


def test_steps_and_pixels_are_averaged_together() -> None:
    graph = recorded(lambda r: torch.stack(r).mean((0, 3, 4)))
    assert names(graph)[:3] == ["conv", "lif", "lif.mean"]
    assert graph.nodes[2].type.shape == (4, 1, 1)
    assert graph.nodes[-1].type.steps == 1


def test_layers_on_a_whole_record() -> None:
    head = nn.Sequential(nn.Conv2d(4, 2, 3), nn.AvgPool2d(2), nn.Flatten())
    graph = recorded(lambda r: head(torch.stack(r).flatten(0, 1)).view(STEPS, 3, -1).sum(0))
    assert graph.nodes[-1].type.steps == STEPS
    unmerged = recorded(lambda r: F.relu(torch.stack(r)[:, :, 1:3] * 2).sum(0))
    assert unmerged.nodes[-1].type.shape == (2, 8, 8)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda r: torch.stack(r)[:3].mean(0), "found a record of 3 of 4 steps"),
        (lambda r: torch.stack(r)[1:].mean(0), "found mean over axis 0"),
        (lambda r: torch.stack(r).flip(0), "found flip from"),
        (lambda r: torch.stack(r[::-1]), "found stack of tensors that are not the same"),
        (lambda r: torch.stack(r)[::2], "found getitem from"),
        (lambda r: torch.stack(r).mean(1), "found mean over axis 1"),
        (lambda r: torch.stack(r).flatten(0, 1).view(-1, STEPS, 256).mean(1), "found mean over"),
        (lambda r: torch.stack(r).permute(0, 1, 3, 4, 2), "found permute from"),
        (lambda r: torch.stack(r).view(2, -1, 256), "found view from"),
    ],
)
def test_other_parts_of_a_record_are_refused(function: Any, found: str) -> None:
    with pytest.raises(UnsupportedModel, match=found):
        recorded(function)


def test_one_step_a_call_of_a_voting_layer() -> None:
    class Vote(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.avg_pool1d(x.unsqueeze(1), 5, 5).squeeze(1)

    model = nn.Sequential(nn.Linear(6, 10), snntorch.Leaky(0.9, init_hidden=True), Vote())
    graph = trace(model, frames(6) * 3, steps=3)
    assert graph.nodes[-1].type.shape == (2,)
    assert graph.nodes[-1].type.steps == 3


def test_a_single_step_of_all_is_a_train_of_one() -> None:
    model = Forward(lambda m, x: m.lif(m.fc(x)[None])[0], fc=nn.Linear(6, 4), lif=AllSteps())
    graph = trace(model, frames(6) * 3, steps=1)
    assert names(graph) == ["fc", "lif"]
