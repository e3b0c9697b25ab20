"""Encoders as torch modules: the trains of the hardware's `ir.Encode`, to train and deploy with.

A module takes real samples (frames, *shape) and returns spikes (steps, frames, *shape), or
(frames, steps, *shape) with `frames_first`; `Delta` takes and returns all steps. A shape is
(features,), (channels, length) or (channels, rows, columns). Within a model that is compiled an
encoder reads an input of the network and becomes hardware; the network then takes samples.

A sample x is the integer clip(round(x / scale), 0, 2**bits - 1); by itself `scale` is
1 / (2**bits - 1), for samples of 0 .. 1. The spikes have the type of the samples (float32 where
these are no reals) and no gradient; they are the same on every device.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ..ir import BadInput, Encode
from ..ir.neurons import EncoderKind
from ..ir.order import from_wire
from ..ir.random_bits import MOST_SEED, random_numbers

MOST_BITS = 16
MOST_STEPS = 4096


class Encoder(nn.Module):
    """What all encoders share: `neuron`, the record that hardware and reference follow.

    `steps` is None for trains as long as the samples are (delta).
    """

    def __init__(self, neuron: Encode, steps: int | None, frames_first: bool) -> None:
        super().__init__()
        self.neuron, self.steps, self.frames_first = neuron, steps, frames_first

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """The trains of real `samples`."""
        units = self.units(samples)
        time = 1 if self.frames_first else 0
        trains = self.trains(units if self.steps is None else units.unsqueeze(time), time)
        return trains.to(samples.dtype if samples.is_floating_point() else torch.float32)

    def units(self, samples: torch.Tensor) -> torch.Tensor:
        """The samples as integers, int64: rounded half to even and clipped."""
        low = -(1 << (self.neuron.bits - 1)) if self.neuron.signed else 0
        high = (1 << (self.neuron.bits - self.neuron.signed)) - 1
        return torch.round(samples.double() / self.neuron.unit).clamp(low, high).long()

    def trains(self, x: torch.Tensor, time: int) -> torch.Tensor:
        """Spikes, int64 or bool, of integers `x` whose steps are (or will be) the axis `time`."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"steps={self.steps}, bits={self.neuron.bits}, scale={self.neuron.unit:.6g}"

    def _times(self, x: torch.Tensor, time: int, count: int) -> torch.Tensor:
        """0 .. count - 1 along the axis `time`, to broadcast with `x`."""
        axes = [1] * x.ndim
        axes[time] = count
        return torch.arange(count, device=x.device).reshape(axes)


class BitPlanes(Encoder):
    """Radix: the bits of a sample, most significant first; as many steps as bits."""

    def __init__(self, bits: int, scale: float | None = None, frames_first: bool = False) -> None:
        super().__init__(_record("radix", bits, bits, scale), bits, frames_first)

    def trains(self, x: torch.Tensor, time: int) -> torch.Tensor:
        """See Encoder."""
        bits = self.neuron.bits
        return (x >> (bits - 1 - self._times(x, time, bits))) & 1


class Regular(Encoder):
    """Rate, evenly spread: floor(steps * x / 2**bits) spikes."""

    def __init__(
        self, steps: int, bits: int = 8, scale: float | None = None, frames_first: bool = False
    ) -> None:
        super().__init__(_record("regular", steps, bits, scale), steps, frames_first)

    def trains(self, x: torch.Tensor, time: int) -> torch.Tensor:
        """See Encoder."""
        assert self.steps is not None
        return ((self._times(x, time, self.steps + 1) * x) >> self.neuron.bits).diff(dim=time)


