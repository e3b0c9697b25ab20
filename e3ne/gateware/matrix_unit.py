"""The folded matrix-vector unit: slices of spikes times words of weights, summed to currents."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.arrays import Array
from ..ir.event_lanes import LanePlan
from ..ir.geometry import Fold
from ..ir.graph import Storage, SynapseMapping
from ..ir.products import Products
from ..ir.ranges import Range, is_binary, stored_bits
from .loaded_rom import loaded
from .matrix_products import MatrixProducts
from .pipeline import registered
from .rom import Rom, RomForm, RomImage
from .slice_chunks import SliceChunks
from .slices import AddressedSlice
from .streams import Word
from .weight_images import bias_image, lane_images, weight_image, whole_bias


class MatrixUnit(wiring.Component):
    """currents[o] = bias[o] + sum over slices and lanes of weight[o, lane] * spikes[lane].

    `i`: slices of `pixel_lanes` x `fold.in_lanes` elements in ROM order, each with all steps of a
    window; or, where `word` is an AddressedSlice, those that matter with their ROM word
    (`kept_rows`: which words of that order the ROM has; all by default). With a `plan` each lane
    has a ROM of its own and the slice a row in each of them. `o`: words of
    `pixel_lanes` x `out_lanes` currents with the same steps, `current_bits` wide (the range of the
    whole sum; partial sums may wrap, the whole one does not).

    A weight word is fetched once for a slice and used for all steps, `lanes.step_lanes` of them a
    cycle, and for all bits of the elements, `lanes.bit_lanes` a cycle, lowest first. An addressed
    slice with one bit a cycle and all steps at once visits only bits that any element has set
    (one where there is none).

    Cycles: chunks of steps x chunks of bits for a slice, no gap between slices. Latency:
    `Products.latency` from a slice that completes a sum to the word, less the chunks of bits that
    are not visited. The pipeline stalls as a whole while `o` waits.
    """

    def __init__(
        self,
        word: Word | AddressedSlice,
        fold: Fold,
        weight: Array,
        bias: Array | None,
        currents: Range,
        out_lanes: int,
        pixel_lanes: int = 1,
        lanes: SynapseMapping | None = None,
        *,
        name: str,
        rom_form: RomForm,
        kept_rows: Sequence[int] | None = None,
        plan: LanePlan | None = None,
    ) -> None:
        self.word = word
        self.fold = fold
        self.out_lanes = out_lanes
        self.pixel_lanes = pixel_lanes
        self.lanes = lanes or SynapseMapping(fold.in_lanes, word.steps)
        self.rom_form = rom_form
        self.is_addressed = isinstance(word, AddressedSlice)
        element_bits = self.lanes.bit_lanes or word.bits
        self.products = Products(
            stored_bits(weight),
            is_binary(weight),
            element_bits,
            word.signed,
            fold.in_lanes,
            out_lanes,
            planes=word.bits // element_bits,
            chunks=word.steps // self.lanes.step_lanes,
            dsps=self.lanes.dsps // (pixel_lanes * self.lanes.step_lanes),
            products_per_dsp=self.lanes.products_per_dsp,
            is_addressed=self.is_addressed,
        )
        self.current_bits = currents.signed_bits
        title = f"{name}.weight"
        if plan is not None:
            self.weights = lane_images(title, weight, plan, self.products)
        else:
            self.weights = (weight_image(title, weight, fold, self.products, kept_rows),)
        if self.lanes.storage is Storage.LOADED:
            self.weights = tuple(map(loaded, self.weights))
        self.bias = None
        moved = whole_bias(weight, bias, fold, self.products)
        if moved is not None:
            self.bias = bias_image(f"{name}.bias", moved, out_lanes, self.current_bits)
        self.out = Word(out_lanes * pixel_lanes, word.steps, self.current_bits, True)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    @property
    def roms(self) -> tuple[RomImage, ...]:
        """The images of the ROMs inside; weights of a single word are constants."""
        weights = () if self.is_constant else self.weights
        return weights if self.bias is None else (*weights, self.bias)

    @property
    def is_constant(self) -> bool:
        """Whether every slice is multiplied by the same weights, known when this is built."""
        return all(len(image.words) == 1 and image.fill is None for image in self.weights)

    def elaborate(self, platform):
        m = Module()
        moves = Signal()  # the whole pipeline moves
        m.d.comb += moves.eq(~self.o.valid | self.o.ready)
        m.submodules.chunks = chunks = SliceChunks(
            self.word, self.fold, self.pixel_lanes, self.lanes, len(self.weights[0].words)
        )
        wiring.connect(m, chunks.i, wiring.flipped(self.i))
        m.d.comb += chunks.moves.eq(moves)
        marks = {mark: getattr(chunks, mark) for mark in chunks.marks}
        # Block RAM answers late in a cycle, so its word goes into a register first.
        fetched, constants = self._weights(m, chunks)
        (elements, weights, triples), valid, marks = registered(
            m,
            moves,
            [chunks.elements(), fetched, chunks.triples(self.products)],
            chunks.valid,
            marks,
            "operand",
        )
        forming = MatrixProducts(self.products, self.current_bits, self.rom_form)
        sums, valid, marks = forming.sums(
            m, moves, elements, triples, weights or constants, valid, marks
        )
        if self.products.planes > 1:
            sums, valid, marks = self._placed(m, moves, sums, valid, marks)
        self._accumulate(m, moves, sums, valid, marks)
        return m

    def _weights(self, m, chunks):
        """([out][lane] of the words that the ROMs give, []); of a single word ([], constants)."""
        bits, lanes = self.products.weight_bits, self.fold.in_lanes // len(self.weights)

        def cut(words):
            return [
                [word.word_select(out * lanes + k, bits) for word in words for k in range(lanes)]
                for out in range(self.out_lanes)
            ]

        if self.is_constant:
            return [], cut([Const(image.words[0], image.width_bits) for image in self.weights])
        row_bits, words = len(chunks.row) // len(self.weights), []
        for lane, image in enumerate(self.weights):
            rom = Rom(image, self.rom_form, self.lanes.storage)
            m.submodules[f"weights_{lane}" if lane else "weights"] = rom
            row = chunks.row.word_select(lane, row_bits)
            m.d.comb += [rom.address.eq(row), rom.enable.eq(chunks.fetches)]
            words.append(rom.data)
        return cut(words), []

    def _placed(self, m, moves, sums, valid, marks):
        """One stage: sums of a plane of bits times its place value, the sign's negative."""
        bits, width = self.products.element_bits, self.current_bits

        def placed(value):
            wide = Signal(signed(width))
            m.d.comb += wide.eq(value)
            found = Const(0, width)
            for plane in range(self.products.planes):
                at_place = (wide << (plane * bits))[:width]
                found = found | (at_place & (marks["plane"] == plane).replicate(width))
            return (found ^ marks["negates"].replicate(width)) if "negates" in marks else found

        sums = [[[placed(step) for step in out] for out in pixel] for pixel in sums]
        return registered(m, moves, sums, valid, marks, "placed", width)

    def _accumulate(self, m, moves, sums, valid, marks):
        """The last stage: a ring of accumulators, one entry a chunk of steps, and the output."""
        chunks = self.products.chunks
        completes = valid & marks["final"] & marks["last_chunk"] & marks.get("last_plane", 1)
        start = self._biases(m, moves & completes)
        turns = marks.get("last_plane", Const(1))  # the ring turns to the next chunk
        begins = marks["first"] & marks.get("first_plane", 1)
        ring = [
            [
                [
                    [
                        Signal(signed(self.current_bits), name=f"sum_{p}_{o}_{c}_{s}")
                        for s in range(self.lanes.step_lanes)
                    ]
                    for c in range(chunks)
                ]
                for o in range(self.out_lanes)
            ]
            for p in range(self.pixel_lanes)
        ]
        with m.If(moves):
            m.d.sync += self.o.valid.eq(completes)
        with m.If(moves & valid):
            m.d.sync += self.o.payload.last.eq(marks["ends"])
            for p, pixel in enumerate(ring):
                for o, out in enumerate(pixel):
                    for s in range(self.lanes.step_lanes):
                        before = Mux(begins, start[o], out[0][s])
                        total = before + sums[p][o][s] + marks.get("negates", 0)
                        with m.If(turns):
                            for c in range(chunks - 1):
                                m.d.sync += out[c][s].eq(out[c + 1][s])
                            m.d.sync += out[-1][s].eq(total)
                        if chunks > 1 or "last_plane" in marks:
                            with m.Else():
                                m.d.sync += out[0][s].eq(total)
        m.d.comb += self.o.payload.values.eq(
            Cat(chunk_steps for pixel in ring for out in pixel for chunk_steps in out)
        )

    def _biases(self, m, done):
        """The bias of the sum that begins, [out]; the one after it is read while a sum ends."""
        if self.bias is None:
            return [0] * self.out_lanes
        m.submodules.biases = rom = Rom(self.bias, self.rom_form)
        address = Signal(range(len(self.bias.words)))
        fresh = Signal(init=1)  # once after reset
        following = Mux(address == len(self.bias.words) - 1, 0, address + 1)
        m.d.comb += [
            rom.address.eq(Mux(fresh, address, following)),
            rom.enable.eq(fresh | done),
        ]
        with m.If(fresh):
            m.d.sync += fresh.eq(0)
        with m.Elif(done):
            m.d.sync += address.eq(following)
        width = self.current_bits
        return [rom.data.word_select(o, width).as_signed() for o in range(self.out_lanes)]
