"""The encoders' random numbers: the register, its period, where it starts, how it is spread."""

from __future__ import annotations

import numpy as np
import pytest

from e3ne.ir.random_bits import LENGTH, TAP, random_numbers, start_bits

POLYNOMIAL = 1 << LENGTH | 1 << TAP | 1


def plain_stream(start: int, count: int) -> list[int]:
    """The register as its docstring says it, bit by bit."""
    bits = [start >> k & 1 for k in range(LENGTH)]
    while len(bits) < count:
        bits.append(bits[-LENGTH] ^ bits[-TAP])
    return bits[:count]


def squared(value: int, polynomial: int) -> int:
    """value**2 modulo a polynomial of degree 31, over GF(2); bit k is the coefficient of x**k."""
    found = sum((value >> k & 1) << 2 * k for k in range(LENGTH))
    for k in range(2 * LENGTH - 2, LENGTH - 1, -1):
        if found >> k & 1:
            found ^= polynomial << k - LENGTH
    return found


def is_primitive(polynomial: int) -> bool:
    """Is x**(2**31 - 1) == 1 (and x != 1)? As 2**31 - 1 is prime, x has no smaller order then."""
    power = 2
    for _ in range(LENGTH):
        power = squared(power, polynomial)
    return power == 2


def test_polynomial_is_primitive() -> None:
    order = (1 << LENGTH) - 1
    assert all(order % divisor for divisor in range(2, 46341))  # prime: 46341**2 > order
    assert is_primitive(POLYNOMIAL)


def test_other_taps_are_not_primitive() -> None:
    """The broken twins of the polynomial."""
    assert not any(is_primitive(1 << LENGTH | 1 << tap | 1) for tap in (26, 27, 29, 30))


@pytest.mark.parametrize(("bits", "neurons"), [(1, 5), (1, 200), (8, 3), (8, 31), (5, 700)])
def test_numbers_are_the_bits_of_the_register(bits: int, neurons: int) -> None:
    numbers = random_numbers(7, 3, bits, neurons)
    assert numbers.shape == (3, neurons)
    assert numbers.dtype == np.int64
    for step in range(3):
        stream = plain_stream(start_bits(7, step), bits * neurons)
        wanted = [sum(stream[j * bits + k] << k for k in range(bits)) for j in range(neurons)]
        assert numbers[step].tolist() == wanted


def test_start_bits_are_fixed() -> None:
    """A build of last year draws the same numbers."""
    found = [start_bits(1, 0), start_bits(1, 1), start_bits(65535, 32767)]
    assert found == [0x2942DBE6, 0x138E8E00, 0x6140BB8D]


def test_start_bits_differ_and_are_never_zero() -> None:
    starts = [start_bits(seed, step) for seed in (1, 2, 3, 999, 65535) for step in range(4096)]
    assert len(set(starts)) == len(starts)
    assert all(0 < start < 1 << LENGTH for start in starts)
    ones = np.array([start.bit_count() for start in starts])
    assert abs(ones.mean() - LENGTH / 2) < 0.1


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (65536, 0), (1, -1), (1, 32768)])
def test_start_bits_refuse_what_does_not_fit(seed: int, step: int) -> None:
    with pytest.raises(ValueError, match=f"found seed {seed}, step {step}; accepted"):
        start_bits(seed, step)


def test_numbers_are_spread() -> None:
    """Uniform over values; the streams of two steps, or two seeds, have nothing in common."""
    numbers = random_numbers(1, 16, 4, 4096)
    counts = np.bincount(numbers.reshape(-1), minlength=16)
    assert abs(counts - numbers.size / 16).max() < 5 * np.sqrt(numbers.size / 16)
    streams = [*numbers, *random_numbers(2, 16, 4, 4096)]
    for index, one in enumerate(streams):
        for other in streams[:index]:
            assert abs((one == other).mean() - 1 / 16) < 0.02
