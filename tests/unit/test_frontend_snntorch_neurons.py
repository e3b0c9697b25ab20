"""Every snnTorch neuron and option by itself: the library's own steps against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from e3ne.ir import ChannelAffine, Conv2d, Integrate, IntegrateFire, Linear, UnsupportedModel
from tests.one_population import assert_same, described, draw_currents, fires

snn = pytest.importorskip("snntorch", reason="pip install snntorch")

SHAPE = (6,)
IMAGE = (3, 4, 5)
RESETS = ("subtract", "zero", "none")


def drive(
    module: nn.Module, currents: torch.Tensor
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """As users call it: hidden states, or explicit ones passed on; membranes where it shows them.

    Hidden membranes are read from the module, where users read them.
    """
    spikes, membranes, states = [], [], ()
    module.reset_mem()
    for current in currents.unbind(1):
        found = module(current, *states)
        outputs = found if isinstance(found, tuple) else (found,)
        if not module.init_hidden:
            wanted = ("spk" in module._buffers) + ("syn" in module._buffers) + 1
            states = outputs[-wanted:]
        spikes.append(outputs[0])
        membranes.append(module.mem.clone())
    return spikes, membranes


def drive_from_zeros(module: nn.Module, currents: torch.Tensor) -> Any:
    """The first states as explicit zeros of full shape."""
    zeros = torch.zeros_like(currents[:, 0])
    count = ("spk" in module._buffers) + ("syn" in module._buffers) + 1
    states: tuple[torch.Tensor, ...] = (zeros,) * count
    spikes, membranes = [], []
    for current in currents.unbind(1):
        outputs = module(current, *states)
        states = outputs[-count:]
        spikes.append(outputs[0])
        membranes.append(outputs[-1])
    return spikes, membranes


def double(module: nn.Module) -> nn.Module:
    return module.double().eval()


def each(count: int = 6, low: float = 0.3, high: float = 1.0) -> torch.Tensor:
    return torch.linspace(low, high, count)


PARAMETERS: dict[str, dict[str, Any]] = {
    "scalar": {"beta": 0.9, "threshold": 1.0},
    "integers": {"beta": 1, "threshold": 2},
    "0-d": {"beta": torch.tensor(0.7), "threshold": torch.tensor(0.5)},
    "a neuron": {"beta": each(), "threshold": each(low=0.4)},
    "outside of 0 .. 1": {"beta": each(low=-0.3, high=1.3), "threshold": 0.8},
    "learned": {
        "beta": each(low=0.5, high=0.9), "threshold": 0.8,
        "learn_beta": True, "learn_threshold": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("hidden", [True, False])
def test_leaky(parameters: str, reset: str, delay: bool, hidden: bool) -> None:
    module = snn.Leaky(
        reset_mechanism=reset, reset_delay=delay, init_hidden=hidden, **PARAMETERS[parameters]
    )
    model = assert_same(double(module), SHAPE, drive, draw_currents(SHAPE, 1.0))
    assert model.states == (() if hidden else ("mem",))
    assert model.membrane_at == (None if hidden else 1)
    assert isinstance(model.membrane, Integrate) == (reset == "none")


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("alpha", [0.8, "learned"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("delay", [True, False])
def test_synaptic(parameters: str, alpha: float | str, reset: str, delay: bool) -> None:
    module = snn.Synaptic(
        alpha=alpha if isinstance(alpha, float) else each(low=-0.2, high=0.7),
        learn_alpha=alpha == "learned",
        reset_mechanism=reset,
        reset_delay=delay,
        **PARAMETERS[parameters],
    )
    model = assert_same(double(module), SHAPE, drive, draw_currents(SHAPE, 0.6))
    assert (model.states, model.membrane_at) == (("syn", "mem"), 2)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("delay", [True, False])
def test_hidden_synaptic_with_output(reset: str, delay: bool) -> None:
    module = snn.Synaptic(
        0.5, 0.7, init_hidden=True, output=True, reset_mechanism=reset, reset_delay=delay
    )
    model = assert_same(double(module), SHAPE, drive, draw_currents(SHAPE, 0.6))
    assert (model.states, model.membrane_at) == ((), 2)


LAPICQUE: dict[str, dict[str, Any]] = {
    "beta": {"beta": 0.8},
    "beta a neuron": {"beta": each(low=0.5, high=0.95)},
    "beta, R": {"beta": 0.7, "R": 2.5},
    "beta, C": {"beta": 0.7, "C": 3.5},
    "R, C": {"R": 2.0, "C": 3.0},
    "time step": {"R": 5.1, "C": 5e-3, "time_step": 1e-3},
    "negative decay": {"beta": 0.3},
    "learned beta that R and C ignore": {"beta": 0.8, "learn_beta": True},
}


@pytest.mark.parametrize("form", LAPICQUE)
@pytest.mark.parametrize("reset", RESETS)
def test_lapicque(form: str, reset: str) -> None:
    if form == "beta a neuron":
        with pytest.raises(RuntimeError):  # snnTorch 1.0 asks for the truth of a tensor
            snn.Lapicque(**LAPICQUE[form])
        return
    module = double(snn.Lapicque(reset_mechanism=reset, threshold=0.9, **LAPICQUE[form]))
    model = assert_same(module, SHAPE, drive, draw_currents(SHAPE, 2.0))
    assert (model.states, model.membrane_at) == (("mem",), 1)


RECURRENCES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "linear": (SHAPE, {"linear_features": 6}),
    "frozen linear": (SHAPE, {"linear_features": 6, "learn_recurrent": False}),
    "conv": (IMAGE, {"conv2d_channels": 3, "kernel_size": 3}),
    "wide conv": (IMAGE, {"conv2d_channels": 3, "kernel_size": (1, 5)}),
    "V": (SHAPE, {"all_to_all": False, "V": 0.4}),
    "V a neuron": (SHAPE, {"all_to_all": False, "V": each(low=-0.8, high=0.5)}),
    "fixed V": (SHAPE, {"all_to_all": False, "V": -0.5, "learn_recurrent": False}),
    "V a channel": (IMAGE, {"all_to_all": False, "V": each(3, -0.5).view(3, 1, 1)}),
}


@pytest.mark.parametrize("form", RECURRENCES)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("hidden", [True, False])
def test_rleaky(form: str, reset: str, delay: bool, hidden: bool) -> None:
    torch.manual_seed(5)
    shape, options = RECURRENCES[form]
    module = snn.RLeaky(
        beta=0.8, reset_mechanism=reset, reset_delay=delay, init_hidden=hidden, **options
    )
    model = assert_same(module.eval(), shape, drive, draw_currents(shape, 1.0), tolerance=1e-4)
    assert model.states == (() if hidden else ("spk", "mem"))
    assert len(model.recurrence) == 1
    assert isinstance(model.recurrence[0], Linear | Conv2d | ChannelAffine)


@pytest.mark.parametrize("form", RECURRENCES)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("hidden", [True, False])
def test_rsynaptic(form: str, reset: str, hidden: bool) -> None:
    torch.manual_seed(6)
    shape, options = RECURRENCES[form]
    module = snn.RSynaptic(
        alpha=0.6, beta=0.7, reset_mechanism=reset, init_hidden=hidden, **options
    )
    model = assert_same(module.eval(), shape, drive, draw_currents(shape, 0.8), tolerance=1e-4)
    assert model.states == (() if hidden else ("spk", "syn", "mem"))


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_rsynaptic_ignores_reset_delay(reset: str) -> None:
    """In 1.0 it changes a local variable, so the reset comes in the next step all the same."""
    torch.manual_seed(6)
    module = snn.RSynaptic(0.6, 0.7, linear_features=6, reset_mechanism=reset, reset_delay=False)
    currents = draw_currents(SHAPE, 0.8)
    model = assert_same(module.eval(), SHAPE, drive_from_zeros, currents, tolerance=1e-4)
    assert fires(model).reset_step == "next"


@pytest.mark.parametrize("name", ["Leaky", "Synaptic", "RLeaky"])
def test_a_membrane_above_twice_the_threshold_stays_silent(name: str) -> None:
    """reset_delay=False with subtract takes a reset back where the spike of the step is missing."""
    options = {"Synaptic": {"alpha": 0.0}, "RLeaky": {"all_to_all": False, "V": 0.0}}.get(name, {})
    module = getattr(snn, name)(beta=1.0, reset_delay=False, **options).eval()
    currents = np.zeros((3, 100, 6), np.float32)
    currents[:, 0] = [0.5, 1.5, 2.5, 3.5, 4.5, 1.0]
    currents[:, 50] = 0.25
    model = described(module, SHAPE)
    assert (fires(model).reset, fires(model).reset_step) == ("subtract", "both")
    with torch.no_grad():
        spikes, membranes = drive(module, torch.from_numpy(currents))
    assert torch.stack(spikes)[10:50].sum() == 0
    assert membranes[49][0].tolist() == [0.5, 0.5, 1.5, 1.5, 1.5, 1.0]
    boosted = currents + draw_currents(SHAPE, 0.01)
    assert_same(module, SHAPE, drive, 3 * boosted + 0.05, tolerance=1e-3)


@pytest.mark.parametrize("factor", [0.25, 3.0, -2.0, "a neuron", "learned"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("delay", [True, False])
def test_graded_spikes(factor: float | str, reset: str, delay: bool) -> None:
    module = snn.Leaky(
        beta=0.8,
        graded_spikes_factor=each() if isinstance(factor, str) else factor,
        learn_graded_spikes_factor=factor == "learned",
        reset_mechanism=reset,
        reset_delay=delay,
    )
    model = assert_same(double(module), SHAPE, drive, draw_currents(SHAPE, 1.0))
    assert np.ndim(model.spike_value) == int(isinstance(factor, str))


@pytest.mark.parametrize("form", RECURRENCES)
@pytest.mark.parametrize("a_channel", [False, True])
def test_graded_spikes_are_fed_back(form: str, a_channel: bool) -> None:
    torch.manual_seed(5)
    shape, options = RECURRENCES[form]
    module = snn.RLeaky(beta=0.8, **options)
    factor = each(shape[0], 0.5, 2.0) if a_channel else torch.tensor(1.75)
    module.graded_spikes_factor = factor.view(-1, *(1,) * (len(shape) - 1)) if a_channel else factor
    model = assert_same(module.eval(), shape, drive, draw_currents(shape, 1.0), tolerance=1e-4)
    assert fires(model).reset_step == "next"


@pytest.mark.parametrize("name", ["beta", "threshold"])
@pytest.mark.parametrize("form", [(3, 1, 1), (3, 4, 5), (4, 5), (5,), (1, 3, 4, 5)])
def test_parameters_of_images(name: str, form: tuple[int, ...]) -> None:
    """One value a channel, a neuron, a row or a column: whatever broadcasts as in torch."""
    values = torch.linspace(0.4, 0.95, int(np.prod(form))).reshape(form)
    module = snn.Leaky(**{"beta": 0.8, "threshold": 0.7, name: values})
    model = assert_same(double(module), IMAGE, drive, draw_currents(IMAGE, 1.0))
    found = {"beta": fires(model).decay, "threshold": fires(model).threshold}[name]
    assert np.shape(found) == ((3,) if form == (3, 1, 1) else IMAGE)


def test_a_checkpoint_of_another_reset_changes_nothing() -> None:
    """The function is chosen when the module is made; with a delay nothing else is asked."""
    module = snn.Leaky(beta=0.8)
    module.load_state_dict(snn.Leaky(beta=0.6, reset_mechanism="zero").state_dict())
    model = assert_same(double(module), SHAPE, drive, draw_currents(SHAPE, 1.0))
    assert fires(model).reset == "subtract"


REFUSED: dict[str, tuple[Any, str]] = {
    "inhibition": (lambda: snn.Leaky(0.9, inhibition=True), "found inhibition=True, accepted"),
    "state_quant": (lambda: snn.RLeaky(0.9, V=1.0, all_to_all=False, state_quant=torch.round),
                    "found state_quant, accepted state_quant=False"),
    "no threshold": (lambda: snn.Leaky(0.9, threshold=0.0), "found threshold 0, accepted values"),
    "negative threshold": (lambda: snn.Synaptic(0.9, 0.9, threshold=torch.tensor([1.0, -0.5])),
                           "found threshold -0.5, accepted values above 0"),
    "no spikes": (lambda: snn.Leaky(0.9, graded_spikes_factor=0.0),
                  "found graded_spikes_factor with zeros"),
    "wrong shape": (lambda: snn.Leaky(torch.rand(5)),
                    r"found beta of shape \(5,\) for a population of shape \(6,\), accepted one"),
    "not a number": (lambda: snn.Leaky(float("nan")), "found beta that is not finite"),
    "changed reset": (lambda: _changed(snn.Leaky(0.9, reset_delay=False)),
                      "found a reset_mechanism that was changed after the module was made"),
    "own function": (lambda: _own_function(), "found a reset_mechanism that was changed"),
    "own recurrence": (lambda: _own_recurrence(), "found recurrent Sequential"),
    "Alpha": (lambda: snn.Alpha(0.9, 0.8), "found snntorch.Alpha, accepted .*use Synaptic"),
    "SLSTM": (lambda: snn.SLSTM(6, 6), "found snntorch.SLSTM, accepted .*use RSynaptic"),
    "SConv2dLSTM": (lambda: snn.SConv2dLSTM(3, 3, 3), "found snntorch.SConv2dLSTM.*use RLeaky"),
    "LeakyParallel": (lambda: snn.LeakyParallel(6, 6, beta=0.5),
                      "found snntorch.LeakyParallel, .*use Leaky in a loop"),
    "StateLeaky": (lambda: snn.StateLeaky(0.9, 6), "found snntorch.StateLeaky.*use Leaky"),
    "LinearLeaky": (lambda: snn.LinearLeaky(0.9, 6, 6), "found snntorch.LinearLeaky.*nn.Linear"),
    "AssociativeLeaky": (lambda: snn.AssociativeLeaky(6, 2, 3, 6),
                         "found snntorch.AssociativeLeaky.*use RSynaptic"),
    "DeltaLeaky": (lambda: snn.DeltaLeaky(beta=0.9), "found snntorch.DeltaLeaky.*use Leaky"),
}  # fmt: skip


def _changed(module: Any) -> Any:
    module.reset_mechanism = "zero"
    return module


def _own_function() -> Any:
    module = snn.Leaky(0.9)
    module.state_function = lambda current: current
    return module


def _own_recurrence() -> Any:
    module = snn.RLeaky(0.9, linear_features=6)
    module.recurrent = nn.Sequential(nn.Linear(6, 6))
    return module


@pytest.mark.parametrize("option", REFUSED)
def test_refused(option: str) -> None:
    make, message = REFUSED[option]
    with pytest.raises(UnsupportedModel, match=message) as caught:
        described(make(), SHAPE)
    assert len(caught.value.problems) == 1
    assert "; " in caught.value.problems[0]


def test_all_problems_of_a_module_come_at_once() -> None:
    module = snn.Leaky(torch.rand(4), inhibition=True, threshold=-1.0)
    with pytest.raises(UnsupportedModel) as caught:
        described(module, SHAPE)
    assert len(caught.value.problems) == 3


def test_every_neuron_that_snntorch_exports_is_known() -> None:
    """Each exported module class is described or refused by its name; none is overlooked."""
    neurons = [
        item
        for item in vars(snn).values()
        if isinstance(item, type) and issubclass(item, nn.Module) and "_neurons" in item.__module__
    ]
    own = {"Leaky", "Synaptic", "Lapicque", "RLeaky", "RSynaptic"}
    refused = set(REFUSED) & {cls.__name__ for cls in neurons}
    assert {cls.__name__ for cls in neurons} == own | refused | {"SpikingNeuron", "LIF"}


def test_a_wrong_description_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself: any changed switch of the neuron must make it fail."""
    from dataclasses import replace

    from tests import one_population

    module = double(snn.Leaky(beta=0.9))
    right = described(module, SHAPE)
    for change in (
        {"decay": 0.89}, {"reset": "to_value"}, {"reset_step": "same"}, {"threshold": 1.01},
        {"offset": 0.01}, {"gain": 1.01}, {"floor": 0.0}, {"max_spikes": 2},
    ):  # fmt: skip
        wrong = replace(right, neuron=replace(fires(right), **change))
        monkeypatch.setattr(one_population, "described", lambda *_, found=wrong: found)
        with pytest.raises(AssertionError):
            assert_same(module, SHAPE, drive, draw_currents(SHAPE, 1.0))


def test_the_membrane_that_users_read_has_a_name() -> None:
    for module in (snn.Leaky(0.9), snn.Synaptic(0.8, 0.9), snn.Lapicque(0.9)):
        model = described(module, SHAPE)
        assert model.membrane_name == "mem"
        assert isinstance(model.membrane, IntegrateFire)
        assert model.membrane.sends == "membrane"
