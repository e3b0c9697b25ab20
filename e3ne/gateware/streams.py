"""Streams of spike words, and the small parts that every stream needs.

A word carries `lanes` elements, each with all steps of a window: `Word` says so, `signature` makes
the Amaranth stream. Amaranth's four stream rules hold everywhere: a transfer happens on a clock
edge with valid and ready high; valid never waits for ready; a payload stays until it is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, stream


@dataclass(frozen=True)
class Word:
    """The shape of a stream's words: `lanes` x `steps` integers of `bits` bits."""

    lanes: int
    steps: int
    bits: int
    signed: bool = False

    @property
    def element(self) -> Shape:
        """The shape of one integer."""
        return signed(self.bits) if self.signed else unsigned(self.bits)

    @property
    def layout(self) -> data.StructLayout:
        """`values[lane][step]`, lane 0 and step 0 in the low bits, and `last` of the frame."""
        lanes = data.ArrayLayout(data.ArrayLayout(self.element, self.steps), self.lanes)
        return data.StructLayout({"values": lanes, "last": 1})

    @property
    def value_bits(self) -> int:
        """Bits of `values`."""
        return self.lanes * self.steps * self.bits

    @property
    def signature(self) -> stream.Signature:
        """The stream that carries these words; use `In(word.signature)`, `Out(...)`."""
        return stream.Signature(self.layout)
