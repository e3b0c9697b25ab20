"""Read-only arrays: the only arrays that a graph holds."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def frozen(values: Any, dtype: npt.DTypeLike) -> Array:
    """A contiguous read-only copy of `values` as `dtype`; refuses a cast that changes a number.

    A zero has no sign: -0.0 becomes 0.0, so that equal arrays have equal bytes.
    """
    source = np.asarray(values)
    array = np.array(source, dtype=dtype, order="C", copy=True)
    if np.issubdtype(array.dtype, np.integer) and not np.array_equal(array, source):
        raise ValueError("integer array: found values that are not integers")
    if np.issubdtype(array.dtype, np.floating):
        array += 0.0
    array.setflags(write=False)
    return array


def fingerprint(array: Array) -> str:
    """The first 8 hex digits of the sha256 of shape, dtype and contents."""
    head = f"{array.shape}{array.dtype.str}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()[:8]
