"""Cuts a patch held in registers into the slices that a folded unit visits one after the other."""

from __future__ import annotations

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.geometry import Fold
from .streams import Word


class PatchSlices(wiring.Component):
    """Patches in, slices out, in the order in which the weight ROM is packed.

    `i`: `pixel_lanes` patches side by side, each (kernel position, channel) with `channels`
    channels. `o`: words of `pixel_lanes` x `fold.in_lanes` elements; for each group, for each of
    `fold.outs` output words, the `fold.slices` slices of the group's patch. `last` is that of the
    patch, on its last slice. One slice a cycle without a gap between patches, one cycle latency;
    where a patch is a single slice, none.
    """

    def __init__(self, word: Word, channels: int, fold: Fold, pixel_lanes: int = 1) -> None:
        self.word = word
        self.channels = channels
        self.fold = fold
        self.pixel_lanes = pixel_lanes
        self.out = Word(fold.in_lanes * pixel_lanes, word.steps, word.bits, word.signed)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        fold = self.fold
        blocks = self._blocks()  # per pixel, per group: the group's elements in slice order
        if fold.words == 1:
            m.d.comb += [
                self.o.payload.values.eq(Cat(*(block for pixel in blocks for block in pixel))),
                self.o.payload.last.eq(self.i.payload.last),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
            return m

        slice_bits = fold.in_lanes * self.word.steps * self.word.bits
        held = [
            [Signal(len(block), name=f"held_{p}_{g}") for g, block in enumerate(pixel)]
            for p, pixel in enumerate(blocks)
        ]
        busy = Signal()
        last = Signal()
        slice_index = Signal(range(fold.slices))
        out_index = Signal(range(fold.outs))
        group_index = Signal(range(fold.groups))
        last_slice = slice_index == fold.slices - 1
        last_out = out_index == fold.outs - 1
        finishes = Signal()
        take = Signal()
        m.d.comb += [
            finishes.eq(last_slice & last_out & (group_index == fold.groups - 1)),
            self.o.valid.eq(busy),
            self.o.payload.values.eq(Cat(*(pixel[0][:slice_bits] for pixel in held))),
            self.o.payload.last.eq(last & finishes),
            take.eq(busy & self.o.ready),
            self.i.ready.eq(~busy | (self.o.ready & finishes)),
        ]
        with m.If(take):
            m.d.sync += slice_index.eq(Mux(last_slice, 0, slice_index + 1))
            with m.If(last_slice):
                m.d.sync += out_index.eq(Mux(last_out, 0, out_index + 1))
            with m.If(last_slice & last_out):
                m.d.sync += group_index.eq(Mux(group_index == fold.groups - 1, 0, group_index + 1))
                for pixel in held:
                    for here, following in pairwise(pixel):
                        m.d.sync += here.eq(following)
            with m.Else():
                for pixel in held:
                    m.d.sync += pixel[0].eq(pixel[0].rotate_right(slice_bits))
            m.d.sync += busy.eq(~finishes)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [busy.eq(1), last.eq(self.i.payload.last)]
            for pixel, loaded in zip(held, blocks, strict=True):
                for here, block in zip(pixel, loaded, strict=True):
                    m.d.sync += here.eq(block)
        return m

    def _blocks(self):
        fold, width = self.fold, self.word.steps * self.word.bits
        values = self.i.payload.values.as_value()
        patch_elements = self.word.lanes // self.pixel_lanes
        group_channels = self.channels // fold.groups
        positions = patch_elements // self.channels
        pixels = []
        for pixel in range(self.pixel_lanes):
            base = pixel * patch_elements
            pixels.append(
                [
                    Cat(
                        *(
                            values.word_select(base + position * self.channels + channel, width)
                            for position in range(positions)
                            for channel in range(
                                group * group_channels, (group + 1) * group_channels
                            )
                        )
                    )
                    for group in range(fold.groups)
                ]
            )
        return pixels
