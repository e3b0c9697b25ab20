"""Frame formats: what the AXI4-Stream ports of a mapped network carry (docs/interfaces.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Array
from .graph import Graph, Input, Output
from .order import to_words


@dataclass(frozen=True)
class InputFormat:
    """One beat carries `lanes` elements in fields of `field_bits`, element 0 lowest.

    A field holds the element's `steps_in_window` integers of `bits` bits, step 0 lowest; the rest
    of the field is ignored.
    """

    lanes: int
    bits: int
    steps_in_window: int
    beats_per_frame: int

    @property
    def field_bits(self) -> int:
        """Bits of one element's field: whole bytes."""
        return 8 * -(-self.bits * self.steps_in_window // 8)

    @property
    def beat_bytes(self) -> int:
        """Bytes of one beat."""
        return self.lanes * self.field_bits // 8


@dataclass(frozen=True)
class OutputFormat:
    """`classes` signed 32-bit words in index order, then one word with the class."""

    classes: int
    readout: str
    scale: float

    @property
    def words(self) -> int:
        """Words of one frame, the class word included."""
        return self.classes + 1


def window_steps(graph: Graph, steps: int) -> int:
    """Steps in a window of an edge of `steps` steps: 1 for edges of one step."""
    if graph.steps_in_window is None:
        raise ValueError("only a mapped graph has windows")
    return min(steps, graph.steps_in_window)


def input_format(graph: Graph, source: Input) -> InputFormat:
    """The format of an input's frames."""
    type = source.type
    window = window_steps(graph, type.steps)
    beats = type.neurons // source.lanes * (type.steps // window)
    return InputFormat(source.lanes, type.bits, window, beats)


def output_format(graph: Graph, output: Output) -> OutputFormat:
    """The format of an output's frames; `scale` is the real value of one unit of a word."""
    type = graph.edge(output.source)
    scale = graph.scale(output.source)
    if output.readout.value == "mean":
        scale /= type.steps
    return OutputFormat(type.neurons, output.readout.value, scale)


def to_beats(graph: Graph, source: Input, values: Array) -> Array:
    """Integers (frames, steps, *shape) to uint8 (frames, beats, bytes), byte 0 lowest."""
    form = input_format(graph, source)
    words = to_words(values, source.type.shape, form.lanes, form.steps_in_window)
    bits = (words[..., None] >> np.arange(form.bits)) & 1
    fields = bits.reshape(*words.shape[:3], -1).astype(np.uint8)
    pad = form.field_bits - fields.shape[-1]
    fields = np.pad(fields, [(0, 0)] * 3 + [(0, pad)])
    flat = fields.reshape(*fields.shape[:2], -1)
    return np.packbits(flat, axis=-1, bitorder="little")
