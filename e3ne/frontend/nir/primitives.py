"""NIR's primitives as ops and neurons of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Flatten,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    Op,
    SumPool2d,
    frozen,
)
from .conventions import RECURRENT, Convention, Factors, neuron_values
from .kinds import FIRING
from .network import Primitive
from .shapes import Shape, geometry, graph_shape, pair, spread

MOST_DELAY = 1 << 20  # steps
MOST_DIAGONAL = 2048  # above it a scale of a vector stays one number a neuron


@dataclass(frozen=True)
class Reading:
    """How the neurons of a file are to be read."""

    convention: Convention
    reset: str
    dt: float
    unit: float


def op_of(node: Primitive, shape: Shape) -> Op:
    """The op of a node without memory that reads NIR shape `shape` (Delay: the identity)."""
    match node.kind:
        case "Affine" | "Linear":
            return Linear(_float32(node.needed("weight")), _bias(node))
        case "Conv1d" | "Conv2d":
            axes = 1 if node.kind == "Conv1d" else 2
            _, stride, padding, dilation = geometry(node, axes)
            weight = node.needed("weight")
            if axes == 1:
                weight = weight[:, :, None]
            groups = int(node.needed("groups").ravel()[0])
            if groups == 1 and (noted := node.count("groups")) is not None:
                groups = noted
                weight = grouped(weight, groups)
            return Conv2d(_float32(weight), _bias(node), stride, padding, dilation, groups)
        case "SumPool2d" | "AvgPool2d":
            kernel, stride, padding = (
                pair(node, name, 2) for name in ("kernel_size", "stride", "padding")
            )
            area = kernel[0] * kernel[1] if node.kind == "AvgPool2d" else 1
            return SumPool2d(kernel, stride, padding, area)
        case "Flatten":
            return Flatten() if len(shape) > 1 else Identity()
        case "Scale":
            values = spread(node.needed("scale"), shape, "scale")
            if node.note("op") == "ChannelAffine":
                return _channel_affine(values, node.count("channels") or shape[0])
            return _scale(values, shape)
        case "Delay":
            return Identity()
        case _:
            raise AssertionError(node.kind)


def scale_per_neuron(node: Primitive, shape: Shape) -> Integrate | None:
    """A Scale that differs within a channel, as neurons without memory; else None."""
    if node.kind != "Scale" or len(shape) == 1 or node.note("op"):
        return None
    gain = compact(spread(node.needed("scale"), shape, "scale"), graph_shape(shape))
    return Integrate(0.0, gain) if isinstance(gain, np.ndarray) and gain.ndim > 1 else None


def neuron_of(
    node: Primitive, shape: Shape, reading: Reading, recurrent: bool = False
) -> IntegrateFire | Integrate:
    """The neurons of a primitive with memory, or Threshold; ValueError where they make no sense.

    `recurrent` says that they read themselves through nodes without memory.
    """
    place = graph_shape(shape)
    if node.kind == "Threshold":
        theta = spread(node.needed("threshold"), shape, "threshold")
        _positive(theta, "threshold")
        return IntegrateFire(compact(theta, place), 0.0, reset="none", reset_step="same")
    values = {
        name: spread(array, shape, name) for name, array in neuron_values(node, node.kind).items()
    }
    convention = reading.convention
    for name in ("tau", "tau_mem", "tau_syn"):
        if name in values:
            _positive(values[name], name)
    _zero_where_unknown(values, convention)
    factors = convention.factors(node.kind, values, reading.dt, reading.unit)
    start = _start(values, convention, node.kind, reading.reset)
    offset = (1.0 - np.asarray(factors.decay)) * (factors.rest - start) + factors.bias
    common = {
        "decay": compact(np.broadcast_to(factors.decay, shape), place),
        "gain": compact(np.broadcast_to(factors.gain, shape), place),
        "synaptic_decay": _synaptic(factors, shape),
        "offset": compact(np.broadcast_to(offset, shape), place),
    }
    if node.kind not in FIRING:
        return Integrate(**common)  # type: ignore[arg-type]
    theta = values["v_threshold"] - start
    _positive(values["v_threshold"] - start, "v_threshold")
    value = _reset_value(values["v_reset"], start, reading.reset)
    return IntegrateFire(
        compact(theta, place),
        **common,  # type: ignore[arg-type]
        fire_on=convention.fire_on,
        reset=_reset(reading.reset),
        reset_value=value,
        reset_step=convention.reset_step,
        reset_keeps_input=node.kind not in convention.reset_drops_input
        and not (recurrent and RECURRENT in convention.reset_drops_input),
        max_spikes=convention.max_spikes,
    )


def compact(values: Array, shape: Shape) -> float | Array:
    """One number, one a channel (float32) or one a neuron of `shape`, whichever is enough."""
    full = np.asarray(values, np.float64).reshape(shape[0], -1)
    if (full == full[0, 0]).all():
        return float(full[0, 0])
    if (full == full[:, :1]).all():
        return _float32(full[:, 0])
    return _float32(full.reshape(shape))


def delay_steps(node: Primitive, shape: Shape, dt: float) -> Array:
    """The delay of every neuron in steps; ValueError where it is no whole number of them."""
    delay = spread(node.needed("delay"), shape, "delay")
    steps = np.rint(delay / dt)
    if np.min(delay) < 0 or np.max(steps) > MOST_DELAY or np.max(np.abs(delay / dt - steps)) > 1e-4:
        raise ValueError(
            f"found a delay of {delay.ravel()[np.argmax(np.abs(delay / dt - steps))]:g} s, "
            f"accepted whole numbers 0 .. {MOST_DELAY} of steps of {dt:g} s; round it or choose "
            "another dt"
        )
    return steps.astype(np.int64)


def _scale(values: Array, shape: Shape) -> Op:
    if (values == 1).all():
        return Identity()
    if len(shape) == 1 and len(values) <= MOST_DIAGONAL:
        return Linear(_float32(np.diag(values)))
    return _channel_affine(values, shape[0])


def _channel_affine(values: Array, channels: int) -> ChannelAffine:
    gain = _float32(values.reshape(len(values), -1)[:channels, 0])
    return ChannelAffine(gain, _float32(np.zeros_like(gain)))


def ungrouped(weight: Array, groups: int) -> Array:
    """The weight of a grouped convolution among zeros, for groups == 1."""
    outputs, inputs = len(weight) // groups, weight.shape[1]
    full = np.zeros((len(weight), inputs * groups, *weight.shape[2:]), weight.dtype)
    for index in range(groups):
        rows = slice(index * outputs, (index + 1) * outputs)
        full[rows, index * inputs : (index + 1) * inputs] = weight[rows]
    return full


def grouped(weight: Array, groups: int) -> Array:
    """`ungrouped` taken back; ValueError where the weight is not of that form."""
    outputs, inputs = len(weight) // groups, weight.shape[1] // groups
    if min(outputs, inputs) < 1:
        raise ValueError(f"found {groups} groups in the metadata of a weight {weight.shape}")
    blocks = [
        weight[index * outputs : (index + 1) * outputs, index * inputs : (index + 1) * inputs]
        for index in range(groups)
    ]
    small = np.concatenate(blocks)
    if small.shape[0] != len(weight) or not np.array_equal(ungrouped(small, groups), weight):
        raise ValueError(
            f"found weights outside of the {groups} groups that the metadata names, accepted 0 "
            "there; remove 'groups' from the node's metadata"
        )
    return small


def _float32(values: Array) -> Array:
    with np.errstate(over="ignore"):  # verify refuses what becomes infinite
        return frozen(np.asarray(values, np.float64).astype(np.float32), np.float32)


def _bias(node: Primitive) -> Array | None:
    """A bias of zeros is none (several writers cannot leave it out), but where e3ne wrote it."""
    bias = node.array("bias")
    if bias is None or (not bias.any() and node.count("keep_bias") is None):
        return None
    return _float32(bias.ravel())


def _positive(values: Array, name: str) -> None:
    if np.min(values) <= 0:
        raise ValueError(
            f"found {name} {np.min(values):g} (above the resting potential), accepted numbers > 0; "
            "check the file"
            if name == "v_threshold"
            else f"found {name} {np.min(values):g}, accepted numbers > 0; check the file"
        )


def _zero_where_unknown(values: dict[str, Array], convention: Convention) -> None:
    if convention.leaks_to_zero and "v_leak" in values and values["v_leak"].any():
        raise ValueError(
            f"found v_leak != 0, accepted 0 with convention {convention.name}, whose neurons leak "
            "to 0; use --convention euler"
        )
    if convention.resets_to_zero and "v_reset" in values and values["v_reset"].any():
        raise ValueError(
            f"found v_reset != 0, accepted 0 with convention {convention.name}, whose neurons "
            "reset to 0; use --convention euler"
        )


def _start(values: dict[str, Array], convention: Convention, kind: str, reset: str) -> Array:
    """Where the membrane stands before the first step; the graph counts from there."""
    start = np.zeros(())
    if convention.starts_at == "leak" and "v_leak" in values:
        start = values["v_leak"]
    elif (convention.starts_at == "reset" or kind == "IF") and reset in ("value", "zero"):
        start = values.get("v_reset", start) if convention.starts_at != "zero" else start
    if start.any() and kind not in FIRING:
        raise ValueError(
            f"found v_leak {np.max(np.abs(start)):g} on neurons that send their membrane, accepted "
            f"0 with convention {convention.name}, whose neurons start there; use euler, or move "
            "it into the bias of the next layer"
        )
    return start


def _synaptic(factors: Factors, shape: Shape) -> float | Array | None:
    if factors.synaptic_decay is None:
        return None
    return compact(np.broadcast_to(factors.synaptic_decay, shape), graph_shape(shape))


def _reset(reset: str) -> Literal["subtract", "to_value", "none"]:
    if reset in ("value", "zero"):
        return "to_value"
    return "subtract" if reset == "subtract" else "none"


def _reset_value(values: Array, start: Array, reset: str) -> float:
    """The one value that a reset goes to, counted from where the membrane starts."""
    if reset in ("subtract", "zero", "none") and values.any():
        raise ValueError(
            f"found v_reset {values.ravel()[np.argmax(np.abs(values))]:g} with reset {reset}, "
            "accepted 0; use --reset value"
        )
    value = np.unique(values - start) if reset == "value" else np.zeros(1)
    if len(value) > 1:
        raise ValueError(
            f"found {len(value)} different v_reset (above where the membrane starts), accepted one "
            "a population; split the layer"
        )
    return float(value[0])
