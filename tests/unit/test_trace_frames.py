"""Frames to trace with: samples for an encoder become trains where the model takes these."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from e3ne.config import Config, parse_config
from e3ne.ir import BadInput
from e3ne.trace_frames import example_of, input_names

X = np.random.default_rng(0).random((5, 3))
ENCODED = {"encoder": "regular"}


def config(**chosen: object) -> Config:
    return parse_config(chosen)


def test_frames_are_the_first_of_the_calibration() -> None:
    assert np.array_equal(example_of(X, False, Config()), X[:2])
    assert np.array_equal(example_of(X, True, config(input={"encoder": "delta"})), X[:2])
    assert np.array_equal(example_of(X, False, config(input=ENCODED, steps=4)), X[:2])
    pair = example_of((X, X), False, Config(), ("a", "b"))
    assert isinstance(pair, tuple)
    assert len(pair) == 2


def test_samples_stand_at_every_step_of_a_train() -> None:
    found = example_of(X, True, config(input=ENCODED, steps=4))
    assert isinstance(found, np.ndarray)
    assert found.shape == (2, 4, 3)
    assert np.array_equal(found[:, 3], X[:2])
    named = example_of(X, True, config(input={"input": ENCODED}, steps=4))
    assert np.shape(named) == (2, 4, 3)


@pytest.mark.parametrize("has_steps", [True, [True, True], {"a": True, "b": True}])
def test_each_input_by_its_name(has_steps: object) -> None:
    """Trains of another input say how many steps there are."""
    chosen, trains = config(input={"a": ENCODED}), np.ones((5, 6, 3))
    found = example_of({"a": X, "b": trains}, has_steps, chosen)  # type: ignore[arg-type]
    assert isinstance(found, dict)
    assert [np.shape(found[name]) for name in ("a", "b")] == [(2, 6, 3), (2, 6, 3)]
    pair = example_of((X, trains), has_steps, chosen, ("a", "b"))  # type: ignore[arg-type]
    assert [np.shape(item) for item in pair] == [(2, 6, 3), (2, 6, 3)]
    one = example_of((X, trains), {"a": False, "b": True}, chosen, ("a", "b"))
    assert [np.shape(item) for item in one] == [(2, 3), (2, 6, 3)]


def test_unknown_steps_are_asked_for() -> None:
    with pytest.raises(BadInput, match=r"steps: found none for a model of trains .* 1 \.\. 4096"):
        example_of(X, True, config(input=ENCODED))


class Both(nn.Module):
    def forward(self, left: object, right: object) -> object:
        return left, right


def test_names_are_those_of_the_forward() -> None:
    assert input_names(Both(), (X, X)) == ("left", "right")
    assert input_names(Both(), X) == ("input",)
    assert input_names("no model", (X, X)) == ("input",)
