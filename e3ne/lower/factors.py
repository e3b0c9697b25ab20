"""Real factors as integers over a power of two, and weights as small integers."""

from __future__ import annotations

import math

import numpy as np

from ..config import ScaleKind
from ..config.records import PERCENTILE
from ..ir import Array, Dyadic, frozen
from .least_squares import level_scales, mean_magnitudes, squared_errors

LARGEST_SHIFT = 62  # of an int64
EXACT_SHIFT = 16  # decays that are m / 2**16 or coarser stay exact
NEAREST_SHIFTS = range(12, EXACT_SHIFT + 1)


def largest_level(bits: float) -> int:
    """q: weights of `bits` bits are integers of -q .. q; 1 for binary and ternary ones."""
    return max(1, (1 << (int(bits) - 1)) - 1)


def lowest_level(bits: float) -> int:
    """The least integer that weights on a grid of their own may have: -q - 1, as two's complement.

    Binary and ternary weights, which are no two's complement, have -1.
    """
    return -largest_level(bits) - (1 if bits >= 2 else 0)


def weight_scale(
    weight: Array, bits: float, per_channel: bool, kind: ScaleKind, method: str = "max"
) -> Array:
    """The real value of one unit of the weights: float64, () or (outputs,).

    Of the tensor or of each output channel, by `method` (`scales_of_rows`) with the levels
    -q .. q of `largest_level`. With one level (binary, ternary, 2 bits) `max` means `mse`, as most
    weights would be 0 otherwise, and binary weights, whose signs are fixed, always have the mean
    magnitude. A tensor of zeros gets 1; a channel of zeros the largest of the others.
    """
    rows = weight_rows(weight, per_channel)
    limit = largest_level(bits)
    if bits == 1:
        exact = _filled(mean_magnitudes(rows))
        scale = exact if kind == "integer" else _nearest_power(exact)
    else:
        scale = scales_of_rows(
            rows, limit, kind, "mse" if (method, limit) == ("max", 1) else method
        )
    return scale if per_channel else scale[0]


def scales_of_rows(rows: Array, limit: int, kind: ScaleKind, method: str) -> Array:
    """The scale of each row of float64 (rows, values): of integers up to `limit`; float64 (rows,).

    The largest magnitude / limit (`max`), the percentile(p) of those that are not 0 / limit, or
    the scale of the least squared error (`mse`). Where `kind` says so a power of two: the next one
    up, or with `mse` that of the least error. A row of zeros gets the largest of the others, or 1.
    """
    percentile = PERCENTILE.fullmatch(method)
    if percentile is not None:
        scale = _percentiles(rows, float(percentile[1])) / limit
    elif method == "max":
        scale = np.abs(rows).max(axis=1) / limit
    else:
        scale = level_scales(rows, limit)
    scale = _filled(scale)
    if method == "mse" and kind == "power_of_two":
        powers = scale_of_kind(scale, kind) * np.array([[2.0], [1.0], [0.5], [0.25]])
        errors = np.array([squared_errors(rows, power, limit) for power in powers])
        return np.asarray(np.take_along_axis(powers, np.argmin(errors, axis=0)[None], axis=0)[0])
    return scale_of_kind(scale, kind)


def weight_rows(weight: Array, per_channel: bool) -> Array:
    """The weights of each scale in a row: float64 (outputs or 1, weights)."""
    return weight.astype(np.float64).reshape(len(weight) if per_channel else 1, -1)


def _percentiles(rows: Array, percentile: float) -> Array:
    """Of the magnitudes of each row that are not 0; 0 where all are."""
    found = np.zeros(len(rows))
    for index, row in enumerate(np.abs(rows)):
        if row.any():
            found[index] = np.percentile(row[row > 0], percentile)
    return found


def _nearest_power(scale: Array) -> Array:
    """The power of two that is the better scale of signs: the error grows with the distance."""
    above = scale_of_kind(scale, "power_of_two")
    return np.where(above - scale > scale - above / 2, above / 2, above)


def _filled(scale: Array) -> Array:
    """The largest scale, or 1, in the place of 0."""
    return np.where(scale > 0, scale, scale.max() or 1.0)


def scale_of_kind(scale: Array | float, kind: ScaleKind) -> Array:
    """The scale itself, or the next power of two that is not below it."""
    exact = np.asarray(scale, np.float64)
    return exact if kind == "integer" else np.exp2(np.ceil(np.log2(exact)))


def integer_weight(weight: Array, scale: Array, bits: float) -> Array:
    """clip(round_half_even(w / scale)) to -q .. q; the sign of w with binary weights: int64.

    What is exactly 0 stays 0, with binary weights, too: it is a synapse that is not there.
    """
    values = weight.astype(np.float64)
    if bits == 1:
        return frozen(np.sign(values), np.int64)
    limit = largest_level(bits)
    units = np.rint(values / scale.reshape(-1, *(1,) * (weight.ndim - 1)))
    return frozen(np.clip(units, -limit, limit), np.int64)


def dyadic(factor: Array | float, bits: int) -> Dyadic:
    """The nearest multiplier / 2**shift, multiplier of at most `bits` bits where factor < 2**bits.

    For an array of factors (channels,) the shift is common, so `bits` bits belong to the largest
    and the smaller ones have fewer. Powers of two get a multiplier of 1 and a pure shift.
    """
    values = np.asarray(factor, np.float64)
    largest = float(np.abs(values).max())
    if largest == 0:
        return Dyadic(integers(values), 0)
    exponent = math.frexp(largest)[1]
    shift = min(max(bits - exponent, 0), LARGEST_SHIFT)
    if np.rint(largest * 2.0**shift) >= 2**bits and shift > 0:
        shift -= 1
    return reduced(np.rint(values * 2.0**shift), shift)


def decay_dyadic(decay: Array | float, bits: int | None) -> Dyadic:
    """A decay as m / 2**k: exact where k <= 16 allows it (k <= `bits` where given).

    Else the nearest at k = `bits`, or at the smallest k of 12 .. 16 with the least error.
    """
    values = np.asarray(decay, np.float64)
    shifts = NEAREST_SHIFTS if bits is None else [bits]
    if (values * 2.0**EXACT_SHIFT % 1 == 0).all() and bits is None:
        return reduced(values * 2.0**EXACT_SHIFT, EXACT_SHIFT)
    errors = [float(np.abs(np.rint(values * 2.0**k) / 2.0**k - values).max()) for k in shifts]
    shift = list(shifts)[int(np.argmin(errors))]
    return reduced(np.rint(values * 2.0**shift), shift)


def reduced(multiplier: Array, shift: int) -> Dyadic:
    """The same number with the smallest shift."""
    whole = np.asarray(multiplier).astype(np.int64)
    common = int(np.bitwise_or.reduce(np.abs(whole).reshape(-1)))
    if common == 0:
        return Dyadic(integers(whole), 0)
    spare = min((common & -common).bit_length() - 1, shift)
    return Dyadic(integers(whole >> spare), shift - spare)


def integers(values: Array | float) -> int | Array:
    """A scalar as int, an array (channels,) as read-only int64; rounds half to even."""
    rounded = np.rint(np.asarray(values, np.float64))
    return frozen(rounded, np.int64) if rounded.ndim else int(rounded)
