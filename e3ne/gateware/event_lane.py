"""One lane over a vector: its elements of each word are kept, then given out event by event."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .picking import encoded_by, lowest, selected_by, several


class EventLane(wiring.Component):
    """The part of an `EventLanes` that follows the events of one lane.

    In a cycle with `taken` a word comes into bank `bank`: `places` elements of `element_bits` bits
    in `word`, the ROM row of the first of them in `word_row`, `ends` with the last of a window's
    `words`. It is kept unless it is all zero and does not end the window. `full`: bank `bank` has
    no room.

    `valid`: there is an event, `value` of the ROM's row `row`; `final` where it ends a window's
    part of a sum (then it may be zero); it is gone after a cycle with `goes`. Every window is
    replayed `outs` times, each `rows` rows further on.
    """

    def __init__(self, words: int, places: int, element_bits: int, outs: int) -> None:
        self.words, self.places, self.element_bits, self.outs = words, places, element_bits, outs
        self.rows = words * places
        word_row = unsigned(max(1, (self.rows - 1).bit_length()))
        super().__init__(
            {
                "taken": In(1),
                "bank": In(1),
                "ends": In(1),
                "word": In(unsigned(places * element_bits)),
                "word_row": In(word_row),
                "full": Out(1),
                "goes": In(1),
                "valid": Out(1),
                "final": Out(1),
                "value": Out(unsigned(element_bits)),
                "row": Out(unsigned(max(1, (outs * self.rows - 1).bit_length()))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        fields = (self.word, self.word_row, self.ends)
        m.submodules.kept = kept = memory.Memory(
            shape=unsigned(len(Cat(*fields))), depth=2 * self.words, init=[]
        )
        port = kept.write_port()
        whole = [Signal(name=f"whole_{k}") for k in range(2)]  # the bank holds a whole window
        free_at = Signal(range(2 * self.words))  # the next word goes there
        m.d.comb += [
            self.full.eq(Mux(self.bank, *reversed(whole))),
            port.addr.eq(free_at),
            port.data.eq(Cat(*fields)),
            port.en.eq(self.taken & (self.word.any() | self.ends)),
        ]
        with m.If(port.en):
            m.d.sync += free_at.eq(Mux(self.ends, Mux(self.bank, 0, self.words), free_at + 1))
        with m.If(self.taken & self.ends):
            for k in range(2):
                with m.If(self.bank == k):
                    m.d.sync += whole[k].eq(1)
        self._follow(m, kept.read_port(), whole, free_at)
        return m

    def _follow(self, m, port, whole, free_at):
        """A word behind the memory's port, out of which event after event is picked."""
        bits = self.places * self.element_bits
        word, (word_row, ends) = port.data[:bits], (port.data[bits:-1], port.data[-1])
        gone = Signal(self.places)  # elements of the word that were given out
        picked, left = Signal(self.places), Signal(self.places)
        elements = [word.word_select(k, self.element_bits) for k in range(self.places)]
        m.d.comb += [
            left.eq(Cat(element.any() for element in elements) & ~gone),
            picked.eq(lowest(left)),
            self.value.eq(selected_by(picked, elements)),
            self.final.eq(ends & ~several(left)),
        ]
        used = Signal()  # the word's last event goes
        m.d.comb += used.eq(self.goes & self.valid & ~several(left))
        with m.If(self.goes & self.valid):
            m.d.sync += gone.eq(Mux(used, 0, gone | picked))
        out_ends, base = self._replays(m, used & ends)
        m.d.comb += self.row.eq(word_row + encoded_by(picked, range(self.places)) + base)

        # Where the next word lies: behind this one, or where a window begins.
        at, bank = Signal.like(free_at), Signal()
        turns, next_bank, next_at, there = Signal(), Signal(), Signal.like(at), Signal()
        m.d.comb += [
            turns.eq(self.valid & ends),
            next_bank.eq(bank ^ (turns & out_ends)),
            next_at.eq(Mux(turns, Mux(next_bank, self.words, 0), at)),
            there.eq(Mux(next_bank, *reversed(whole)) | (next_at != free_at)),
            port.addr.eq(next_at),
            port.en.eq((used | ~self.valid) & there),
        ]
        with m.If(used | ~self.valid):
            m.d.sync += [self.valid.eq(there), at.eq(next_at + there), bank.eq(next_bank)]
        with m.If(used & turns & out_ends):
            for k in range(2):
                with m.If(bank == k):
                    m.d.sync += whole[k].eq(0)

    def _replays(self, m, ended):
        """(whether the window is not needed any more, the ROM row of its first element)."""
        if self.outs == 1:
            return 1, 0
        out, base = Signal(range(self.outs)), Signal.like(self.row)
        out_ends = Signal()
        m.d.comb += out_ends.eq(out == self.outs - 1)
        with m.If(ended):
            m.d.sync += [
                out.eq(Mux(out_ends, 0, out + 1)),
                base.eq(Mux(out_ends, 0, base + self.rows)),
            ]
        return out_ends, base
