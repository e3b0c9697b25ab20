"""What every trained network is asked: that four ways to its integers give the same ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from e3ne import reference
from e3ne.ir import Array, Graph
from e3ne.lower import lower
from e3ne.training.network import QuantizedNetwork
from e3ne.training.twin import Twin


def assert_same_integers(network: QuantizedNetwork, *x: Array) -> dict[str, Array]:
    """For real frames: what the pass computes, what its export sends, the twin, and what lowering
    makes of the float graph are equal at every node. Returns them."""
    exported = network.export()
    lowered = lower(network.float_graph(), None, network.config)
    words = encoded(exported, x)
    wanted = reference.run(exported, *words)
    ways = {
        "lowered": reference.run(lowered, *encoded(lowered, x)),
        "twin": {name: sent.numpy() for name, sent in Twin(exported).run(*words).items()},
        "forward": forward(network, x),
    }
    for way, found in ways.items():
        for name, sent in wanted.items():
            different = int((found[name] != sent).sum())
            assert different == 0, f"{way}, {name}: {different} of {sent.size} differ"
    return wanted


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


def scrambled(network: QuantizedNetwork, seed: int, size: float = 0.3) -> None:
    """Moves every parameter, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.weights.values():
            noise = torch.randn(value.shape, generator=generator)
            value.add_(noise * size * value.abs().mean().clamp(min=0.05))
