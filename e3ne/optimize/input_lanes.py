"""How many elements a beat of an input can carry."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Input, Stage
from ..ir.frames import input_format

INPUT_BUS_BITS = 64  # widest input beat that is chosen by itself


def input_lane_choices(source: Input, window: int, bus_bits: int = INPUT_BUS_BITS) -> list[int]:
    """The lanes that an input can have in windows of `window` steps, ascending.

    Divisors of the channels, or several whole pixels that divide a row; dense beats of at most
    `bus_bits` bits. Words behind events are as wide at most, and their lanes a power of two. One
    lane is there even where it is wider.
    """
    channels = source.type.channels
    columns = source.type.shape[2] if len(source.type.shape) == 3 else 1
    lanes = [k for k in range(1, channels + 1) if channels % k == 0]
    lanes += [channels * k for k in range(2, columns + 1) if columns % k == 0]
    return [
        k
        for k in lanes
        if k == 1
        or (word_bits(source, window, k) <= bus_bits and not (source.events and k & (k - 1)))
    ]


def word_bits(source: Input, window: int, lanes: int) -> int:
    """Bits of a beat of `lanes` elements; of events, of the word behind it in whole bytes."""
    dense = replace(source, lanes=lanes, events=False)
    graph = Graph(Stage.MAPPED, (dense,), (), (), window)
    return 8 * input_format(graph, dense).beat_bytes
