"""A network so small that exploring it takes no time, and a Dask cluster inside the test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from e3ne.explore import Plan, wishes_of
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
    wishes = wishes_of({"weight_bits": [2, 4, 8], "edge_bits": [1, 4], "input_bits": 8})
    return {
        "model": relu_network(),
        "x": x,
        "y": y,
        "board": "ulx3s-85f",
        "plan": Plan(OBJECTIVES, seed=3),
        "wishes": wishes,
        **changes,
    }


def plain(values: Any) -> Any:
    """Arrays as lists, for comparing."""
    return values.tolist() if isinstance(values, np.ndarray) else values
