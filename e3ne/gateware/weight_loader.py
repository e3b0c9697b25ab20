"""The weight port: beats become words of the memories that have to be filled."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.weight_port import LoadedMemory
from .frame_input import beat_signature


class WeightLoader(wiring.Component):
    """Fills `memories` in turn, once after each reset.

    Members `i`: beats ({data, last}) of `port_bits`, the words of each memory from word 0 on, each
    in `LoadedMemory.beats_per_word` beats, the lowest first; `last` on the last beat of the last
    memory. `write`: one bit a memory, `address`, `data`: its word, in the low bits. `loaded` is
    high when all words are written, `error` from a `last` that comes too soon or not at all.

    A beat a cycle; `loaded` `ir.weight_port.LOADED_AFTER` cycles after the last one. Then no beat
    is taken any more. After an error nothing is written, beats are taken and thrown away, and
    `loaded` stays low; only a reset helps, after which everything begins anew.
    """

    def __init__(self, memories: Sequence[LoadedMemory], port_bits: int) -> None:
        self.memories, self.port_bits = memories, port_bits
        self.parts = [memory.beats_per_word(port_bits) for memory in memories]
        depth = max(memory.depth for memory in memories)
        super().__init__(
            {
                "i": In(beat_signature(port_bits)),
                "write": Out(len(memories)),
                "address": Out(max(1, (depth - 1).bit_length())),
                "data": Out(max(memory.width_bits for memory in memories)),
                "loaded": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        held = Signal(max(self.parts) * self.port_bits)  # the last beats, the latest on top
        part, place = Signal(range(max(self.parts))), Signal.like(self.address)
        index, complete, takes = Signal(range(len(self.memories))), Signal(), Signal()
        ends_word, ends_memory, ends = Signal(), Signal(), Signal()
        final_parts = Array(parts - 1 for parts in self.parts)
        final_places = Array(memory.depth - 1 for memory in self.memories)
        m.d.comb += [
            self.i.ready.eq(~complete),
            takes.eq(self.i.valid & self.i.ready & ~self.error),
            ends_word.eq(part == final_parts[index]),
            ends_memory.eq(ends_word & (place == final_places[index])),
            ends.eq(ends_memory & (index == len(self.memories) - 1)),
        ]
        with m.If(takes):
            m.d.sync += [
                held.eq(Cat(held, self.i.p.data)[self.port_bits :]),
                part.eq(Mux(ends_word, 0, part + 1)),
            ]
            with m.If(ends_word):
                m.d.sync += place.eq(Mux(ends_memory, 0, place + 1))
            with m.If(ends_memory):
                m.d.sync += index.eq(index + 1)
            with m.If(self.i.p.last != ends):
                m.d.sync += self.error.eq(1)
            with m.Elif(ends):
                m.d.sync += complete.eq(1)
        # In the cycle after a word's last beat the whole word is held.
        writing, written = Signal(), Signal.like(index)
        m.d.sync += [
            writing.eq(takes & ends_word & (self.i.p.last == ends)),
            self.address.eq(place),
            written.eq(index),
            self.loaded.eq(complete),
        ]
        words = Array(self._word(held, k) for k in range(len(self.memories)))
        m.d.comb += self.data.eq(words[written])
        for k in range(len(self.memories)):
            m.d.comb += self.write[k].eq(writing & (written == k))
        return m

    def _word(self, held: Signal, k: int):
        """The word of memory `k` in the beats held."""
        start = len(held) - self.parts[k] * self.port_bits
        return held[start : start + self.memories[k].width_bits]
