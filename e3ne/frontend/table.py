"""Which handler reads which torch function, and what to use instead of the others."""

from __future__ import annotations

from . import arithmetic, functions
from .functions import Handler

HANDLERS: dict[str, Handler] = {
    "linear": functions.linear,
    "conv2d": functions.conv2d,
    "batch_norm": functions.batch_norm,
    "relu": functions.relu,
    "relu_": functions.relu,
    "relu6": functions.relu6,
    "hardtanh": functions.hardtanh,
    "hardtanh_": functions.hardtanh,
    "clamp": functions.clamp,
    "clamp_": functions.clamp,
    "clip": functions.clamp,
    "clamp_min": functions.clamp,
    "clamp_min_": functions.clamp,
    "max_pool2d": functions.max_pool2d,
    "avg_pool2d": functions.avg_pool2d,
    "adaptive_avg_pool2d": functions.adaptive_avg_pool2d,
    "add": arithmetic.add,
    "add_": arithmetic.add,
    "__iadd__": arithmetic.add,
    "__radd__": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "div": arithmetic.divide,
    "true_divide": arithmetic.divide,
    "__getitem__": arithmetic.get_item,
    "unbind": arithmetic.unbind,
    "stack": arithmetic.stack,
    "sum": arithmetic.total,
    "mean": arithmetic.mean,
    "max": arithmetic.largest,
    "amax": arithmetic.largest,
    **dict.fromkeys(("view", "reshape", "flatten", "squeeze"), functions.reshape),
    **dict.fromkeys(
        ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout"),
        functions.dropout,
    ),
    **dict.fromkeys(("clone", "contiguous", "detach", "detach_", "data", "cpu"), functions.same),
}

CASTS = frozenset({"float", "double", "half", "bfloat16", "to", "type", "type_as"})
"""Casts between floating types are left out of the copied model: it computes in one type."""

READS = frozenset(
    [
        *("__bool__", "__float__", "__int__", "__index__", "__complex__", "__contains__"),
        *("__array__", "numpy", "tolist", "item", "is_nonzero", "nonzero", "equal", "allclose"),
    ]
)
"""Functions that hand the value of an activation to Python."""

CONSTANTS = frozenset(
    [
        *("zeros_like", "ones_like", "full_like", "empty_like"),
        *("new_zeros", "new_ones", "new_full", "new_empty"),
    ]
)
"""Functions that take nothing but shape and type from an activation."""

_RELU = "use ReLU or ReLU6, which become the radix neuron"
_NO_CONDITIONS = "use a registered neuron such as snntorch.Leaky, or ReLU"
_LINEAR_SCORES = "leave it out of forward: the class is the largest score with or without it"
_CHAIN = "use Linear or Conv2d with BatchNorm and ReLU, or a spiking neuron"

ALTERNATIVES: dict[str, str] = {
    **dict.fromkeys(
        [
            *("sigmoid", "tanh", "gelu", "silu", "mish", "leaky_relu", "elu", "selu", "celu"),
            *("prelu", "rrelu", "hardswish", "softplus", "hardsigmoid", "softsign", "logsigmoid"),
            *("tanhshrink", "threshold", "glu", "hardshrink", "softshrink"),
        ],
        _RELU,
    ),
    **dict.fromkeys(["softmax", "log_softmax", "argmax", "topk", "softmin"], _LINEAR_SCORES),
    **dict.fromkeys(
        ["gt", "lt", "ge", "le", "eq", "ne", "where", "heaviside", "sign"], _NO_CONDITIONS
    ),
    **dict.fromkeys(
        ["layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"],
        "use BatchNorm1d or BatchNorm2d, which vanish into the weights",
    ),
    **dict.fromkeys(["lstm", "gru", "rnn_tanh", "rnn_relu"], "use snntorch.Leaky layers"),
    **dict.fromkeys(
        ["lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"], "use snntorch.Leaky layers"
    ),
    **dict.fromkeys(
        ["scaled_dot_product_attention", "multi_head_attention_forward", "matmul", "bmm"], _CHAIN
    ),
    **dict.fromkeys(["conv1d", "conv3d", "conv_transpose2d"], "use Conv2d"),
    **dict.fromkeys(["embedding", "bilinear"], "use Linear"),
    **dict.fromkeys(
        ["max_pool1d", "max_pool3d", "adaptive_max_pool2d", "lp_pool2d"], "use MaxPool2d"
    ),
    **dict.fromkeys(["avg_pool1d", "avg_pool3d"], "use AvgPool2d"),
    **dict.fromkeys(["cat", "concat", "concatenate"], "use a sum of two layers' outputs"),
    **dict.fromkeys(
        ["bernoulli", "rand_like", "randn_like", "poisson", "normal", "repeat", "expand"],
        "encode the input before the network and pass input_has_steps=True",
    ),
    **dict.fromkeys(["__setitem__", "fill_", "zero_", "copy_"], "compute a new tensor instead"),
    **dict.fromkeys(
        ["permute", "transpose", "T", "mT", "movedim", "swapaxes", "unsqueeze"],
        "give the input in the order (frames, channels, rows, columns), steps first",
    ),
    **dict.fromkeys(["interpolate", "pad"], "use the padding and stride of Conv2d or pooling"),
}

ACCEPTED = "Linear, Conv2d, BatchNorm, ReLU, pooling, flatten and + of activations"


def unsupported(function: str) -> str:
    """The message about a torch function that no handler reads: *found X, accepted Y; do Z*."""
    advice = ALTERNATIVES.get(function)
    if advice is None and function.endswith("_") and function.rstrip("_") in HANDLERS:
        advice = f"use the function without the underscore, {function.rstrip('_')}"
    return f"found {function}, accepted {ACCEPTED}; {advice or _CHAIN}"
