"""How `e3ne explore` uses its workers, and whether a long search leaks memory or processes.

    python -m benchmarks.explore_speed speed [--repeats 3] [--trials 24] [--sleep-s 0.5] [--json F]
    python -m benchmarks.explore_speed leaks [--trials 200] [--jobs 2] [--json F]

`speed` compares 2 workers with 1, alternately, by the median of the ratios of pairs; with
`--sleep-s` an evaluation only sleeps so long, which measures the search itself on a machine that is
busy with other work. `leaks` synthesizes a tiny network with Yosys again and again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from e3ne.explore import Counts, Explored, Plan, explore, wishes_of
from e3ne.explore.keys import content_key
from e3ne.ir import (
    Array,
    Graph,
    Identity,
    Input,
    Linear,
    Node,
    Op,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    verify,
)

SIZES = (8, 6, 4)
FRAMES = 200
WARM = 6  # trials after which every worker has loaded what it needs
SPACE = {
    "code": "radix",
    "weight_bits": [1, 1.58, 2, 3, 4, 5, 6, 7, 8],
    "edge_bits": [1, 2, 3, 4, 5, 6, 7, 8],
    "input_bits": [2, 3, 4, 5, 6, 7, 8],
    "per_layer": ["weight_bits"],
    "target": "area",
    "utilisation": 0.6,
}


def network() -> Graph:
    """8 inputs, 6 ReLUs, 4 scores."""
    inputs, hidden, scores = SIZES
    nodes = [
        _node("fc1", Linear(_weights(hidden, inputs), _weights(hidden)), "x", hidden),
        Node("relu", (Synapse(Identity(), "fc1"),), Rectify(), SpikeType((hidden,), 1)),
        _node("fc2", Linear(_weights(scores, hidden), _weights(scores)), "relu", scores),
    ]
    source = Input("x", SpikeType((inputs,), 1))
    return verify(Graph(Stage.FLOAT, (source,), tuple(nodes), (Output("fc2", Readout.LAST),)))


def _node(name: str, op: Op, source: str, neurons: int) -> Node:
    return Node(name, (Synapse(op, source),), Relay(), SpikeType((neurons,), 1))


def _weights(*shape: int) -> Array:
    return frozen(np.random.default_rng(sum(shape)).normal(size=shape), np.float32)


def labelled() -> tuple[Array, Array]:
    """Frames, and labels that follow from them."""
    from e3ne.hardware import answers

    x = np.random.default_rng(0).random((FRAMES, SIZES[0]))
    return x, answers(network(), (x[:, None],)).classes


def sleeping(seconds: float) -> Any:
    """An evaluation that only takes time."""

    def evaluate(share: str, tree: dict[str, Any], part: str) -> dict[str, Any]:
        time.sleep(seconds)
        bits = sum(node["weight_bits"] for node in tree["nodes"].values())
        figures = {"accuracy": 50.0 + bits, "frames": 10, "mapped": content_key(tree)}
        return {**figures, "latency_us": bits / 10, "luts": 100 * bits}

    return evaluate


def run(folder: Path, trials: int, jobs: int, plan: Plan, watch: Any = None) -> Explored:
    """A search with a database and a cache of its own."""
    x, y = labelled()
    return explore(
        *(network(), x, y),
        trials=trials,
        storage=f"sqlite:///{folder}/study.db",
        cache=folder / "cache",
        jobs=jobs,
        plan=plan,
        wishes=wishes_of(SPACE),
        watch=watch,
    )


def trials_per_s(trials: int, jobs: int) -> float:
    """Throughput from the answer that finds all workers warm (torch is loaded) to the last."""
    told: dict[int, float] = {}

    def watch(counts: Counts) -> None:
        told.setdefault(counts.finished, time.perf_counter())

    with tempfile.TemporaryDirectory(prefix="explore-speed-") as folder:
        run(Path(folder), trials, jobs, Plan(("accuracy", "latency_us", "luts")), watch)
    return (trials - WARM) / (told[trials] - told[WARM])


def speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Throughput of 1 and 2 workers, pair by pair."""
    if arguments.sleep_s:
        search: Any = importlib.import_module("e3ne.explore.search")
        search._evaluate = sleeping(arguments.sleep_s)
    pairs = []
    for number in range(arguments.repeats):
        order = (1, 2) if number % 2 == 0 else (2, 1)
        found = {jobs: trials_per_s(arguments.trials, jobs) for jobs in order}
        load = os.getloadavg()[0]
        pairs.append({"one": found[1], "two": found[2], "ratio": found[2] / found[1], "load": load})
        print(json.dumps(pairs[-1]), flush=True)
    ratio = statistics.median(pair["ratio"] for pair in pairs)
    return {
        "trials": arguments.trials,
        "sleep_s": arguments.sleep_s,
        "ratio": ratio,
        "pairs": pairs,
    }


def leaks(arguments: argparse.Namespace) -> dict[str, Any]:
    """Memory and processes of a search with synthesis, as its trials finish."""
    import psutil

    samples: list[dict[str, Any]] = []
    me = psutil.Process()
    kept = set(Path(tempfile.gettempdir()).glob("e3ne-explore-*"))

    def watch(counts: Counts) -> None:
        if samples and samples[-1]["trials"] == counts.finished:
            return
        children = me.children(recursive=True)
        memory = 0
        for child in children:
            try:
                memory += child.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        samples.append(
            {
                "trials": counts.finished,
                "parent_mb": me.memory_info().rss / 1e6,
                "children_mb": memory / 1e6,
                "processes": len(children),
            }
        )
        if counts.finished % 10 == 0:
            print(json.dumps(samples[-1]), flush=True)

    began = time.perf_counter()
    plan = Plan(("accuracy", "luts"), measure="synthesis", sampler="random")
    with tempfile.TemporaryDirectory(prefix="explore-leaks-") as folder:
        found = run(Path(folder), arguments.trials, arguments.jobs, plan, watch)
    time.sleep(2)
    return {
        "trials": len(found.trials),
        "failed": found.counts.failed,
        "networks": len({trial.figures.get("mapped") for trial in found.trials}),
        "seconds": time.perf_counter() - began,
        "processes_left": len(me.children(recursive=True)),
        "folders_left": len(set(Path(tempfile.gettempdir()).glob("e3ne-explore-*")) - kept),
        "samples": samples,
    }


def main() -> None:
    """Parses, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["speed", "leaks"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sleep-s", type=float, default=0.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.trials = arguments.trials or (24 if arguments.what == "speed" else 200)
    found = speed(arguments) if arguments.what == "speed" else leaks(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in found.items() if key != "samples"}, indent=1))


if __name__ == "__main__":
    main()
