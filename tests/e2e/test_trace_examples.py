"""The committed examples, weights and all, trace and pass the check of their trace."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from e3ne.frontend import load_model, trace
from e3ne.ir import IntegrateFire, Readout, Rectify

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "shape", "steps", "neurons", "readout"),
    [
        ("digits_radix", (1, 8, 8), None, [Rectify] * 3, Readout.LAST),
        ("digits_lif", (1, 8, 8), None, [IntegrateFire] * 3, Readout.COUNT),
        ("peer_b", (25, 64), 25, [IntegrateFire] * 2, Readout.COUNT),
        ("mnist_lenet5", (1, 32, 32), None, [Rectify] * 4, Readout.LAST),
    ],
)
def test_an_example(
    name: str, shape: tuple[int, ...], steps: int | None, neurons: list[type], readout: Readout
) -> None:
    folder = EXAMPLES / name
    model = load_model(f"{folder / 'model.py'}:net", folder / "weights.safetensors")
    x = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    graph = trace(model, x.round() if steps else x, steps, input_has_steps=steps is not None)
    found = [type(node.neuron) for node in graph.nodes]
    assert [kind for kind in found if kind in (Rectify, IntegrateFire)] == neurons
    assert graph.outputs[0].readout is readout
    weights = set(model.state_dict())
    assert {name.rpartition(".")[0] for name in weights if name.endswith(".weight")} <= {
        node.name for node in graph.nodes
    }
