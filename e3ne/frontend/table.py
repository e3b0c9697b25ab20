"""Which handler reads which torch function, and what to use instead of the others."""

from __future__ import annotations

from . import arithmetic, convolutions, functions, moving, pooling, reducing
from .functions import Handler

MOVES = (
    *("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "ravel"),
    *("squeeze", "unsqueeze", "squeeze_", "unsqueeze_", "expand", "expand_as", "broadcast_to"),
    *("permute", "transpose", "t", "T", "mT", "swapaxes", "swapdims", "movedim", "moveaxis"),
    *("__getitem__", "select", "narrow", "index_select", "unbind", "chunk", "split"),
    *("tensor_split", "hsplit", "vsplit", "dsplit", "flip", "fliplr", "flipud", "roll", "rot90"),
    *("repeat", "repeat_interleave", "tile", "channel_shuffle", "pixel_unshuffle"),
    *moving.JOINING,
)
"""Functions that put elements elsewhere and change none."""

HANDLERS: dict[str, Handler] = {
    "linear": functions.linear,
    "conv1d": convolutions.conv1d,
    "conv2d": convolutions.conv2d,
    "conv_transpose1d": convolutions.conv_transpose1d,
    "conv_transpose2d": convolutions.conv_transpose2d,
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
    "max_pool1d": pooling.max_pool1d,
    "max_pool2d": pooling.max_pool2d,
    "avg_pool1d": pooling.avg_pool1d,
    "avg_pool2d": pooling.avg_pool2d,
    "lp_pool2d": pooling.lp_pool2d,
    "adaptive_avg_pool1d": pooling.adaptive_avg_pool1d,
    "adaptive_avg_pool2d": pooling.adaptive_avg_pool2d,
    "adaptive_max_pool1d": pooling.adaptive_max_pool1d,
    "adaptive_max_pool2d": pooling.adaptive_max_pool2d,
    "interpolate": pooling.interpolate,
    "pad": moving.pad,
    "add": arithmetic.add,
    "add_": arithmetic.add,
    "__iadd__": arithmetic.add,
    "__radd__": arithmetic.add,
    **dict.fromkeys(("sub", "sub_", "subtract", "__isub__"), arithmetic.subtract),
    **dict.fromkeys(("rsub", "__rsub__"), arithmetic.subtract_from),
    **dict.fromkeys(("neg", "negative", "__neg__"), arithmetic.negate),
    **dict.fromkeys(("mul", "mul_", "multiply", "__imul__", "__rmul__"), arithmetic.multiply),
    **dict.fromkeys(("div", "div_", "divide", "true_divide", "__itruediv__"), arithmetic.divide),
    "sum": reducing.total,
    "mean": reducing.mean,
    "max": reducing.largest,
    "amax": reducing.largest,
    **dict.fromkeys(MOVES, moving.move),
    "__setitem__": moving.assign,
    **dict.fromkeys(
        ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout"),
        functions.dropout,
    ),
    **dict.fromkeys(("clone", "contiguous", "detach", "detach_", "data", "cpu"), functions.same),
}

CASTS = frozenset({"float", "double", "half", "bfloat16", "to", "type", "type_as"})
"""Casts between floating types are left out of the copied model: it computes in one type."""

IN_PLACE = frozenset({"__iadd__", "__isub__", "__imul__", "__itruediv__", "__setitem__"})
"""Functions that overwrite their first argument, beside those whose names end in `_`."""

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
_NO_CONDITIONS = (
    "use a neuron of a library such as snntorch.Leaky, or ReLU; if this module is a neuron, "
    "describe it with @e3ne.register_neuron"
)
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
    **dict.fromkeys(["conv3d", "conv_transpose3d"], "use Conv2d"),
    **dict.fromkeys(["fractional_max_pool2d", "fractional_max_pool3d"], "use MaxPool2d"),
    **dict.fromkeys(["embedding", "bilinear"], "use Linear"),
    **dict.fromkeys(["max_pool3d", "adaptive_max_pool3d", "lp_pool1d"], "use MaxPool2d"),
    **dict.fromkeys(
        [f"{kind}max_pool{axes}d_with_indices" for kind in ("", "adaptive_") for axes in (1, 2, 3)],
        "use MaxPool2d without return_indices",
    ),
    **dict.fromkeys(["avg_pool3d", "adaptive_avg_pool3d"], "use AvgPool2d"),
    **dict.fromkeys(
        ["pixel_shuffle", "fold", "unfold", "grid_sample", "max_unpool2d"],
        "use ConvTranspose2d or Upsample",
    ),
    **dict.fromkeys(
        ["bernoulli", "rand_like", "randn_like", "poisson", "normal"],
        "use e3ne.encoders.Bernoulli, or encode the input before the network and pass "
        "input_has_steps=True",
    ),
    **dict.fromkeys(
        ["fill_", "zero_", "copy_", "index_fill_", "masked_fill"], "compute a new tensor instead"
    ),
}

ACCEPTED = "Linear, convolutions, BatchNorm, ReLU, pooling, +, cat and moves of activations"


def unsupported(function: str) -> str:
    """The message about a torch function that no handler reads: *found X, accepted Y; do Z*."""
    advice = ALTERNATIVES.get(function)
    if advice is None and function.endswith("_") and function.rstrip("_") in HANDLERS:
        advice = f"use the function without the underscore, {function.rstrip('_')}"
    return f"found {function}, accepted {ACCEPTED}; {advice or _CHAIN}"
