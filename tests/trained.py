"""What every trained network is asked: that four ways to its integers give the same ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from e3ne import reference
from e3ne.ir import Array, BadInput, Graph
from e3ne.lower import lower
from e3ne.training.network import QuantizedNetwork
from e3ne.training.twin import Twin


def assert_same_integers(network: QuantizedNetwork, *x: Array) -> dict[str, Array]:
    """For real frames: what the pass computes, what its export sends, the twin, and what lowering
    makes of the float graph are equal at every node. Returns them.

    Lowering may merge or split sums once more (where a trained bias became 0, for one); what it
    makes of them is not compared then.
    """
    exported = network.export()
    lowered = lowered_again(network)
    words = encoded(exported, x)
    wanted = reference.run(exported, *words)
    ways = {
        "twin": {name: sent.numpy() for name, sent in Twin(exported).run(*words).items()},
        "forward": forward(network, x),
    }
    if lowered is not None and structure(lowered) == structure(exported):
        ways["lowered"] = reference.run(lowered, *encoded(lowered, x))
    for way, found in ways.items():
        for name, sent in wanted.items():
            different = int((found[name] != sent).sum())
            assert different == 0, f"{way}, {name}: {different} of {sent.size} differ"
    return wanted


def lowered_again(network: QuantizedNetwork) -> Graph | None:
    """What lowering makes of the float graph; None where it merges nodes that have settings."""
    try:
        return lower(network.float_graph(), None, network.config)
    except BadInput as error:
        if "that is part of the node" not in str(error):
            raise
        return None


def structure(graph: Graph) -> list[object]:
    """Who reads whom through which kind of op."""
    return [
        (node.name, [(type(s.op).__name__, s.source, s.delay, s.gain) for s in node.synapses])
        for node in graph.nodes
    ]


def forward(network: QuantizedNetwork, x: Sequence[Array]) -> dict[str, Array]:
    """What the training pass computes at every node."""
    tensors = [torch.from_numpy(np.array(array)) for array in x]
    return {name: sent.detach().numpy() for name, sent in network.values(*tensors).items()}


def encoded(integer: Graph, x: Sequence[Array]) -> list[Array]:
    """Real frames as the integers of the inputs."""
    return [
        reference.encode_input(
            source, np.reshape(array, (len(array), source.type.steps, *source.type.shape))
        )
        for source, array in zip(integer.inputs, x, strict=True)
    ]


def shares_divisors(network: QuantizedNetwork) -> bool:
    """Have all levels on one grid a common divisor, so that lowering finds a coarser unit?"""
    for node in network.export().nodes:
        for index in range(len(node.synapses)):
            name = network.trained.names.get((node.name, index))
            if name is None:
                continue
            grid = network.trained.grids[name]
            unit = torch.from_numpy(np.asarray(grid.scale)).float()
            weight = network.weights[f"{name}.weight"]
            unit = unit.reshape(-1, *(1,) * (weight.ndim - 1)) if unit.ndim else unit
            levels = network.trained.levels(name, unit).detach().long().numpy()
            rows = levels.reshape(len(levels) if grid.scale.ndim else 1, -1)
            if (np.gcd.reduce(rows, axis=1) != 1).any():
                return True
    return False


def scrambled(network: QuantizedNetwork, seed: int, size: float = 0.3) -> None:
    """Moves every parameter, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.weights.values():
            noise = torch.randn(value.shape, generator=generator)
            value.add_(noise * size * value.abs().mean().clamp(min=0.05))
