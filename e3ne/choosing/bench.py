"""Configurations of one network, measured on labelled frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from .. import reference
from ..boards import Board
from ..config import Config
from ..data import inputs_with_steps
from ..ir import Array, ChannelAffine, DoesNotFit, Graph
from ..ir.user_arrays import as_frames
from ..lower import prepared, quantized
from ..lower.choose_encoding import shortened
from ..lower.evaluation import Evaluator, Measured, Run, by_reference, chunks, score_scale
from ..progress import Tell, tell_nobody


@dataclass(frozen=True)
class Network:
    """A traced network, the frames that its ranges come from, and labelled frames to judge it."""

    traced: Graph
    x: tuple[Array, ...]
    y: Array
    calibration: tuple[Array, ...]


class Bench:
    """Measures configurations of one network; what they share is computed once."""

    def __init__(self, network: Network, progress: Tell = tell_nobody) -> None:
        self.network, self.progress = network, progress
        self.run = best_run()
        self.measured = 0
        self._ready: dict[str, Graph] = {}
        self._evaluators: dict[str, Evaluator] = {}
        self._real = real_scores(network)
        ops = [synapse.op for node in network.traced.nodes for synapse in node.synapses]
        self._biased = any(
            isinstance(op, ChannelAffine) or getattr(op, "bias", None) is not None for op in ops
        )

    def ready(self, config: Config) -> Graph:
        """The FLOAT graph right before the integer line."""
        key = _float_key(config, self._biased)
        if key not in self._ready:
            traced = self._traced(config)
            self._ready[key] = prepared(traced, self._frames(traced), config)
        return self._ready[key]

    def integer(self, config: Config) -> Graph:
        """The INTEGER graph."""
        return quantized(self.ready(config), self._frames(self._traced(config)), config)

    def measure(self, config: Config) -> Measured:
        """What a configuration measures on the labelled frames."""
        with quiet():
            graph = self.integer(config)
        measured = self._evaluator(graph).measure(graph)
        self.measured += 1
        self.progress("networks measured", self.measured, 0)
        return measured

    def cycles(self, config: Config, board: Board) -> int | None:
        """Predicted cycles between two frames; None where the network does not fit."""
        from ..cost import predict
        from ..optimize import choose_mapping

        try:
            mapped = choose_mapping(self.integer(config), board, config)
        except DoesNotFit:
            return None
        return predict(mapped, board.family, exact=False).interval_cycles

    def _traced(self, config: Config) -> Graph:
        return (
            self.network.traced
            if config.code == "rate"
            else shortened(self.network.traced, config.steps)
        )

    def _frames(self, traced: Graph) -> tuple[Array, ...]:
        """The calibration frames, with as many steps as the network takes."""
        return tuple(
            cut(array, source.type.steps)
            for array, source in zip(self.network.calibration, traced.inputs, strict=True)
        )

    def _evaluator(self, graph: Graph) -> Evaluator:
        key = str([source.type.steps for source in graph.inputs])
        if key not in self._evaluators:
            x = tuple(
                cut(array, source.type.steps)
                for array, source in zip(self.network.x, graph.inputs, strict=True)
            )
            x = inputs_with_steps(graph.inputs, x)
            evaluator = Evaluator(x, self.network.y, self.run, self._real)
            evaluator.check(graph)
            self._evaluators[key] = evaluator
        return self._evaluators[key]


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of lowering: what a network loses is measured, not told."""
    logger = logging.getLogger("e3ne.lower")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def cut(array: Array, steps: int) -> Array:
    """Trains (frames, steps, *shape) without what comes behind the first `steps`."""
    return array[:, :steps] if array.ndim > 2 and 1 < steps < array.shape[1] else array


def best_run() -> Run:
    """The integer twin where torch is installed, else the reference: the same integers."""
    try:
        from ..training.twin import Twin
    except ImportError:
        return by_reference
    import torch

    def run(graph: Graph, inputs: Sequence[Array]) -> Mapping[str, Array]:
        tensors = [torch.from_numpy(array.astype(np.int32)) for array in inputs]
        return {name: sent.numpy() for name, sent in Twin(graph)(*tensors).items()}

    return run


def real_scores(network: Network) -> Array | None:
    """The float network's scores; None where its frames are not those of the integer network."""
    traced = network.traced
    shaped = [
        as_frames(source.type, array)
        for source, array in zip(traced.inputs, network.x, strict=True)
    ]
    arrays = [array for array in shaped if array is not None]
    if len(arrays) < len(shaped):
        return None
    words = []
    for chunk in chunks(traced, len(network.y)):
        values = reference.run(traced, *(array[chunk].astype(np.float64) for array in arrays))
        words.append(reference.read_out(traced.outputs[0], values)[0])
    return np.asarray(np.concatenate(words) * score_scale(traced))


def _float_key(config: Config, biased: bool) -> str:
    """Equal for configurations whose networks right before the integer line are equal.

    `biased`: there are biases, which are corrected by what rounding does to the weights.
    """
    corrects = biased and config.correct_biases is not False
    depends = config.calibration == "mse" or corrects or config.equalize
    every = [config.default, *config.nodes.values()]
    if depends or any(node.fit_threshold for node in every):
        return repr(config)
    neutral = {
        name: replace(node, edge_bits=1, weight_bits=8) for name, node in config.nodes.items()
    }
    default = replace(config.default, edge_bits=1, weight_bits=8)
    return repr(replace(config, nodes=neutral, default=default))
