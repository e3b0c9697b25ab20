"""snnTorch: what its neurons compute (read from snntorch 1.0, `_neurons/leaky.py`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn

from ...ir import Integrate, IntegrateFire, UnsupportedModel
from ..arrays import channel_values
from ..registry import NeuronModel, register_neuron


def forget(module: nn.Module) -> None:
    """Leaves the module without a membrane; its next call starts from zero."""
    for name in ("mem", "reset"):
        state = getattr(module, name, None)
        if isinstance(state, torch.Tensor):
            setattr(module, name, torch.zeros(0, dtype=_tensor(module, "beta").dtype))


@register_neuron("snntorch._neurons.leaky.Leaky", forget)
def describe_leaky(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """Leaky: mem = clamp(beta, 0, 1) * mem + i, fires on mem > threshold."""
    problems = list(_leaky_problems(module))
    beta = channel_values(_tensor(module, "beta").clamp(0, 1), shape)
    threshold = channel_values(_tensor(module, "threshold"), shape)
    for name, value in (("beta", beta), ("threshold", threshold)):
        if value is None:
            problems.append(
                f"found {name} of shape {tuple(_tensor(module, name).shape)} for a population of "
                f"shape {shape}, accepted one value, or one a channel; share it within a channel"
            )
    if problems or beta is None or threshold is None:
        raise UnsupportedModel(problems)
    resets = ("subtract", "to_value", "none")
    reset = resets[int(_tensor(module, "reset_mechanism_val"))]
    delayed = bool(module.reset_delay)
    step: Literal["same", "next", "both"] = "next"
    if not delayed and reset != "none":
        step = "both" if reset == "subtract" else "same"
    returns_membrane = bool(module.output) or not module.init_hidden
    return NeuronModel(
        neuron=IntegrateFire(
            threshold=threshold,
            decay=beta,
            reset=reset,  # type: ignore[arg-type]
            reset_step=step,
        ),
        membrane=Integrate(decay=beta) if reset == "none" else None,
        spikes_at=0,
        membrane_at=1 if returns_membrane else None,
        states=() if module.init_hidden else ("mem",),
    )


@register_neuron("snntorch._neurons.neurons.SpikingNeuron")
def describe_other(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """Every other snnTorch neuron, as an error that names the nearest that works."""
    raise UnsupportedModel(
        f"found snntorch.{type(module).__name__}, accepted snntorch.Leaky; use Leaky, or describe "
        "this class with @e3ne.register_neuron"
    )


def _leaky_problems(module: nn.Module) -> Iterator[str]:
    if bool((_tensor(module, "graded_spikes_factor") != 1).any()):
        yield (
            "found graded_spikes_factor != 1, accepted 1; multiply the weights that read these "
            "spikes by it instead"
        )
    if module.inhibition:
        yield "found inhibition=True, accepted False; take the largest membrane as readout instead"
    if module.state_quant:
        yield (
            "found state_quant, accepted state_quant=False; e3ne chooses the membrane's width "
            "when it lowers the network"
        )


def _tensor(module: nn.Module, name: str) -> torch.Tensor:
    return torch.as_tensor(getattr(module, name)).detach()


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
    base.instances = [module for module in model.modules() if isinstance(module, base)]
    try:
        yield
    finally:
        base.instances = before
