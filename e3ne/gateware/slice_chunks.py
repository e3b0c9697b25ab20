"""A slice in a register, given out chunk by chunk of its steps and bits."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.geometry import Fold
from ..ir.graph import SynapseMapping
from ..ir.products import ProductForm, Products
from .slices import AddressedSlice
from .streams import Word


class SliceChunks(wiring.Component):
    """Slices in, one chunk of `step_lanes` steps and `bit_lanes` bits of each element a cycle out.

    While `moves` is high a chunk is given each cycle; `valid` says whether there is one.
    `values[lane][step]` are its bits. `fetches` is high in the cycle that takes a slice, with the
    ROM word of its weights in `row`: a counter, or what an addressed slice says. Marks of a chunk:
    `first`, `final` slice of a sum; `ends` the frame; `last_chunk` of the slice's steps; where
    there are several planes of bits `first_plane`, `last_plane`, `plane` (the index), and `negates`
    where the plane of a sign counts negative.

    All planes of an addressed slice are visited, but where one bit of all steps is taken a cycle:
    then those in which any element has a bit set (one where there is none).

    Signed elements of plain slices have their sign turned, which adds 2**(bits - 1).
    """

    def __init__(
        self,
        word: Word | AddressedSlice,
        fold: Fold,
        pixel_lanes: int,
        lanes: SynapseMapping,
        rows: int,
    ) -> None:
        self.word = word
        self.fold = fold
        self.pixel_lanes = pixel_lanes
        self.step_lanes = lanes.step_lanes
        self.bit_lanes = lanes.bit_lanes or word.bits
        self.step_chunks = word.steps // self.step_lanes
        self.planes = word.bits // self.bit_lanes
        self.is_addressed = isinstance(word, AddressedSlice)
        self.skips_planes = (
            self.is_addressed and self.bit_lanes == 1 and self.planes > 1 and self.step_chunks == 1
        )
        self.marks = ["first", "final", "ends", "last_chunk"]
        if self.planes > 1:
            self.marks += ["first_plane", "last_plane", "plane"]
            if word.signed and self.is_addressed:
                self.marks.append("negates")
        widths = {"plane": max(1, (self.planes - 1).bit_length())}
        super().__init__(
            {
                "i": In(word.signature),
                "moves": In(1),
                "valid": Out(1),
                "values": Out(word.lanes * self.step_lanes * self.bit_lanes),
                "fetches": Out(1),
                "row": Out(
                    word.row_bits
                    if isinstance(word, AddressedSlice)
                    else max(1, (rows - 1).bit_length())
                ),
                **{mark: Out(widths.get(mark, 1)) for mark in self.marks},
            }
        )

    def elements(self):
        """[pixel][lane][step] of `values`, signed where an addressed element keeps its sign."""
        is_signed = self.word.signed and self.is_addressed and self.planes == 1
        fields = [
            self.values.word_select(at, self.bit_lanes)
            for at in range(self.word.lanes * self.step_lanes)
        ]
        fields = [field.as_signed() if is_signed else field for field in fields]
        lanes = [fields[at : at + self.step_lanes] for at in range(0, len(fields), self.step_lanes)]
        count = self.fold.in_lanes
        return [lanes[at : at + count] for at in range(0, len(lanes), count)]

    def triples(self, products: Products):
        """The elements times three where a digit takes them so; else nothing."""
        if products.form is not ProductForm.OFFSET or products.weight_bits < 2:
            return []
        return [
            [[element + (element << 1) for element in steps] for steps in lanes]
            for lanes in self.elements()
        ]

    def elaborate(self, platform):
        m = Module()
        held = Signal(self.word.value_bits)
        chunk = Signal(range(self.step_chunks))
        take = Signal()
        last_plane = Signal()
        ends_slice = Signal()
        m.d.comb += [
            self.last_chunk.eq(chunk == self.step_chunks - 1),
            ends_slice.eq(self.last_chunk & last_plane),
            self.i.ready.eq(self.moves & (~self.valid | ends_slice)),
            take.eq(self.i.valid & self.i.ready),
            self.fetches.eq(take),
        ]
        with m.If(self.moves & self.valid):
            m.d.sync += self.valid.eq(~ends_slice)
            with m.If(last_plane):
                m.d.sync += chunk.eq(Mux(self.last_chunk, 0, chunk + 1))
        incoming = self._incoming()
        if self.skips_planes:
            self._pick_planes(m, held, incoming, take, last_plane)
        else:
            self._walk_planes(m, held, take, last_plane)
        with m.If(take):
            m.d.sync += [
                held.eq(Cat(incoming)),
                self.ends.eq(self.i.payload.last),
                self.valid.eq(1),
            ]
        self._mark_slices(m, take)
        return m

    def _incoming(self):
        """The bits of the elements of the slice at `i`."""
        bits = self.word.bits
        values = self.i.payload.values.as_value()
        fields = [values.word_select(at, bits) for at in range(len(values) // bits)]
        if self.is_addressed:
            return [Mux(self.i.payload.empty, 0, field) for field in fields]
        if self.word.signed:
            return [Cat(field[:-1], ~field[-1]) for field in fields]
        return fields

    def _walk_planes(self, m, held, take, last_plane):
        """All planes in turn: what is taken stands first, the rest rotates."""
        bits, steps = self.word.bits, self.word.steps
        fields = [held.word_select(at, bits) for at in range(self.word.lanes * steps)]
        m.d.comb += self.values.eq(
            Cat(
                fields[lane * steps + step][: self.bit_lanes]
                for lane in range(self.word.lanes)
                for step in range(self.step_lanes)
            )
        )
        turned = Cat(field.rotate_right(self.bit_lanes % bits) for field in fields)
        lanes = [turned.word_select(lane, steps * bits) for lane in range(self.word.lanes)]
        following = Cat(lane.rotate_right(self.step_lanes % steps * bits) for lane in lanes)
        with m.If(self.moves & self.valid):
            m.d.sync += held.eq(Mux(last_plane, following, turned))
        if self.planes == 1:
            m.d.comb += last_plane.eq(1)
            return
        with m.If(take):
            m.d.sync += self.plane.eq(0)
        with m.Elif(self.moves & self.valid):
            m.d.sync += self.plane.eq(Mux(last_plane, 0, self.plane + 1))
        m.d.comb += [
            last_plane.eq(self.plane == self.planes - 1),
            self.first_plane.eq(self.plane == 0),
            self.last_plane.eq(last_plane),
        ]
        if "negates" in self.marks:
            m.d.comb += self.negates.eq(last_plane)

    def _pick_planes(self, m, held, incoming, take, last_plane):
        """Only planes in which some bit is set, the lowest first."""
        pending = Signal(self.planes)
        lowest = Signal(self.planes)
        remaining = Signal(self.planes)
        bits = [held.word_select(at, self.planes) for at in range(len(incoming))]
        m.d.comb += [
            lowest.eq(pending & -pending),
            remaining.eq(pending & ~lowest),
            last_plane.eq(remaining == 0),
            self.last_plane.eq(last_plane),
            self.values.eq(Cat((field & lowest).any() for field in bits)),
        ]
        for plane in range(self.planes):
            with m.If(lowest[plane]):
                m.d.comb += self.plane.eq(plane)
        if "negates" in self.marks:
            m.d.comb += self.negates.eq(lowest[-1])
        with m.If(take):
            m.d.sync += self.first_plane.eq(1)
            for plane in range(self.planes):
                m.d.sync += pending[plane].eq(Cat(field[plane] for field in incoming).any())
        with m.Elif(self.moves & self.valid):
            m.d.sync += [pending.eq(remaining), self.first_plane.eq(0)]

    def _mark_slices(self, m, take):
        """`row`, and `first` and `final` of the slice that is held."""
        payload = self.i.payload
        if self.is_addressed:
            m.d.comb += self.row.eq(payload.row)
            with m.If(take):
                m.d.sync += [self.first.eq(payload.first), self.final.eq(payload.final)]
            return
        words, slices = self.fold.words, self.fold.slices
        address = Signal(range(words))
        index = Signal(range(slices))
        m.d.comb += self.row.eq(address)
        with m.If(take):
            m.d.sync += [
                address.eq(Mux(address == words - 1, 0, address + 1)),
                index.eq(Mux(index == slices - 1, 0, index + 1)),
                self.first.eq(index == 0),
                self.final.eq(index == slices - 1),
            ]
