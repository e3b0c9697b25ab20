"""snnTorch: what its neurons compute (read from snntorch 1.0, `_neurons/*.py`).

All of them fire on mem > threshold, clamp beta and alpha to 0 .. 1, and see at the start of a step
whether the membrane that the step before left behind is above threshold ("reset"). They differ in
what a reset to zero does with the input of its step, and in reset_delay=False.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import nn

from ...ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Integrate,
    IntegrateFire,
    Linear,
    UnsupportedModel,
    frozen,
)
from ..registry import NeuronModel, register_neuron
from .parameters import Parameters

Reset = Literal["subtract", "to_value", "none"]
_RESETS: dict[str, Reset] = {"_base_sub": "subtract", "_base_zero": "to_value", "_base_int": "none"}
_MECHANISMS: tuple[Reset, ...] = ("subtract", "to_value", "none")
_STATES = ("spk", "syn", "mem", "reset")


def forget(module: nn.Module) -> None:
    """Leaves the module without spikes, currents and membranes; its next call starts from zero."""
    for name in _STATES:
        state = getattr(module, name, None)
        if isinstance(state, torch.Tensor):
            setattr(module, name, state.new_zeros(0))


@register_neuron("snntorch._neurons.leaky.Leaky", forget)
def describe_leaky(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """Leaky: mem = beta * mem + i; a reset to zero comes before the input, which is kept."""
    found = Parameters(module, shape)
    beta = found.values("beta", found.tensor("beta").clamp(0, 1))
    return _model(found, Integrate(beta), keeps_input=True)


@register_neuron("snntorch._neurons.lapicque.Lapicque", forget)
def describe_lapicque(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """Lapicque: mem = (1 - dt/RC) * mem + (dt/C) * i; beta only serves to find R or C."""
    found = Parameters(module, shape)
    resistance, capacitance = found.tensor("R"), found.tensor("C")
    step = found.tensor("time_step")
    decay = found.values("beta, R, C", 1 - step / (resistance * capacitance))
    gain = found.values("R, C", resistance * (1 / (resistance * capacitance)) * step)
    return _model(found, Integrate(decay, gain), keeps_input=False)


@register_neuron("snntorch._neurons.synaptic.Synaptic", forget)
def describe_synaptic(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """Synaptic: syn = alpha * syn + i; mem = beta * mem + syn; syn is never reset."""
    return _model(*_with_synapse(module, shape), keeps_input=False)


@register_neuron("snntorch._neurons.rleaky.RLeaky", forget)
def describe_rleaky(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """RLeaky: Leaky that adds recurrent(spikes of the step before) to its input."""
    found = Parameters(module, shape)
    beta = found.values("beta", found.tensor("beta").clamp(0, 1))
    return _recurrent(found, _model(found, Integrate(beta), keeps_input=False))


@register_neuron("snntorch._neurons.rsynaptic.RSynaptic", forget)
def describe_rsynaptic(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """RSynaptic: Synaptic that adds recurrent(spikes of the step before) to its input.

    reset_delay=False changes a local variable of its forward and no state, so it has no effect.
    """
    found, leaky = _with_synapse(module, shape)
    return _recurrent(found, _model(found, leaky, keeps_input=False, always_delayed=True))


_INSTEAD = {
    "Alpha": "Synaptic",
    "AssociativeLeaky": "RSynaptic",
    "DeltaLeaky": "Leaky",
    "LeakyParallel": "Leaky in a loop over the steps",
    "LinearLeaky": "nn.Linear and Leaky(reset_mechanism='none') in a loop over the steps",
    "SConv2dLSTM": "RLeaky with conv2d_channels and kernel_size",
    "SLSTM": "RSynaptic",
    "StateLeaky": "Leaky(reset_mechanism='none') in a loop over the steps",
}


@register_neuron("snntorch._neurons.leakyparallel.LeakyParallel")
@register_neuron("snntorch._neurons.deltaleaky.DeltaLeaky")
@register_neuron("snntorch._neurons.neurons.SpikingNeuron")
def describe_other(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """Every other snnTorch neuron, as an error that names the nearest that works."""
    name = next((cls.__name__ for cls in type(module).__mro__ if cls.__name__ in _INSTEAD), "")
    raise UnsupportedModel(
        f"found snntorch.{type(module).__name__}, accepted Leaky, Synaptic, Lapicque, RLeaky and "
        f"RSynaptic; use {_INSTEAD.get(name, 'one of these')}, or describe this class with "
        "@e3ne.register_neuron"
    )


def _with_synapse(module: nn.Module, shape: tuple[int, ...]) -> tuple[Parameters, Integrate]:
    found = Parameters(module, shape)
    beta = found.values("beta", found.tensor("beta").clamp(0, 1))
    alpha = found.values("alpha", found.tensor("alpha").clamp(0, 1))
    return found, Integrate(beta, synaptic_decay=alpha)


def _model(
    found: Parameters, leaky: Integrate, keeps_input: bool, always_delayed: bool = False
) -> NeuronModel:
    """The model of `leaky` with a threshold; raises what `found` has collected.

    `keeps_input`: what a reset to zero in the next step does with the input of that step.
    `always_delayed`: reset_delay=False does nothing.
    """
    module = found.module
    _check_options(found)
    delayed = always_delayed or bool(getattr(module, "reset_delay", True))
    reset = _reset(found, delayed)
    step: Literal["same", "next", "both"] = "next"
    if not delayed and reset != "none":
        step = "both" if reset == "subtract" else "same"
    threshold = found.positive("threshold", found.tensor("threshold"))
    spike_value = found.channels("graded_spikes_factor", found.tensor("graded_spikes_factor"))
    found.raise_problems()
    neuron = IntegrateFire(
        threshold=threshold,
        decay=leaky.decay,
        gain=leaky.gain,
        synaptic_decay=leaky.synaptic_decay,
        reset=reset,
        reset_step=step,
        reset_keeps_input=keeps_input,
    )
    hidden = bool(module.init_hidden)
    states = tuple(name for name in ("syn", "mem") if name in module._buffers)
    return NeuronModel(
        neuron=neuron,
        membrane=leaky if reset == "none" else replace(neuron, sends="membrane"),
        spikes_at=0,
        membrane_at=len(states) if module.output or not hidden else None,
        membrane_name="mem",
        states=() if hidden else states,
        spike_value=spike_value,
    )


def _check_options(found: Parameters) -> None:
    if found.module.inhibition:
        found.problem(
            "found inhibition=True, accepted False; take the largest membrane as readout instead"
        )
    if found.module.state_quant:
        found.problem(
            "found state_quant, accepted state_quant=False; e3ne chooses the membrane's width "
            "when it lowers the network"
        )
    if bool((found.tensor("graded_spikes_factor") == 0).any()):
        found.problem(
            "found graded_spikes_factor with zeros, accepted other values; prune these neurons "
            "instead"
        )


def _reset(found: Parameters, delayed: bool) -> Reset:
    """What the module does: it chose its function when it was made, whatever was set later."""
    function = getattr(found.module.state_function, "__name__", "")
    reset = _RESETS.get(function, "none")
    mechanism = _MECHANISMS[int(found.tensor("reset_mechanism_val"))]
    if function not in _RESETS or (not delayed and reset != mechanism):
        found.problem(
            f"found a reset_mechanism that was changed after the module was made ({function}), "
            "accepted one that is given to its constructor; make the module with it and load the "
            "weights then"
        )
    return reset


def _recurrent(found: Parameters, model: NeuronModel) -> NeuronModel:
    """`model` with the layer that reads its own spikes of the step before."""
    layer = found.module.recurrent
    value = np.asarray(model.spike_value, np.float32)
    op: Linear | Conv2d | ChannelAffine | None = None
    if isinstance(layer, nn.Linear) and len(found.shape) == 1:
        op = Linear(_weights(layer, value), _bias(layer))
    elif isinstance(layer, nn.Conv2d) and (layer.groups, layer.dilation) == (1, (1, 1)):
        padding = (int(layer.padding[0]), int(layer.padding[1]))
        op = Conv2d(_weights(layer, value.reshape(-1, 1, 1)), _bias(layer), padding=padding)
    elif type(layer).__name__ == "RecurrentOneToOne":
        channels = (found.shape[0],)
        gain = found.channels("V", torch.as_tensor(layer.V).detach())
        gains = np.broadcast_to(np.asarray(gain, np.float32) * value, channels)
        op = ChannelAffine(frozen(gains, np.float32), frozen(np.zeros(channels), np.float32))
    else:
        found.problem(
            f"found recurrent {layer} on a population of shape {found.shape}, accepted nn.Linear "
            "on (features,), nn.Conv2d without groups and dilation, or V; use one of these"
        )
    found.raise_problems()
    spikes = ("spk",) if model.states else ()
    return replace(model, recurrence=(op,) if op else (), states=(*spikes, *model.states))


def _weights(layer: nn.Linear | nn.Conv2d, spike_value: Array) -> Array:
    return frozen(layer.weight.detach().numpy() * spike_value, np.float32)


def _bias(layer: nn.Linear | nn.Conv2d) -> Array | None:
    return None if layer.bias is None else frozen(layer.bias.detach().numpy(), np.float32)


@contextmanager
def only_neurons_of(model: nn.Module) -> Iterator[None]:
    """While it lasts, `snntorch.utils.reset` and its like act on `model` and on nothing else.

    snnTorch keeps one list of all neurons of the process; a forward that resets "its" neurons
    would reset those of the user's model and not those of our copy.
    """
    library = sys.modules.get("snntorch._neurons.neurons")
    if library is None:
        yield
        return
    base = library.SpikingNeuron
    before = base.instances
    base.instances = [module for _, module in model.named_modules() if isinstance(module, base)]
    try:
        yield
    finally:
        base.instances = before
