"""Address events: what a frame of an `Input` with `events` looks like on the wire.

A beat is one event of 32 bits: its time step in bits 31 .. 20, its address in bits 19 .. 0, which
is the neuron's place in wire order (`ir/order.py`). Times of a frame do not decrease; `last` ends
it. Events of one place and step add up: binary edges stay at 1, wider ones at their largest value.
A beat of all ones is no event; a frame without events is this one beat.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .arrays import Array
from .graph import Input
from .order import from_wire, to_wire
from .spikes import SpikeType

TIME_BITS, ADDRESS_BITS = 12, 20
EVENT_BYTES = (TIME_BITS + ADDRESS_BITS) // 8
NO_EVENT = (1 << (TIME_BITS + ADDRESS_BITS)) - 1
MOST_STEPS, MOST_NEURONS = 1 << TIME_BITS, (1 << ADDRESS_BITS) - 1
MOST_BITS = 8


def event_problems(source: Input) -> Iterator[str]:
    """Why an input cannot take events, as text."""
    type, where = source.type, f"input {source.name}"
    if type.signed or type.bits > MOST_BITS:
        sign = "signed " if type.signed else ""
        yield (
            f"{where}: found events on an edge of {type.bits} {sign}bits, accepted unsigned edges "
            f"of at most {MOST_BITS}; choose input.bits and input.signed, or events: false"
        )
    if type.steps > MOST_STEPS or type.neurons > MOST_NEURONS:
        yield (
            f"{where}: found events of {type.steps} steps and {type.neurons:,} places, accepted at "
            f"most {MOST_STEPS} and {MOST_NEURONS:,}; use smaller frames, or events: false"
        )


def to_events(type: SpikeType, values: Array) -> tuple[Array, Array]:
    """(uint32 (beats,) of all frames in turn, how many of each frame (frames,)).

    `values` are integers (frames, steps, *shape) of an unsigned edge: a value of n is n events.
    """
    wire = to_wire(np.asarray(values), type.shape)
    frame, time, address = np.nonzero(wire)
    count = wire[frame, time, address]
    events = np.repeat(time << ADDRESS_BITS | address, count)
    frames = np.repeat(frame, count)
    empty = np.flatnonzero(np.bincount(frames, minlength=len(wire)) == 0)
    events = np.concatenate([events, np.full(len(empty), NO_EVENT)])
    frames = np.concatenate([frames, empty])
    beats: Array = events[np.argsort(frames, kind="stable")].astype(np.uint32)
    return beats, np.bincount(frames, minlength=len(wire))


def from_events(type: SpikeType, beats: Array, lengths: Array) -> Array:
    """The inverse of `to_events`, of any legal beats: int64 (frames, steps, *shape)."""
    wire = np.zeros((len(lengths), type.steps, type.neurons), np.int64)
    frame = np.repeat(np.arange(len(lengths)), lengths)
    events = np.asarray(beats, np.int64)
    there = events != NO_EVENT
    place = frame, events >> ADDRESS_BITS, events & MOST_NEURONS
    np.add.at(wire, tuple(index[there] for index in place), 1)
    return from_wire(np.minimum(wire, type.high), type.shape)
