"""SpikingJelly: what its neurons compute (read from 2.0.0 and 0.0.0.0.14, `activation_based`).

Both versions have the same equations below different dotted names. All neurons fire on
v >= v_threshold and reset in the same step, to v_reset (hard) or by v_threshold (v_reset=None,
soft). The membrane starts at v_reset; it is described by its distance from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from ...ir import Array, Integrate, IntegrateFire, UnsupportedModel
from ..registry import Describe, NeuronModel, register_neuron, register_reset
from ..values import Layout
from .parameters import Parameters

_PACKAGE = "spikingjelly.activation_based"
_NEURONS = f"{_PACKAGE}.neuron"
_ACCEPTED = "IFNode, LIFNode, ParametricLIFNode and CUBALIFNode"


@register_reset(f"{_PACKAGE}.base.MemoryModule")
def forget(module: nn.Module) -> None:
    """The library's own reset; some neurons keep nothing and have none."""
    reset = getattr(module, "reset", None)
    if callable(reset):
        reset()


def described(path: str) -> Callable[[Describe], Describe]:
    """Registers `file.ClassName` of 2.0.0, and the same class of 0.0.0.0.14, which has one file."""

    def register(describe: Describe) -> Describe:
        for name in (path, path.rpartition(".")[2]):
            register_neuron(f"{_NEURONS}.{name}", forget)(describe)
        return describe

    return register


