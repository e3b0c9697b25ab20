"""Sliding windows and the folding of a synapse: the counts that hardware and cost share."""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Graph, Node
from .ops import Conv2d, Linear, MaxPool2d, Op, Pair, SumPool2d, Upsample2d
from .shapes import window_shape


@dataclass(frozen=True)
class Window:
    """A kernel that slides over an image of (channels, rows, columns)."""

    channels: int
    rows: int
    columns: int
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @property
    def out_shape(self) -> Pair:
        """Output (rows, columns)."""
        size = (self.rows, self.columns)
        return window_shape(size, self.kernel, self.stride, self.padding, self.dilation)

    @property
    def span(self) -> Pair:
        """Rows and columns between the first and the last element under the kernel, inclusive."""
        rows, columns = (d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))
        return rows, columns

    @property
    def ring_rows(self) -> int:
        """Rows of a ring memory: those under the kernel and as many as the next patch row adds."""
        return self.span[0] + self.stride[0]

    @property
    def walk(self) -> Pair:
        """Rows and columns of the padded image that a raster walk visits.

        Every pixel of the image, and as much padding as the last patch needs.
        """
        rows, columns = (
            max(pad + size, (out - 1) * step + span)
            for pad, size, out, step, span in zip(
                self.padding,
                (self.rows, self.columns),
                self.out_shape,
                self.stride,
                self.span,
                strict=True,
            )
        )
        return rows, columns


def op_window(op: Op, source: tuple[int, ...]) -> Window:
    """The window of a Conv2d or a pooling; a Linear is a 1x1 kernel over one pixel."""
    match op:
        case Linear():
            return Window(int(op.weight.shape[1]), 1, 1)
        case Conv2d():
            channels, rows, columns = source
            return Window(channels, rows, columns, op.kernel, op.stride, op.padding, op.dilation)
        case MaxPool2d() | SumPool2d():
            channels, rows, columns = source
            return Window(channels, rows, columns, op.kernel, op.stride, op.padding)
        case _:
            raise TypeError(f"{type(op).__name__} slides no window")


@dataclass(frozen=True)
class Fold:
    """How one synapse visits its weights for one output position.

    Of `groups` channel groups each forms `outs` words of currents, each from `slices` words of
    `in_lanes` elements. `in_memory`: slices are read from a row memory one at a time, else they
    are cut from a patch held in registers.
    """

    groups: int
    outs: int
    slices: int
    in_lanes: int
    in_memory: bool

    @property
    def words(self) -> int:
        """Slices (= words of the weight ROM) for one output position."""
        return self.groups * self.outs * self.slices


def matrix_fold(op: Linear | Conv2d, out_lanes: int, in_lanes: int, pixel_lanes: int) -> Fold:
    """The fold of a Linear or Conv2d.

    A slice within the channels of one kernel position can be read from memory; a longer one, and
    those of several pixels at once, need the patch in registers.
    """
    groups = op.groups if isinstance(op, Conv2d) else 1
    outputs, channels = int(op.weight.shape[0]), int(op.weight.shape[1])
    area = op.kernel[0] * op.kernel[1] if isinstance(op, Conv2d) else 1
    in_memory = channels % in_lanes == 0 and pixel_lanes == 1
    return Fold(
        groups, outputs // groups // out_lanes, area * channels // in_lanes, in_lanes, in_memory
    )


def pool_fold(channels: int, kernel: Pair, out_lanes: int) -> Fold:
    """The fold of a pooling: one slice, all kernel positions of `out_lanes` channels, a word."""
    area = kernel[0] * kernel[1]
    return Fold(channels // out_lanes, 1, 1, area * out_lanes, in_memory=False)


def upsample_held_words(op: Upsample2d, source: tuple[int, ...], lanes: int) -> int:
    """Words of the small image that a repeating Upsample2d keeps: a row, or a pixel, or none."""
    if op.fill == "zero":
        return 0
    channels, _, columns = source
    return channels // lanes * (columns if op.factor[0] > 1 else 1)


def wanted_lanes(graph: Graph, node: Node, index: int) -> int:
    """Elements of its source that synapse `index` of a mapped node takes in one word.

    A row memory takes `in_lanes`, a sliding window whole pixels, a bare edge the node's own lanes.
    """
    assert node.mapping is not None
    op, channels = node.synapses[index].op, graph.edge(node.synapses[index].source).channels
    if isinstance(op, Linear | Conv2d):
        in_lanes = node.mapping.synapses[index].in_lanes
        fold = matrix_fold(op, node.mapping.out_lanes, in_lanes, node.mapping.pixel_lanes)
        return in_lanes if fold.in_memory else channels
    return channels if isinstance(op, MaxPool2d | SumPool2d) else node.mapping.lanes


def source_lanes(graph: Graph, name: str) -> int | None:
    """Elements in a word of the input or node called `name`; None before it is mapped."""
    for source in graph.inputs:
        if source.name == name:
            return source.lanes
    mapping = graph.node(name).mapping
    return None if mapping is None else mapping.lanes
