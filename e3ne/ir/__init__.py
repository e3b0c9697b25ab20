"""What a network is: spike types, ops, neurons, graphs. Imports NumPy only."""

from .arrays import Array, fingerprint, frozen
from .codes import edge_encoding
from .errors import BadInput, DoesNotFit, E3neError, Mismatch, TraceMismatch, UnsupportedModel
from .graph import (
    Engine,
    Graph,
    Input,
    Mapping,
    Node,
    Output,
    OutputWords,
    Readout,
    Stage,
    Storage,
    Synapse,
    SynapseMapping,
)
from .loops import computing_order, in_loop, loop_of
from .neurons import (
    ONE,
    Dyadic,
    Encode,
    Factor,
    Integrate,
    IntegrateFire,
    Neuron,
    Rectify,
    Relay,
    Requantize,
)
from .ops import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    Op,
    SumPool2d,
    Upsample2d,
)
from .shapes import op_shape
from .spikes import Encoding, SpikeType
from .text import text
from .verify import verify

__all__ = [
    "ONE",
    "Array",
    "BadInput",
    "ChannelAffine",
    "Conv2d",
    "DoesNotFit",
    "Dyadic",
    "E3neError",
    "Encode",
    "Encoding",
    "Engine",
    "Factor",
    "Flatten",
    "Graph",
    "Identity",
    "Input",
    "Integrate",
    "IntegrateFire",
    "Linear",
    "Mapping",
    "MaxPool2d",
    "Mismatch",
    "Neuron",
    "Node",
    "Op",
    "Output",
    "OutputWords",
    "Readout",
    "Rectify",
    "Relay",
    "Requantize",
    "SpikeType",
    "Stage",
    "Storage",
    "SumPool2d",
    "Synapse",
    "SynapseMapping",
    "TraceMismatch",
    "UnsupportedModel",
    "Upsample2d",
    "computing_order",
    "edge_encoding",
    "fingerprint",
    "frozen",
    "in_loop",
    "loop_of",
    "op_shape",
    "text",
    "verify",
]
