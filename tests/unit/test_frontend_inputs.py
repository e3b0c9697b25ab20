"""Several inputs and outputs of a model, and the forms in which it wants its frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from e3ne import reference
from e3ne.frontend import NeuronModel, register_neuron, trace
from e3ne.ir import BadInput, Graph, IntegrateFire, Readout, UnsupportedModel

STEPS = 6


class Fire(nn.Module):
    """One step a call, the membrane inside."""

    def __init__(self) -> None:
        super().__init__()
        self.v: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        v = x if self.v is None else self.v + x
        spikes = (v > 0.5).to(v.dtype)
        self.v = v - 0.5 * spikes
        return spikes


def forget(module: nn.Module) -> None:
    module.v = None  # type: ignore[assignment]


@register_neuron(Fire, forget)
def describe_fire(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    return NeuronModel(IntegrateFire(0.5, reset_step="same"), None)


class TwoEyes(nn.Module):
    """Two inputs of their own layers into one population; one step a call."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.fc_left, self.fc_right, self.fire = nn.Linear(4, 5), nn.Linear(3, 5), Fire()

    def forward(self, left: torch.Tensor, right: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        return self.fire(self.fc_left(left) + scale * self.fc_right(right))


class Frames(nn.Module):
    """The same as a loop over all steps of the left eye, the right one sees a still picture."""

    def __init__(self, frames_first: bool) -> None:
        super().__init__()
        self.eyes, self.frames_first = TwoEyes(), frames_first

    def forward(self, film: torch.Tensor, still: torch.Tensor) -> torch.Tensor:
        steps = film.transpose(0, 1) if self.frames_first else film
        return torch.stack([self.eyes(step, still) for step in steps])


def uniform(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def sent(graph: Graph, *inputs: torch.Tensor, output: int = 0) -> np.ndarray[Any, Any]:
    return reference.run(graph, *(x.numpy() for x in inputs))[graph.outputs[output].source]


def test_two_inputs_are_named_after_the_arguments_of_forward() -> None:
    model, left, right = TwoEyes(), uniform(3, 4), uniform(3, 3, seed=2)
    graph = trace(model, (left, right), steps=STEPS)
    assert [(source.name, source.type.shape) for source in graph.inputs] == [
        ("left", (4,)),
        ("right", (3,)),
    ]
    expected = torch.stack([model(left, right) for _ in range(STEPS)], 1)
    np.testing.assert_array_equal(sent(graph, left, right), expected.detach().numpy())
    assert 0 < expected.mean() < 1


def test_inputs_by_keyword_with_and_without_steps() -> None:
    model, left, right = TwoEyes(), uniform(3, STEPS, 4), uniform(3, 3, seed=2)
    inputs = {"right": right, "left": left}
    graph = trace(model, inputs, input_has_steps={"left": True, "right": False})
    assert [(source.name, source.type.steps) for source in graph.inputs] == [
        ("right", 1),
        ("left", STEPS),
    ]
    expected = torch.stack([model(step, right) for step in left.unbind(1)], 1)
    np.testing.assert_array_equal(sent(graph, right, left), expected.detach().numpy())


@pytest.mark.parametrize("frames_first", [True, False])
def test_a_loop_over_one_of_two_inputs(frames_first: bool) -> None:
    model, film, still = Frames(frames_first), uniform(3, STEPS, 4), uniform(3, 3, seed=2)
    graph = trace(model, (film, still), input_has_steps=(True, False))
    assert [(source.name, source.type.steps) for source in graph.inputs] == [
        ("film", STEPS),
        ("still", 1),
    ]
    expected = model(film if frames_first else film.transpose(0, 1), still).transpose(0, 1)
    np.testing.assert_array_equal(sent(graph, film, still), expected.detach().numpy())


def test_as_many_frames_as_steps_cannot_be_confused() -> None:
    film, still = uniform(STEPS, STEPS, 4), uniform(STEPS, 3, seed=2)
    for frames_first in (True, False):
        graph = trace(Frames(frames_first), (film, still), input_has_steps=(True, False))
        assert graph.inputs[0].type.steps == STEPS


class Named(NamedTuple):
    spikes: torch.Tensor
    scores: torch.Tensor


class Heads(nn.Module):
    """Two outputs in one of several forms."""

    def __init__(self, form: str) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.fc, self.fire, self.head, self.form = nn.Linear(4, 5), Fire(), nn.Linear(5, 2), form

    def forward(self, x: torch.Tensor) -> Any:
        spikes = self.fire(self.fc(x))
        scores = self.head(spikes)
        match self.form:
            case "dict":
                return {"spikes": spikes, "scores": scores}
            case "named":
                return Named(spikes, scores)
            case "nested":
                return spikes, (scores, [1, 2])
            case _:
                return spikes, scores


def test_by_default_the_first_tensor_is_the_output() -> None:
    for form in ("tuple", "dict", "named", "nested"):
        graph = trace(Heads(form), uniform(3, 4), steps=STEPS)
        assert [(output.source, output.readout) for output in graph.outputs] == [
            ("fire", Readout.COUNT)
        ]


@pytest.mark.parametrize(
    ("form", "outputs"),
    [
        ("tuple", 2),
        ("tuple", [0, 1]),
        ("dict", ("spikes", "scores")),
        ("dict", 2),
        ("named", ["spikes", "scores"]),
        ("nested", ["0", "1.0"]),
    ],
)
def test_several_outputs(form: str, outputs: Any) -> None:
    model, x = Heads(form), uniform(3, 4)
    graph = trace(model, x, steps=STEPS, outputs=outputs)
    assert [(output.source, output.readout) for output in graph.outputs] == [
        ("fire", Readout.COUNT),
        ("head", Readout.MEAN),
    ]
    scores = [model.head(model.fire(model.fc(x))) for _ in range(STEPS)]
    got = sent(graph, x, output=1)
    np.testing.assert_allclose(got, torch.stack(scores, 1).detach().numpy(), atol=1e-5)


def test_another_output_and_other_readouts() -> None:
    x = uniform(3, 4)
    graph = trace(Heads("dict"), x, steps=STEPS, outputs="scores", readout="last")
    assert [(output.source, output.readout) for output in graph.outputs] == [("head", Readout.LAST)]
    graph = trace(Heads("dict"), x, steps=STEPS, outputs=["scores", 0], readout=["max", None])
    assert [(output.source, output.readout) for output in graph.outputs] == [
        ("head", Readout.MAX),
        ("fire", Readout.COUNT),
    ]


def test_an_output_that_nobody_asked_for_may_be_anything() -> None:
    class Curious(Heads):
        def forward(self, x: torch.Tensor) -> Any:
            spikes = self.fire(self.fc(x))
            return spikes, torch.sigmoid(spikes)

    graph = trace(Curious("tuple"), uniform(3, 4), steps=STEPS)
    assert graph.outputs[0].source == "fire"
    with pytest.raises(UnsupportedModel, match=r"found sigmoid"):
        trace(Curious("tuple"), uniform(3, 4), steps=STEPS, outputs=2)


def bad(found: str, model: nn.Module, example: Any, **options: Any) -> None:
    with pytest.raises(BadInput) as caught:
        trace(model, example, **{"steps": STEPS, **options})
    assert str(caught.value).startswith(found)
    assert "accepted" in str(caught.value)


def test_outputs_that_do_not_exist() -> None:
    x = uniform(3, 4)
    bad("outputs: found 3, accepted 1 to 2", Heads("tuple"), x, outputs=3)
    bad("outputs: found 0, accepted 1 to 2", Heads("tuple"), x, outputs=0)
    bad("outputs: found 'score', accepted spikes, scores", Heads("dict"), x, outputs="score")
    bad("outputs: found 5, accepted spikes, scores", Heads("dict"), x, outputs=[5])
    bad("outputs: found [0, 0], accepted one or more outputs, each once", Heads("dict"), x,
        outputs=[0, 0])  # fmt: skip
    bad("readout: found 3 for 1 outputs", Heads("dict"), x, readout=["max"] * 3)
    bad("readout: found 'most'", Heads("dict"), x, outputs=2, readout=["max", "most"])


def test_inputs_that_do_not_fit() -> None:
    left, right = uniform(3, 4), uniform(3, 3)
    eyes = TwoEyes()
    bad("forward of TwoEyes: found required arguments right beside the input", eyes, left)
    bad("forward of TwoEyes: found required arguments left beside", eyes, {"right": right})
    bad("example_input: found inputs middle, accepted the arguments of forward of TwoEyes (left, "
        "right, scale)", eyes, {"left": left, "right": right, "middle": left})  # fmt: skip
    bad("example_input: found 4 inputs for a forward of TwoEyes that takes 3", eyes, (left,) * 4)
    bad("example_input: found [2, 3] frames", eyes, (left[:2], right))
    bad("example_input: found [5, 6] steps", eyes, (uniform(3, 5, 4), uniform(3, 6, 3)),
        input_has_steps=True)  # fmt: skip
    bad("example_input: found no array", eyes, ())
    bad("input_has_steps: found (True,) for inputs left, right", eyes, (left, right),
        input_has_steps=(True,))  # fmt: skip
    bad("input_has_steps: found {'middle': True} for inputs left, right", eyes, (left, right),
        input_has_steps={"middle": True})  # fmt: skip


def test_a_model_that_does_not_use_an_input() -> None:
    class Blind(TwoEyes):
        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return self.fire(self.fc_left(left))

    graph = trace(Blind(), (uniform(3, 4), uniform(3, 3)), steps=STEPS)
    assert [source.name for source in graph.inputs] == ["left", "right"]
