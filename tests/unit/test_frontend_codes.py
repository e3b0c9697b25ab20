"""Codes say exactly where elements come from, and selecting ops put them there."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from e3ne import reference
from e3ne.frontend.codes import ZERO, codes_of, readings
from e3ne.frontend.selecting import selecting, walk
from e3ne.frontend.values import Kind, Layout, Value
from e3ne.ir import Conv2d

FRAMES, STEPS, SHAPE = 3, 4, (2, 5)


def lead(layout: Layout) -> tuple[int, ...]:
    if layout.is_merged:
        return (FRAMES * STEPS,)
    return (STEPS, FRAMES) if layout.is_steps_first else (FRAMES, STEPS)


@pytest.mark.parametrize(("layout", "frames"), list(itertools.product(Layout, [2, 3, 4])))
def test_a_train_is_read_as_what_it_is_also_with_as_many_frames_as_steps(
    layout: Layout, frames: int
) -> None:
    value = Value(3, Kind.TRAIN, STEPS, layout=layout)
    leads = (frames * STEPS,) if layout.is_merged else (STEPS, frames)
    leads = leads if layout.is_merged or layout.is_steps_first else leads[::-1]
    codes = codes_of(value, (*leads, *SHAPE))
    (reading,) = readings(codes, frames, frozenset({3}))
    assert (reading.kind, reading.steps, reading.layout) == (Kind.TRAIN, STEPS, layout)
    assert reading.is_in_order
    assert reading.sources == [3]


@pytest.mark.parametrize("value", [Value(1, Kind.STEP, 2), Value(0, Kind.STATIC)])
def test_one_step_and_what_has_none(value: Value) -> None:
    timed = frozenset({1})
    codes = codes_of(value, (FRAMES, *SHAPE), value.source in timed)
    (reading,) = readings(codes, FRAMES, timed)
    assert (reading.kind, reading.steps) == (value.kind, value.steps)


def changed(codes: torch.Tensor, place: tuple[int, ...], other: tuple[int, ...]) -> torch.Tensor:
    codes = codes.clone()
    codes[place], codes[other] = codes[other].clone(), codes[place].clone()
    return codes


@pytest.mark.parametrize(
    ("place", "other"),
    [((0, 0, 0, 0), (0, 1, 0, 0)), ((0, 0, 0, 0), (1, 0, 0, 0)), ((2, 1, 1, 1), (2, 1, 1, 2))],
)
def test_one_element_that_is_elsewhere_is_enough_to_be_no_train(
    place: tuple[int, ...], other: tuple[int, ...]
) -> None:
    codes = codes_of(Value(0, Kind.TRAIN, STEPS), (STEPS, FRAMES, *SHAPE))
    assert list(readings(codes, FRAMES, frozenset({0})))
    assert not list(readings(changed(codes, place, other), FRAMES, frozenset({0})))


@pytest.mark.parametrize(
    "mixed",
    [
        lambda codes: codes.flip(1),
        lambda codes: codes.flip(0),
        lambda codes: codes[1:],
        lambda codes: codes[:, 1:],
        lambda codes: codes[0, 0],
        lambda codes: codes.movedim(0, -1),
    ],
)
def test_frames_and_steps_out_of_order_are_nothing(mixed: Any) -> None:
    codes = mixed(codes_of(Value(0, Kind.TRAIN, STEPS), (STEPS, FRAMES, *SHAPE)))
    assert not list(readings(codes, FRAMES, frozenset({0})))


def test_a_static_population_is_repeated_and_an_axis_of_one_is_no_step_unless_asked() -> None:
    codes = codes_of(Value(0, Kind.STATIC), (FRAMES, *SHAPE), timed=False)
    reading = next(iter(readings(codes.expand(STEPS, -1, -1, -1), FRAMES, frozenset())))
    assert (reading.kind, reading.repeats, reading.steps) == (Kind.TRAIN, True, STEPS)
    single = codes[:, None]
    kinds = [item.kind for item in readings(single, FRAMES, frozenset())]
    assert kinds == [Kind.STATIC]
    asked = readings(single, FRAMES, frozenset(), Layout.FRAMES_STEPS)
    assert next(iter(asked)).kind is Kind.TRAIN


# ---------------------------------------------------------------------------------- selecting


@given(size=st.integers(1, 9), start=st.integers(-4, 8), stride=st.integers(1, 4), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_walk_picks_what_it_is_asked_for(
    size: int, start: int, stride: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 12))
    positions = start + stride * torch.arange(count)
    inside = (positions >= 0) & (positions < size)
    if not bool(inside.any()):
        return
    picked = torch.where(inside, positions, ZERO)
    found = walk(picked, size)
    assert found is not None
    weight = np.zeros((1, 1, 1, found.kernel), np.float32)
    weight[..., found.offset] = 1
    op = Conv2d(weight, stride=(1, found.stride), padding=(0, found.padding))
    x = np.arange(1.0, size + 1).reshape(1, 1, 1, 1, size)
    got = reference.op_currents(op, x)[0, 0, 0, 0]
    assert got.tolist() == [0.0 if p == ZERO else p + 1.0 for p in picked.tolist()]


@given(
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    data=st.data(),
)
@settings(max_examples=100, deadline=None)
def test_a_selecting_op_makes_exactly_these_elements(
    shape: tuple[int, int, int], data: st.DataObject
) -> None:
    elements = torch.arange(int(np.prod(shape))).reshape(shape)
    channels = data.draw(st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=5))
    elements = elements[channels]
    if data.draw(st.booleans()):
        elements = torch.nn.functional.pad(elements, (1, 2, 0, 1), value=ZERO)
    if data.draw(st.booleans()):
        elements = elements[:, ::2, data.draw(st.integers(0, elements.shape[2] - 1)) :]
    x = np.arange(1.0, np.prod(shape) + 1).reshape(1, 1, *shape)
    flat = np.append(x.reshape(-1), 0.0)  # the last one stands for ZERO
    if not bool((elements >= 0).any()):
        return
    op = selecting(elements, shape)
    assert op is not None
    assert np.array_equal(reference.op_currents(op, x)[0, 0], flat[elements.numpy()])
    features = elements.reshape(-1)
    linear = selecting(features, shape)
    assert linear is not None
    assert np.array_equal(reference.op_currents(linear, x)[0, 0], flat[features.numpy()])


@pytest.mark.parametrize(
    "elements",
    [
        lambda whole: whole.transpose(1, 2),
        lambda whole: whole.flip(2),
        lambda whole: whole.roll(1, 1),
        lambda whole: torch.where(whole == 5, 6, whole),
        lambda whole: torch.where(whole == 5, ZERO, whole),
        lambda whole: whole.repeat(1, 2, 1),
    ],
)
def test_other_orders_have_no_op(elements: Any) -> None:
    whole = torch.arange(2 * 3 * 3).reshape(2, 3, 3)
    assert selecting(elements(whole), (2, 3, 3)) is None


def test_features_are_no_image_and_a_matrix_may_be_too_large() -> None:
    assert selecting(torch.arange(8).reshape(2, 2, 2), (8,)) is None
    assert selecting(torch.arange(4096), (4096,)) is None
