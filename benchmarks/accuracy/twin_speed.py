"""How fast the integer twin runs LeNet-5 over all 10,000 MNIST images, and that it is exact.

    .venv/bin/python -m benchmarks.accuracy.twin_speed [--threads 2] [--json FILE]

Every integer that any node sends is compared with the reference. Exits with 1 where one differs.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import numpy as np
import torch

from e3ne import reference
from e3ne.data import chunks
from e3ne.ir import Array, Graph
from e3ne.training.twin import Twin, answers
from examples.evaluate import load_example

EXAMPLE = "mnist_lenet5"


def mismatches(twin: Twin, graph: Graph, words: Array) -> int:
    """Integers of any node that differ between twin and reference, for integer frames."""
    found = 0
    for part in chunks(graph, len(words)):
        wanted, sent = reference.run(graph, words[part]), twin.run(words[part])
        found += sum(int((wanted[name] != sent[name].numpy()).sum()) for name in wanted)
    return found


@click.command(help=__doc__)
@click.option("--threads", default=2, show_default=True, help="Threads of torch.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File for the figures.")
def main(threads: int, json_file: Path | None) -> None:
    torch.set_num_threads(threads)
    example = load_example(EXAMPLE)
    twin = Twin(example.integer)
    start = time.monotonic()
    _, classes = answers(twin, example.x)
    wall_s = time.monotonic() - start
    words = reference.encode_input(example.integer.inputs[0], example.x)
    figures = {
        "network": EXAMPLE,
        "frames": len(classes),
        "threads": threads,
        "wall_s": round(wall_s, 2),
        "percent": round(100.0 * float(np.mean(classes == example.y)), 2),
        "mismatches": mismatches(twin, example.integer, words),
    }
    click.echo(json.dumps(figures, indent=2))
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")
    raise SystemExit(1 if figures["mismatches"] else 0)


if __name__ == "__main__":
    main()
