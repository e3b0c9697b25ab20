"""Words of a stream as bytes: what probe records, golden vectors and comparisons are made of."""

from __future__ import annotations

import numpy as np

from ..ir import Array


def word_bytes(lanes: int, steps: int, bits: int) -> int:
    """Bytes of one packed word."""
    return -(-lanes * steps * bits // 8)


def pack_words(values: Array, bits: int) -> Array:
    """Integers (words, lanes, steps) to uint8 (words, bytes): two's complement, low bits first."""
    words, lanes, steps = values.shape
    size = _field_bytes(bits)
    mask = (1 << bits) - 1
    fields = np.ascontiguousarray((values & mask).astype(f"<u{size}"))
    as_bytes = fields.view(np.uint8).reshape(words, lanes * steps, size)
    spread = np.unpackbits(as_bytes, axis=-1, bitorder="little")[..., :bits]
    flat = spread.reshape(words, lanes * steps * bits)
    return np.packbits(flat, axis=-1, bitorder="little")


def unpack_words(packed: Array, lanes: int, steps: int, bits: int, signed: bool) -> Array:
    """The inverse of pack_words: int64 (words, lanes, steps)."""
    words = packed.shape[0]
    spread = np.unpackbits(packed, axis=-1, bitorder="little")[:, : lanes * steps * bits]
    width = _field_bytes(bits) * 8
    padded = np.zeros((words, lanes * steps, width), np.uint8)
    padded[..., :bits] = spread.reshape(words, lanes * steps, bits)
    as_bytes = np.packbits(padded, axis=-1, bitorder="little")
    values = np.ascontiguousarray(as_bytes).view(f"<u{width // 8}").astype(np.int64)
    if signed:
        values = values - ((values >> (bits - 1)) << bits)
    return values.reshape(words, lanes, steps)


def _field_bytes(bits: int) -> int:
    """Bytes of the smallest NumPy integer that holds `bits` bits."""
    return next(size for size in (1, 2, 4, 8) if bits <= 8 * size)
