"""A network so small that exploring it takes no time, and a Dask cluster inside the test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from e3ne.explore import Plan, wishes_of
from e3ne.explore.keys import content_key
from e3ne.ir import Array, Graph, IntegrateFire, Linear, Rectify
from tests.unit.lower_graphs import chain, frames, real

SHAPE = (6,)
OBJECTIVES = ("accuracy", "latency_us", "luts")


def relu_network() -> Graph:
    """6 inputs, 4 ReLUs, 3 scores."""
    first, second = Linear(real(4, 6), real(4)), Linear(real(3, 4), real(3))
    return chain(SHAPE, {"fc1": first, "relu": Rectify(), "fc2": second})


def spiking_network(steps: int = 8) -> Graph:
    """6 inputs as they are at every step, 3 spiking neurons."""
    neuron = IntegrateFire(threshold=1.0)
    return chain(SHAPE, {"fc1": Linear(real(3, 6), real(3)), "lif": neuron}, steps=steps)


def labelled(count: int = 80) -> tuple[Array, Array]:
    """Frames, and as labels what the float network answers, so that accuracy means something."""
    from e3ne.hardware import answers

    x = frames(count, *SHAPE)
    return x, answers(relu_network(), (x.reshape(count, 1, *SHAPE),)).classes


@contextlib.contextmanager
def cluster_here(workers: int = 1) -> Iterator[str]:
    """The address of a scheduler whose workers are threads of this process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        yield cluster.scheduler_address


def small(**changes: Any) -> dict[str, Any]:
    """Arguments of `explore` for the small network: few dials, few choices."""
    x, y = labelled()
    wishes = wishes_of(
        {
            "code": ["radix", "rate 4"],
            "target": "area",
            "utilisation": [0.1, 0.6],
            "weight_bits": [2, 4, 8],
            "edge_bits": [1, 4],
            "input_bits": [8],
        }
    )
    return {
        "model": relu_network(),
        "x": x,
        "y": y,
        "board": "ulx3s-85f",
        "plan": Plan(OBJECTIVES, seed=3),
        "wishes": wishes,
        **changes,
    }


def quick_evaluate(share: str, tree: dict[str, Any], part: str) -> dict[str, Any]:
    """Stands in for an evaluation: more bits, more accuracy and more cost."""
    nodes = tree["nodes"].values()
    bits = sum(node["weight_bits"] + node["edge_bits"] / 10 for node in nodes)
    return {
        "accuracy": 60 + bits,
        "frames": 60 if part == "search" else 20,
        "mapped": content_key(tree),
        **{"luts": 100 * bits, "latency_us": bits, "clock_hz": 1e8},
        **{"latency_cycles": 100 * bits, "interval_cycles": 10 * bits},
    }
