"""The configuration of a compile: what a user may choose, keyed by module path.

As YAML (or the same dict):

    steps: 10                        # time steps of the network; null: as traced
    readout: count                   # count | last | max | mean; null: as traced
    code: radix                      # radix | rate: what the ReLUs of a plain CNN become
    streaming: false                 # true: neurons keep their state from frame to frame
    scale: integer                   # integer | power_of_two (pure shifts instead of multipliers)
    calibration: max                 # max | mse | percentile(99.9), of what inputs and ReLUs send
    calibration_frames: 256          # at most so many calibration frames are run
    window: null                     # time steps in one word of a stream; null: chosen by mapping
    equalize: false                  # balance the weights of the channels across layers first
    correct_biases: null             # move the mean error of rounded weights into biases; null:
                                     # yes where there are calibration frames
    input: {bits: 8, scale: null, signed: null,                     # null: from calibration
            encoder: null,           # regular | bernoulli | latency | radix | delta, on the chip
            seed: 1,                 # of bernoulli, 1 .. 65535
            threshold: null,         # of delta, in the samples' units
            events: false,           # frames arrive as address events (AER)
            packed: false}           # true: no padding between the elements of a beat
    #      several inputs: also a section for each, {left: {scale: 0.5}, right: {bits: 4}}
    output: {words: all,             # all | class: the class alone
             bits: 32}               # 8 | 16 | 32 of a beat; several outputs: as of inputs
    weight_port_bits: 8              # 8 | 16 | 32 | 64 of the port that fills loaded memories
    default: {weight_bits: 8, edge_bits: 4, per_channel: false,     # weights: also binary, ternary
              weight_scale: max,     # max | mse | percentile(99.9)
              fit_threshold: false,  # choose the threshold by the spikes of the calibration frames
              membrane_fraction_bits: null, membrane_bits: null, decay_bits: null,
              multiplier_bits: 16, max_spikes: null}
    nodes: {conv1: {weight_bits: 3}}                                # the keys of `default`
    mapping: {conv1: {engine: dense, in_lanes: 25, out_lanes: 6}}   # engine: dense | event | logic
    #      also pixel_lanes, neuron_lanes, step_lanes, bit_lanes, in_columns, dsps; storage (of
    #      the weights) and buffer_storage: auto | block | lut | loaded; lane_rows: true | false
    target: throughput               # throughput | latency | area | energy: what is to be best
    budget: {brams: 18, latency_us: 50}   # what may be used, docs/mapping.md: luts, ffs, brams,
    #      dsps, spram_bits (a number, or "50%" of the board's); latency_cycles, interval_cycles,
    #      latency_us, interval_us, energy_nj (a number)
    utilisation: 0.6                 # fraction of the board's LUTs that may be used where `budget`
                                     # has no luts
    input_lanes: null                # elements in one beat of the input; null: chosen by mapping
"""

from .budget import budget_of
from .names import check_names, config_as_dict, default_config
from .parse import load_config, parse_config
from .records import Config, InputConfig, MappingConfig, NodeConfig, OutputConfig, ScaleKind, Target

__all__ = [
    "Config",
    "InputConfig",
    "MappingConfig",
    "NodeConfig",
    "OutputConfig",
    "ScaleKind",
    "Target",
    "budget_of",
    "check_names",
    "config_as_dict",
    "default_config",
    "load_config",
    "parse_config",
]
