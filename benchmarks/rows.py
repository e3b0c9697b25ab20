"""The rows: which example, for which board, checked on what, routed how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One benchmark: `examples/<example>` compiled for `board`.

    `input_has_steps`: its frames are trains (frames, steps, *shape). `seeds`: nextpnr runs.
    `rivals` are keys of `rivals.RIVALS`, what docs/benchmarks.md prints beside it.
    """

    name: str
    example: str
    title: str
    board: str = "ulx3s-85f"
    input_has_steps: bool = False
    seeds: int = 3
    rivals: tuple[str, ...] = ()


ROWS = {
    row.name: row
    for row in (
        Row("digits_radix", "digits_radix", "Digits CNN, 4-bit weights, 4-bit radix"),
        Row("digits_lif", "digits_lif", "Digits CNN, snnTorch Leaky, 10 steps"),
        Row(
            "peer_b",
            "peer_b",
            "Network B: 64-32-10 snnTorch Leaky, 25 steps",
            input_has_steps=True,
            rivals=("spiker_b", "sc_neurocore_b"),
        ),
        Row(
            "lenet5",
            "mnist_lenet5",
            "LeNet-5 on MNIST, 3-bit weights, 4-bit radix",
            rivals=("e3ne_lenet5_4", "e3ne_lenet5_1"),
        ),
    )
}

DEMO = ("digits_radix", "digits_lif")
