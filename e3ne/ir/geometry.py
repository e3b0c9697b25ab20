"""Sliding windows and the folding of a synapse: the counts that hardware and cost share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from .graph import Engine, Graph, Node
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

    @cached_property
    def out_shape(self) -> Pair:
        """Output (rows, columns)."""
        size = (self.rows, self.columns)
        return window_shape(size, self.kernel, self.stride, self.padding, self.dilation)

    @cached_property
    def span(self) -> Pair:
        """Rows and columns between the first and the last element under the kernel, inclusive."""
        rows, columns = (d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))
        return rows, columns

    @property
    def ring_rows(self) -> int:
        """Rows of a ring memory: those under the kernel and as many as the next patch row adds.

        An image at most twice as high as the kernel ends so soon that the first rows of the next
        one need room as well, while its last rows are read.
        """
        least = self.span[0] + self.stride[0]
        if self.rows > 2 * self.span[0]:
            return least
        steps = self.ring_steps
        return max(least, steps[-1][1] + steps[0][0])

    @cached_property
    def ring_steps(self) -> list[tuple[int, int]]:
        """For each output row: image rows it needs, from the oldest kept on; rows freed behind it.

        At least one row for the first, so that padding alone never starts a frame that may not
        come. The last one frees all that are left of the image.
        """
        tops = [row * self.stride[0] - self.padding[0] for row in range(self.out_shape[0])]
        freed = [min(max(top, 0), self.rows) for top in tops] + [self.rows]
        bottoms = [min(max(top + self.span[0], 1), self.rows) for top in tops]
        return [
            (max(bottom - before, 0), after - before)
            for bottom, before, after in zip(bottoms, freed, freed[1:], strict=False)
        ]


@dataclass(frozen=True)
class Axis:
    """One coordinate of a raster walk over a padded image.

    The walk has `size` positions; the image lies at `count` of them, from `start` on. Patch k of
    `patches` is whole at position `first` + k * `advance`.
    """

    start: int
    count: int
    first: int
    advance: int
    patches: int

    @property
    def size(self) -> int:
        """Every position of the image, and as much padding as the last patch needs."""
        return max(self.start + self.count, self.first + (self.patches - 1) * self.advance + 1)

    def takes(self, position: int) -> bool:
        """Whether the position lies in the image."""
        return self.start <= position < self.start + self.count

    def ends(self, position: int) -> bool:
        """Whether a patch is whole at the position."""
        behind = position - self.first
        return behind % self.advance == 0 and 0 <= behind // self.advance < self.patches


@dataclass(frozen=True)
class Walk:
    """The raster walk of a sliding window, `in_columns` columns of the image at each position.

    Words of columns are counted from the image's first column on, so none of them lies partly in
    the padding. A patch (of all pixel lanes) lies within the last `columns.first` + 1 of them,
    `offset` columns behind the beginning of the first: of every patch, as the next one begins
    `columns.advance` whole words later.
    """

    rows: Axis
    columns: Axis
    in_columns: int
    offset: int
    held_columns: int

    @property
    def cycles(self) -> int:
        """Cycles of one window of steps: one a position."""
        return self.rows.size * self.columns.size

    @property
    def words(self) -> int:
        """Words of an image."""
        return self.rows.count * self.columns.count

    @property
    def begins_in_padding(self) -> bool:
        """Whether a first patch may hold nothing of the image."""
        return self.rows.first < self.rows.start or self.columns.first < self.columns.start

    @cached_property
    def kept_columns(self) -> int:
        """Columns that are kept in registers: those of a patch, and what a later patch needs."""
        end = self.offset + self.held_columns
        columns = range(self.offset, (self.columns.first + 1) * self.in_columns)
        return sum(
            any(self.offset <= at < end for at in range(column, -1, -self.in_columns))
            for column in columns
        )


@lru_cache(maxsize=4096)
def window_walk(window: Window, pixel_lanes: int = 1, in_columns: int = 1) -> Walk:
    """The walk whose patches are those of `pixel_lanes` neighbouring output columns.

    `in_columns` is 1 or pixel_lanes * stride[1] and divides the columns (`verify_mapping`).
    """
    out_rows, out_columns = window.out_shape
    rows = Axis(window.padding[0], window.rows, window.span[0] - 1, window.stride[0], out_rows)
    held = window.span[1] + (pixel_lanes - 1) * window.stride[1]
    before = -(-window.padding[1] // in_columns)
    offset = before * in_columns - window.padding[1]
    columns = Axis(
        before,
        window.columns // in_columns,
        (offset + held - 1) // in_columns,
        pixel_lanes * window.stride[1] // in_columns,
        out_columns // pixel_lanes,
    )
    return Walk(rows, columns, in_columns, offset, held)


def in_column_choices(window: Window, pixel_lanes: int) -> list[int]:
    """The `in_columns` that a sliding window of so many pixel lanes can have, ascending."""
    wide = pixel_lanes * window.stride[1]
    return [1] if wide == 1 or window.columns % wide else [1, wide]


@lru_cache(maxsize=1024)
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


def whole_elements(op: Linear | Conv2d) -> int:
    """Elements of a vector, or of a patch of all channels, those of other groups too."""
    return int(op.weight[0].size) * (op.groups if isinstance(op, Conv2d) else 1)


def matrix_fold(
    op: Linear | Conv2d, out_lanes: int, in_lanes: int, pixel_lanes: int, in_columns: int = 1
) -> Fold:
    """The fold of a Linear or Conv2d.

    A slice within the channels of one kernel position can be read from memory; a longer one, and
    those of several pixels at once, need the patch in registers.
    """
    groups = op.groups if isinstance(op, Conv2d) else 1
    outputs, channels = int(op.weight.shape[0]), int(op.weight.shape[1])
    area = op.kernel[0] * op.kernel[1] if isinstance(op, Conv2d) else 1
    in_memory = channels % in_lanes == 0 and pixel_lanes == in_columns == 1
    return Fold(
        groups, outputs // groups // out_lanes, -(-area * channels // in_lanes), in_lanes, in_memory
    )


def synapse_fold(node: Node, index: int) -> Fold:
    """The fold of synapse `index` of a mapped node, a Linear or Conv2d; LOGIC has no groups."""
    mapping, op = node.mapping, node.synapses[index].op
    assert mapping is not None
    assert isinstance(op, Linear | Conv2d)
    lanes = mapping.synapses[index]
    if mapping.engine is Engine.LOGIC:
        is_point = isinstance(op, Linear) or op.kernel == (1, 1)
        in_memory = is_point and mapping.pixel_lanes == lanes.in_columns == 1
        return Fold(1, 1, 1, lanes.in_lanes, in_memory)
    return matrix_fold(op, mapping.out_lanes, lanes.in_lanes, mapping.pixel_lanes, lanes.in_columns)


def synapse_walk(graph: Graph, node: Node, index: int) -> Walk:
    """The walk of synapse `index` of a mapped node, a Conv2d or a pooling."""
    mapping, synapse = node.mapping, node.synapses[index]
    assert mapping is not None
    window = op_window(synapse.op, graph.edge(synapse.source).shape)
    return window_walk(window, mapping.pixel_lanes, mapping.synapses[index].in_columns)


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
