"""The backward pass of `scan`: gradients of the real-numbered equations, step by step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..ir import Integrate, IntegrateFire
from .scan import Dynamics

Gradients = tuple[Tensor | None, ...]


def backward(
    dynamics: Dynamics, records: Any, parameters: Gradients, gradients: Gradients
) -> Gradients:
    """Gradients of (current, theta, decay, gain, offset, synaptic decay, membrane, synaptic,
    spikes) for `gradients` of (sent, membrane, synaptic, spikes) after the last step."""
    walk = _Backward(dynamics, records, parameters, gradients)
    for step in reversed(range(records.shape[1])):
        walk.step(step)
    return walk.found()


class _Backward:
    """Goes from the last step to the first; float32."""

    def __init__(
        self, dynamics: Dynamics, records: Any, parameters: Gradients, gradients: Gradients
    ) -> None:
        self.dynamics, self.records, self.neuron = dynamics, records, dynamics.neuron
        theta, decay, gain, offset, synaptic_decay = parameters
        assert theta is not None
        assert decay is not None
        assert gain is not None
        assert offset is not None
        self.originals = (theta, decay, gain, offset, synaptic_decay)
        self.theta, self.decay, self.gain = theta.float(), decay.float(), gain.float()
        self.synaptic_decay = None if synaptic_decay is None else synaptic_decay.float()
        self.sent, *last = gradients
        one = records.reached[:, 0]
        self.membrane, self.synaptic, self.spikes = (
            torch.zeros_like(one) if gradient is None else gradient.float() for gradient in last
        )
        self.current = torch.empty(records.shape, dtype=torch.float32, device=one.device)
        self.slopes = _slopes(dynamics, records, self.theta)
        self.by_theta = torch.zeros_like(one)
        self.by_decay = torch.zeros_like(one)
        self.by_synaptic_decay = torch.zeros_like(one)
        self.by_offset = torch.zeros_like(one)

    def step(self, step: int) -> None:
        """From the gradients of the state after a step to those of the state before it."""
        neuron, records = self.neuron, self.records
        sent = None if self.sent is None else self.sent[:, step]
        if isinstance(neuron, Integrate):
            reached = self.membrane if sent is None else self.membrane + sent
            reached = self._unsaturated(step, reached)
            driven = leaked = reached
            spikes_before: Tensor | None = None
        else:
            reached = self._fired(neuron, step, sent)
            before = records.spikes[:, step - 1] if step else records.spikes_before
            driven, leaked, spikes_before = self._reset_before(neuron, reached, before, step)
        if records.offsets:
            self.by_offset += driven
        self.spikes = torch.zeros_like(reached) if spikes_before is None else spikes_before
        if self.synaptic_decay is not None:
            driven = driven + self.synaptic
            if records.decays:
                self.by_synaptic_decay += driven * records.synaptics[step]
            self.synaptic = driven * self.synaptic_decay
        self.current[:, step] = driven * self.gain
        if records.decays:
            self.by_decay += leaked * records.membranes[step]
        self.membrane = leaked * self.decay

    def _fired(self, neuron: IntegrateFire, step: int, sent: Tensor | None) -> Tensor:
        """The gradient of the membrane before the reset in the same step."""
        records = self.records
        spikes, after = self.spikes, self.membrane
        if sent is not None and neuron.sends == "spikes":
            spikes = spikes + sent
        elif sent is not None:
            after = after + sent
        fired, again = records.spikes[:, step], records.again[step]
        through_reset = self.dynamics.reset_gradient
        if neuron.reset_step == "same" and neuron.reset == "to_value":
            kept = after.masked_fill(fired > 0, 0)
        else:
            kept = after
            if neuron.reset_step != "next" and neuron.reset == "subtract":
                taken = fired if again is None else fired - again.float()
                if records.thresholds:
                    self.by_theta -= after * taken
                if through_reset:
                    spikes = spikes - after * self.theta
        slopes = self.slopes[:, step]
        by_slope = spikes * slopes
        if records.thresholds:
            self.by_theta -= by_slope * records.reached[:, step]
        return self._unsaturated(step, kept + by_slope)

    def _reset_before(
        self, neuron: IntegrateFire, reached: Tensor, before: Tensor, step: int
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Gradients of what drives the membrane, of what has leaked, of the spikes before."""
        if neuron.reset_step == "next" and neuron.reset == "to_value":
            fired = before > 0
            leaked = reached.masked_fill(fired, 0)
            return (reached if neuron.reset_keeps_input else leaked), leaked, None
        if neuron.reset_step == "next" and neuron.reset == "subtract":
            if self.records.thresholds:
                self.by_theta -= reached * before
            through = -reached * self.theta if self.dynamics.reset_gradient else None
            return reached, reached, through
        again = self.records.again[step]
        if again is not None and self.records.thresholds:
            self.by_theta -= reached * again.float()
        return reached, reached, None

    def _unsaturated(self, step: int, reached: Tensor) -> Tensor:
        """No gradient where the membrane was held by the floor or by its width."""
        neuron, reach = self.neuron, self.dynamics.reach
        floor = neuron.floor if isinstance(neuron, IntegrateFire) else None
        if floor is None and reach is None:
            return reached
        value = self.records.reached[:, step] * self.theta
        held = torch.zeros_like(value, dtype=torch.bool)
        if floor is not None:
            held |= value <= floor
        if reach is not None:
            held |= (value <= reach[0]) | (value >= reach[1])
        return reached.masked_fill(held, 0)

    def found(self) -> Gradients:
        """See `backward`."""
        theta, decay, _, offset, synaptic_decay = self.originals
        return (
            self.current,
            _summed_to(self.by_theta, theta),
            _summed_to(self.by_decay, decay),
            None,
            _summed_to(self.by_offset, offset),
            None if synaptic_decay is None else _summed_to(self.by_synaptic_decay, synaptic_decay),
            self.membrane,
            self.synaptic,
            self.spikes,
        )


def _slopes(dynamics: Dynamics, records: Any, theta: Tensor) -> Tensor:
    """The derivative of the spikes by the membrane at every step: (frames, steps, *shape)."""
    neuron = dynamics.neuron
    if isinstance(neuron, Integrate):
        return records.reached  # type: ignore[no-any-return]
    nearest = records.reached.round().clamp_(1, neuron.max_spikes)
    distance = torch.sub(records.reached, nearest, out=nearest)
    return dynamics.surrogate.derivative(distance).div_(theta)


def _summed_to(gradient: Tensor, parameter: Tensor) -> Tensor:
    return gradient.sum_to_size(parameter.shape).to(parameter.dtype)
