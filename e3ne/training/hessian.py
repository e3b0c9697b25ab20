"""How curved the loss is in each weight tensor, and what rounding it would cost to second order.

The trace of the Hessian of the mean cross entropy by Hutchinson's estimate, E[v' H v] of random
signs v; with it the loss of rounding W to Q(W) is about trace / (2 n) * |W - Q(W)|^2 for n weights
(Dong et al., HAWQ-V2, NeurIPS 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..config import Config
from ..ir import Array, Conv2d, Graph, Integrate, IntegrateFire, Linear, UnsupportedModel
from ..ir.user_arrays import UserArrays, input_arrays
from ..lower import quantized
from ..lower.fidelity import dequantized
from .network import QuantizedNetwork

SAMPLES = 8


def hessian_traces(
    graph: Graph, x: UserArrays, y: Array, samples: int = SAMPLES, seed: int = 0
) -> dict[str, float]:
    """By node: the trace of the Hessian of its weights, at the real weights of `graph`.

    `graph` is of stage FLOAT (`lower.prepared`), of ReLUs; `x` are real frames of each input, `y`
    classes (frames,); `samples` vectors of random signs are drawn for each node. UnsupportedModel
    for spiking neurons, whose surrogate has no second derivative.
    """
    spiking = [n.name for n in graph.nodes if isinstance(n.neuron, IntegrateFire | Integrate)]
    if spiking:
        raise UnsupportedModel(
            f"{', '.join(spiking)}: found spiking neurons, accepted networks of ReLUs for a "
            "Hessian; take the measured sensitivities"
        )
    network = QuantizedNetwork(graph, quantizing=False)
    frames = [
        torch.from_numpy(array.astype(np.float32))
        for array in input_arrays("data", graph.inputs, x)
    ]
    logits = network(*frames)
    assert isinstance(logits, Tensor)
    loss = cross_entropy(logits, torch.from_numpy(np.asarray(y)))
    named = {
        name.removesuffix(".weight"): weight
        for name, weight in network.weights.items()
        if name.endswith(".weight")
    }
    slopes = torch.autograd.grad(loss, list(named.values()), create_graph=True)
    generator = torch.Generator().manual_seed(seed)
    return {
        name: _trace(slope, weight, samples, generator)
        for (name, weight), slope in zip(named.items(), slopes, strict=True)
    }


def _trace(slope: Tensor, weight: Tensor, samples: int, generator: torch.Generator) -> float:
    """The mean of v' H v over vectors v of random signs."""
    total = 0.0
    for _ in range(samples):
        signs = torch.randint(0, 2, weight.shape, generator=generator).float() * 2 - 1
        (bent,) = torch.autograd.grad(slope, weight, signs, retain_graph=True)
        total += float((bent * signs).sum())
    return total / samples


def predicted_losses(
    graph: Graph,
    traces: dict[str, float],
    bits: Sequence[float],
    config: Config | None = None,
    calibration: UserArrays | None = None,
) -> dict[str, dict[float, float]]:
    """By node and bits: the cross entropy (nats) that rounding its weights alone would add.

    `config` and `calibration` as of `lower.quantized`; a negative trace counts as 0.
    """
    config = config or Config()
    found: dict[str, dict[float, float]] = {name: {} for name in traces}
    for each in bits:
        nodes = {name: replace(node, weight_bits=each) for name, node in config.nodes.items()}
        default = replace(config.default, weight_bits=each)
        tried = replace(config, default=default, nodes=nodes)
        rounded = dequantized(graph, quantized(graph, calibration, tried), tried)
        for name, trace in traces.items():
            error, count = _squared_error(graph, rounded, name)
            found[name][each] = 0.5 * max(trace, 0.0) / count * error
    return found


def _squared_error(graph: Graph, rounded: Graph, name: str) -> tuple[float, int]:
    """(the squared distance of the weights of a node, how many they are)."""
    error, count = 0.0, 0
    pairs = zip(graph.node(name).synapses, rounded.node(name).synapses, strict=True)
    for real, after in pairs:
        if isinstance(real.op, Linear | Conv2d) and isinstance(after.op, Linear | Conv2d):
            difference = real.op.weight.astype(np.float64) - after.op.weight
            error, count = error + float((difference**2).sum()), count + difference.size
    return error, count
