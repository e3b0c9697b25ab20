"""Slices that carry their own place: what the matrix unit takes from an EVENT front end."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.lib import data, stream

from .streams import Word


@dataclass(frozen=True)
class AddressedSlice:
    """The shape of a stream of slices that may leave some out: words like `word`, and their place.

    `rows`: words of the weight ROM; with `lane_rows` of each of the lanes' own ROMs. The payload:

    - `values[lane][step]` as in `Word`;
    - `row`: the ROM word with the weights of this slice; of several ROMs one row each, lane 0
      lowest;
    - `first`, `final`: this slice starts, ends the sum of one word of currents;
    - `empty`: the slice adds nothing whatever `values` and `row` say (a sum without a slice that
      matters still has one, so that its currents come);
    - `last`: the last slice of the frame, always `final` too.

    Sums come in the order of the words of currents, each as at least one slice.
    """

    word: Word
    rows: int
    lane_rows: bool = False

    @property
    def lanes(self) -> int:
        """Elements in a slice."""
        return self.word.lanes

    @property
    def steps(self) -> int:
        """Steps of each element."""
        return self.word.steps

    @property
    def bits(self) -> int:
        """Bits of each integer."""
        return self.word.bits

    @property
    def signed(self) -> bool:
        """Are the integers two's complement?"""
        return self.word.signed

    @property
    def value_bits(self) -> int:
        """Bits of `values`."""
        return self.word.value_bits

    @property
    def roms(self) -> int:
        """ROMs that hold the weights."""
        return self.word.lanes if self.lane_rows else 1

    @property
    def row_bits(self) -> int:
        """Bits of `row`."""
        return self.roms * max(1, (self.rows - 1).bit_length())

    @property
    def layout(self) -> data.StructLayout:
        """The payload, `values` in the low bits and `last` in the highest one."""
        values: Shape | data.Layout = self.word.layout["values"].shape
        return data.StructLayout(
            {
                "values": values,
                "row": self.row_bits,
                "first": 1,
                "final": 1,
                "empty": 1,
                "last": 1,
            }
        )

    @property
    def signature(self) -> stream.Signature:
        """The stream that carries these slices; use `In(slice.signature)`, `Out(...)`."""
        return stream.Signature(self.layout)
