"""What a user may choose; `e3ne/config/__init__.py` says what each key means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

EngineName = Literal["dense", "event", "logic"]
StorageName = Literal["auto", "block", "lut", "loaded"]
ScaleKind = Literal["integer", "power_of_two"]
Target = Literal["throughput", "latency", "area", "energy"]
Limit = int | float | str
PERCENTILE = re.compile(r"percentile\((\d+(?:\.\d+)?)\)")


@dataclass(frozen=True)
class NodeConfig:
    """How one node is brought to integers.

    `weight_bits` 1 (binary: -1, +1), 1.58 (ternary: -1, 0, +1) or 2..8 (-q .. q with
    q = 2**(bits - 1) - 1); `edge_bits` 1..8 of what a ReLU sends; `per_channel`: one weight scale
    an output channel; `weight_scale`: the largest magnitude, a percentile of the magnitudes, or
    the scale of the least squared error; `fit_threshold`: the threshold whose spikes agree best
    with the float network's on the calibration frames; `membrane_fraction_bits`: the membrane's
    unit is the accumulator's / 2**this (None: the least of 0 .. 14 that gives the threshold 15
    bits); `membrane_bits`: at most so wide, saturating (None: as wide as range analysis asks);
    `decay_bits`: decays are m / 2**this (None: exact within 16 bits, else the nearest of 12 .. 16
    bits); `multiplier_bits` of a ReLU's requantisation; `max_spikes`: the most spikes a step of
    neurons that have no limit of their own (None: as many as the calibration frames show).
    """

    weight_bits: int | float = 8
    edge_bits: int = 4
    per_channel: bool = False
    weight_scale: str = "max"
    fit_threshold: bool = False
    membrane_fraction_bits: int | None = None
    membrane_bits: int | None = None
    decay_bits: int | None = None
    multiplier_bits: int = 16
    max_spikes: int | None = None


@dataclass(frozen=True)
class InputConfig:
    """How samples become integers: clip(round(x / scale)); None: from calibration.

    `encoder`: the chip gets samples and makes trains of them (`ir.Encode`), with `seed` where it
    draws and `threshold`, in units of the samples, where it compares. `events`: frames arrive as
    address events. `packed`: elements of a beat follow each other without padding.
    """

    bits: int | None = None
    scale: float | None = None
    signed: bool | None = None
    encoder: str | None = None
    seed: int = 1
    threshold: float | None = None
    events: bool = False
    packed: bool = False


@dataclass(frozen=True)
class OutputConfig:
    """What an output's port sends: `ir.OutputWords`, in beats of 8, 16 or 32 bits."""

    words: Literal["all", "class"] = "all"
    bits: int = 32


@dataclass(frozen=True)
class MappingConfig:
    """What the user fixes of one node's layout (`ir.Mapping`, `ir.SynapseMapping`); None: chosen.

    What belongs to a synapse holds for all of the node's.
    """

    engine: EngineName | None = None
    in_lanes: int | None = None
    out_lanes: int | None = None
    pixel_lanes: int | None = None
    neuron_lanes: int | None = None
    step_lanes: int | None = None
    bit_lanes: int | None = None
    in_columns: int | None = None
    storage: StorageName | None = None
    buffer_storage: StorageName | None = None
    dsps: int | None = None
    lane_rows: bool | None = None

    def __str__(self) -> str:
        """What is fixed, as a configuration file has it."""
        fixed = {name: value for name, value in vars(self).items() if value is not None}
        texts = [f"{name}: {value}" for name, value in fixed.items() if name != "lane_rows"]
        if self.lane_rows is not None:
            texts.append(f"lane_rows: {'true' if self.lane_rows else 'false'}")
        return "{" + ", ".join(texts) + "}"


@dataclass(frozen=True)
class Config:
    """The whole configuration; the module's docstring says what each key means.

    `inputs` holds what stands under `input` for one input by its name, and `outputs` the same.
    """

    steps: int | None = None
    readout: str | None = None
    code: Literal["radix", "rate"] = "radix"
    streaming: bool = False
    scale: ScaleKind = "integer"
    calibration: str = "max"
    equalize: bool = False
    correct_biases: bool | None = None
    calibration_frames: int = 256
    window: int | None = None
    input: InputConfig = InputConfig()
    inputs: Mapping[str, InputConfig] = field(default_factory=dict)
    output: OutputConfig = OutputConfig()
    outputs: Mapping[str, OutputConfig] = field(default_factory=dict)
    weight_port_bits: int = 8
    default: NodeConfig = NodeConfig()
    nodes: Mapping[str, NodeConfig] = field(default_factory=dict)
    mapping: Mapping[str, MappingConfig] = field(default_factory=dict)
    target: Target = "throughput"
    budget: Mapping[str, Limit] = field(default_factory=dict)
    utilisation: float = 0.6
    input_lanes: int | None = None

    def node(self, name: str) -> NodeConfig:
        """The settings of the node called `name`."""
        return self.nodes.get(name, self.default)

    def input_of(self, name: str) -> InputConfig:
        """The settings of the input called `name`."""
        return self.inputs.get(name, self.input)

    def output_of(self, name: str) -> OutputConfig:
        """The settings of the output that shows the node called `name`."""
        return self.outputs.get(name, self.output)

    @property
    def percentile(self) -> float:
        """The percentile of `calibration`, 0..100; `max` is the 100th."""
        found = PERCENTILE.fullmatch(self.calibration)
        return float(found[1]) if found else 100.0
