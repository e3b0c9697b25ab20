"""Rockpool: what its torch neurons compute (read from rockpool 3.1, `nn/modules/torch/*.py`).

They take (frames, steps, channels) in one call. A spiking neuron sends floor(v / threshold) spikes
in a step, at most max_spikes_per_dt, and gives up that many thresholds at once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ...ir import Integrate, IntegrateFire, Linear, UnsupportedModel, frozen
from ..registry import NeuronModel, register_neuron
from ..values import Layout
from .parameters import Parameters

_TORCH = "rockpool.nn.modules.torch."
_MOST_SPIKES = 255  # more in one step is never meant: Rockpool's default is 2**16


def forget(module: nn.Module) -> None:
    """Brings the module's states to zero; a call leaves there what its first frame came to."""
    for name in ("vmem", "isyn", "spikes"):
        state = getattr(module, name, None)
        if isinstance(state, torch.Tensor):
            setattr(module, name, torch.zeros_like(state))


@register_neuron(_TORCH + "lif_torch.LIFTorch", forget)
def describe_lif(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LIFTorch and LIFBitshiftTorch, with what each calls its decays.

    isyn = beta * (isyn + i); vmem = alpha * vmem + isyn + bias. Several synapses of a neuron are
    one if they decay alike: a layer in front adds them up.
    """
    found = Parameters(module, shape)
    count, synapses = int(found.module.size_out), int(found.module.n_synapses)
    beta = found.tensor("beta").expand(count, synapses)
    if not bool((beta == beta[:, :1]).all()):
        found.problem(
            f"found {synapses} synapses a neuron with time constants tau_syn of their own, "
            "accepted one time constant a neuron; share it between the synapses"
        )
    decay = found.values("tau_syn", beta[:, 0])
    model = _fires(found, Integrate(found.values("tau_mem", found.tensor("alpha"))))
    assert model.neuron is not None
    recurrence: tuple[Linear, ...] = ()
    weights = found.tensor("w_rec")
    if bool(weights.any()):  # (neurons, synapses of all), a row for each neuron that sends
        into = weights.T.reshape(count, synapses, count).sum(1)
        recurrence = (Linear(frozen(into.numpy(), np.float32)),)
    summing = np.repeat(np.eye(count, dtype=np.float32), synapses, axis=1)
    return replace(
        model,
        neuron=replace(model.neuron, gain=decay, synaptic_decay=decay),
        recurrence=recurrence,
        input_op=None if synapses == 1 else Linear(frozen(summing, np.float32)),
    )


@register_neuron(_TORCH + "lif_neuron_torch.LIFNeuronTorch", forget)
def describe_lif_neuron(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LIFNeuronTorch: vmem = exp(-dt / tau_mem) * vmem + i + bias."""
    found = Parameters(module, shape)
    decay = torch.exp(-found.module.dt / found.tensor("tau_mem"))
    return _fires(found, Integrate(found.values("tau_mem", decay)))


@register_neuron(_TORCH + "exp_syn_torch.ExpSynTorch", forget)
def describe_synapse(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """ExpSynTorch: isyn = exp(-dt / tau) * (isyn + i), which is its output."""
    found = Parameters(module, shape)
    decay = found.values("tau", torch.exp(-found.module.dt / found.tensor("tau")))
    _check_noise(found)
    found.raise_problems()
    return NeuronModel(
        neuron=None,
        membrane=Integrate(decay, gain=decay),
        spikes_at=None,
        membrane_at=0,
        layout=Layout.FRAMES_STEPS,
    )


_INSTEAD = {
    "aLIFTorch": "LIFTorch",
    "LowPass": "ExpSynTorch",
    "RateTorch": "ExpSynTorch, or torch.nn.ReLU",
    "UpDownTorch": "LinearTorch and LIFTorch, or make up and down events before the network",
}


@register_neuron(_TORCH + "lif_torch.LIFBaseTorch")
@register_neuron(_TORCH + "ahp_lif_torch.aLIFTorch")
@register_neuron(_TORCH + "lowpass.LowPass")
@register_neuron(_TORCH + "rate_torch.RateTorch")
@register_neuron(_TORCH + "updown_torch.UpDownTorch")
def describe_other(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """Every other Rockpool neuron, as an error that names the nearest that works."""
    name = next((cls.__name__ for cls in type(module).__mro__ if cls.__name__ in _INSTEAD), "")
    raise UnsupportedModel(
        f"found rockpool.{type(module).__name__}, accepted LIFTorch, LIFBitshiftTorch, "
        f"LIFNeuronTorch and ExpSynTorch; use {_INSTEAD.get(name, 'LIFTorch')}, or describe this "
        "class with @e3ne.register_neuron"
    )


def _fires(found: Parameters, leaky: Integrate) -> NeuronModel:
    """The model of `leaky` with bias and threshold; raises what `found` has collected."""
    _check_noise(found)
    bias = found.values("bias", found.tensor("bias"))
    threshold = found.positive("threshold", found.tensor("threshold"))
    most = float(found.tensor("max_spikes_per_dt"))
    if most < 1:
        found.problem(
            f"found max_spikes_per_dt={most:g}, accepted 1 or more; use ExpSynTorch for a "
            "population that never fires"
        )
    found.raise_problems()
    neuron = IntegrateFire(
        threshold=threshold,
        decay=leaky.decay,
        offset=bias,
        fire_on=">=",
        reset="subtract",
        reset_step="same",
        max_spikes=int(most) if most <= _MOST_SPIKES else None,
    )
    return NeuronModel(neuron=neuron, membrane=None, layout=Layout.FRAMES_STEPS)


def _check_noise(found: Parameters) -> None:
    if bool((found.tensor("noise_std") != 0).any()):
        found.problem(
            "found noise_std != 0, accepted 0; set module.noise_std = 0 for the trained network"
        )
