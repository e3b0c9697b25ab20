"""Random neurons and frames for the tests of the neuron units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from e3ne.gateware.neurons import neuron_unit
from e3ne.gateware.streams import Word
from e3ne.ir import (
    ONE,
    Dyadic,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Neuron,
    Node,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    frozen,
)
from e3ne.ir.order import to_words
from e3ne.reference import run

from .bench import Run, Sink, Source, from_payloads, simulate, to_payloads


@dataclass(frozen=True)
class Case:
    """A node, how its currents travel, and frames (frames, steps, *shape) of currents."""

    node: Node
    current: SpikeType
    lanes: int
    windows: int
    frames: np.ndarray

    @property
    def steps_in(self) -> int:
        return self.current.steps // self.windows

    @property
    def words_per_window(self) -> int:
        return self.node.type.neurons // self.lanes

    @property
    def current_word(self) -> Word:
        return Word(self.lanes, self.steps_in, self.current.bits, self.current.signed)

    def unit(self, rom_form="memory"):
        return neuron_unit(
            self.node, self.current_word, self.words_per_window, self.windows, rom_form
        )

    def payloads(self) -> list[int]:
        words = to_words(self.frames, self.current.shape, self.lanes, self.steps_in)
        return to_payloads(self.current_word, words)

    def expected(self) -> np.ndarray:
        """(frames, words, lanes, steps) of the reference, in wire order."""
        graph = Graph(
            Stage.INTEGER,
            (Input("currents", self.current),),
            (self.node,),
            (Output(self.node.name, Readout.COUNT),),
        )
        spikes = run(graph, self.frames)[self.node.name]
        return to_words(
            spikes, self.node.type.shape, self.lanes, self.node.type.steps // self.windows
        )

    def simulate(self, pauses: tuple[float, float] = (0.0, 0.0), unit=None, **options) -> Run:
        unit = unit or self.unit()
        count = len(self.frames) * self.words_per_window * self.windows
        return simulate(
            unit,
            [Source(unit.i, self.payloads(), pauses[0], start_cycle=1)],
            [Sink(unit.o, count, pauses[1])],
            **options,
        )

    def check(self, pauses: tuple[float, float] = (0.0, 0.0), unit=None, **options) -> Run:
        """Simulation equals the reference, word by word."""
        unit = unit or self.unit()
        run = self.simulate(pauses, unit, **options)
        words = self.words_per_window * self.windows
        found = from_payloads(unit.spike_word, run.sinks[0].payloads, words)
        np.testing.assert_array_equal(found, self.expected())
        return run


def case(
    neuron: Neuron,
    type: SpikeType,
    *,
    bits: int,
    signed: bool = True,
    lanes: int = 1,
    windows: int = 1,
    steps_in: int | None = None,
    frames: np.ndarray | None = None,
    frame_count: int = 3,
    seed: int = 0,
) -> Case:
    """A case; without `frames` currents are random, a quarter of them at an end of the range."""
    current = SpikeType(type.shape, type.steps if steps_in is None else steps_in, bits, signed)
    if frames is None:
        generator = np.random.default_rng(seed)
        shape = (frame_count, current.steps, *type.shape)
        frames = generator.integers(current.low, current.high + 1, shape)
        ends = generator.choice([current.low, current.high], shape)
        frames = np.where(generator.random(shape) < 0.25, ends, frames)
    node = Node("node", (Synapse(Identity(), "currents"),), neuron, type)
    return Case(node, current, lanes, windows, frames)


shapes = st.sampled_from([(1,), (2,), (4,), (6,), (2, 1, 2), (4, 2, 1), (3, 1, 2)])


def lane_counts(shape: tuple[int, ...]) -> st.SearchStrategy[int]:
    """Lanes that divide the channels, or several whole columns."""
    channels, columns = shape[0], shape[2] if len(shape) == 3 else 1
    divisors = [lanes for lanes in range(1, channels + 1) if channels % lanes == 0]
    divisors += [channels * k for k in range(2, columns + 1) if columns % k == 0]
    return st.sampled_from(divisors)


@st.composite
def parameters(draw, shape: tuple[int, ...], low: int, high: int):
    """One integer, one a channel or one a neuron."""
    size = draw(st.sampled_from([(), (), shape[:1], shape]))
    if size == ():
        return draw(st.integers(low, high))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    return frozen(random.integers(low, high + 1, size), np.int64)


@st.composite
def dyadics(draw, shape: tuple[int, ...], signed: bool = False):
    """Factors around 1, 1 and 1 - 2**-k among them; `signed` ones may be negative."""
    if draw(st.integers(0, 2)) == 0:
        return ONE
    shift = draw(st.integers(0, 6))
    if shift and draw(st.integers(0, 2)) == 0:
        return Dyadic((1 << shift) - 1, shift)
    high = 5 * (1 << shift) // 4
    return Dyadic(draw(parameters(shape, -high if signed else 0, high)), shift)


@st.composite
def integrate_fires(draw, shape: tuple[int, ...]):
    """Thresholds that membranes pass often; resets of every kind."""
    bits = draw(st.integers(2, 10))
    most = (1 << (bits - 1)) - 1
    reset_step = draw(st.sampled_from(["same", "next", "both"]))
    both = reset_step == "both"
    max_spikes = 1 if both else draw(st.sampled_from([1, 1, 2, 4, 5, 7, 10, 31]))
    return IntegrateFire(
        threshold=draw(parameters(shape, 1, max(1, most // (1 + max_spikes)))),
        decay=draw(dyadics(shape)),
        gain=draw(dyadics(shape, signed=True)),
        synaptic_decay=draw(st.none() | dyadics(shape)),
        offset=draw(st.just(0) | parameters(shape, -most // 8, 1 + most // 4)),
        fire_on=draw(st.sampled_from([">", ">="])),
        reset="subtract" if both else draw(st.sampled_from(["subtract", "to_value", "none"])),
        reset_value=draw(st.integers(-most - 1, most)),
        reset_step=reset_step,
        reset_keeps_input=draw(st.booleans()),
        max_spikes=max_spikes,
        floor=draw(st.none() | st.integers(-most - 1, 0)),
        membrane_bits=bits,
        sends=draw(st.sampled_from(["spikes", "spikes", "membrane"])),
    )


@st.composite
def integrates(draw, shape: tuple[int, ...]):
    return Integrate(
        decay=draw(dyadics(shape)),
        gain=draw(dyadics(shape, signed=True)),
        synaptic_decay=draw(st.none() | dyadics(shape)),
        offset=draw(st.just(0) | parameters(shape, -40, 40)),
        membrane_bits=draw(st.integers(2, 12)),
    )


@st.composite
def requantizes(draw, shape: tuple[int, ...]):
    return Requantize(draw(parameters(shape, -9, 70)), draw(st.integers(0, 8)))


# (steps, windows, steps of the current): equal, one to many, many to one, kept membranes
SUMMED = [(1, 1, 1), (1, 1, 2), (1, 1, 5)]
LAYOUTS = [*SUMMED, (2, 1, 2), (3, 1, 3), (5, 1, 5), (4, 1, 1)]
LAYOUTS += [(2, 2, 2), (3, 3, 3), (4, 2, 4), (6, 2, 6), (6, 3, 6)]


@st.composite
def cases(draw, kinds=(Relay, Requantize, IntegrateFire, Integrate)):
    """Any neuron, any legal way in which its words travel."""
    kind = draw(st.sampled_from(kinds))
    shape = draw(shapes)
    steps, windows, steps_in = draw(st.sampled_from(SUMMED if kind is Requantize else LAYOUTS))
    type = SpikeType(shape, steps, draw(st.integers(1, 6)), draw(st.booleans()))
    if kind is Relay:
        neuron = Relay()
    elif kind is Requantize:
        neuron = draw(requantizes(shape))
    elif kind is IntegrateFire:
        neuron = draw(integrate_fires(shape))
        watched = neuron.sends == "membrane"
        bits = neuron.membrane_bits if watched else neuron.most_spikes.bit_length()
        type = SpikeType(shape, steps, bits + draw(st.integers(0, 2)), watched)
    else:
        neuron = draw(integrates(shape))
        type = SpikeType(shape, steps, neuron.membrane_bits + draw(st.integers(0, 2)), True)
    return case(
        neuron,
        type,
        bits=max(2, getattr(neuron, "membrane_bits", 6) + draw(st.integers(-3, 2))),
        signed=draw(st.booleans()),
        lanes=draw(lane_counts(shape)),
        windows=windows,
        steps_in=steps_in,
        seed=draw(st.integers(0, 2**32)),
    )
