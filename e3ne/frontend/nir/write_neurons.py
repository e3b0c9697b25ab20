"""Neurons of a graph as NIR's primitives, with the parameters of forward Euler."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir import Array, Factor, Integrate, IntegrateFire
from .metadata import neuron_notes

ENDLESS = float(2**60)  # a time constant of so many steps: 1 - 1 / ENDLESS is 1 in floating point


def neuron_tree(
    neuron: IntegrateFire | Integrate, shape: tuple[int, ...], place: tuple[int, ...], dt: float
) -> dict[str, Any]:
    """The node of a population of graph shape `place` and NIR shape `shape`.

    ValueError *found X, accepted Y; do Z* for neurons that NIR's equations do not have.
    """
    full = _Full(shape, place)
    decay, gain, offset = full(neuron.decay), full(neuron.gain), full(neuron.offset)
    fires = isinstance(neuron, IntegrateFire)
    _check(neuron, decay, offset)
    firing = {}
    if isinstance(neuron, IntegrateFire):
        to = neuron.reset_value if neuron.reset == "to_value" else 0.0
        firing = {"v_threshold": full(neuron.threshold), "v_reset": full(float(to))}
    tree: dict[str, Any] = {"metadata": {"neuron": neuron_notes(neuron)}}
    if neuron.synaptic_decay is not None:
        synaptic = full(neuron.synaptic_decay)
        if synaptic.min() < 0 or synaptic.max() > 1:
            raise ValueError("found a synaptic decay outside of 0 .. 1, accepted those in it")
        return tree | firing | {
            "type": "CubaLIF" if fires else "CubaLI",
            "tau_syn": dt * _periods(synaptic),
            "tau_mem": dt * _periods(decay),
            "r": gain * _periods(decay),
            "v_leak": _rest(offset, decay),
            "w_in": _periods(synaptic),
        }  # fmt: skip
    if isinstance(neuron, IntegrateFire) and _is_threshold(neuron, decay, gain, offset):
        return tree | {"type": "Threshold", "threshold": full(neuron.threshold)}
    if (decay == 1).all():
        return tree | firing | {"type": "IF" if fires else "I", "r": gain / dt}
    return tree | firing | {
        "type": "LIF" if fires else "LI",
        "tau": dt * _periods(decay),
        "r": gain * _periods(decay),
        "v_leak": _rest(offset, decay),
    }  # fmt: skip


class _Full:
    """Parameters of a population as float64, one value a neuron in NIR's shape."""

    def __init__(self, shape: tuple[int, ...], place: tuple[int, ...]) -> None:
        self.shape, self.place = shape, place

    def __call__(self, parameter: Factor | float | int) -> Array:
        values = np.asarray(parameter, np.float64)
        if values.ndim == 1 and values.shape != self.place:
            values = values.reshape(-1, *(1,) * (len(self.place) - 1))
        return np.array(np.broadcast_to(values, self.place)).reshape(self.shape)


def _check(neuron: IntegrateFire | Integrate, decay: Array, offset: Array) -> None:
    if decay.min() < 0 or decay.max() > 1:
        raise ValueError(
            f"found decays {decay.min():g} .. {decay.max():g}, accepted 0 .. 1: tau > 0 in NIR"
        )
    if offset[decay == 1].any():
        raise ValueError(
            "found an offset on neurons without a leak, accepted it where v_leak can stand for it; "
            "move it into the bias of the layer before"
        )
    if isinstance(neuron, IntegrateFire) and neuron.sends == "membrane":
        raise ValueError(
            "found firing neurons that send their membrane, accepted those that send spikes; "
            "export the graph with their spikes"
        )


def _is_threshold(neuron: IntegrateFire, decay: Array, gain: Array, offset: Array) -> bool:
    plain = not decay.any() and (gain == 1).all() and not offset.any()
    return bool(plain and neuron.reset == "none" and neuron.floor is None)


def _periods(decay: Array) -> Array:
    """The time constant in steps whose forward Euler keeps `decay` at each of them."""
    return np.where(decay < 1, 1.0 / np.where(decay < 1, 1.0 - decay, 1.0), ENDLESS)


def _rest(offset: Array, decay: Array) -> Array:
    return np.where(decay < 1, offset / np.where(decay < 1, 1.0 - decay, 1.0), 0.0)
