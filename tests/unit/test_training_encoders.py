"""The encoder modules: the reference's trains, in both layouts, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import e3ne
from e3ne.ir import BadInput, SpikeType
from e3ne.reference import encode
from e3ne.training.encoders import Bernoulli, BitPlanes, Delta, Encoder, Latency, Regular


@st.composite
def encoders(draw: st.DrawFn) -> Encoder:
    """Any encoder of at most 10 steps and 9 bits."""
    kind = draw(st.sampled_from([BitPlanes, Regular, Bernoulli, Latency, Delta]))
    scale = draw(st.sampled_from([None, 0.25, 1.0, 0.013]))
    frames_first = draw(st.booleans())
    bits, steps = draw(st.integers(2, 9)), draw(st.integers(1, 10))
    if kind is BitPlanes:
        return BitPlanes(bits, scale, frames_first)
    if kind is Bernoulli:
        return Bernoulli(steps, bits, draw(st.integers(1, 65535)), scale, frames_first)
    if kind is Delta:
        signed = draw(st.booleans())
        unit = scale or 1 / ((1 << (bits - signed)) - 1)
        return Delta(draw(st.integers(1, 5)) * unit, bits, scale, signed, frames_first)
    return kind(steps, bits, scale, frames_first)


shapes = st.one_of(
    st.tuples(st.integers(1, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 5)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
)


@given(encoders(), shapes, st.integers(0, 1 << 30))
def test_modules_send_what_the_reference_sends(
    encoder: Encoder, shape: tuple[int, ...], seed: int
) -> None:
    steps = encoder.steps or 7
    own = (shape[0], 1, shape[1]) if len(shape) == 2 else shape
    generator = np.random.default_rng(seed)
    reach = encoder.neuron.unit * (1 << encoder.neuron.bits)
    given_steps = 1 if encoder.steps else steps
    x = generator.uniform(-0.6 * reach, 1.2 * reach, (3, given_steps, *shape)).astype(np.float32)
    samples = torch.from_numpy(x)
    if encoder.steps:
        samples = samples[:, 0]
    elif not encoder.frames_first:
        samples = samples.transpose(0, 1)
    sent = encoder(samples)
    assert sent.dtype == torch.float32
    if not encoder.frames_first:
        sent = sent.transpose(0, 1)
    wanted = encode(encoder.neuron, x.reshape(3, given_steps, *own), SpikeType(own, steps))
    assert np.array_equal(sent.numpy().reshape(wanted.shape), wanted)


def test_types_of_samples() -> None:
    """Doubles stay doubles; bytes become float32 trains."""
    encoder = Regular(4, scale=1.0)
    assert encoder(torch.rand(2, 3).double()).dtype == torch.float64
    assert encoder(torch.arange(6, dtype=torch.uint8).reshape(2, 3)).dtype == torch.float32


def test_seed_fixes_the_trains() -> None:
    x = torch.full((2, 40), 0.5)
    one, same, other = Bernoulli(9, seed=5)(x), Bernoulli(9, seed=5)(x), Bernoulli(9, seed=6)(x)
    assert torch.equal(one, same)
    assert torch.equal(one[:, 0], one[:, 1])
    assert not torch.equal(one, other)
    changed = Bernoulli(9, seed=5)
    changed(x)
    changed.seed = 6
    assert changed.seed == changed.neuron.seed == 6
    assert torch.equal(changed(x), other)
    with pytest.raises(BadInput, match=r"found seed 65536, accepted 1 \.\. 65535"):
        changed.seed = 65536


def test_shapes_may_change_from_call_to_call() -> None:
    encoder = Bernoulli(3)
    assert encoder(torch.rand(2, 4)).shape == (3, 2, 4)
    assert encoder(torch.rand(2, 1, 3, 3)).shape == (3, 2, 1, 3, 3)


def test_they_are_found_in_the_package() -> None:
    assert e3ne.encoders.Regular is Regular
    assert "encoders" in dir(e3ne)
    assert str(Bernoulli(5, seed=3)).startswith("Bernoulli(steps=5, bits=8, scale=0.0039")
    assert "threshold=0.1" in str(Delta(0.1, scale=0.1))


WRONG = [
    (lambda: Regular(0), r"regular encoder: found steps 0, accepted 1 \.\. 4096"),
    (lambda: Latency(5000), r"latency encoder: found steps 5000, accepted 1 \.\. 4096"),
    (lambda: BitPlanes(17), r"radix encoder: found bits 17, accepted 1 \.\. 16"),
    (lambda: Delta(0.5, bits=1), r"delta encoder: found bits 1, accepted 2 \.\. 16"),
    (lambda: Bernoulli(5, seed=0), r"bernoulli encoder: found seed 0, accepted 1 \.\. 65535"),
    (lambda: Regular(5, scale=-1.0), r"regular encoder: found scale -1\.0, accepted a number > 0"),
    (lambda: Delta(0.0), r"Delta: found threshold 0\.0, accepted a number > 0"),
    (lambda: Delta(0.001), r"found threshold 0\.001, less than half a unit of 0\.00787402"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_numbers_are_refused(make: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make()  # type: ignore[operator]
