"""Norse: what its neurons compute (read from 1.1.0, `torch/functional/*.py`).

All of them fire on v > v_th and reset in the same step. With a = dt * tau_mem_inv and
b = dt * tau_syn_inv a step is

    u = (1 - b) * u + x;   v = v + a * (v_leak - v + u)      (u decays after v has read it)

from v = v_leak; the membrane is described by its distance from there. Boxes have u = x. Modules
return (output, state), state a named tuple z, v, i of those that the neuron has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import nn

from ...ir import Array, Integrate, IntegrateFire, Linear, UnsupportedModel, frozen
from ..registry import Describe, NeuronModel, register_neuron
from ..values import Layout
from .parameters import Parameters

_MODULES = "norse.torch.module"
_STATES = ("state",)


@register_neuron(f"{_MODULES}.lif.LIFCell")
@register_neuron(f"{_MODULES}.lif.LIF")
def describe_lif(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LIFCell, and LIF for all steps: membrane and synaptic current."""
    found = Parameters(module, shape)
    return _spiking(found, _with_synapse(found), membrane_at=1)


@register_neuron(f"{_MODULES}.lif.LIFRecurrentCell")
@register_neuron(f"{_MODULES}.lif.LIFRecurrent")
def describe_recurrent_lif(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LIFCell behind input_weights, and recurrent_weights from its spikes of the step before."""
    found = Parameters(module, shape)
    model = _spiking(found, _with_synapse(found), membrane_at=2)
    recurrent = Linear(_weights(found.module.recurrent_weights))
    return replace(
        model, input_op=Linear(_weights(found.module.input_weights)), recurrence=(recurrent,)
    )


@register_neuron(f"{_MODULES}.lif_box.LIFBoxCell")
def describe_lif_box(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LIFBoxCell: LIFCell without a synaptic current."""
    found = Parameters(module, shape)
    return _spiking(found, _box(found), _reset_of_box(found), membrane_at=1)


@register_neuron(f"{_MODULES}.iaf.IAFCell")
@register_neuron(f"{_MODULES}.iaf.IAF")
def describe_iaf(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """IAFCell: v = v + x from v_reset on, whatever dt is."""
    found = Parameters(module, shape)
    return _spiking(found, Integrate(), start="v_reset", membrane_at=1)


@register_neuron(f"{_MODULES}.leaky_integrator.LICell")
@register_neuron(f"{_MODULES}.leaky_integrator.LI")
def describe_li(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LICell, and LI for all steps: LIFCell that never fires and returns its membrane."""
    found = Parameters(module, shape)
    return _integrator(found, _with_synapse(found))


@register_neuron(f"{_MODULES}.leaky_integrator.LILinearCell")
def describe_li_linear(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LICell behind input_weights."""
    found = Parameters(module, shape)
    model = _integrator(found, _with_synapse(found))
    return replace(model, input_op=Linear(_weights(found.module.input_weights)))


@register_neuron(f"{_MODULES}.leaky_integrator_box.LIBoxCell")
def describe_li_box(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LIBoxCell: LICell without a synaptic current."""
    found = Parameters(module, shape)
    return _integrator(found, _box(found))


_ACCEPTED = "LIFBoxCell, LIFCell, LIFRecurrentCell, IAFCell, LICell and LIBoxCell"
_RANDOM = "encode the frames before the network"

_INSTEAD: dict[str, str] = {
    "coba_lif.CobaLIFCell": "use LIFCell, whose synapses are currents",
    "conv.LConv2d": "use nn.Conv2d on each step",
    "encode.ConstantCurrentLIFEncoder": "use LIFBoxCell on the constant current in each step",
    "encode.PoissonEncoder": _RANDOM,
    "encode.PoissonEncoderStep": _RANDOM,
    "encode.PopulationEncoder": _RANDOM,
    "encode.SignedPoissonEncoder": _RANDOM,
    "encode.SignedPoissonEncoderStep": _RANDOM,
    "encode.SpikeLatencyEncoder": _RANDOM,
    "encode.SpikeLatencyLIFEncoder": _RANDOM,
    "exp_filter.ExpFilter": "use nn.Linear and LIBoxCell",
    "izhikevich.Izhikevich": "use LIF",
    "izhikevich.IzhikevichRecurrent": "use LIFRecurrent",
    "lif_correlation.LIFCorrelation": "use LIFRecurrentCell",
    "regularization.RegularizationCell": "leave it out after training",
    "sequential.RecurrentSequential": "use SequentialState with LIFRecurrentCell",
    "snn.SNN": "use LIF",
    "snn.SNNCell": "use LIFCell or LIFBoxCell",
    "snn.SNNRecurrent": "use LIFRecurrent",
    "snn.SNNRecurrentCell": "use LIFRecurrentCell",
    "spikes_to_times_decoder.SpikesToTimesDecoder": "read out spike counts or membranes",
}


def _refused(advice: str) -> Describe:
    def describe(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
        raise UnsupportedModel(
            f"found norse's {type(module).__name__}, accepted {_ACCEPTED}; {advice}, or describe "
            "this class with @e3ne.register_neuron"
        )

    return describe


for _name, _advice in _INSTEAD.items():
    register_neuron(f"{_MODULES}.{_name}")(_refused(_advice))


def _parameter(found: Parameters, name: str) -> torch.Tensor:
    """The entry `name` of the named tuple `p`, in float64."""
    return torch.as_tensor(getattr(found.module.p, name)).detach().double()


def _share(found: Parameters, name: str) -> torch.Tensor:
    """dt * tau_inv: what part of the distance vanishes in each step."""
    return float(found.module.dt) * _parameter(found, name)


def _box(found: Parameters) -> Integrate:
    share = _share(found, "tau_mem_inv")
    return Integrate(found.values("tau_mem_inv", 1 - share), found.values("tau_mem_inv", share))


def _with_synapse(found: Parameters) -> Integrate:
    decay = found.values("tau_syn_inv", 1 - _share(found, "tau_syn_inv"))
    return replace(_box(found), synaptic_decay=decay)


def _layout(found: Parameters) -> Layout | None:
    """Modules that take all steps at once have no Cell in the name of their class's base."""
    is_sequence = any(cls.__name__ in ("SNN", "SNNRecurrent") for cls in type(found.module).__mro__)
    return Layout.STEPS_FRAMES if is_sequence else None


def _integrator(found: Parameters, leaky: Integrate) -> NeuronModel:
    offset = found.channels("v_leak", _parameter(found, "v_leak"))
    layout = _layout(found)
    found.raise_problems()
    return NeuronModel(
        neuron=None,
        membrane=leaky,
        spikes_at=None,
        membrane_at=0,
        states=_STATES,
        layout=layout,
        membrane_offset=offset,
    )


def _spiking(
    found: Parameters,
    leaky: Integrate,
    reset: Literal["subtract", "to_value"] = "to_value",
    start: str = "v_leak",
    membrane_at: int | None = None,
) -> NeuronModel:
    """`leaky` with threshold and reset, from the membrane that `start` names; raises problems.

    `membrane_at`: where the membrane is among what is returned: that of the last step in modules
    for all steps, all of them with record_states.
    """
    first = _parameter(found, start)
    value = _parameter(found, "v_reset") - first
    if not bool((value == value.reshape(-1)[0]).all()):
        found.problem(
            f"found v_reset - v_leak between {float(value.min()):g} and {float(value.max()):g}, "
            "accepted one value for all neurons; share v_leak and v_reset"
        )
    threshold = found.positive(f"v_th - {start}", _parameter(found, "v_th") - first)
    offset = found.channels(start, first)
    layout = _layout(found)
    found.raise_problems()
    neuron = IntegrateFire(
        threshold=threshold,
        decay=leaky.decay,
        gain=leaky.gain,
        synaptic_decay=leaky.synaptic_decay,
        fire_on=">",
        reset=reset,
        reset_value=float(value.reshape(-1)[0]) if reset == "to_value" else 0,
        reset_step="same",
    )
    return NeuronModel(
        neuron=neuron,
        membrane=replace(neuron, sends="membrane"),
        spikes_at=0,
        membrane_at=membrane_at,
        states=_STATES,
        layout=layout,
        membrane_offset=offset,
    )


def _reset_of_box(found: Parameters) -> Literal["subtract", "to_value"]:
    """What reset_method does, found by trying it on two neurons, one of which fires."""
    method: Callable[..., Any] = found.module.p.reset_method
    spikes, v = torch.tensor([0.0, 1.0]), torch.tensor([0.75, 4.0])
    after = method(spikes, v, torch.tensor(0.5), torch.tensor(1.5))
    if torch.equal(after, torch.tensor([0.75, 0.5])):
        return "to_value"
    if not torch.equal(after, torch.tensor([0.75, 2.5])):
        found.problem(
            f"found reset_method={getattr(method, '__name__', method)}, accepted "
            "norse.torch.reset_value and reset_subtract; use one of these"
        )
    elif bool((_parameter(found, "v_leak") != 0).any()):
        found.problem(
            "found reset_method=reset_subtract with v_leak other than 0, accepted v_leak=0; put "
            "v_leak into the bias of the layer before it and lower v_th by it"
        )
    return "subtract"


def _weights(weights: torch.Tensor) -> Array:
    return frozen(weights.detach().numpy(), "float32")
