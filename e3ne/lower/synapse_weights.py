"""The integers and the scale of the weights of one synapse, and what is said about them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..config import NodeConfig, ScaleKind
from ..ir import Array, Conv2d, Integrate, IntegrateFire, Linear, Node, Op, Relay, frozen
from .factors import integer_weight, largest_level, weight_rows, weight_scale
from .weight_grids import WIDEST_BITS, found_grid, is_no_accident, scale_on_grid

log = logging.getLogger(__name__)

MANY_ZEROS = 0.5  # of the weights that are not 0 become 0: the scale is no good
LONG_BIAS = 1 << 31  # units of the current
MANY_ZEROS_OF_FEW_LEVELS = 0.9  # the same below 4 bits


@dataclass(frozen=True)
class Units:
    """Weights as integers int64, and the real value of one: float64, () or (outputs,)."""

    integers: Array
    scale: Array


def may_have_channel_scales(node: Node) -> bool:
    """May the weights of `node` have a scale an output channel?

    Only where one synapse feeds neurons with parameters a channel: sums of several synapses,
    edges that carry the sum or the membrane, and reset values have one scale.
    """
    neuron = node.neuron
    one_scale = isinstance(neuron, Relay | Integrate) or (
        isinstance(neuron, IntegrateFire)
        and (neuron.reset_value != 0 or neuron.floor is not None or neuron.sends == "membrane")
    )
    return len(node.synapses) == 1 and not one_scale


def weight_units(
    node: Node, op: Linear | Conv2d, settings: NodeConfig, kind: ScaleKind, source_scale: float
) -> Units:
    """The weights of `op`, a synapse's of `node`, as integers of the bits of `settings`.

    Weights on a grid of at most these bits are taken over exactly, with the grid's scale
    (`weight_grids`): of the tensor or of each channel as `settings` say, and of each channel, too,
    where it is legal and no accident. Others are rounded, by the method of `settings`.
    """
    may_differ = may_have_channel_scales(node)
    options = (settings.weight_bits, settings.per_channel, settings.weight_scale)
    return _units(op, *options, may_differ, kind, source_scale)


@lru_cache(maxsize=64)  # trials and the measures of fidelity ask for the same again and again
def _units(
    op: Linear | Conv2d,
    bits: float,
    per_channel: bool,
    method: str,
    may_differ: bool,
    kind: ScaleKind,
    source_scale: float,
) -> Units:
    by_channel = per_channel and may_differ
    scale = _taken_over(op, bits, kind, source_scale, by_channel)
    unasked = may_differ and not by_channel
    if scale is None and unasked and is_no_accident(weight_rows(op.weight, True)):
        scale = _taken_over(op, bits, kind, source_scale, per_channel=True)
    if scale is not None:
        spread = scale.reshape(-1, *(1,) * (op.weight.ndim - 1))
        integers = np.rint(op.weight.astype(np.float64) / spread)
        return Units(frozen(integers, np.int64), frozen(scale, np.float64))
    scale = weight_scale(op.weight, bits, by_channel, kind, method)
    return Units(integer_weight(op.weight, scale, bits), frozen(scale, np.float64))


def _taken_over(
    op: Linear | Conv2d, bits: float, kind: ScaleKind, source_scale: float, per_channel: bool
) -> Array | None:
    """The scale of weights that are on a grid: float64, () or (outputs,)."""
    rows = weight_rows(op.weight, per_channel)
    biases = None
    if op.bias is not None and op.bias.any():
        biases = op.bias.astype(np.float64).reshape(len(rows), -1) / source_scale
    scale = scale_on_grid(rows, biases, bits, kind)
    if scale is None:
        return None
    scale = np.where(scale > 0, scale, scale.max() or 1.0)
    return scale if per_channel else scale[0]


def warn_of_weights(node: Node, after: Node, settings: NodeConfig, kind: ScaleKind) -> None:
    """Logs by name what rounding the weights of `node` to those of `after` did, where it is bad."""
    for synapse, integer in zip(node.synapses, after.synapses, strict=True):
        op, found = synapse.op, integer.op
        if isinstance(op, Linear | Conv2d) and isinstance(found, Linear | Conv2d):
            _warn_of_weights(node, op, found.weight, settings, kind)
            _warn_of_biases(node, found)


def _warn_of_weights(
    node: Node, op: Linear | Conv2d, integers: Array, settings: NodeConfig, kind: ScaleKind
) -> None:
    if not op.weight.any():
        log.warning("%s: found weights of nothing but zeros; the layer may be dead", node.name)
        return
    if not _differ(weight_rows(op.weight, True), weight_rows(integers, True)):
        return
    if not _warned_of_grid(node, op, settings, kind):
        _warn_of_lost_weights(node, op, integers, settings)
    zeros = int((op.weight == 0).sum())
    if settings.weight_bits == 1 and zeros:
        log.warning(
            "%s: found %d weights of exactly 0 in a binary layer; they stay 0 (no synapse), so "
            "that the layer is stored as a ternary one",
            *(node.name, zeros),
        )


def _warn_of_biases(node: Node, op: Linear | Conv2d) -> None:
    largest = 0 if op.bias is None else int(np.abs(op.bias).max(initial=0))
    if largest >= LONG_BIAS:
        log.warning(
            "%s: found a bias of %.3g units of its current, more than 32 bits; what the layer "
            "receives is nothing beside it, and its sums are as wide: check the training, or the "
            "range of the calibration frames",
            *(node.name, largest),
        )


def is_rounded(op: Op, integer: Op) -> bool:
    """Did the integers of weights move them? Not where they were taken over exactly."""
    if not isinstance(op, Linear | Conv2d) or not isinstance(integer, Linear | Conv2d):
        return False
    return _differ(weight_rows(op.weight, True), weight_rows(integer.weight, True))


def _differ(rows: Array, integers: Array) -> bool:
    """Are the weights of some row not their integers times some scale?"""
    scale = (rows * integers).sum(axis=1) / np.maximum((integers**2).sum(axis=1), 1)
    return not np.allclose(integers * scale[:, None], rows, rtol=1e-6, atol=0)


def _warned_of_grid(node: Node, op: Linear | Conv2d, settings: NodeConfig, kind: ScaleKind) -> bool:
    """Tells about weights that are on a grid which was not taken over, and why."""
    for per_channel in (False, True):
        rows = weight_rows(op.weight, per_channel)
        if not is_no_accident(rows):
            continue
        for bits in range(2, WIDEST_BITS + 1):
            if found_grid(rows, bits) is None:
                continue
            log.warning(
                "%s: found weights on a grid of %d bits%s that could not be taken over; they are "
                "rounded again. %s",
                *(node.name, bits, " a channel" if per_channel else ""),
                _advice(node, bits, settings, per_channel, kind),
            )
            return True
    return False


def _advice(node: Node, bits: int, settings: NodeConfig, per_channel: bool, kind: ScaleKind) -> str:
    if bits > 8:
        return "Train them with a narrow range, -127 .. 127, of at most 8 bits"
    if bits > settings.weight_bits:
        chosen = f"weight_bits is {settings.weight_bits:g}"
        return f"{chosen}: set nodes.{node.name}.weight_bits to {bits}"
    if per_channel and not may_have_channel_scales(node):
        return "This node has one scale for all its weights: train them per tensor"
    assert kind == "power_of_two"
    return "Their unit is no power of two: choose scale: integer"


def _warn_of_lost_weights(
    node: Node, op: Linear | Conv2d, integers: Array, settings: NodeConfig
) -> None:
    lost = float(((integers == 0) & (op.weight != 0)).sum() / (op.weight != 0).sum())
    few = largest_level(settings.weight_bits) < 7
    if lost > (MANY_ZEROS_OF_FEW_LEVELS if few else MANY_ZEROS):
        log.warning(
            "%s: found %.0f %% of the weights that become 0, a few large ones decide the scale; "
            "choose weight_scale: mse or percentile(99.9), per_channel, equalize, or more bits",
            *(node.name, 100 * lost),
        )
