"""What a user may have meant where graph and model differ."""

from __future__ import annotations

from collections.abc import Iterator

from ..ir import TraceMismatch
from .forward import Recording

_SILENCE = (
    "this network reads spikes of earlier steps, of which those before the first step count as "
    "silence: start with zeros, and do the same in every step"
)


def with_hints(error: TraceMismatch, recording: Recording) -> TraceMismatch:
    """The error with what is unusual about this forward; as it is where nothing is."""
    hints = [*_forgotten(recording)]
    if recording.recorder.sketch.has_delays:
        hints.append(_SILENCE)
    return TraceMismatch("; ".join([str(error), *hints])) if hints else error


def _forgotten(recording: Recording) -> Iterator[str]:
    for path, neuron in recording.recorder.populations.items():
        for name in sorted(neuron.not_given):
            yield (
                f"{path} was called without its {name} behind the first step, and may have begun "
                "anew: pass on what it returned"
            )
