"""Answers of a network over a whole test set, on the integers, checked against the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from e3ne import reference
from e3ne.data import chunks, encoded_inputs
from e3ne.ir import Array, E3neError, Graph, IntegrateFire, Stage
from e3ne.reference import Stream
from e3ne.training.datasets import Split

from .networks import Network

CHECKED_SAMPLES = 32
CHECKED_STREAM_FRAMES = 1000


class TwinDiffers(E3neError):
    """The twin and the reference do not give the same words."""


@dataclass(frozen=True)
class Answers:
    """Classes (samples,) of an INTEGER graph; the words of `checked` samples equal the reference's.

    `words` is int64 (samples, elements).
    """

    classes: Array
    words: Array
    checked: int


def correct(classes: Array, y: Array) -> int:
    """How many classes are right."""
    return int(np.sum(classes == y))


def percent(classes: Array, y: Array) -> float:
    """Percent of right classes, two digits."""
    return round(100.0 * correct(classes, y) / len(y), 2)


def answers(graph: Graph, x: Array, device: str = "cpu") -> Answers:
    """The classes of real samples `x` by the INTEGER `graph`.

    All samples go through the torch twin; the reference computes some of them again (spread over
    the set; of a stream its beginning), which must be equal in every word, else TwinDiffers.
    """
    from e3ne.training import twin

    words, classes = twin.answers(graph, x, device)
    checked = np.linspace(0, len(x) - 1, min(CHECKED_SAMPLES, len(x))).astype(int)
    if graph.streaming:
        checked = np.arange(min(CHECKED_STREAM_FRAMES, len(x)))
    expected, _ = reference_answers(graph, x[checked])
    if not np.array_equal(words[checked], expected):
        sample = int(checked[(words[checked] != expected).any(axis=1)][0])
        raise TwinDiffers(
            f"twin, sample {sample}: found words {words[sample].tolist()}, accepted those of the "
            "reference; report it with the network file"
        )
    return Answers(classes, words, len(checked))


def all_figures(network: Network, graph: Graph, classes: Array, split: Split) -> dict[str, float]:
    """The figures beside the accuracy: `network.figures`, and spikes where it `counts_spikes`."""
    spikes = spikes_per_frame(graph, split.test_x) if network.counts_spikes else {}
    return {**network.figures(classes, split), **spikes}


def spikes_per_frame(graph: Graph, x: Array) -> dict[str, float]:
    """What each input and spiking population sends in a frame of real samples `x`: the mean.

    By the reference, of a graph of any stage; keys such as `conv1_spikes_per_frame`.
    """
    neurons = {node.name: node.neuron for node in graph.nodes}
    names = [name for name, neuron in neurons.items() if isinstance(neuron, IntegrateFire)]
    names = [*(source.name for source in graph.inputs), *names]
    sums = dict.fromkeys(names, 0)
    for part in chunks(graph, len(x)):
        samples = x[part]
        if graph.stage is not Stage.FLOAT:
            samples = encoded_inputs(graph.inputs, samples)[0]
        values = reference.run(graph, samples)
        for name in names:
            sums[name] += int(np.sum(values[name]))
    return {f"{name}_spikes_per_frame": round(total / len(x), 1) for name, total in sums.items()}


def reference_answers(graph: Graph, x: Array) -> tuple[Array, Array]:
    """(words, classes) of real samples by the reference, of a graph of any stage."""
    found: list[tuple[Array, Array]] = []
    stream = Stream()
    for part in chunks(graph, len(x)):
        samples = x[part]
        if graph.stage is not Stage.FLOAT:
            samples = encoded_inputs(graph.inputs, samples)[0]
        values = reference.run(graph, samples, stream=stream)
        found.append(reference.read_out(graph.outputs[0], values))
    words, classes = zip(*found, strict=True)
    return np.concatenate(words), np.concatenate(classes)