class Bernoulli(Encoder):
    """Rate, at random: a spike with probability x / 2**bits at every step.

    The random numbers are the hardware's: fixed by `seed`, anew for every frame, so a frame always
    becomes the same train. Set another `seed` now and then in training, where the network shall not
    learn these numbers by heart.
    """

    def __init__(
        self,
        steps: int,
        bits: int = 8,
        seed: int = 1,
        scale: float | None = None,
        frames_first: bool = False,
    ) -> None:
        super().__init__(_record("bernoulli", steps, bits, scale, seed), steps, frames_first)
        self._drawn: tuple[object, torch.Tensor] | None = None

    @property
    def seed(self) -> int:
        """What fixes the random numbers, 1 .. 65535."""
        return self.neuron.seed

    @seed.setter
    def seed(self, seed: int) -> None:
        if not 1 <= seed <= MOST_SEED:
            raise BadInput(f"bernoulli encoder: found seed {seed}, accepted 1 .. {MOST_SEED}")
        self.neuron = replace(self.neuron, seed=seed)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{super().extra_repr()}, seed={self.neuron.seed}"

    def trains(self, x: torch.Tensor, time: int) -> torch.Tensor:
        """See Encoder."""
        return self._numbers(tuple(x.shape[2:]), x.device).unsqueeze(1 - time) < x

    def _numbers(self, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
        """r[t, j] as int64 (steps, *shape), drawn once for all calls alike."""
        key = (self.neuron, shape, device)
        if self._drawn is None or self._drawn[0] != key:
            assert self.steps is not None
            sent = (shape[0], 1, shape[1]) if len(shape) == 2 else shape
            count = int(torch.Size(shape).numel())
            numbers = random_numbers(self.neuron.seed, self.steps, self.neuron.bits, count)
            wired = torch.from_numpy(from_wire(numbers, sent).copy())
            self._drawn = key, wired.reshape(self.steps, *shape).to(device)
        return self._drawn[1]


class Latency(Encoder):
    """Time to first spike: one spike, the earlier the larger the sample is; none of 0."""

    def __init__(
        self, steps: int, bits: int = 8, scale: float | None = None, frames_first: bool = False
    ) -> None:
        super().__init__(_record("latency", steps, bits, scale), steps, frames_first)

    def trains(self, x: torch.Tensor, time: int) -> torch.Tensor:
        """See Encoder."""
        assert self.steps is not None
        bits = self.neuron.bits
        fires_at = (((1 << bits) - 1 - x) * self.steps) >> bits
        return (x > 0) & (self._times(x, time, self.steps) == fires_at)


class Delta(Encoder):
    """Changes: +1 or -1 where the samples have moved by `threshold` since the last spike, else 0.

    Takes samples of all steps, (steps, frames, *shape), and compares them with those of the first
    step to begin with. By itself samples are `signed`, -1 .. 1, of `bits` bits; `threshold`, in
    units of the samples, is rounded to a multiple of `scale`.

    It remembers nothing between two calls. The hardware of a `streaming` network does: from frame
    to frame, as if all of them were one. Train such a network on long pieces of the stream, whose
    steps all go through one call, and deploy it with `streaming: true` and frames of any length.
    """

    def __init__(
        self,
        threshold: float,
        bits: int = 8,
        scale: float | None = None,
        signed: bool = True,
        frames_first: bool = False,
    ) -> None:
        if not threshold > 0:
            raise BadInput(f"Delta: found threshold {threshold}, accepted a number > 0")
        record = _record("delta", 1, bits, scale, threshold=threshold, signed=signed)
        super().__init__(record, None, frames_first)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{super().extra_repr()}, threshold={self.neuron.threshold * self.neuron.unit:.6g}"

    def trains(self, x: torch.Tensor, time: int) -> torch.Tensor:
        """See Encoder."""
        threshold, level = self.neuron.threshold, x.select(time, 0)
        sent = []
        for sample in x.unbind(time):
            distance = sample - level
            spike = (distance >= threshold).long() - (distance <= -threshold).long()
            level = level + threshold * spike
            sent.append(spike)
        return torch.stack(sent, time)


def _record(
    kind: EncoderKind,
    steps: int,
    bits: int,
    scale: float | None,
    seed: int = 1,
    threshold: float = 0.0,
    signed: bool = False,
) -> Encode:
    """The record of an encoder; BadInput with every number that does not fit."""
    problems = []
    if not 1 + signed <= bits <= MOST_BITS:
        problems.append(f"found bits {bits}, accepted {1 + signed} .. {MOST_BITS}")
    if not 1 <= steps <= MOST_STEPS:
        problems.append(f"found steps {steps}, accepted 1 .. {MOST_STEPS}")
    if not 1 <= seed <= MOST_SEED:
        problems.append(f"found seed {seed}, accepted 1 .. {MOST_SEED}")
    if scale is not None and not 0 < scale < float("inf"):
        problems.append(f"found scale {scale}, accepted a number > 0, or None")
    if problems:
        raise BadInput([f"{kind} encoder: {problem}" for problem in problems])
    unit = scale or 1 / ((1 << (bits - signed)) - 1)
    compared = round(threshold / unit)
    if threshold and not compared:
        raise BadInput(
            f"{kind} encoder: found threshold {threshold}, less than half a unit of {unit:.6g}, "
            "accepted a unit or more; raise the threshold or the bits"
        )
    return Encode(kind, bits, unit, seed, compared, signed)
