"""sinabs: what its neurons compute (read from 3.1.3, `layers/functional/lif.py`).

One call takes all steps, frames first. With alpha = exp(-1 / tau) a step is

    i = alpha_syn * (i + x), or x without tau_syn;   v = alpha_mem * v + (1 - alpha_mem) * i

(without the factor where norm_input=False); then spikes, the reset of the same step, and at last
v = max(v, min_v_mem). IAF has alpha_mem = 1. Neurons send as many spikes a step as v holds
thresholds, unless spike_fn limits them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
from ..registry import Describe, NeuronModel, register_neuron
from ..values import Layout
from .parameters import Parameters

_LAYERS = "sinabs.layers"


def forget(module: nn.Module) -> None:
    """Leaves the module without a state; its next call makes one of zeros."""
    for name in ("v_mem", "i_syn"):
        state = module._buffers.get(name)
        if state is not None:
            module._buffers[name] = torch.zeros(0, device=state.device)


def copy_layers(model: nn.Module, memo: dict[int, Any]) -> None:
    """Puts copies of the library's layers of `model` into the memo of a deepcopy.

    Their own __deepcopy__ makes new ones from the arguments that they remember: it shares
    rec_connect with the original, and fails where that has weights. Recordings are left out.
    """
    for module in reversed(list(nn.Module.modules(model))):
        if any(cls.__module__ == f"{_LAYERS}.stateful_layer" for cls in type(module).__mro__):
            copied = memo[id(module)] = type(module).__new__(type(module))
            held = {name: item for name, item in vars(module).items() if name != "recordings"}
            copied.__dict__.update(copy.deepcopy(held, memo))


def registered(*names: str) -> Callable[[Describe], Describe]:
    """Registers several `file.ClassName` of the library's layers."""

    def register(describe: Describe) -> Describe:
        for name in names:
            register_neuron(f"{_LAYERS}.{name}", forget)(describe)
        return describe

    return register