@described("integrate_and_fire.SimpleIFNode")
@described("integrate_and_fire.IFNode")
def describe_if(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """IFNode: v = v + x."""
    return _model(Parameters(module, shape), torch.ones(()), torch.ones(()))


@described("lif.SimpleLIFNode")
@described("lif.LIFNode")
@described("online_learning.OTTTLIFNode")
@described("online_learning.SLTTLIFNode")
def describe_lif(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """LIFNode: v = v - (v - v_reset) / tau + x, with x / tau where decay_input."""
    found = Parameters(module, shape)
    return _leaky(found, 1 / found.tensor("tau").double())


@described("plif.ParametricLIFNode")
def describe_plif(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """ParametricLIFNode: LIFNode with 1 / tau = sigmoid(w), w learned."""
    found = Parameters(module, shape)
    return _leaky(found, found.tensor("w").double().sigmoid())


@described("lif_variants.CUBALIFNode")
def describe_cuba_lif(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """CUBALIFNode: c = c_decay * c + x; v = v_decay * v + c. It leaks to 0, whatever v_reset is."""
    found = Parameters(module, shape)
    decay = found.tensor("v_decay").double()
    synaptic = found.values("c_decay", found.tensor("c_decay").double())
    offset = -_start(found) * (1 - decay)
    return _model(found, decay, torch.ones(()), synaptic, offset)


@described("base_node.NonSpikingBaseNode")
def describe_non_spiking(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """NonSpikingIFNode and its like return a list, or what they decode from it."""
    raise UnsupportedModel(
        f"found spikingjelly's {type(module).__name__}, accepted {_ACCEPTED}; use LIFNode or "
        "IFNode with v_threshold=float('inf') and read its v after each step, or after the last"
    )


_INSTEAD: dict[str, str] = {
    "adapt.AdaptBaseNode": "LIFNode",
    "adapt.IzhikevichNode": "LIFNode",
    "base_node.BaseNode": "LIFNode",
    "base_node.SimpleBaseNode": "LIFNode",
    "dsr.DSRIFNode": "IFNode(v_reset=None)",
    "dsr.DSRLIFNode": "LIFNode(v_reset=None)",
    "few_spike.FewSpikeNode": "IFNode(v_reset=None)",
    "flexsn.FlexSN": "LIFNode",
    "ilif.ILIFNode": "LIFNode(v_reset=None, decay_input=False), whose spikes are 0 or 1",
    "integrate_and_fire.ActivationAwareIFNode": "IFNode, the offset as bias of the layer before it",
    "integrate_and_fire.HalfThresholdIFNode": "IFNode(v_reset=None)",
    "inter_layer_connection.ILCBaseNode": "IFNode, LIFNode or CUBALIFNode",
    "lif_variants.ComplementaryLIFNode": "LIFNode",
    "lif_variants.GatedLIFNode": "ParametricLIFNode",
    "lif_variants.KLIFNode": "ParametricLIFNode",
    "lif_variants.LIAFNode": "LIFNode, whose output is its spikes",
    "mpbn.MPBNBaseNode": "LIFNode behind layer.BatchNorm2d",
    "noisy.NoisyBaseNode": "CUBALIFNode, which has no noise",
    "noisy.NoisyNonSpikingBaseNode": "IFNode(v_threshold=float('inf'))",
    "nonlinear_if.EIFNode": "LIFNode",
    "nonlinear_if.QIFNode": "LIFNode",
    "psn.MaskedPSN": "LIFNode",
    "psn.PSN": "LIFNode",
    "psn.SlidingPSN": "LIFNode",
    "resonate.RAFNode": "LIFNode",
    "spikezip.STBIFNode": "IFNode(v_reset=None), whose spikes have no sign",
    "ternary.TernaryIFNode": "IFNode, whose spikes have no sign",
    "ternary.TernaryLIFNode": "LIFNode, whose spikes have no sign",
}

_OTHERS: dict[str, str] = {
    f"{_PACKAGE}.encoding.StatefulEncoder": "encode the frames before the network",
    f"{_PACKAGE}.encoding.StatelessEncoder": "encode the frames before the network",
    f"{_PACKAGE}.layer.BatchNormThroughTime": "use layer.BatchNorm2d",
    f"{_PACKAGE}.layer.DropConnectLinear": "use layer.Linear",
    f"{_PACKAGE}.layer.NeuNorm": "use layer.BatchNorm2d",
    f"{_PACKAGE}.layer.SynapseFilter": "use CUBALIFNode, which has a synaptic current",
    f"{_PACKAGE}.layer.bn.NeuNorm": "use layer.BatchNorm2d",
    f"{_PACKAGE}.layer.bn._BatchNormThroughTimeBase": "use layer.BatchNorm2d",
    f"{_PACKAGE}.layer.dropout.DropConnectLinear": "use layer.Linear",
    f"{_PACKAGE}.layer.misc.SynapseFilter": "use CUBALIFNode, which has a synaptic current",
    f"{_PACKAGE}.rnn.SpikingRNNBase": "use layer.LinearRecurrentContainer with LIFNode",
    f"{_PACKAGE}.rnn.SpikingRNNCellBase": "use layer.LinearRecurrentContainer with LIFNode",
    "spikingjelly.clock_driven.neuron.BaseNode": "use its successor in activation_based.neuron",
}


def _refused(advice: str) -> Describe:
    def describe(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
        raise UnsupportedModel(
            f"found spikingjelly's {type(module).__name__}, accepted {_ACCEPTED}; {advice}, or "
            "describe this class with @e3ne.register_neuron"
        )

    return describe


for _path, _nearest in _INSTEAD.items():
    described(_path)(_refused(f"use {_nearest}"))
for _path, _advice in _OTHERS.items():
    register_neuron(_path, forget)(_refused(_advice))


def _leaky(found: Parameters, share: torch.Tensor) -> NeuronModel:
    """`share` of the distance from v_reset leaks away in each step."""
    return _model(found, 1 - share, share if found.module.decay_input else torch.ones(()))


def _start(found: Parameters) -> float:
    """The first membrane: v_reset, 0 with soft reset."""
    reset = found.module.v_reset
    return 0.0 if reset is None else float(reset)


def _model(
    found: Parameters,
    decay: torch.Tensor,
    gain: torch.Tensor,
    synaptic_decay: float | Array | None = None,
    offset: torch.Tensor | None = None,
) -> NeuronModel:
    """v' = decay * v' + gain * i + offset for v' = v - _start; raises what `found` collected."""
    module = found.module
    start = _start(found)
    for name, accepted in (("v", start), ("c", 0.0)):
        first = module._memories_rv.get(name, accepted)
        if not isinstance(first, float | int) or first != accepted:
            found.problem(
                f"found {name} = {first} before the first step, accepted {accepted}; leave out "
                "set_reset_value"
            )
    backend = getattr(module, "backend", "torch")
    if backend != "torch":
        found.problem(
            f"found backend={backend!r}, accepted 'torch', which computes the same; call "
            "functional.set_backend(net, 'torch')"
        )
    leaky = Integrate(
        decay=found.values("tau, w or v_decay", decay),
        gain=found.values("tau or w", gain),
        synaptic_decay=synaptic_decay,
        offset=0 if offset is None else found.values("v_reset", offset),
    )
    layout = Layout.STEPS_FRAMES if module.step_mode == "m" else None
    model = NeuronModel(
        neuron=None,
        membrane=leaky,
        spikes_at=None,
        layout=layout,
        membrane_name="v",
        membrane_offset=start,
        membrane_train="v_seq" if layout and getattr(module, "store_v_seq", False) else None,
    )
    above = found.tensor("v_threshold") - start
    if not bool(torch.isposinf(above).all()):
        neuron = _firing(found, leaky, above)
        membrane = replace(neuron, sends="membrane")
        model = replace(model, neuron=neuron, membrane=membrane, spikes_at=0)
    found.raise_problems()
    return model


def _firing(found: Parameters, leaky: Integrate, above: torch.Tensor) -> IntegrateFire:
    """`leaky` with a threshold that is `above` the first membrane."""
    if not _is_heaviside(found.module.surrogate_function):
        found.problem(
            f"found surrogate_function={found.module.surrogate_function}, which does not send 1 "
            "from 0 on and 0 below, accepted functions that spike; leave out spiking=False"
        )
    return IntegrateFire(
        threshold=found.positive("v_threshold - v_reset", above),
        decay=leaky.decay,
        gain=leaky.gain,
        synaptic_decay=leaky.synaptic_decay,
        offset=leaky.offset,
        fire_on=">=",
        reset="subtract" if found.module.v_reset is None else "to_value",
        reset_step="same",
    )


def _is_heaviside(function: Callable[[torch.Tensor], torch.Tensor]) -> bool:
    """Whether a surrogate function is 1 from 0 on, and 0 below, where nobody trains."""
    probe = torch.tensor([-40.0, -1.5, -0.6, -0.4, -1e-6, 0.0, 1e-6, 0.4, 0.6, 1.5, 40.0])
    with torch.no_grad():
        return torch.equal(function(probe), (probe >= 0).to(probe))
