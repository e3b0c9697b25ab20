"""Real factors as integers over a power of two, and weights as small integers."""

from __future__ import annotations

import math

import numpy as np

from ..config import ScaleKind
from ..ir import Array, Dyadic, frozen

LARGEST_SHIFT = 62  # of an int64
EXACT_SHIFT = 16  # decays that are m / 2**16 or coarser stay exact
NEAREST_SHIFTS = range(12, EXACT_SHIFT + 1)


def largest_level(bits: float) -> int:
    """q: weights of `bits` bits are integers of -q .. q; 1 for binary and ternary ones."""
    return max(1, (1 << (int(bits) - 1)) - 1)


def weight_scale(weight: Array, bits: float, per_channel: bool, kind: ScaleKind) -> Array:
    """The real value of one unit of the weights: float64, () or (outputs,).

    max|w| / q (`largest_level`), of the tensor or of each output channel; rounded up to a power
    of two where `kind` says so. A tensor of zeros gets 1; a channel of zeros gets the largest
    scale of the others.
    """
    largest, _ = _magnitudes(weight, per_channel)
    return scale_of_kind(_filled(largest / largest_level(bits)), kind)


def one_magnitude(weight: Array, per_channel: bool, kind: ScaleKind) -> Array | None:
    """The magnitude of all weights that are not 0, as their scale: they become 0 and +-1, exactly.

    None where there are several magnitudes, or one that `kind` has no scale for.
    """
    largest, least = _magnitudes(weight, per_channel)
    power = kind == "integer" or bool((np.frexp(largest[largest > 0])[0] == 0.5).all())
    if not power or not (least[largest > 0] == largest[largest > 0]).all():
        return None
    return _filled(largest)


def _magnitudes(weight: Array, per_channel: bool) -> tuple[Array, Array]:
    """The largest magnitude, and the least but zero: float64, () or (outputs,)."""
    magnitude = np.abs(weight.astype(np.float64))
    axes = tuple(range(1, weight.ndim)) if per_channel else None
    least = np.where(magnitude > 0, magnitude, np.inf).min(axis=axes)
    return np.asarray(magnitude.max(axis=axes)), np.asarray(least)


def _filled(scale: Array) -> Array:
    """The largest scale, or 1, in the place of 0."""
    return np.where(scale > 0, scale, scale.max() or 1.0)


def scale_of_kind(scale: Array | float, kind: ScaleKind) -> Array:
    """The scale itself, or the next power of two that is not below it."""
    exact = np.asarray(scale, np.float64)
    return exact if kind == "integer" else np.exp2(np.ceil(np.log2(exact)))


def integer_weight(weight: Array, scale: Array, bits: float) -> Array:
    """clip(round_half_even(w / scale)) to -q .. q: int64."""
    limit = largest_level(bits)
    units = weight.astype(np.float64) / scale.reshape(-1, *(1,) * (weight.ndim - 1))
    return frozen(np.clip(np.rint(units), -limit, limit), np.int64)


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
