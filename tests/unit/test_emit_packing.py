"""Words as bytes: against Python's own integers, and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from e3ne.emit.packing import pack_words, unpack_words, word_bytes


@given(st.integers(0, 4), st.integers(1, 9), st.integers(1, 5), st.integers(1, 40), st.data())
def test_words_are_low_fields_first_and_come_back(
    words: int, lanes: int, steps: int, bits: int, data: st.DataObject
) -> None:
    signed = data.draw(st.booleans())
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    seed = data.draw(st.integers(0, 2**32))
    random = np.random.default_rng(seed)
    values = random.integers(low, high + 1, (words, lanes, steps), dtype=np.int64)
    packed = pack_words(values, bits)
    assert packed.shape == (words, word_bytes(lanes, steps, bits))
    for word, row in zip(values, packed, strict=True):
        expected = 0
        for place, value in enumerate(word.reshape(-1)):
            expected |= (int(value) & ((1 << bits) - 1)) << (place * bits)
        assert int.from_bytes(row.tobytes(), "little") == expected
    assert np.array_equal(unpack_words(packed, lanes, steps, bits, signed), values)
