"""Norse's neurons beside e3ne's, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("norse", reason="make setup")

from norse import torch as norse
from norse.torch import module as modules

from e3ne import reference
from e3ne.frontend import trace
from e3ne.frontend.registry import find_neuron
from e3ne.frontend.values import Layout
from e3ne.ir import Array, Integrate, IntegrateFire, Readout, UnsupportedModel
from tests.beside import assert_membranes, assert_spikes, currents, described

PARAMETERS: dict[str, dict[str, float]] = {
    "default": {},
    "slow": {"tau_mem_inv": 40.0, "v_th": 0.2},
    "resting elsewhere": {"v_leak": -0.3, "v_th": 0.1, "v_reset": -0.5},
    "reset above the rest": {"v_leak": 0.1, "v_th": 0.5, "v_reset": 0.3},
}
DT = (0.001, 0.004)


def tensors(values: dict[str, float]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in values.items()}


def stepwise(module: nn.Module, x: Array) -> Iterator[tuple[torch.Tensor, Any]]:
    """(output, state) of each step, (frames, *shape), in float64."""
    state = None
    for step in torch.from_numpy(x).double().unbind(1):
        output, state = module.double()(step, state)
        yield output, state


def check_cell(
    module: nn.Module, *shape: int, inputs: tuple[int, ...] = (), **drawn: float
) -> None:
    """A spiking cell: its spikes and its membranes."""
    model = described(module, shape)
    assert (model.states, model.layout, model.spikes_at) == (("state",), None, 0)
    x = currents(*(inputs or shape), **drawn)
    found = list(stepwise(module, x))
    assert_spikes(model, x, torch.stack([output for output, _ in found], 1))
    assert_membranes(model, x, torch.stack([state.v for _, state in found], 1))
    position = model.membrane_at
    assert position is not None
    output, state = found[-1]
    assert (output, *state)[position] is state.v


@pytest.mark.parametrize(("named", "dt"), list(product(PARAMETERS, DT)))
def test_lif_cell(named: str, dt: float) -> None:
    p = norse.LIFParameters(**tensors(PARAMETERS[named]))
    check_cell(norse.LIFCell(p, dt=dt), 2, 3, 4)


@pytest.mark.parametrize(("named", "dt"), list(product(PARAMETERS, DT)))
@pytest.mark.parametrize("reset", ["reset_value", "reset_subtract"])
def test_lif_box_cell(named: str, dt: float, reset: str) -> None:
    parameters = PARAMETERS[named]
    p = norse.LIFBoxParameters(**tensors(parameters), reset_method=getattr(norse, reset))
    module = norse.LIFBoxCell(p, dt=dt)
    if reset == "reset_subtract" and parameters.get("v_leak"):
        with pytest.raises(UnsupportedModel, match="reset_subtract with v_leak other than 0"):
            described(module, (5,))
    else:
        check_cell(module, 5, low=-1, high=4)


@pytest.mark.parametrize("named", PARAMETERS)
@pytest.mark.parametrize("autapses", [True, False])
def test_lif_recurrent_cell(named: str, autapses: bool) -> None:
    torch.manual_seed(0)
    p = norse.LIFParameters(**tensors(PARAMETERS[named]))
    module = norse.LIFRecurrentCell(6, 4, p, autapses=autapses, dt=0.002)
    check_cell(module, 4, inputs=(6,), low=-1, high=3)
    model = described(module, (4,))
    assert len(model.recurrence) == 1
    assert bool(model.recurrence[0].weight.diagonal().any()) == autapses


@pytest.mark.parametrize(
    "parameters", [{}, {"v_th": 0.4, "v_reset": -0.2}, {"v_th": 1.2, "v_reset": 0.3}]
)
def test_iaf_cell(parameters: dict[str, float]) -> None:
    check_cell(norse.IAFCell(norse.IAFParameters(**tensors(parameters))), 3, 2, 2)


@pytest.mark.parametrize("method", ["super", "heaviside", "tanh", "triangle", "circ", "heavi_erfc"])
def test_methods_differ_in_training_only(method: str) -> None:
    check_cell(norse.LIFCell(norse.LIFParameters(method=method)), 3)


def test_parameters_one_a_channel_and_one_a_neuron() -> None:
    torch.manual_seed(1)
    for size in ((3, 1, 1), (3, 2, 2)):
        p = norse.LIFParameters(
            tau_mem_inv=50 + 100 * torch.rand(size),
            tau_syn_inv=100 + 200 * torch.rand(size),
            v_th=0.1 + torch.rand(size),
        )
        check_cell(norse.LIFCell(p), 3, 2, 2)


@pytest.mark.parametrize("named", ["default", "slow", "resting elsewhere"])
@pytest.mark.parametrize("kind", ["LI", "LIBox"])
def test_integrators(kind: str, named: str) -> None:
    names = ("tau_mem_inv", "v_leak")
    values = {name: value for name, value in PARAMETERS[named].items() if name in names}
    p = getattr(norse, f"{kind}Parameters")(**tensors(values))
    module = getattr(norse, f"{kind}Cell")(p, dt=0.002)
    model = described(module, (4,))
    assert (model.neuron, model.spikes_at, model.membrane_at) == (None, None, 0)
    x = currents(4)
    assert_membranes(model, x, torch.stack([v for v, _ in stepwise(module, x)], 1))


def test_li_linear_cell() -> None:
    torch.manual_seed(2)
    module = norse.LILinearCell(6, 4)
    x = currents(6)
    v = torch.stack([v for v, _ in stepwise(module, x)], 1)
    assert_membranes(described(module, (4,)), x, v)


def sequence_trains(module: nn.Module, x: Array) -> tuple[torch.Tensor, Any]:
    """(outputs (frames, steps, *shape), state) of a module that takes all steps at once."""
    outputs, state = module.double()(torch.from_numpy(x).double().transpose(0, 1))
    return outputs.transpose(0, 1), state


SEQUENCES: dict[str, Callable[..., nn.Module]] = {
    "LIF": lambda **options: norse.LIF(**options),
    "LIFRecurrent": lambda **options: norse.LIFRecurrent(5, 5, **options),
}


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("recorded", [True, False])
def test_spiking_sequences(name: str, recorded: bool) -> None:
    torch.manual_seed(3)
    module = SEQUENCES[name](record_states=recorded, dt=0.003)
    model = described(module, (5,))
    assert model.layout is Layout.STEPS_FRAMES
    x = currents(5, high=2.0)
    spikes, state = sequence_trains(module, x)
    assert_spikes(model, x, spikes)
    assert model.membrane_at is not None
    assert (spikes, *state)[model.membrane_at] is state.v
    if recorded:
        assert_membranes(model, x, state.v.transpose(0, 1))
    else:
        assert state.v.shape == x[:, 0].shape


def test_iaf_and_li_sequences() -> None:
    x = currents(4)
    iaf = norse.IAF()
    assert_spikes(described(iaf, (4,)), x, sequence_trains(iaf, x)[0])
    li = norse.LI()
    model = described(li, (4,))
    assert (model.layout, model.membrane_at) == (Layout.STEPS_FRAMES, 0)
    assert_membranes(model, x, sequence_trains(li, x)[0])


def test_a_wrong_description_is_caught() -> None:
    module = norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.3)))
    model = described(module, (4,))
    x = currents(4)
    spikes = torch.stack([z for z, _ in stepwise(module, x)], 1)
    assert isinstance(model.neuron, IntegrateFire)
    assert isinstance(model.neuron.decay, float)
    wrong: list[dict[str, Any]] = [
        {"gain": 0.11}, {"decay": 0.89}, {"synaptic_decay": 0.79}, {"synaptic_decay": None},
        {"reset": "subtract"}, {"reset_value": 0.1},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(AssertionError):
            assert_spikes(replace(model, neuron=replace(model.neuron, **change)), x, spikes)


def test_a_model_that_takes_and_returns_its_state() -> None:
    """SequentialState called for each step, as its users do: the state comes back to it."""
    torch.manual_seed(5)
    model = norse.SequentialState(
        nn.Linear(6, 8),
        norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.2))),
        nn.Linear(8, 3),
        norse.LICell(),
    )
    x = currents(6, high=3.0)
    graph = trace(model, x, input_has_steps=True)
    assert [node.name for node in graph.nodes] == ["0", "1", "2", "3"]
    state, membranes = None, []
    for step in torch.from_numpy(x).unbind(1):
        membrane, state = model(step, state)
        membranes.append(membrane)
    got = reference.run(graph, x)
    np.testing.assert_allclose(got["3"], torch.stack(membranes, 1).detach().numpy(), atol=1e-4)
    assert 0.02 < got["1"].mean() < 0.98


class LastMembrane(nn.Module):
    """Scores are the membranes of firing neurons after the last step, or in every step."""

    def __init__(self, recorded: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)
        self.neurons = norse.LIF(record_states=recorded, dt=0.003)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, state = self.neurons(self.fc(x))
        return state.v


@pytest.mark.parametrize("v_leak", [0.0, 0.4])
def test_a_record_of_membranes_is_read_at_its_end(v_leak: float) -> None:
    """Also where they rest elsewhere, and a population adds what they rest at."""
    torch.manual_seed(7)
    readout = norse.LI(norse.LIParameters(v_leak=torch.tensor(v_leak)))
    model, x = nn.Sequential(nn.Linear(6, 4), readout), currents(6, steps=20)
    graph = trace(model, x, input_has_steps=True)
    assert graph.outputs[0].readout is Readout.LAST
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, x))
    with torch.no_grad():
        found = model(torch.from_numpy(x).transpose(0, 1))[0][-1]
    np.testing.assert_allclose(words, found.numpy(), atol=1e-4)


@pytest.mark.parametrize("recorded", [True, False])
def test_membranes_in_the_returned_state_are_traced(recorded: bool) -> None:
    torch.manual_seed(6)
    model, x = LastMembrane(recorded), currents(6, high=4.0, steps=20)
    graph = trace(model, x, input_has_steps=True)
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, x))
    with torch.no_grad():
        found = model(torch.from_numpy(x).transpose(0, 1))
    np.testing.assert_allclose(words, (found[-1] if recorded else found).numpy(), atol=1e-4)


def refused(module: nn.Module, pattern: str) -> None:
    with pytest.raises(UnsupportedModel, match=pattern):
        described(module, (4,))


def test_options_that_are_refused() -> None:
    torch.manual_seed(4)
    leak = norse.LIFParameters(v_leak=-torch.rand(4), v_reset=torch.tensor(0.0))
    refused(norse.LIFCell(leak), "found v_reset - v_leak between .* accepted one value for all")
    low = norse.LIFParameters(v_th=torch.tensor(-0.1))
    refused(norse.LIFCell(low), "found v_th - v_leak -0.1, accepted values above 0")
    own = norse.LIFBoxParameters(reset_method=lambda z, v, reset, th: v - 2 * z * th)
    refused(norse.LIFBoxCell(own), "found reset_method=<lambda>, accepted norse.torch.reset_value")


DESCRIBED = {
    "LIFCell", "LIF", "LIFRecurrentCell", "LIFRecurrent", "LIFBoxCell", "IAFCell", "IAF", "LICell",
    "LI", "LILinearCell", "LIBoxCell",
}  # fmt: skip
WIRING = {
    "Lift", "SequentialState", "SpatialReceptiveField2d",
    "ParameterizedSpatialReceptiveField2d", "SampledSpatialReceptiveField2d",
    "TemporalReceptiveField",
}  # fmt: skip


def exported() -> list[type[nn.Module]]:
    """Every module of the library that is no whole model."""
    found = [cls for cls in vars(norse).values() if isinstance(cls, type)]
    return [
        cls
        for cls in found
        if issubclass(cls, nn.Module) and cls.__module__.startswith(modules.__name__)
    ]


@pytest.mark.parametrize("cls", exported(), ids=lambda cls: cls.__name__)
def test_every_module_is_described_refused_by_name_or_wiring(cls: type[nn.Module]) -> None:
    module = cls.__new__(cls)
    if cls.__name__ in WIRING:
        assert find_neuron(module) is None
    elif cls.__name__ not in DESCRIBED:
        with pytest.raises(UnsupportedModel, match=f"^found norse's {cls.__name__}, accepted LIFB"):
            described(module, (4,))


def test_all_that_should_be_described_are() -> None:
    assert {cls.__name__ for cls in exported()} >= DESCRIBED | WIRING
    assert len(exported()) > 40
    assert isinstance(described(norse.LICell(), (3,)).membrane, Integrate)


def test_refusals_name_the_module() -> None:
    net = norse.SequentialState(nn.Linear(6, 5), norse.LSNNCell(), norse.LIFRefracCell())
    with pytest.raises(UnsupportedModel) as caught:
        trace(net, currents(6, steps=8), input_has_steps=True)
    text = "\n".join(caught.value.problems)
    assert "1 (LSNNCell): found norse's LSNNCell, accepted LIFBoxCell, LIFCell" in text
    assert "2 (LIFRefracCell): found norse's LIFRefracCell" in text
    with pytest.raises(UnsupportedModel, match=r"encode the frames before the network"):
        trace(nn.Sequential(norse.PoissonEncoder(8), norse.LIF()), torch.rand(3, 6))


def test_a_state_that_does_not_come_from_the_step_before_is_refused() -> None:
    class Forgets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.neurons = norse.LIFCell()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            state, record = None, []
            for step in x:
                spikes, after = self.neurons(step, state)
                state = norse.LIFFeedForwardState(v=after.v * 0.5, i=after.i)
                record.append(spikes)
            return torch.stack(record)

    with pytest.raises(UnsupportedModel, match="found a state in call number 2 that is not the"):
        trace(Forgets(), currents(6, steps=8), input_has_steps=True)
