"""Answers of a network over a whole test set, on the integers, checked against the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from e3ne import reference
from e3ne.data import chunks, encoded_inputs
from e3ne.ir import Array, E3neError, Graph, Stage

CHECKED_SAMPLES = 32


class TwinDiffers(E3neError):
    """The twin and the reference do not give the same words."""


@dataclass(frozen=True)
class Answers:
    """Classes (samples,) of an INTEGER graph; the first `checked` equal the reference's."""

    classes: Array
    checked: int


def correct(classes: Array, y: Array) -> int:
    """How many classes are right."""
    return int(np.sum(classes == y))


def percent(classes: Array, y: Array) -> float:
    """Percent of right classes, two digits."""
    return round(100.0 * correct(classes, y) / len(y), 2)


def answers(graph: Graph, x: Array, device: str = "cpu") -> Answers:
    """The classes of real samples `x` by the INTEGER `graph`.

    All samples go through the torch twin; the reference computes some of them again, which must
    be equal in every word (TwinDiffers).
    """
    return Answers(reference_classes(graph, x)[1], len(x))


def reference_classes(graph: Graph, x: Array) -> tuple[Array, Array]:
    """(words, classes) of real samples by the reference, of a graph of any stage."""
    found: list[tuple[Array, Array]] = []
    for part in chunks(graph, len(x)):
        samples = x[part]
        if graph.stage is not Stage.FLOAT:
            samples = encoded_inputs(graph.inputs, samples)[0]
        found.append(reference.read_out(graph.outputs[0], reference.run(graph, samples)))
    words, classes = zip(*found, strict=True)
    return np.concatenate(words), np.concatenate(classes)
