"""Random numbers that hardware and reference draw alike: one shift register for each time step.

Step t of an encoder of seed s has a Fibonacci LFSR of 31 bits, x**31 + x**28 + 1, of its own:

    b[k] = b[k - 31] ^ b[k - 28]

whose first 31 bits b[0] .. b[30] are the bits, lowest first, of `start_bits(s, t)`. The neuron at
wire position j compares with r[t, j], the bits b[j * bits] .. b[j * bits + bits - 1], lowest first.
Every frame starts anew, so the same frame always becomes the same train.

The polynomial is primitive (Golomb, Shift Register Sequences; xapp 210): the register runs through
all 2**31 - 1 states but zero, and each step starts at another place of that ring.
"""

from __future__ import annotations

import numpy as np

from .arrays import Array

LENGTH, TAP = 31, 28
MOST_SEED, MOST_STEPS = (1 << 16) - 1, 1 << 15  # so that seed and step fit 31 bits
_MASK = (1 << LENGTH) - 1


def start_bits(seed: int, step: int) -> int:
    """The 31 start bits of step `step`: never 0, different for each (seed, step).

    seed * 2**15 + step, stirred by maps that can be undone and keep 0 apart: exclusive or with a
    shifted copy, and a product with an odd number modulo 2**31.
    """
    if not (1 <= seed <= MOST_SEED and 0 <= step < MOST_STEPS):
        raise ValueError(f"found seed {seed}, step {step}; accepted 1 .. 65535, 0 .. 32767")
    bits = seed << 15 | step
    for shift, factor in ((16, 0x2C1B3C6D), (12, 0x297A2D39), (15, 0x45D9F3B5)):
        bits ^= bits >> shift
        bits = bits * factor & _MASK
    return bits ^ bits >> 16


def random_numbers(seed: int, steps: int, bits: int, neurons: int) -> Array:
    """r[t, j]: int64 (steps, neurons) of 0 .. 2**bits - 1."""
    count = neurons * bits
    stream = np.zeros((steps, max(count, LENGTH)), np.uint8)
    starts = np.array([start_bits(seed, step) for step in range(steps)], np.int64)
    stream[:, :LENGTH] = (starts[:, None] >> np.arange(LENGTH)) & 1
    known = LENGTH
    while known < count:
        # Squared k times the recurrence holds for distances 2**k times as long.
        stretch = 1 << (known // LENGTH).bit_length() - 1
        more = min(TAP * stretch, count - known)
        earlier = (known - LENGTH * stretch, known - TAP * stretch)
        stream[:, known : known + more] = np.bitwise_xor(
            *(stream[:, begin : begin + more] for begin in earlier)
        )
        known += more
    numbers = stream[:, :count].reshape(steps, neurons, bits).astype(np.int64)
    return np.asarray(numbers @ (1 << np.arange(bits, dtype=np.int64)))
