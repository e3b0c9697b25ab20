"""Walks of sliding windows, rings of rows, and the rules of words of several columns."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from e3ne.ir import (
    Conv2d,
    Graph,
    Identity,
    Input,
    Mapping,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Storage,
    Synapse,
    SynapseMapping,
    frozen,
    op_shape,
)
from e3ne.ir.geometry import Fold, Window, in_column_choices, window_walk
from e3ne.ir.row_cycles import row_memory_cycles
from e3ne.ir.verify_mapping import mapping_problems

GEOMETRIES = itertools.product((1, 2, 3), (1, 2), (0, 1, 2, 3), (1, 2), (1, 2, 3), (6, 8, 12))


def test_patches_lie_where_the_walk_says():
    """Every kernel column of every patch is `offset` columns behind the words that are held."""
    seen = 0
    for kernel, stride, padding, dilation, pixels, columns in GEOMETRIES:
        window = Window(
            1, 4, columns, (1, kernel), (1, stride), (0, padding), (1, dilation)
        )  # one row
        if window.out_shape[1] < 1 or window.out_shape[1] % pixels:
            continue
        for n in in_column_choices(window, pixels):
            walk, seen = window_walk(window, pixels, n), seen + (n > 1)
            ends = [at for at in range(walk.columns.size) if walk.columns.ends(at)]
            assert len(ends) == window.out_shape[1] // pixels
            for patch, end in enumerate(ends):
                begins = (end - walk.columns.first - walk.columns.start) * n + walk.offset
                assert begins == patch * pixels * stride - padding
            held = (walk.columns.first + 1) * n
            assert 0 <= walk.offset < n
            assert walk.offset + walk.held_columns <= held
            assert walk.held_columns <= walk.kept_columns <= held
    assert seen > 100


def test_one_column_a_cycle_visits_every_padded_position():
    walk = window_walk(Window(2, 5, 6, (3, 3), (1, 1), (1, 1)))
    assert (walk.cycles, walk.words, walk.kept_columns) == (7 * 8, 30, 3)


def test_lenet_walks_two_or_four_columns_a_cycle():
    conv, pool = Window(1, 32, 32, (5, 5)), Window(6, 28, 28, (2, 2), (2, 2))
    assert [window_walk(conv, k, k).cycles for k in (1, 2, 4)] == [1024, 512, 256]
    assert [window_walk(pool, k, 2 * k).cycles for k in (1, 2)] == [392, 196]


def test_rings_of_small_images_hold_the_first_rows_of_the_next():
    small, tall = Window(4, 5, 5, (5, 5)), Window(4, 28, 28, (5, 5))
    assert (small.ring_rows, tall.ring_rows) == (10, 6)
    assert small.ring_steps == [(5, 5)]
    assert Window(1, 4, 4, (3, 3), (1, 1), (1, 1)).ring_steps == [(2, 0), (3, 1), (3, 1), (2, 2)]


def test_a_row_memory_loses_no_cycle_where_rows_come_in_time():
    fold = Fold(1, 8, 25, 4, True)
    assert row_memory_cycles(Window(4, 5, 5, (5, 5)), fold) == 200
    assert row_memory_cycles(Window(4, 5, 5, (5, 5)), fold, 3) == 600
    # A word an output: the image itself takes longer to come.
    assert row_memory_cycles(Window(4, 8, 8, (2, 2), (2, 2)), Fold(1, 1, 1, 4, True)) == 64


def problems(op, pixel_lanes: int, synapse: SynapseMapping) -> list[str]:
    source = SpikeType((2, 6, 8), 1, 2)
    shape = op_shape(op, source.shape)
    mapping = Mapping(out_lanes=shape[0], pixel_lanes=pixel_lanes, synapses=(synapse,))
    node = Node("n", (Synapse(op, "x"),), Relay(), SpikeType(shape, 1, 8, True), mapping)
    output = (Output("n", Readout.LAST),)
    return mapping_problems(Graph(Stage.MAPPED, (Input("x", source),), (node,), output, 1))


CONV = Conv2d(frozen(np.ones((2, 2, 3, 3)), np.int64), None, padding=(1, 1))
POOL = MaxPool2d((2, 2), (2, 2))


@pytest.mark.parametrize(
    ("op", "pixel_lanes", "in_columns"), [(CONV, 2, 2), (CONV, 4, 1), (POOL, 1, 2), (POOL, 2, 4)]
)
def test_words_of_as_many_columns_as_patches_move_on(op, pixel_lanes, in_columns):
    assert not problems(op, pixel_lanes, SynapseMapping(1, in_columns=in_columns))


@pytest.mark.parametrize(
    ("op", "pixel_lanes", "in_columns", "accepted"),
    [
        (CONV, 2, 4, "accepted 1 or 2: pixel_lanes times"),
        (CONV, 1, 2, "accepted 1: pixel_lanes times"),
        (POOL, 2, 2, "accepted 1 or 4: pixel_lanes times"),
        (replace(POOL, kernel=(3, 3), stride=(3, 3)), 1, 3, "of 8 columns, accepted 1: pixel"),
        (Identity(), 1, 2, "without a sliding window, accepted 1"),
    ],
)
def test_other_words_are_refused(op, pixel_lanes, in_columns, accepted):
    (found,) = problems(op, pixel_lanes, SynapseMapping(1, in_columns=in_columns))
    assert found.startswith(f"n: found in_columns={in_columns}")
    assert accepted in found


def test_buffers_are_never_loaded():
    (found,) = problems(POOL, 1, SynapseMapping(buffer_storage=Storage.LOADED))
    assert found == "n: found buffer_storage loaded, accepted auto, block or lut"
