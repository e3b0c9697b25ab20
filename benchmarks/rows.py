"""The rows: which network, for which board, laid out how, checked on what, routed how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Figure = Literal[
    "latency_cycles",
    "interval_cycles",
    "latency_us",
    "core_us",
    "interval_us",
    "frames_per_s",
    "clock_mhz",
    "luts",
    "lut_percent",
    "brams",
    "accuracy_percent",
    "times_fewer_cycles",
]


@dataclass(frozen=True)
class Goal:
    """`figure` shall be `at_most` or `at_least` so much; means over frames, medians over seeds."""

    figure: Figure
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True)
class Row:
    """One benchmark.

    `network` is `examples/NAME`, or `accuracy/ROW` for a checkpoint of benchmarks/accuracy.
    `settings` are laid over the network's own configuration, as in its YAML. `input_has_steps`: its
    frames are trains (frames, steps, *shape). `frames` are the first ones of the test set (None:
    all). `seeds`: nextpnr runs. `rivals` are keys of `rivals.RIVALS`, printed beside it; `goals`
    what it shall reach; `beside` another row, of which `times_fewer_cycles` says how many times
    the mean latency is this one's.
    """

    name: str
    network: str
    title: str
    board: str = "ulx3s-85f"
    settings: Mapping[str, Any] = field(default_factory=dict)
    input_has_steps: bool = False
    frames: int | None = None
    seeds: int = 5
    rivals: tuple[str, ...] = ()
    goals: tuple[Goal, ...] = ()
    beside: str | None = None


DENSE_AT_ONCE = {"engine": "dense", "bit_lanes": 4}  # a quantised network, no plane of bits alone
FOUR_BITS = {"weight_bits": 4, "weight_scale": "mse", "membrane_fraction_bits": 4}
NMNIST = {
    "window": 8,
    "input_lanes": 2,
    "budget": {"luts": 20_000},
    "nodes": {"conv1": {"membrane_fraction_bits": 2}, "conv2": {"membrane_fraction_bits": 2}},
}
NMNIST_REST = {
    "conv2": {
        **{"engine": "dense", "in_lanes": 12, "out_lanes": 8, "step_lanes": 8},
        "neuron_lanes": 4,
    },
    "fc": {"engine": "dense", "in_lanes": 6, "out_lanes": 2, "step_lanes": 2},
}
NMNIST_EVENT = {
    **{"engine": "event", "in_lanes": 2, "out_lanes": 12, "step_lanes": 8},
    "neuron_lanes": 12,
}
NMNIST_DENSE = {
    **{"engine": "dense", "in_lanes": 25, "out_lanes": 6, "step_lanes": 2, "in_columns": 2},
    "neuron_lanes": 6,
}
PACKED = {"input": {"packed": True}}  # of the input called "input"

ROWS = {
    row.name: row
    for row in (
        Row(
            "digits_radix",
            "examples/digits_radix",
            "Digits CNN, 4-bit weights, 4-bit radix",
            seeds=1,
        ),
        Row(
            "digits_lif",
            "examples/digits_lif",
            "Digits CNN, snnTorch Leaky, 10 steps",
            seeds=1,
        ),
        Row(
            "peer_a",
            "examples/peer_a",
            "Network A: 784-128-10 snnTorch Leaky, 25 steps",
            settings={
                "target": "latency",
                "budget": {"luts": 17_000, "brams": 45},
                "default": {"membrane_fraction_bits": 0},
                "input": {"packed": True},
            },
            input_has_steps=True,
            rivals=("spiker_a",),
            goals=(
                Goal("latency_cycles", at_most=1_500),
                Goal("latency_us", at_most=20),
                Goal("luts", at_most=21_509),
                Goal("brams", at_most=45),
            ),
        ),
        Row(
            "peer_b",
            "examples/peer_b",
            "Network B: 64-32-10 snnTorch Leaky, 25 steps, weights brought to 4 bits",
            settings={
                "target": "latency",
                "budget": {"luts": 11_600},
                "default": FOUR_BITS,
                "input": {"packed": True},
            },
            input_has_steps=True,
            rivals=("spiker_b", "sc_neurocore_b"),
            goals=(Goal("latency_us", at_most=1.5), Goal("luts", at_most=12_000)),
        ),
        Row(
            "peer_b_small",
            "examples/peer_b",
            "Network B, small, weights brought to 4 bits",
            settings={
                "target": "latency",
                "budget": {"luts": 2_000},
                "default": FOUR_BITS,
                "input": {"packed": True},
            },
            input_has_steps=True,
            rivals=("spiker_b", "sc_neurocore_b"),
            goals=(Goal("latency_us", at_most=10), Goal("luts", at_most=3_000)),
        ),
        Row(
            "lenet5",
            "accuracy/lenet5_radix4",
            "LeNet-5 on MNIST, 3-bit weights, 4-bit radix",
            settings={
                "target": "area",
                "budget": {"latency_cycles": 1_200, "interval_cycles": 850},
            },
            rivals=("e3ne_lenet5_4", "e3ne_lenet5_1"),
            goals=(
                Goal("latency_cycles", at_most=1_200),
                Goal("interval_cycles", at_most=850),
                Goal("clock_mhz", at_least=80),
                Goal("lut_percent", at_most=80),
                Goal("latency_us", at_most=15),
                Goal("frames_per_s", at_least=94_000),
            ),
        ),
        Row(
            "lenet5_dense",
            "accuracy/lenet5_radix4",
            "Control: LeNet-5 as a 4-bit quantised network, every layer DENSE, all bits at once",
            settings={
                "target": "latency",
                "budget": {"luts": "36%", "interval_cycles": 850},
                "mapping": dict.fromkeys(
                    ("conv1", "conv2", "conv3", "linear1", "linear2"), DENSE_AT_ONCE
                ),
            },
            seeds=1,
            beside="lenet5",
        ),
        Row(
            "fang",
            "accuracy/fang_radix4",
            "CNN of Fang et al. on MNIST, 4-bit weights, 4-bit radix",
            settings={"target": "latency", "budget": {"luts": "40%"}},
            seeds=1,
            rivals=("e3ne_fang",),
            goals=(Goal("latency_cycles", at_most=4_000),),
        ),
        Row(
            "mlp_radix",
            "accuracy/mlp_radix4",
            "MLP 784-128-10 on MNIST, 4-bit weights, 4-bit radix",
            settings={"target": "latency", "budget": {"luts": "20%"}, "input": PACKED},
            goals=(Goal("core_us", at_most=4),),
        ),
        Row(
            "mlp_lif",
            "accuracy/mlp_lif_w4",
            "MLP 784-128-10 LIF on MNIST, 4-bit weights, 3 steps",
            settings={
                "target": "latency",
                "budget": {"luts": 6_500, "brams": 18},
                "input": PACKED,
            },
            rivals=("spiker_mnist", "snn_fpga"),
            goals=(
                Goal("latency_us", at_most=60),
                Goal("luts", at_most=7_612),
                Goal("brams", at_most=18),
            ),
        ),
        Row(
            "mlp_lif_up5k",
            "accuracy/mlp_lif_w4",
            "MLP 784-128-10 LIF on MNIST, iCE40 UP5K, weights in SPRAM",
            board="icebreaker",
            settings={
                "target": "latency",
                "input": PACKED,
                "input_lanes": 8,
                "output": {"bits": 8},
                "mapping": {"linear1": {"storage": "loaded"}},
            },
            goals=(Goal("latency_us", at_most=200),),
        ),
        Row(
            "mlp_logic",
            "accuracy/mlp_sparse",
            "MLP 784-128-10 on MNIST, 3,797 ternary weights, radix 2, as logic",
            settings={
                "target": "latency",
                "input": PACKED,
                "input_lanes": 112,
                "output": {"words": "class", "bits": 8},
                "mapping": {"linear1": {"engine": "logic"}, "linear2": {"engine": "logic"}},
            },
            rivals=("syn2logic",),
            goals=(
                Goal("core_us", at_most=0.15),
                Goal("frames_per_s", at_least=10e6),
                Goal("accuracy_percent", at_least=95),
            ),
        ),
        Row(
            "nmnist_event",
            "accuracy/nmnist_cnn",
            "Convolutional SNN on N-MNIST events, 8 steps, first layer EVENT",
            settings={**NMNIST, "mapping": {**NMNIST_REST, "conv1": NMNIST_EVENT}},
            seeds=1,
            beside="nmnist_dense",
        ),
        Row(
            "nmnist_dense",
            "accuracy/nmnist_cnn",
            "The same, every layer DENSE, about as many LUTs",
            settings={**NMNIST, "mapping": {**NMNIST_REST, "conv1": NMNIST_DENSE}},
            seeds=1,
        ),
        Row(
            "nmnist_fine_event",
            "accuracy/nmnist_fine",
            "Convolutional SNN on N-MNIST events, 64 steps, both convolutions EVENT",
            settings={
                "target": "latency",
                "window": 4,
                "budget": {"luts": 7_500},
                "mapping": {"conv1": {"engine": "event"}, "conv2": {"engine": "event"}},
            },
            goals=(Goal("times_fewer_cycles", at_least=3),),
            beside="nmnist_fine_dense",
        ),
        Row(
            "nmnist_fine_dense",
            "accuracy/nmnist_fine",
            "The same, every layer DENSE, the best that the search finds in as many LUTs",
            settings={
                "target": "latency",
                "budget": {"luts": 7_500},
                "mapping": {name: {"engine": "dense"} for name in ("conv1", "conv2", "fc")},
            },
        ),
    )
}

DEMO = ("digits_radix", "digits_lif")
