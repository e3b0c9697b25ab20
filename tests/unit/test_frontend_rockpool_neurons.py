"""Every Rockpool neuron and option by itself: the library's own steps against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from e3ne.frontend.values import Layout
from e3ne.ir import Integrate, UnsupportedModel
from tests.one_population import FRAMES, STEPS, assert_same, described, draw_currents, fires

modules = pytest.importorskip("rockpool.nn.modules", reason="pip install rockpool")

SHAPE = (5,)


def drive(
    module: nn.Module, currents: torch.Tensor
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """One call of Rockpool's own kind over all steps; the states of before are forgotten."""
    module.reset_state()
    spikes, _, _ = module(currents)
    return list(spikes.unbind(1)), []


def drive_synapse(
    module: nn.Module, currents: torch.Tensor
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    module.reset_state()
    trains, _, _ = module(currents)
    return [], list(trains.unbind(1))


def each(low: float, high: float, count: int = 5) -> torch.Tensor:
    return torch.linspace(low, high, count)


OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "time constants": {"tau_mem": 10e-3, "tau_syn": 5e-3},
    "time constants a neuron": {
        "tau_mem": each(2e-3, 30e-3), "tau_syn": each(1e-3, 9e-3).view(5, 1),
    },
    "threshold": {"threshold": 0.7},
    "threshold a neuron": {"threshold": each(0.5, 2.0)},
    "bias": {"bias": 0.05},
    "bias a neuron": {"bias": each(-0.1, 0.2)},
    "dt": {"dt": 5e-3},
    "decays": {"leak_mode": "decays"},
    "own decays": {"leak_mode": "decays", "alpha": torch.tensor(0.9), "beta": torch.tensor(0.7)},
    "bitshifts": {"leak_mode": "bitshifts"},
    "own bitshifts": {
        "leak_mode": "bitshifts", "dash_mem": torch.tensor(3.0), "dash_syn": torch.tensor(2.0),
    },
    "one spike a step": {"max_spikes_per_dt": 1},
    "three spikes a step": {"max_spikes_per_dt": 3},
}  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_lif(option: str) -> None:
    module = modules.LIFTorch(SHAPE, **OPTIONS[option])
    model = assert_same(module, SHAPE, drive, draw_currents(SHAPE, 0.4), tolerance=0)
    assert (model.layout, model.membrane, model.recurrence) == (Layout.FRAMES_STEPS, None, ())
    assert fires(model).max_spikes == OPTIONS[option].get("max_spikes_per_dt")


def test_several_spikes_come_in_one_step() -> None:
    module = modules.LIFTorch(SHAPE, tau_mem=5e-3, tau_syn=1e-3)
    currents = draw_currents(SHAPE, 4.0)
    assert_same(module, SHAPE, drive, currents, tolerance=0)
    assert float(module(torch.from_numpy(currents))[0].detach().max()) > 3


@pytest.mark.parametrize("option", ["default", "time constants a neuron", "own decays", "bias"])
@pytest.mark.parametrize("most", [2**16, 31, 1])
def test_recurrent_lif(option: str, most: int) -> None:
    weights = torch.randn(5, 5, generator=torch.Generator().manual_seed(2)) * 0.1
    options = {**OPTIONS[option], "max_spikes_per_dt": torch.tensor(float(most))}
    module = modules.LIFTorch(SHAPE, has_rec=True, w_rec=weights, **options)
    model = assert_same(module, SHAPE, drive, draw_currents(SHAPE, 0.2), tolerance=0)
    (op,) = model.recurrence
    np.testing.assert_array_equal(op.weight, weights.T.numpy())
    assert fires(model).max_spikes == (None if most > 255 else most)


@pytest.mark.parametrize("recurrent", [False, True])
def test_several_synapses_that_decay_alike(recurrent: bool) -> None:
    weights = torch.randn(5, 15, generator=torch.Generator().manual_seed(3)) * 0.1
    options = {"has_rec": True, "w_rec": weights} if recurrent else {}
    module = modules.LIFTorch((15, 5), tau_syn=torch.tensor(4e-3), **options)
    currents = draw_currents((15,), 0.2)
    model = assert_same(module, SHAPE, drive, currents, entering=(15,), tolerance=0)
    assert model.input_op is not None


