"""The populations that one neuron module is: its spikes, and its membrane where it shows one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, ChannelAffine, Identity, IntegrateFire, Relay, frozen
from .registry import NeuronModel
from .sketch import Origin, Sketch


@dataclass(frozen=True)
class Populations:
    """Numbers in the sketch; None where the model has no such train.

    `spikes` and `membrane` keep the state. `spikes_shown` and `membrane_shown` send what the module
    returns, in the library's units: the same populations, or a factor and an offset behind them.
    """

    model: NeuronModel
    spikes: int | None
    membrane: int | None
    spikes_shown: int | None
    membrane_shown: int | None

    def drive(self, sketch: Sketch, source: int, delay: int) -> None:
        """Says what the module reads, instead of what was said before.

        Its recurrence reads its own spikes of the step before. ValueError where shapes disagree.
        """
        ops = [self.model.input_op or Identity(), *self.model.recurrence]
        again = len(self.model.recurrence)
        spikes = [] if self.spikes is None else [self.spikes] * again
        for number in (self.spikes, self.membrane):
            if number is not None:
                sketch.define(number, ops, [source, *spikes], [delay, *[1] * again])


def populations(
    sketch: Sketch, model: NeuronModel, shape: tuple[int, ...], origin: Origin, problem: str
) -> Populations:
    """New populations of `shape`, driven by nothing yet; `problem` where it stays so."""
    spikes = membrane = None
    if model.neuron is not None:
        own = replace(origin, whole=True, function="spikes")
        spikes = sketch.open(model.neuron, shape, own, problem)
    if model.membrane is not None:
        own = replace(origin, whole=True, function="membrane")
        membrane = sketch.open(model.membrane, shape, own, problem)
    shown = _behind(sketch, spikes, model.spike_value, 0.0, replace(origin, function="value"))
    potential = replace(origin, function="potential")
    return Populations(
        model,
        spikes,
        membrane,
        shown,
        _behind(sketch, membrane, model.membrane_gain, model.membrane_offset, potential),
    )


def _behind(
    sketch: Sketch, number: int | None, gain: float | Array, offset: float | Array, origin: Origin
) -> int | None:
    """The population that sends gain * x + offset of what `number` sends."""
    if number is None or (np.all(np.equal(gain, 1)) and not np.any(offset)):
        return number
    both = np.broadcast_arrays(np.atleast_1d(gain), np.atleast_1d(offset))
    op = ChannelAffine(*(frozen(item, np.float32) for item in both))
    return sketch.add([op], [number], Relay(), True, origin)


def threshold_of(model: NeuronModel) -> float:
    """The largest threshold; 1 where nothing fires."""
    for neuron in (model.neuron, model.membrane):
        if isinstance(neuron, IntegrateFire):
            return float(np.max(np.asarray(neuron.threshold)))
    return 1.0
