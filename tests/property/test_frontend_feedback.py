"""Random time loops: whatever reads whatever from how many steps ago, the trace is the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from e3ne import reference
from e3ne.frontend import NeuronModel, register_neuron, trace
from e3ne.ir import IntegrateFire

STEPS = 7
SIZE = 4


class Fire(nn.Module):
    """One step a call, its membrane inside."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.v: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        v = x if self.v is None else 0.8 * self.v + x
        spikes = (v > self.threshold).to(v.dtype)
        self.v = v - self.threshold * spikes
        return spikes


def forget(module: nn.Module) -> None:
    module.v = None  # type: ignore[assignment]


@register_neuron(Fire, forget)
def describe_fire(module: Any, shape: tuple[int, ...]) -> NeuronModel:
    return NeuronModel(IntegrateFire(module.threshold, decay=0.8, reset_step="same"), None)


@dataclass(frozen=True)
class Edge:
    """Spikes of `source`, `delay` steps ago, into `target`: through a layer, or as they are."""

    source: int
    target: int
    delay: int
    through: str


@dataclass(frozen=True)
class Plan:
    """A network: which populations read the input, all edges, the order of work in a step."""

    populations: int
    inputs: tuple[int, ...]
    edges: tuple[Edge, ...]
    static: bool


@st.composite
def plans(draw: Callable[..., Any]) -> Plan:
    count = draw(st.integers(1, 3))
    edges = []
    for target in range(count):
        for source in range(count):
            least = 0 if source < target else 1
            if draw(st.booleans()):
                delay = draw(st.integers(least, 3))
                through = draw(st.sampled_from(["layer", "bias", "directly", "scaled"]))
                edges.append(Edge(source, target, delay, through))
    driven = {edge.target for edge in edges if edge.source != edge.target}
    others = draw(st.sets(st.integers(0, count - 1)))
    inputs = {0} | others | (set(range(count)) - driven)
    return Plan(count, tuple(sorted(inputs)), tuple(edges), draw(st.booleans()))


class Network(nn.Module):
    """The plan as a user writes it: a loop with a history that starts from zeros."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        torch.manual_seed(5)
        self.inward = nn.ModuleList(nn.Linear(5, SIZE) for _ in range(plan.populations))
        self.layers = nn.ModuleList(
            nn.Linear(SIZE, SIZE, bias=edge.through == "bias") for edge in plan.edges
        )
        self.fire = nn.ModuleList(Fire(0.4 + 0.2 * index) for index in range(plan.populations))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frames = len(x) if self.plan.static else x.shape[1]
        history = [
            [torch.zeros(frames, SIZE) for _ in range(4)] for _ in range(self.plan.populations)
        ]
        for step in range(STEPS):
            current_input = x if self.plan.static else x[step]
            for target in range(self.plan.populations):
                terms = []
                if target in self.plan.inputs:
                    terms.append(self.inward[target](current_input))
                for edge, layer in zip(self.plan.edges, self.layers, strict=True):
                    if edge.target == target:
                        # a target that was not yet computed in this step lacks its newest entry
                        late = edge.delay if edge.source < target else edge.delay - 1
                        spikes = history[edge.source][-1 - late]
                        terms.append(through(edge, layer, spikes))
                total = terms[0]
                for term in terms[1:]:
                    total = total + term
                history[target].append(self.fire[target](total))
        return torch.stack(history[-1][4:])


def through(edge: Edge, layer: nn.Module, spikes: torch.Tensor) -> torch.Tensor:
    match edge.through:
        case "directly":
            return spikes
        case "scaled":
            return -0.75 * spikes
        case _:
            return layer(spikes)


@settings(max_examples=40, deadline=None)
@given(plans())
def test_any_loop_of_spikes_is_traced_as_it_is(plan: Plan) -> None:
    model = Network(plan)
    generator = torch.Generator().manual_seed(6)
    x = torch.rand(3, *([] if plan.static else [STEPS]), 5, generator=generator) * 2 - 0.5
    graph = trace(model, x, input_has_steps=not plan.static)
    for module in model.fire:
        forget(module)
    expected = model(x if plan.static else x.transpose(0, 1)).transpose(0, 1)
    sent = reference.run(graph, x.numpy())[graph.outputs[0].source]
    np.testing.assert_array_equal(sent, expected.detach().numpy())
