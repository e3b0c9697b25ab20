"""Frame formats: what the AXI4-Stream ports of a mapped network carry (docs/interfaces.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import Array
from .events import EVENT_BYTES, to_events
from .graph import WORD_BITS, Graph, Input, Node, Output, OutputWords
from .neurons import goes_on
from .order import to_words
from .spikes import SpikeType


@dataclass(frozen=True)
class InputFormat:
    """One beat carries `lanes` elements in fields of `field_bits`, element 0 lowest.

    A field holds the element's `steps_in_window` integers of `bits` bits, step 0 lowest; the rest
    of the field is ignored. Fields of whole bytes, or `packed`: of the integers' bits alone, and
    only the beat ends in whole bytes. With `events` a beat is an address event (`ir/events.py`) and
    a frame has at least `beats_per_frame` of them; lanes, bits and window are those of the words
    that the network makes of them.
    """

    lanes: int
    bits: int
    steps_in_window: int
    beats_per_frame: int
    events: bool = False
    packed: bool = False

    @property
    def field_bits(self) -> int:
        """Bits of one element's field."""
        bits = self.bits * self.steps_in_window
        return bits if self.packed else 8 * -(-bits // 8)

    @property
    def beat_bytes(self) -> int:
        """Bytes of one beat."""
        if self.events:
            return EVENT_BYTES
        return -(-self.lanes * self.field_bits // 8)


@dataclass(frozen=True)
class OutputFormat:
    """`numbers` signed 32-bit words, one an element, then one with the class of a vector.

    A vector sends its numbers in index order; an image (`is_image`) in wire order and no class.
    With `class_only` the class is all that is sent, unsigned, in one beat. Otherwise a word is
    32 / `beat_bits` beats, the lowest first.
    """

    numbers: int
    has_class: bool
    readout: str
    scale: float
    class_only: bool = False
    beat_bits: int = WORD_BITS

    @property
    def words(self) -> int:
        """Words of one frame, the class word included."""
        return 1 if self.class_only else self.numbers + self.has_class

    @property
    def beats_per_word(self) -> int:
        """Beats of one word."""
        return 1 if self.class_only else WORD_BITS // self.beat_bits

    @property
    def beats(self) -> int:
        """Beats of one frame."""
        return self.words * self.beats_per_word


def window_steps(graph: Graph, steps: int) -> int:
    """Steps in a window of an edge of `steps` steps: 1 for edges of one step."""
    if graph.steps_in_window is None:
        raise ValueError("only a mapped graph has windows")
    return min(steps, graph.steps_in_window)


def source_windows(graph: Graph, name: str) -> int:
    """Windows of a frame that the input or node called `name` sends."""
    steps = graph.edge(name).steps
    return steps // window_steps(graph, steps)


def kept_words(graph: Graph, node: Node) -> int:
    """Words of a window of `node` whose neurons keep their state until the next window; else 0.

    Between the windows of a frame, and with `streaming` between frames: membranes, and the levels
    of delta encoders.
    """
    assert node.mapping is not None
    endless = graph.streaming and goes_on(node.neuron)
    kept = endless or source_windows(graph, node.name) > 1
    return node.type.neurons // node.mapping.lanes if kept else 0


def synapse_windows(graph: Graph, node: Node, index: int) -> int:
    """Windows of a frame that the engine of synapse `index` gets.

    Those of its source; or those of the node, where the source sends one step for all of them: its
    words are replayed then.
    """
    source = node.synapses[index].source
    if graph.edge(source).steps > 1:
        return source_windows(graph, source)
    return source_windows(graph, node.name)


def input_format(graph: Graph, source: Input) -> InputFormat:
    """The format of an input's frames."""
    window = window_steps(graph, source.type.steps)
    beats = 1 if source.events else input_words(graph, source)
    return InputFormat(source.lanes, source.type.bits, window, beats, source.events, source.packed)


def input_words(graph: Graph, source: Input) -> int:
    """Words of a frame that an input sends into the network."""
    return source.type.neurons // source.lanes * source_windows(graph, source.name)


def output_format(graph: Graph, output: Output) -> OutputFormat:
    """The format of an output's frames; `scale` is the real value of one unit of a word."""
    type = graph.edge(output.source)
    scale = graph.scale(output.source)
    if output.readout.value == "mean":
        scale /= type.steps
    return OutputFormat(
        type.neurons,
        not is_image(type),
        output.readout.value,
        scale,
        output.words is OutputWords.CLASS,
        output.bits,
    )


def is_image(type: SpikeType) -> bool:
    """Whether an edge has more than one row or column."""
    return any(size != 1 for size in type.shape[1:])


def input_ports(graph: Graph) -> tuple[str, ...]:
    """What the names of each input's AXI4-Stream signals begin with: `s_axis`, `s_axis_<name>`."""
    return _ports("s_axis", [source.name for source in graph.inputs])


def output_ports(graph: Graph) -> tuple[str, ...]:
    """The same of each output: `m_axis` where there is one, else `m_axis_<its node>`."""
    return _ports("m_axis", [output.source for output in graph.outputs])


def _ports(prefix: str, names: Sequence[str]) -> tuple[str, ...]:
    """Legal in Verilog and different from each other; the prefix alone where there is one."""
    if len(names) == 1:
        return (prefix,)
    found: list[str] = []
    for name in names:
        legal = f"{prefix}_{re.sub('[^A-Za-z0-9_]', '_', name)}"
        count = 1
        unique = legal
        while unique in found:
            count += 1
            unique = f"{legal}_{count}"
        found.append(unique)
    return tuple(found)


def frame_beats(graph: Graph, source: Input, values: Array) -> tuple[Array, Array]:
    """(uint8 (beats, bytes) of all frames in turn, byte 0 lowest; beats of each frame (frames,)).

    `values` are integers (frames, steps, *shape).
    """
    if source.events:
        beats, lengths = to_events(source.type, values)
        return beats.astype("<u4").view(np.uint8).reshape(-1, EVENT_BYTES), lengths
    dense = to_beats(graph, source, values)
    return dense.reshape(-1, dense.shape[2]), np.full(len(dense), dense.shape[1])


def to_beats(graph: Graph, source: Input, values: Array) -> Array:
    """Integers (frames, steps, *shape) to uint8 (frames, beats, bytes) of a dense input."""
    form = input_format(graph, source)
    words = to_words(values, source.type.shape, form.lanes, form.steps_in_window)
    bits = (words[..., None] >> np.arange(form.bits)) & 1
    fields = bits.reshape(*words.shape[:3], -1).astype(np.uint8)
    pad = form.field_bits - fields.shape[-1]
    fields = np.pad(fields, [(0, 0)] * 3 + [(0, pad)])
    flat = fields.reshape(*fields.shape[:2], -1)
    return np.packbits(flat, axis=-1, bitorder="little")  # pads the beat with zeros


def to_output_beats(form: OutputFormat, words: Array) -> Array:
    """Integers (frames, words) to int64 (frames, beats), unsigned, as an output sends them."""
    shifts = np.arange(form.beats_per_word) * form.beat_bits
    beats = (words[..., None] >> shifts) & ((1 << form.beat_bits) - 1)
    return beats.reshape(len(words), form.beats).astype(np.int64)


def from_output_beats(form: OutputFormat, beats: Array) -> Array:
    """The inverse: int64 (frames, beats) to (frames, words), signed but for a class alone."""
    shifts = np.arange(form.beats_per_word) * form.beat_bits
    parts = beats.reshape(len(beats), form.words, form.beats_per_word).astype(np.int64)
    words: Array = (parts << shifts).sum(axis=-1)
    if form.class_only:
        return words
    wrapped: Array = words - ((words >> (WORD_BITS - 1)) << WORD_BITS)
    return wrapped
