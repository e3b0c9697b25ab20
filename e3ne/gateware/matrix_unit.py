"""The folded matrix-vector unit: slices of spikes times words of weights, summed to currents."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.arrays import Array
from ..ir.geometry import Fold
from ..ir.ranges import Range, is_binary, stored_bits
from .pipeline import reduced, registered
from .rom import Rom, RomForm, RomImage, pack
from .streams import Word


class MatrixUnit(wiring.Component):
    """currents[o] = bias[o] + sum over slices and lanes of weight[o, lane] * spikes[lane].

    `i`: slices of `pixel_lanes` x `fold.in_lanes` elements in ROM order, each with all steps of a
    window; `o`: words of `pixel_lanes` x `out_lanes` currents with the same steps, `current_bits`
    wide (the range of the whole sum; partial sums may wrap, the whole one does not). A weight word
    is fetched once for a slice and used for all steps, `step_lanes` of them a cycle. Weights that
    are all -1 or +1 are stored in one bit b each: 2 b - 1.

    Cycles: steps / step_lanes for a slice, no gap between slices. Latency:
    `ir.engine_cycles.matrix_latency` from a slice that completes a sum to the word. The pipeline
    stalls as a whole while `o` waits. Every weight is read once for each output position, in the
    order of the ROM, so its address is a counter.
    """

    def __init__(
        self,
        word: Word,
        fold: Fold,
        weight: Array,
        bias: Array | None,
        currents: Range,
        out_lanes: int,
        pixel_lanes: int = 1,
        step_lanes: int | None = None,
        *,
        name: str,
        rom_form: RomForm,
    ) -> None:
        self.word = word
        self.fold = fold
        self.out_lanes = out_lanes
        self.pixel_lanes = pixel_lanes
        self.step_lanes = word.steps if step_lanes is None else step_lanes
        self.rom_form = rom_form
        self.weight_bits = stored_bits(weight)
        self.is_binary = is_binary(weight)
        self.current_bits = currents.signed_bits
        self.weights = weight_image(f"{name}.weight", weight, fold, out_lanes, self.weight_bits)
        self.bias = None
        if bias is not None:
            words = bias.reshape(-1, out_lanes).tolist()
            width = self.current_bits
            self.bias = RomImage(
                f"{name}.bias", width * out_lanes, tuple(pack(row, width) for row in words)
            )
        self.out = Word(out_lanes * pixel_lanes, word.steps, self.current_bits, True)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    @property
    def roms(self) -> tuple[RomImage, ...]:
        """The images of the ROMs inside."""
        return (self.weights,) if self.bias is None else (self.weights, self.bias)

    def elaborate(self, platform):
        m = Module()
        chunks = self.word.steps // self.step_lanes
        moves = Signal()  # the whole pipeline moves
        m.d.comb += moves.eq(~self.o.valid | self.o.ready)

        spikes, valid, marks = self._fetch(m, moves, chunks)
        sums, valid, marks = self._products(m, moves, spikes, valid, marks)
        self._accumulate(m, moves, sums, valid, marks, chunks)
        return m

    def _fetch(self, m, moves, chunks):
        """Stage 1: the slice in a register, its weights at the ROM's port, step chunk by chunk.

        Returns (spikes [lane][step], valid, marks {first, last, ends, last_chunk}).
        """
        element = self.word.bits
        held = Signal(self.word.value_bits)
        chunk = Signal(range(chunks))
        last_chunk = chunk == chunks - 1
        busy = Signal()
        frame_last = Signal()
        address = Signal(range(self.fold.words))
        slice_index = Signal(range(self.fold.slices))
        first_slice = Signal()
        last_slice = Signal()
        take = Signal()
        m.submodules.weights = self._rom = rom = Rom(self.weights, self.rom_form)
        m.d.comb += [
            self.i.ready.eq(moves & (~busy | last_chunk)),
            take.eq(self.i.valid & self.i.ready),
            rom.address.eq(address),
            rom.enable.eq(take),
        ]
        with m.If(moves & busy):
            m.d.sync += [chunk.eq(Mux(last_chunk, 0, chunk + 1)), busy.eq(~last_chunk)]
            if chunks > 1:
                # Rotate the steps of every lane so that the next chunk stands first.
                lanes = [
                    held.word_select(lane, self.word.steps * element).rotate_right(
                        self.step_lanes * element
                    )
                    for lane in range(self.word.lanes)
                ]
                m.d.sync += held.eq(Cat(*lanes))
        with m.If(take):
            m.d.sync += [
                held.eq(self.i.payload.values.as_value()),
                busy.eq(1),
                frame_last.eq(self.i.payload.last),
                address.eq(Mux(address == self.fold.words - 1, 0, address + 1)),
                slice_index.eq(Mux(slice_index == self.fold.slices - 1, 0, slice_index + 1)),
                first_slice.eq(slice_index == 0),
                last_slice.eq(slice_index == self.fold.slices - 1),
            ]
        spikes = [
            [
                _as(held[at : at + element], self.word.signed)
                for step in range(self.step_lanes)
                for at in [(lane * self.word.steps + step) * element]
            ]
            for lane in range(self.word.lanes)
        ]
        marks = {
            "first": first_slice,
            "last": last_slice,
            "ends": frame_last,
            "last_chunk": last_chunk,
        }
        return spikes, busy, marks

    def _products(self, m, moves, spikes, valid, marks):
        """Products in a register, then an adder tree with registers in it.

        Returns (sums [pixel][out][step], valid, marks), delayed alike.
        """
        bits = self.weight_bits
        weights = [
            [
                _weight(self._rom.data[at : at + bits], self.is_binary)
                for lane in range(self.fold.in_lanes)
                for at in [(out * self.fold.in_lanes + lane) * bits]
            ]
            for out in range(self.out_lanes)
        ]
        terms = [
            [
                [
                    [
                        _product(weight, spikes[pixel * self.fold.in_lanes + lane][step])
                        for lane, weight in enumerate(row)
                    ]
                    for step in range(self.step_lanes)
                ]
                for row in weights
            ]
            for pixel in range(self.pixel_lanes)
        ]
        width = self.current_bits
        terms, valid, marks = registered(m, moves, terms, valid, marks, "product", width)
        level = 0
        while len(terms[0][0][0]) > 1:
            level += 1
            terms = [
                [[reduced(step, lambda a, b: a + b) for step in out] for out in pixel]
                for pixel in terms
            ]
            terms, valid, marks = registered(m, moves, terms, valid, marks, f"sum{level}", width)
        return [[[step[0] for step in out] for out in pixel] for pixel in terms], valid, marks

    def _accumulate(self, m, moves, sums, valid, marks, chunks):
        """The last stage: a ring of accumulators, one entry a chunk of steps, and the output."""
        start = [0] * self.out_lanes
        if self.bias is not None:
            m.submodules.biases = rom = Rom(self.bias, self.rom_form)
            address = Signal(range(len(self.bias.words)))
            # The bias of the next sum is read while the one before ends, and once after reset.
            fresh = Signal(init=1)
            done = valid & marks["last"] & marks["last_chunk"]
            following = Mux(address == len(self.bias.words) - 1, 0, address + 1)
            m.d.comb += [
                rom.address.eq(Mux(fresh, address, following)),
                rom.enable.eq(fresh | (moves & done)),
            ]
            with m.If(fresh):
                m.d.sync += fresh.eq(0)
            with m.Elif(moves & done):
                m.d.sync += address.eq(following)
            width = self.current_bits
            start = [rom.data.word_select(o, width).as_signed() for o in range(self.out_lanes)]
        ring = [
            [
                [
                    [
                        Signal(signed(self.current_bits), name=f"sum_{p}_{o}_{c}_{s}")
                        for s in range(self.step_lanes)
                    ]
                    for c in range(chunks)
                ]
                for o in range(self.out_lanes)
            ]
            for p in range(self.pixel_lanes)
        ]
        with m.If(moves):
            m.d.sync += self.o.valid.eq(valid & marks["last"] & marks["last_chunk"])
        with m.If(moves & valid):
            m.d.sync += self.o.payload.last.eq(marks["ends"])
            for p, pixel in enumerate(ring):
                for o, out in enumerate(pixel):
                    for s in range(self.step_lanes):
                        before = Mux(marks["first"], start[o], out[0][s])
                        for c in range(chunks - 1):
                            m.d.sync += out[c][s].eq(out[c + 1][s])
                        m.d.sync += out[-1][s].eq(before + sums[p][o][s])
        m.d.comb += self.o.payload.values.eq(
            Cat(chunk_steps for pixel in ring for out in pixel for chunk_steps in out)
        )


def weight_image(name: str, weight: Array, fold: Fold, out_lanes: int, bits: int) -> RomImage:
    """The weight ROM, word by word in the order of the slices; a binary weight w as (w + 1) / 2.

    `weight` (outputs, elements of a patch in slice order). A word holds `out_lanes` x
    `fold.in_lanes` weights, lane of the source lowest.
    """
    outputs = fold.groups * fold.outs
    blocks = weight.reshape(outputs, out_lanes, fold.slices, fold.in_lanes).transpose(0, 2, 1, 3)
    rows = blocks.reshape(outputs * fold.slices, -1)
    if is_binary(weight):
        rows = (rows + 1) // 2
    return RomImage(name, rows.shape[1] * bits, tuple(pack_rows(rows, bits)))


def pack_rows(rows: Array, bits: int) -> list[int]:
    """Each row of integers as one number of two's complement fields, the first lowest."""
    fields = ((rows[..., None] >> np.arange(bits)) & 1).astype(np.uint8)
    packed = np.packbits(fields.reshape(len(rows), -1), axis=-1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def _weight(bits, binary: bool):
    """The weight in a field of the ROM: two's complement, or of one bit b 2 b - 1."""
    return Cat(Const(1, 1), ~bits).as_signed() if binary else bits.as_signed()


def _as(bits, is_signed: bool):
    return bits.as_signed() if is_signed else bits


def _product(weight, spike):
    if len(spike) == 1 and not spike.shape().signed:
        return Mux(spike, weight, 0)
    return weight * spike
