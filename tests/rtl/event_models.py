"""What the front ends of the EVENT engine must send, slice by slice, in plain NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from e3ne.gateware.slices import AddressedSlice
from e3ne.ir.event_lanes import LanePlan
from e3ne.ir.geometry import Fold, Window

Slice = tuple[list[int], int, bool, bool, bool, bool]
"""(values, lane by lane and step by step; row, first, final, empty, last)."""


def list_slices(words: np.ndarray, keep: Sequence[bool], outs: int) -> list[list[Slice]]:
    """Of slices (windows, slices, lanes, steps): for each window all of its slices."""
    row_of = np.cumsum(keep) - 1
    return [
        list(_sums([(window[k], row_of[k]) for k in range(len(keep)) if keep[k]], outs, sum(keep)))
        for window in words
    ]


def row_slices(image: np.ndarray, window: Window, fold: Fold) -> list[Slice]:
    """Of one window's image (rows, columns, channels, steps): all slices in their order."""
    pad = [(p, p + s + d * k) for p, s, d, k in zip(
        window.padding, window.stride, window.dilation, window.kernel, strict=True)]  # fmt: skip
    padded = np.pad(image, [*pad, (0, 0), (0, 0)])
    channels = window.channels // fold.groups
    found: list[Slice] = []
    for row in range(window.out_shape[0]):
        for column in range(window.out_shape[1]):
            for group in range(fold.groups):
                part = padded[..., group * channels : (group + 1) * channels, :]
                taps = [
                    part[
                        row * window.stride[0] + r * window.dilation[0],
                        column * window.stride[1] + c * window.dilation[1],
                    ].reshape(-1, fold.in_lanes, image.shape[3])
                    for r in range(window.kernel[0])
                    for c in range(window.kernel[1])
                ]
                slices = np.concatenate(taps)
                rows = [(slices[k], k) for k in range(fold.slices)]
                base = group * fold.outs * fold.slices
                found += _sums(rows, fold.outs, fold.slices, base)
    return found


def _sums(
    slices: Sequence[tuple[np.ndarray, int]], outs: int, rows: int, base: int = 0
) -> Iterator[Slice]:
    there = [(values.reshape(-1).tolist(), row) for values, row in slices if values.any()]
    for out in range(outs):
        if not there:
            yield [], -1, True, True, True, False
        for place, (values, row) in enumerate(there):
            first, final = place == 0, place == len(there) - 1
            yield values, base + out * rows + int(row), first, final, False, False


def with_last(frames: Sequence[Sequence[Slice]]) -> list[Slice]:
    """All slices of all frames; the last one of each is marked."""
    return [
        (*item[:5], place == len(frame) - 1) for frame in frames for place, item in enumerate(frame)
    ]


def decoded(out: AddressedSlice, payloads: Sequence[int]) -> list[Slice]:
    """Payloads as slices; what an empty one holds is left out."""
    mask, sign = (1 << out.bits) - 1, (1 << out.bits) >> 1
    found: list[Slice] = []
    for payload in payloads:
        fields = [payload >> k * out.bits & mask for k in range(out.lanes * out.steps)]
        values = [(f ^ sign) - sign if out.signed else f for f in fields]
        rest = payload >> out.value_bits
        row, marks = rest & ((1 << out.row_bits) - 1), rest >> out.row_bits
        first, final, empty, last = (bool(marks >> k & 1) for k in range(4))
        found.append(([] if empty else values, -1 if empty else row, first, final, empty, last))
    return found


def lane_events(window: np.ndarray, plan: LanePlan) -> list[list[tuple[int, ...]]]:
    """Of one window (neurons, steps): each lane's events in order, (row, *values)."""
    return [
        [
            (row, *window[element].tolist())
            for row, element in enumerate(elements)
            if element >= 0 and window[element].any()
        ]
        for elements in plan.elements
    ]


def events_of(out: AddressedSlice, payloads: Sequence[int]) -> list[list[list[tuple[int, ...]]]]:
    """Of each sum: each lane's events in order; the marks must agree."""
    row_bits = out.row_bits // out.roms
    mask, sign = (1 << out.bits) - 1, (1 << out.bits) >> 1
    sums: list[list[list[tuple[int, ...]]]] = []
    begins = True
    for payload in payloads:
        fields = [payload >> k * out.bits & mask for k in range(out.lanes * out.steps)]
        values = [(f ^ sign) - sign if out.signed else f for f in fields]
        rest = payload >> out.value_bits
        first, final, empty, last = (bool(rest >> out.row_bits + k & 1) for k in range(4))
        assert first == begins
        assert not empty
        assert final or not last
        if first:
            sums.append([[] for _ in range(out.lanes)])
        for lane in range(out.lanes):
            steps = values[lane * out.steps : (lane + 1) * out.steps]
            if any(steps):
                row = rest >> lane * row_bits & ((1 << row_bits) - 1)
                sums[-1][lane].append((row, *steps))
        begins = final
    return sums