@pytest.mark.parametrize("tau", [1e-3, 3e-3, 20e-3, each(1e-3, 40e-3)])
@pytest.mark.parametrize("recurrent", [False, True])
def test_bitshift_lif(tau: float | torch.Tensor, recurrent: bool) -> None:
    weights = torch.randn(5, 5, generator=torch.Generator().manual_seed(4)) * 0.1
    options = {"has_rec": True, "w_rec": weights} if recurrent else {}
    shift = modules.LIFBitshiftTorch(SHAPE, tau_mem=tau, tau_syn=5e-3, **options)
    model = assert_same(shift, SHAPE, drive, draw_currents(SHAPE, 0.3), tolerance=0)
    assert fires(model).max_spikes == 31
    assert np.all(np.log2(1 - np.asarray(fires(model).decay)) % 1 == 0)


@pytest.mark.parametrize("tau", [2e-3, 20e-3, each(1e-3, 40e-3)])
@pytest.mark.parametrize("bias", [0.0, 0.1, each(-0.2, 0.2)])
def test_lif_neuron_without_synapse(tau: Any, bias: Any) -> None:
    module = modules.LIFNeuronTorch(SHAPE, tau_mem=tau, bias=bias, threshold=each(0.5, 1.5))
    assert_same(module, SHAPE, drive, draw_currents(SHAPE, 0.6), tolerance=0)


@pytest.mark.parametrize("tau", [2e-3, 20e-3, each(1e-3, 40e-3)])
def test_synapse(tau: Any) -> None:
    module = modules.ExpSynTorch(SHAPE, tau=tau)
    model = assert_same(module, SHAPE, drive_synapse, draw_currents(SHAPE, 0.6), tolerance=1e-5)
    assert (model.neuron, model.spikes_at, model.membrane_at) == (None, None, 0)
    assert isinstance(model.membrane, Integrate)


def test_states_are_forgotten() -> None:
    """Rockpool starts the next call from the last states of the first frame."""
    from e3ne.frontend.registry import find_neuron

    module = modules.LIFTorch(SHAPE, has_rec=True)
    currents = torch.from_numpy(draw_currents(SHAPE, 0.4))
    first = module(currents)[0]
    assert not torch.equal(module(currents)[0], first)
    neuron = find_neuron(module)
    assert neuron is not None
    neuron.reset(module)
    assert torch.equal(module(currents)[0], first)
    assert first.shape == (FRAMES, STEPS, 5)


REFUSED: dict[str, tuple[Any, str]] = {
    "noise": (lambda: modules.LIFTorch(SHAPE, noise_std=0.1), "found noise_std != 0, accepted 0"),
    "noise of a synapse": (lambda: modules.ExpSynTorch(SHAPE, noise_std=0.1), "found noise_std"),
    "no threshold": (lambda: modules.LIFTorch(SHAPE, threshold=0.0), "found threshold 0, accepted"),
    "no spikes": (lambda: modules.LIFTorch(SHAPE, max_spikes_per_dt=0),
                  "found max_spikes_per_dt=0, accepted 1 or more"),
    "synapses of their own": (
        lambda: modules.LIFTorch((10, 5), tau_syn=torch.rand(5, 2) * 1e-2),
        "found 2 synapses a neuron with time constants tau_syn of their own",
    ),
    "aLIFTorch": (lambda: modules.aLIFTorch(SHAPE), "found rockpool.aLIFTorch.*use LIFTorch"),
    "RateTorch": (lambda: modules.RateTorch(SHAPE), "found rockpool.RateTorch.*use ExpSynTorch"),
    "UpDownTorch": (lambda: modules.UpDownTorch(SHAPE), "found rockpool.UpDownTorch.*use Linear"),
    "LowPass": (lambda: modules.LowPass(5, 1e-3, 1e-2, shape=5), "found rockpool.LowPass.*ExpSyn"),
}  # fmt: skip


@pytest.mark.parametrize("option", REFUSED)
def test_refused(option: str) -> None:
    make, message = REFUSED[option]
    with pytest.raises(UnsupportedModel, match=message) as caught:
        described(make(), SHAPE)
    assert len(caught.value.problems) == 1
    assert "; " in caught.value.problems[0]


def test_every_torch_neuron_of_rockpool_is_known() -> None:
    """Each torch module with a state is described or refused by its name; none is overlooked."""
    own = {"LIFTorch", "LIFBitshiftTorch", "LIFNeuronTorch", "ExpSynTorch"}
    layers = {"LinearTorch", "TorchModule", "UnitDropout", "TimeStepDropout", "BooleanState"}
    found = {
        name
        for name, item in vars(modules.torch).items()
        if isinstance(item, type)
        and issubclass(item, nn.Module)
        and item.__module__.startswith("rockpool.nn.modules.torch")
    }
    assert found <= own | layers | set(REFUSED), found - own - layers - set(REFUSED)
    assert own <= found
