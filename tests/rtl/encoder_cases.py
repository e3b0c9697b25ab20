"""Encoders, their samples and how words travel, for the tests of the encoder units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from e3ne.gateware.neurons import neuron_unit
from e3ne.gateware.streams import Word
from e3ne.ir import Encode, Identity, Node, SpikeType, Synapse
from e3ne.ir.order import to_words
from e3ne.reference import encode

from .bench import Run, Sink, Source, from_payloads, simulate, to_payloads
from .neuron_cases import lane_counts, shapes


@dataclass(frozen=True)
class EncoderCase:
    """A node, how its samples travel, and int64 samples (frames, 1 or steps, *shape)."""

    node: Node
    lanes: int
    windows: int
    samples: np.ndarray

    @property
    def neuron(self) -> Encode:
        assert isinstance(self.node.neuron, Encode)
        return self.node.neuron

    @property
    def words(self) -> int:
        """Words in a window."""
        return self.node.type.neurons // self.lanes

    @property
    def sample_word(self) -> Word:
        """Currents: samples with a sign bit, as a synapse makes them."""
        steps = self.samples.shape[1] // self.windows if self.neuron.kind == "delta" else 1
        return Word(self.lanes, steps, self.neuron.bits + (not self.neuron.signed), True)

    def unit(self):
        return neuron_unit(self.node, self.sample_word, self.words, self.windows, "memory")

    def payloads(self) -> list[int]:
        """The words of all windows; samples of one step come again in each, as a Replay sends."""
        word, shape = self.sample_word, self.node.type.shape
        if self.neuron.kind == "delta":
            return to_payloads(word, to_words(self.samples, shape, self.lanes, word.steps))
        words = to_words(self.samples, shape, self.lanes, 1)
        return to_payloads(word, np.tile(words, (1, self.windows, 1, 1)))

    def expected(self) -> np.ndarray:
        """(frames, words, lanes, steps) of the reference, in wire order."""
        type = self.node.type
        spikes = encode(self.neuron, self.samples, type)
        return to_words(spikes, type.shape, self.lanes, type.steps // self.windows)

    def simulate(self, pauses=(0.0, 0.0), unit=None, **options) -> Run:
        unit = unit or self.unit()
        count = len(self.samples) * self.words * self.windows
        return simulate(
            unit,
            [Source(unit.i, self.payloads(), pauses[0], start_cycle=1)],
            [Sink(unit.o, count, pauses[1])],
            **options,
        )

    def check(self, pauses=(0.0, 0.0), unit=None, **options) -> Run:
        """Simulation equals the reference, word by word."""
        unit = unit or self.unit()
        run = self.simulate(pauses, unit, **options)
        words = self.words * self.windows
        found = from_payloads(unit.spike_word, run.sinks[0].payloads, words)
        np.testing.assert_array_equal(found, self.expected())
        return run


def encoder_case(
    neuron: Encode,
    shape: tuple[int, ...],
    steps: int,
    lanes: int = 1,
    windows: int = 1,
    frames: int = 3,
    seed: int = 0,
) -> EncoderCase:
    """Random samples, a quarter of them at an end of the range."""
    delta = neuron.kind == "delta"
    source = SpikeType(shape, steps if delta else 1, neuron.bits, neuron.signed)
    generator = np.random.default_rng(seed)
    size = (frames, source.steps, *shape)
    samples = generator.integers(source.low, source.high + 1, size)
    ends = generator.choice([source.low, source.high], size)
    samples = np.where(generator.random(size) < 0.25, ends, samples)
    type = SpikeType(shape, steps, 2 if delta else 1, delta)
    node = Node("node", (Synapse(Identity(), "samples"),), neuron, type)
    return EncoderCase(node, lanes, windows, samples)


@st.composite
def encoder_cases(draw) -> EncoderCase:
    """Any encoder, any legal way in which its words travel."""
    kind = draw(st.sampled_from(["radix", "regular", "bernoulli", "latency", "delta"]))
    signed = kind == "delta" and draw(st.booleans())
    bits = draw(st.integers(1 + signed, 9))
    windows = draw(st.integers(1, 4))
    steps = windows * draw(st.integers(1, 4))
    if kind == "radix":
        windows = draw(st.sampled_from([w for w in (1, 2, 3, 4) if bits % w == 0]))
        steps = bits
    neuron = Encode(
        kind,
        bits,
        1.0,
        seed=draw(st.integers(1, 65535)),
        threshold=draw(st.integers(1, 1 << bits)) if kind == "delta" else 0,
        signed=signed,
    )
    shape = draw(shapes)
    lanes = draw(lane_counts(shape))
    return encoder_case(neuron, shape, steps, lanes, windows, seed=draw(st.integers(0, 1 << 30)))
