"""Tracing of snnTorch: loops, Sequentials, every option of Leaky, every readout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

snntorch = pytest.importorskip("snntorch", reason="pip install snntorch")

from snntorch import utils  # noqa: E402  (behind importorskip)

from e3ne import reference  # noqa: E402
from e3ne.frontend import trace  # noqa: E402
from e3ne.ir import (  # noqa: E402
    Graph,
    Integrate,
    IntegrateFire,
    Readout,
    Relay,
    UnsupportedModel,
)

Record = Callable[[list[torch.Tensor], list[torch.Tensor]], Any]


def static(*shape: int) -> torch.Tensor:
    return torch.rand(4, *shape, generator=torch.Generator().manual_seed(3)) * 3


def events(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return (torch.rand(4, *shape, generator=generator) < 0.4).float()


class Loop(nn.Module):
    """Two dense layers, a loop over static input, explicit membranes."""

    def __init__(self, record: Record, steps: int = 6, **leaky: Any) -> None:
        super().__init__()
        options = {"beta": 0.9, **leaky}
        self.fc1 = nn.Linear(8, 12)
        self.lif1 = snntorch.Leaky(**options)
        self.fc2 = nn.Linear(12, 3)
        self.lif2 = snntorch.Leaky(**options)
        self.steps = steps
        self._record = record

    def forward(self, x: torch.Tensor) -> Any:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for _ in range(self.steps):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return self._record(spikes, membranes)


class TimeFirst(nn.Module):
    """A convolutional network with batch norm and pooling, over (steps, frames, ...)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding=1)
        self.bn = nn.BatchNorm2d(6)
        self.lif1 = snntorch.Leaky(beta=0.8, threshold=0.5)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(96, 4)
        self.lif2 = snntorch.Leaky(beta=0.8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mem1 = self.lif1.init_leaky()
        mem2 = self.lif2.init_leaky()
        spikes, membranes = [], []
        for step in range(x.size(0)):
            spk1, mem1 = self.lif1(self.bn(self.conv(x[step])), mem1)
            spk2, mem2 = self.lif2(self.fc(self.pool(spk1).flatten(1)), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes, dim=0), torch.stack(membranes, dim=0)


class Residual(nn.Module):
    """A spiking residual connection, summed spikes as output, batch norm per step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3, padding=1)
        self.lif1 = snntorch.Leaky(beta=0.7, threshold=0.3)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.lif2 = snntorch.Leaky(beta=0.7, threshold=0.3, reset_mechanism="zero")
        self.fc = nn.Linear(75, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        total = torch.zeros(x.shape[1], 5)
        for frame in x:
            spk1, mem1 = self.lif1(self.conv1(frame), mem1)
            spk2, mem2 = self.lif2(self.conv2(spk1) + spk1, mem2)
            total = total + self.fc(torch.flatten(spk2, 1))
        return total / len(x)


def sequential(**options: Any) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        snntorch.Leaky(init_hidden=True, **options),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 3),
        snntorch.Leaky(init_hidden=True, output=True, **options),
    )


def first_neuron(graph: Graph) -> IntegrateFire | Integrate:
    return next(
        node.neuron for node in graph.nodes if isinstance(node.neuron, IntegrateFire | Integrate)
    )


def assert_counts_equal(graph: Graph, model: nn.Module, x: torch.Tensor, spikes: Any) -> None:
    """Spike counts of the reference against those of the library (an independent comparison)."""
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, x.numpy()))
    np.testing.assert_array_equal(words, spikes.sum(0).detach().numpy())


def test_loop_over_static_input_is_direct_coding() -> None:
    model, x = Loop(lambda s, m: (torch.stack(s), torch.stack(m))), static(8)
    graph = trace(model, x)
    assert [(node.name, node.type.steps) for node in graph.nodes] == [
        ("fc1", 1),
        ("lif1", 6),
        ("fc2", 6),
        ("lif2", 6),
    ]
    assert graph.inputs[0].type.steps == 1
    assert graph.outputs[0].readout is Readout.COUNT
    assert_counts_equal(graph, model, x, model(x)[0])


def test_loop_over_time_first_input() -> None:
    model, x = TimeFirst().eval(), events(5, 2, 8, 8)
    graph = trace(model, x, input_has_steps=True)
    assert {node.type.steps for node in graph.nodes} == {5}
    assert [node.name for node in graph.nodes] == [
        "conv", "bn", "lif1", "pool", "pool.flatten", "fc", "lif2",
    ]  # fmt: skip
    assert_counts_equal(graph, model, x, model(x.transpose(0, 1))[0])


def test_residual_add_and_mean_of_currents() -> None:
    graph = trace(Residual(), events(5, 1, 5, 5), input_has_steps=True)
    assert [synapse.source for synapse in graph.node("add").synapses] == ["conv2", "lif1"]
    assert graph.outputs[0].source == "fc"
    assert graph.outputs[0].readout is Readout.MEAN


@pytest.mark.parametrize("has_steps", [False, True])
def test_sequential_with_hidden_state_is_called_once_a_step(has_steps: bool) -> None:
    model = sequential(beta=0.85)
    x = events(7, 1, 8, 8) if has_steps else static(1, 8, 8)
    graph = trace(model, x, steps=7, input_has_steps=has_steps)
    assert [node.type.steps for node in graph.nodes] == [7] * 7 if has_steps else [1, 1, *[7] * 5]
    model.eval()
    utils.reset(model)
    steps = x.unbind(1) if has_steps else [x] * 7
    assert_counts_equal(graph, model, x, torch.stack([model(step)[0] for step in steps]))


def test_loop_and_step_models_of_one_step() -> None:
    loop = trace(Loop(lambda s, m: torch.stack(s), steps=1), static(8), steps=1)
    step = trace(sequential(beta=0.85), events(1, 1, 8, 8), input_has_steps=True)
    assert loop.node("lif2").type.steps == step.node("2").type.steps == 1


def test_linear_on_all_steps_at_once() -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 3)
            self.lif = snntorch.Leaky(beta=0.5)

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            mem, record = None, []
            for current in self.fc(x.flatten(2)):
                spikes, mem = self.lif(current, mem)
                record.append(spikes)
            return record

    graph = trace(Whole(), events(4, 2, 2, 2), input_has_steps=True)
    assert [node.name for node in graph.nodes] == ["flatten", "fc", "lif"]
    assert graph.outputs[0].readout is Readout.COUNT


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("form", ["scalar", "a neuron", "learned"])
def test_every_reset_with_every_form_of_parameters(reset: str, delay: bool, form: str) -> None:
    generator = torch.Generator().manual_seed(7)
    beta: float | torch.Tensor = 0.8
    threshold: float | torch.Tensor = 0.6
    if form != "scalar":
        beta = torch.rand(12, generator=generator) * 1.4 - 0.1  # clamped to 0 .. 1 by snnTorch
        threshold = torch.rand(12, generator=generator) + 0.2
    learned = form == "learned"

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 12)
            self.lif = snntorch.Leaky(
                beta=beta,
                threshold=threshold,
                learn_beta=learned,
                learn_threshold=learned,
                reset_mechanism=reset,
                reset_delay=delay,
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mem, record = self.lif.reset_mem(), []
            for _ in range(9):
                spikes, mem = self.lif(self.fc(x), mem)
                record.append(spikes)
            return torch.stack(record)

    model, x = Net(), static(8)
    graph = trace(model, x)
    neuron = first_neuron(graph)
    assert isinstance(neuron, IntegrateFire)
    assert neuron.reset == {"zero": "to_value"}.get(reset, reset)
    if reset != "none":
        assert neuron.reset_step == (
            "next" if delay else {"subtract": "both", "zero": "same"}[reset]
        )
    assert isinstance(neuron.decay, float) == (form == "scalar")
    spikes = model(x)
    assert 0 < float(spikes.detach().mean()) < 1
    assert_counts_equal(graph, model, x, spikes)


def test_parameters_a_channel_of_a_convolution() -> None:
    beta = torch.tensor([0.5, 0.9, 0.7, 1.0]).view(4, 1, 1)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), snntorch.Leaky(beta=beta, init_hidden=True))
    neuron = first_neuron(trace(model, static(1, 8, 8), steps=5))
    np.testing.assert_array_equal(neuron.decay, beta.flatten().numpy())


@pytest.mark.parametrize(
    ("record", "readout"),
    [
        (lambda s, m: torch.stack(s), Readout.COUNT),
        (lambda s, m: s, Readout.COUNT),
        (lambda s, m: (torch.stack(s).sum(0), m), Readout.COUNT),
        (lambda s, m: torch.stack(s).mean(dim=0), Readout.COUNT),
        (lambda s, m: sum(s), Readout.COUNT),
        (lambda s, m: sum(s) / len(s), Readout.COUNT),
        (lambda s, m: s[-1], Readout.LAST),
        (lambda s, m: torch.stack(s)[-1], Readout.LAST),
        (lambda s, m: torch.stack(s).amax(0), Readout.MAX),
    ],
)
def test_readouts_of_spikes(record: Record, readout: Readout) -> None:
    graph = trace(Loop(record), static(8))
    assert graph.outputs[0].readout is readout
    assert isinstance(graph.node("lif2").neuron, IntegrateFire)


@pytest.mark.parametrize(
    ("record", "readout"),
    [
        (lambda s, m: torch.stack(m), Readout.LAST),
        (lambda s, m: m[-1], Readout.LAST),
        (lambda s, m: torch.stack(m).max(0).values, Readout.MAX),
        (lambda s, m: torch.stack(m).max(0)[0], Readout.MAX),
        (lambda s, m: torch.mean(torch.stack(m), 0), Readout.MEAN),
        (lambda s, m: torch.stack(m).sum(0), Readout.MEAN),
    ],
)
def test_readouts_of_membranes(record: Record, readout: Readout) -> None:
    graph = trace(Loop(record, reset_mechanism="none"), static(8))
    assert graph.outputs[0].readout is readout
    assert isinstance(graph.node("lif1").neuron, IntegrateFire)
    assert isinstance(graph.node("lif2").neuron, Integrate)


def test_running_sum_in_place() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 3)
            self.lif = snntorch.Leaky(beta=0.5, init_hidden=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.lif.reset_mem()
            total = torch.zeros(len(x), 3)
            for _ in range(5):
                total += self.lif(self.fc(x))
            return total

    graph = trace(Net(), static(8))
    assert graph.outputs == trace(Net(), static(8)).outputs
    assert graph.outputs[0].source == "lif"
    assert graph.outputs[0].readout is Readout.COUNT


@pytest.mark.parametrize(("reduce", "name"), [(torch.sum, "sum"), (torch.mean, "mean")])
def test_a_layer_behind_the_sum_over_time(reduce: Any, name: str) -> None:
    class Hybrid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Loop(lambda s, m: torch.stack(s))
            self.head = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(reduce(self.body(x), 0))

    graph = trace(Hybrid(), static(8))
    assert graph.node("body.lif2").type.steps == 6
    assert graph.node(f"body.lif2.{name}").type.steps == 1
    assert graph.outputs[0].source == "head"
    assert graph.outputs[0].readout is Readout.LAST


def test_static_and_spiking_sources_meet_behind_a_repeat() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(8, 8), nn.Linear(8, 8)
            self.lif1, self.lif2 = snntorch.Leaky(beta=0.5), snntorch.Leaky(beta=0.5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mem1 = mem2 = None
            record = []
            for _ in range(4):
                spk1, mem1 = self.lif1(self.fc1(x), mem1)
                spk2, mem2 = self.lif2(F.relu(self.fc1(x)) + self.fc2(spk1), mem2)
                record.append(spk2)
            return torch.stack(record)

    graph = trace(Skip(), static(8))
    repeat = graph.node("fc1.relu.repeat")
    assert (graph.node("fc1.relu").type.steps, repeat.type.steps) == (1, 4)
    assert repeat.neuron == Relay()


def test_spikes_and_membrane_of_one_neuron_are_two_populations() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(8, 5), nn.Linear(5, 5)
            self.lif1 = snntorch.Leaky(beta=0.5, reset_mechanism="none")
            self.lif2 = snntorch.Leaky(beta=0.5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mem1 = mem2 = None
            record = []
            for _ in range(4):
                spk1, mem1 = self.lif1(self.fc1(x), mem1)
                spk2, mem2 = self.lif2(self.fc2(spk1) + mem1, mem2)
                record.append(spk2)
            return torch.stack(record)

    graph = trace(Both(), static(8))
    assert isinstance(graph.node("lif1").neuron, IntegrateFire)
    assert isinstance(graph.node("lif1.membrane").neuron, Integrate)


def test_trained_hidden_states_and_the_users_model_stay() -> None:
    model = sequential(beta=0.9, learn_beta=True)
    model(static(1, 8, 8))[0].sum().backward()  # leaves membranes on the training graph
    before = model[2].mem
    assert before.grad_fn is not None
    trace(model, static(1, 8, 8), steps=3)
    assert model[2].mem is before
    assert model.training


def test_a_forward_that_resets_through_snntorch_leaves_other_models_alone() -> None:
    other = snntorch.Leaky(beta=0.5, init_hidden=True)
    other(torch.ones(2, 3))
    membrane = other.mem.clone()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 3)
            self.lif = snntorch.Leaky(beta=0.5, init_hidden=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            utils.reset(self)
            return torch.stack([self.lif(self.fc(x)) for _ in range(3)])

    assert trace(Net(), static(8)).node("lif").type.steps == 3
    assert torch.equal(other.mem, membrane)


def test_a_forward_that_changes_its_static_input_in_place() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU(inplace=True)
            self.fc = nn.Linear(8, 3)
            self.lif = snntorch.Leaky(beta=0.5, init_hidden=True)

        def forward(self, x: torch.Tensor) -> Any:
            x += 1
            return self.lif(self.fc(self.relu(x)))

    graph = trace(Net(), static(8), steps=4)
    assert [node.type.steps for node in graph.nodes] == [1, 1, 1, 4]


def test_spiking_models_that_insist_on_float32_are_checked_in_float32() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 6)
            self.lif = snntorch.Leaky(beta=0.8)
            self.table = [torch.rand(3, 6)]  # no buffer: stays as it is

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mem, record = None, []
            for _ in range(6):
                spikes, mem = self.lif(self.fc(x), mem)
                record.append(F.linear(spikes, self.table[0]))
            return torch.stack(record).mean(0)

    graph = trace(Net(), static(8))
    assert graph.outputs[0].readout is Readout.MEAN
    assert graph.node("lif.linear").type.steps == 6


def test_a_subclass_of_leaky_is_read_as_leaky() -> None:
    class Mine(snntorch.Leaky):  # type: ignore[misc]
        pass

    model = nn.Sequential(nn.Linear(8, 4), Mine(beta=0.5, init_hidden=True))
    assert isinstance(first_neuron(trace(model, static(8), steps=3)), IntegrateFire)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inhibition": True}, r"^1 \(Leaky\): found inhibition=True"),
        ({"state_quant": lambda x: x}, r"^1 \(Leaky\): found state_quant"),
        ({"beta": torch.rand(4, 4)}, r"^1 \(Leaky\): found beta of shape \(4, 4\)"),
        ({"threshold": -1.0}, r"^1 \(Leaky\): found threshold -1, accepted values above 0"),
    ],
)
@pytest.mark.filterwarnings("ignore:Inhibition")
def test_options_that_are_refused(options: dict[str, Any], message: str) -> None:
    leaky = snntorch.Leaky(**{"beta": 0.5, "init_hidden": True, **options})
    model = nn.Sequential(nn.Linear(8, 4), leaky)
    with pytest.raises(UnsupportedModel, match=message):
        trace(model, static(8), steps=2)


def test_other_neurons_of_snntorch_are_all_named() -> None:
    model = nn.Sequential(
        nn.Linear(8, 4),
        snntorch.LeakyParallel(4, 4, beta=0.5),
        nn.Linear(4, 4),
        snntorch.Alpha(alpha=0.6, beta=0.5, init_hidden=True),
    )
    with pytest.raises(UnsupportedModel) as caught:
        trace(model, static(8), steps=2)
    assert [problem.split(", accepted")[0] for problem in caught.value.problems] == [
        "1 (LeakyParallel): found snntorch.LeakyParallel",
        "3 (Alpha): found snntorch.Alpha",
    ]
