"""Neurons with a state over all steps of a train, with gradients through time.

The forward pass is `ir.IntegrateFire` or `ir.Integrate` as it stands there: in real numbers, or
(where `rounds`) in whole numbers of a float dtype in which every one of them is exact. The
backward pass is that of the real-numbered equations: rounding lets gradients through, a spike has a
surrogate's derivative, a floor or a saturation stops them. By default the gradient does not go
through the reset of a membrane (it is detached, as in snnTorch); a reset to a value ends it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..ir import Integrate, IntegrateFire
from .surrogate import Surrogate
from .walk import State


@dataclass(frozen=True)
class Dynamics:
    """What a scan needs to know besides tensors.

    `neuron` gives the options; its numbers are not read but for reset_value, floor and
    max_spikes, which are in the units of the scan. `rounds` are those of decay, gain and synaptic
    decay: whether their products are rounded half up. `reach` is (low, high) of a membrane that
    saturates, or None.
    """

    neuron: IntegrateFire | Integrate
    dtype: torch.dtype
    rounds: tuple[bool, bool, bool]
    reach: tuple[int, int] | None = None
    surrogate: Surrogate = field(default_factory=Surrogate)
    reset_gradient: bool = False


@dataclass
class Parameters:
    """Of a population, each to broadcast over (frames, *shape): reals, or whole numbers and
    factors multiplier / 2**shift. `synaptic_decay` is None where there is no synaptic current."""

    threshold: Tensor
    decay: Tensor
    gain: Tensor
    offset: Tensor
    synaptic_decay: Tensor | None = None


def scan(
    dynamics: Dynamics, parameters: Parameters, current: Tensor, state: State | None
) -> tuple[Tensor, State]:
    """What the population sends for `current` (frames, steps, *shape), and its state after it."""
    if state is None:
        zero = current.new_zeros((), dtype=dynamics.dtype).expand(current[:, 0].shape)
        state = State(zero, zero, zero)
    p = parameters
    sent, membrane, synaptic, spikes = _Scan.apply(  # type: ignore[no-untyped-call]
        *(dynamics, current, p.threshold, p.decay, p.gain, p.offset, p.synaptic_decay),
        *(state.membrane, state.synaptic, state.spikes),
    )
    return sent, State(membrane, synaptic, spikes)


def times(x: Tensor, factor: Tensor, rounds: bool) -> Tensor:
    """factor * x, rounded half up where `rounds`: a new tensor."""
    scaled = x * factor
    return scaled.add_(0.5).floor_() if rounds else scaled


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        dynamics: Dynamics,
        current: Tensor,
        theta: Tensor,
        decay: Tensor,
        gain: Tensor,
        offset: Tensor,
        synaptic_decay: Tensor | None,
        membrane: Tensor,
        synaptic: Tensor,
        spikes: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        forward = _Forward(dynamics, theta, decay, gain, offset, synaptic_decay)
        records = _Records(current, context.needs_input_grad)
        sent = torch.empty(current.shape, dtype=torch.float32, device=current.device)
        state = State(membrane, synaptic, spikes)
        for step in range(current.shape[1]):
            records.before(step, state)
            reached = forward.step(current[:, step], state)
            records.after(step, reached, theta, state, forward.again)
            sends_spikes = _sends_spikes(dynamics)
            sent[:, step] = state.spikes if sends_spikes else state.membrane
        context.dynamics, context.records = dynamics, records
        context.save_for_backward(theta, decay, gain, offset, synaptic_decay)
        context.set_materialize_grads(False)
        return sent, state.membrane, state.synaptic, state.spikes

    @staticmethod
    def backward(context: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        from .scan_backward import backward

        found = backward(context.dynamics, context.records, context.saved_tensors, gradients)
        needs = context.needs_input_grad
        return tuple(
            value if need else None for value, need in zip((None, *found), needs, strict=True)
        )


def _sends_spikes(dynamics: Dynamics) -> bool:
    neuron = dynamics.neuron
    return isinstance(neuron, IntegrateFire) and neuron.sends == "spikes"


class _Records:
    """What the backward pass reads; nothing where no gradient is wanted.

    Tensors (frames, steps, *shape) of float32: `reached` the membrane before a reset in the same
    step, in thresholds; `spikes` sent; lists of each step's membrane and synaptic current before,
    where a decay is trained.
    """

    def __init__(self, current: Tensor, needs: tuple[bool, ...]) -> None:
        self.wanted = any(needs)
        self.shape = current.shape
        self.thresholds, self.offsets = needs[2], needs[5]
        self.decays = needs[3] or needs[6]
        shape = current.shape if self.wanted else (0,)
        self.reached = torch.empty(shape, dtype=torch.float32, device=current.device)
        self.spikes = torch.empty_like(self.reached)
        self.spikes_before = torch.zeros(())
        self.again: list[Tensor | None] = []
        self.membranes: list[Tensor] = []
        self.synaptics: list[Tensor] = []

    def before(self, step: int, state: State) -> None:
        """The state that a step begins with."""
        if step == 0:
            self.spikes_before = state.spikes
        if self.decays:
            self.membranes.append(state.membrane)
            self.synaptics.append(state.synaptic)

    def after(
        self, step: int, reached: Tensor, theta: Tensor, state: State, again: Tensor | None
    ) -> None:
        """What a step came to."""
        if self.wanted:
            self.reached[:, step] = reached / theta
            self.spikes[:, step] = state.spikes
            self.again.append(again)


class _Forward:
    """One step of the equations; it changes the state."""

    def __init__(
        self,
        dynamics: Dynamics,
        theta: Tensor,
        decay: Tensor,
        gain: Tensor,
        offset: Tensor,
        synaptic_decay: Tensor | None,
    ) -> None:
        self.neuron, self.rounds, self.reach = dynamics.neuron, dynamics.rounds, dynamics.reach
        self.dtype = dynamics.dtype
        self.theta, self.decay, self.gain = theta, decay, gain
        self.offset = offset if bool((offset != 0).any()) else None
        self.synaptic_decay = synaptic_decay
        self.again: Tensor | None = None

    def step(self, current: Tensor, state: State) -> Tensor:
        """The membrane before a reset in the same step; `state` is the one after it."""
        neuron = self.neuron
        drive = times(current.to(self.dtype), self.gain, self.rounds[1])
        if self.synaptic_decay is not None:
            kept = times(state.synaptic, self.synaptic_decay, self.rounds[2])
            drive = state.synaptic = self._saturated(kept.add_(drive))
        if self.offset is not None:
            drive = drive + self.offset
        total = times(state.membrane, self.decay, self.rounds[0]).add_(drive)
        if isinstance(neuron, Integrate):
            state.membrane = self._saturated(total)
            return state.membrane
        return self._fire(neuron, drive, total, state)

    def _fire(self, neuron: IntegrateFire, drive: Tensor, total: Tensor, state: State) -> Tensor:
        theta = self.theta
        if neuron.reset_step == "next" and neuron.reset == "subtract":
            total.addcmul_(state.spikes, theta, value=-1)
        elif neuron.reset_step == "next" and neuron.reset == "to_value":
            kept = drive if neuron.reset_keeps_input else torch.zeros_like(drive)
            total = torch.where(state.spikes > 0, kept + neuron.reset_value, total)
        elif neuron.reset_step == "both":
            self.again = self._fires(neuron, state.membrane)
            total.addcmul_(self.again, theta, value=-1)
        if neuron.floor is not None:
            total.clamp_(min=float(neuron.floor))
        reached = self._saturated(total)
        spikes = self._fires(neuron, reached)
        membrane = reached
        if neuron.reset_step == "same" and neuron.reset == "subtract":
            membrane = torch.addcmul(reached, spikes, theta, value=-1)
        elif neuron.reset_step == "same" and neuron.reset == "to_value":
            membrane = reached.masked_fill(spikes > 0, float(neuron.reset_value))
        elif self.again is not None:
            membrane = self._saturated(torch.addcmul(reached, spikes - self.again, theta, value=-1))
        state.membrane, state.spikes = membrane, spikes
        return reached

    def _fires(self, neuron: IntegrateFire, membrane: Tensor) -> Tensor:
        theta = self.theta
        if neuron.max_spikes == 1:
            fires = membrane > theta if neuron.fire_on == ">" else membrane >= theta
            return fires.to(membrane.dtype)
        multiples = membrane / theta  # an exact quotient of whole numbers is not rounded to one
        passed = multiples.ceil_().sub_(1) if neuron.fire_on == ">" else multiples.floor_()
        return passed.clamp_(0, neuron.max_spikes)

    def _saturated(self, x: Tensor) -> Tensor:
        return x if self.reach is None else x.clamp(*self.reach)