@registered("lif.LIF", "iaf.IAF")
def describe_lif(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LIF and IAF, and the squeezed ones."""
    return _spiking(Parameters(module, shape))


@registered("lif.LIFRecurrent", "iaf.IAFRecurrent")
def describe_recurrent(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LIF and IAF that add rec_connect(spikes of the step before) to their input."""
    found = Parameters(module, shape)
    recurrence = _recurrence(found)
    return replace(_spiking(found), recurrence=(recurrence,))


@registered("exp_leak.ExpLeak")
def describe_exp_leak(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """ExpLeak: LIF that returns its membrane instead of spikes."""
    found = Parameters(module, shape)
    if found.module.min_v_mem is not None:
        found.problem(
            "found min_v_mem on ExpLeak, accepted None; leave it out, its membrane is a readout"
        )
    leaky, layout = _leaky(found), _layout(found)
    found.raise_problems()
    return NeuronModel(None, leaky, None, 0, layout=layout, membrane_name="v_mem")


_ACCEPTED = "IAF, LIF, ExpLeak, their Squeeze forms, IAFRecurrent and LIFRecurrent"

_INSTEAD: dict[str, str] = {
    "alif.ALIF": "use LIF, whose threshold is constant",
    "alif.ALIFRecurrent": "use LIFRecurrent, whose threshold is constant",
    "neuromorphic_relu.NeuromorphicReLU": "use nn.ReLU",
    "pool2d.SpikingMaxPooling2dLayer": "use nn.MaxPool2d or SumPool2d, which keep no count",
    "quantize.QuantizeLayer": "leave it out, e3ne quantises",
    "stateful_layer.StatefulLayer": "use LIF",
    "to_spike.Img2SpikeLayer": "encode the frames before the network",
    "to_spike.Sig2SpikeLayer": "encode the frames before the network",
}


def _refused(advice: str) -> Describe:
    def describe(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
        raise UnsupportedModel(
            f"found sinabs's {type(module).__name__}, accepted {_ACCEPTED}; {advice}, or describe "
            "this class with @e3ne.register_neuron"
        )

    return describe


for _name, _advice in _INSTEAD.items():
    registered(_name)(_refused(_advice))


def _leaky(found: Parameters) -> Integrate:
    """The membrane without threshold and reset."""
    module = found.module
    memory = module.alpha_mem_calculated.detach().double()
    gain = 1 - memory if module.norm_input else torch.ones(())
    synaptic: float | Array | None = None
    if module.alpha_syn_calculated is not None:
        synapse = module.alpha_syn_calculated.detach().double()
        synaptic = found.values("tau_syn", synapse)
        gain = gain * synapse
    return Integrate(found.values("tau_mem", memory), found.values("tau_mem", gain), synaptic)


def _layout(found: Parameters) -> Layout:
    squeezed = hasattr(found.module, "squeeze_forward")
    return Layout.MERGED_FRAMES_STEPS if squeezed else Layout.FRAMES_STEPS


def _spiking(found: Parameters) -> NeuronModel:
    """The model of LIF and its kin; raises what `found` has collected."""
    module, leaky = found.module, _leaky(found)
    threshold = found.positive("spike_threshold", found.tensor("spike_threshold"))
    neuron = IntegrateFire(
        threshold=threshold,
        decay=leaky.decay,
        gain=leaky.gain,
        synaptic_decay=leaky.synaptic_decay,
        fire_on=">=",
        reset="subtract" if _subtracts(found) else "to_value",
        reset_step="same",
        max_spikes=_most_spikes(found),
        floor=None if module.min_v_mem is None else _floor(found),
    )
    layout = _layout(found)
    found.raise_problems()
    membrane = replace(neuron, sends="membrane")
    return NeuronModel(neuron, membrane, layout=layout, membrane_name="v_mem")


def _most_spikes(found: Parameters) -> int | None:
    """How many spikes spike_fn lets a neuron send in a step; None where it has no limit."""
    function: Any = found.module.spike_fn
    name = getattr(function, "__name__", type(function).__name__)
    if name == "SingleSpike":
        return 1
    if name == "MaxSpike":
        limit = function.max_num_spikes_per_bin
        return None if limit is None else int(limit)
    if name != "MultiSpike":
        found.problem(
            f"found spike_fn={name}, accepted MultiSpike, MaxSpike and SingleSpike of "
            "sinabs.activation; use one of these"
        )
    return None


def _subtracts(found: Parameters) -> bool:
    """Whether the reset subtracts thresholds; else it sets the membrane to 0."""
    function: Any = found.module.reset_fn
    name = type(function).__name__
    if name == "MembraneReset":
        if function.reset_value != 0:
            found.problem(
                f"found MembraneReset(reset_value={function.reset_value}), which is added to every "
                "neuron in every step, accepted reset_value=0; use a bias in the layer before"
            )
        return False
    if name != "MembraneSubtract":
        found.problem(
            f"found reset_fn={name}, accepted MembraneSubtract and MembraneReset of "
            "sinabs.activation; use one of these"
        )
    elif function.subtract_value is not None and bool(
        (found.tensor("spike_threshold") != function.subtract_value).any()
    ):
        found.problem(
            f"found MembraneSubtract(subtract_value={function.subtract_value}) with another "
            "spike_threshold, accepted both equal; leave out subtract_value"
        )
    return True


def _floor(found: Parameters) -> float:
    """min_v_mem: the same before the spikes as after the reset as long as it is not positive."""
    lowest = found.tensor("min_v_mem").double()
    first = float(lowest.reshape(-1)[0])
    if not bool((lowest == first).all()) or first > 0:
        found.problem(
            f"found min_v_mem={lowest.tolist()}, accepted one number of at most 0 for all neurons; "
            "use a common one"
        )
    return first


def _recurrence(found: Parameters) -> Linear | Conv2d | ChannelAffine:
    """rec_connect as an op; its first step reads no spikes and gets no bias either."""
    layer = found.module.rec_connect
    if getattr(layer, "bias", None) is not None and bool(layer.bias.any()):
        found.problem(
            "found a bias in rec_connect, which sinabs leaves out in the first step, accepted none;"
            " use bias=False and give the bias to the layer before the neurons"
        )
    if isinstance(layer, nn.Linear) and len(found.shape) == 1:
        return Linear(_weights(layer))
    if isinstance(layer, nn.Conv2d) and _keeps_the_shape(layer):
        padding = (int(layer.padding[0]), int(layer.padding[1]))
        return Conv2d(_weights(layer), padding=padding)
    if not isinstance(layer, nn.Identity):
        found.problem(
            f"found rec_connect={layer} on a population of shape {found.shape}, accepted nn.Linear "
            "on (features,), nn.Conv2d that keeps the shape, and nn.Identity; use one of these"
        )
    channels = torch.ones(found.shape[0])
    return ChannelAffine(frozen(channels.numpy(), "float32"), frozen(0 * channels, "float32"))


def _keeps_the_shape(layer: nn.Conv2d) -> bool:
    plain = (layer.groups, layer.dilation, layer.stride) == (1, (1, 1), (1, 1))
    return plain and layer.padding == tuple((size - 1) // 2 for size in layer.kernel_size)


def _weights(layer: nn.Linear | nn.Conv2d) -> Array:
    return frozen(layer.weight.detach().numpy(), "float32")
