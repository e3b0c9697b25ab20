"""The shape of what every node of a NIR network sends, in NIR's axes, without a frames axis.

Vectors (N,), rows (channels, length), images (channels, rows, columns). In the graph a row is an
image of one row: (channels, 1, length).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir import Array, BadInput
from ...ir.shapes import window_shape
from .kinds import NEURONS
from .network import Network, Primitive

Shape = tuple[int, ...]

MOST_NEURONS = 1 << 24


def infer_shapes(
    network: Network, steps_in_shape: bool = False
) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """(shape that each node reads, shape that it sends), by name.

    `steps_in_shape`: an Input of shape (steps, N) is one of shape (N,) where its readers say so.

    BadInput lists the nodes whose sources do not fit, and inputs without a shape.
    """
    reads: dict[str, Shape] = {}
    sends: dict[str, Shape] = {}
    problems: list[str] = []
    waiting = network.of("Input")
    for name in waiting:
        try:
            reads[name] = _input_shape(network, name, steps_in_shape)
        except ValueError as error:
            raise BadInput(f"{name}: {error}") from error
    while waiting:
        name = waiting.pop(0)
        try:
            sends[name] = _sent(network.nodes[name], reads[name])
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        for reader in network.readers(name):
            if reader not in reads:
                reads[reader] = sends[name]
                waiting.append(reader)
    if not problems:
        problems = [
            f"{source} -> {reader}: found shape {sends[source]}, accepted {reads[reader]} as the "
            "other nodes before it send; make all sources of a node alike"
            for source, reader in network.edges
            if sends[source] != reads[reader] and squeezed(sends[source]) != squeezed(reads[reader])
        ]
    if problems:
        raise BadInput(problems)
    return reads, sends


def graph_shape(shape: Shape) -> Shape:
    """The shape in the graph: (channels, length) becomes (channels, 1, length)."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def squeezed(shape: Shape) -> Shape:
    """The shape without axes of length 1 in front: writers may leave a frames axis there."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def spread(values: Array, shape: Shape, what: str) -> Array:
    """A parameter as one value a neuron of `shape`; ValueError where it fits not."""
    if values.size == 1:
        return np.broadcast_to(values.reshape(()), shape)
    if values.shape == shape or squeezed(values.shape) == squeezed(shape):
        return values.reshape(shape)
    raise ValueError(
        f"found {what} of shape {values.shape}, accepted {shape}, the shape of its sources, or one "
        "value; export it with the shape of the layer"
    )


def _input_shape(network: Network, name: str, steps_in_shape: bool) -> Shape:
    declared = network.nodes[name].values.get("shape")
    readers = [network.nodes[reader] for reader in network.readers(name)]
    if declared is None:
        found = [shape for shape in map(_read_shape, readers) if shape is not None]
        if not found:
            raise ValueError("found no shape, accepted the shape of one step; set input_type")
        return checked_shape(found[0])
    shape = checked_shape(declared)
    kinds = {reader.kind for reader in readers}
    # A writer that traces with one frame leaves the frames axis in front.
    if len(shape) == 4 or (len(shape) == 3 and "Conv1d" in kinds):
        return shape[1:] if shape[0] == 1 else shape
    wanted = [found for found in map(_read_shape, readers) if found is not None]
    if steps_in_shape and shape[1:] in wanted and shape not in wanted:
        return shape[1:]
    if len(shape) == 2 and kinds <= {"Affine", "Linear"}:
        return squeezed(shape)
    if any(squeezed(shape) == found for found in wanted):
        return squeezed(shape)
    return shape


def checked_shape(value: Any) -> Shape:
    """A shape out of a file; ValueError where it is none or names more neurons than is sane."""
    array = np.asarray(value)
    sizes = [float(size) for size in array.ravel()]
    if array.ndim > 1 or not sizes or any(size < 1 or size != int(size) for size in sizes):
        raise ValueError(f"found shape {array.tolist()}, accepted positive whole numbers")
    if math.prod(sizes) > MOST_NEURONS:
        raise ValueError(
            f"found shape {array.tolist()}, accepted at most {MOST_NEURONS} neurons a node"
        )
    return tuple(int(size) for size in sizes)


def _read_shape(node: Primitive) -> Shape | None:
    """The shape that a node says it reads, where it says so."""
    if node.kind in ("Affine", "Linear"):
        return (int(node.needed("weight").shape[-1]),)
    if node.kind == "Flatten" and node.values.get("input_type") is not None:
        return checked_shape(node.values["input_type"])
    if node.kind in ("Conv1d", "Conv2d") and node.values.get("input_shape") is not None:
        channels = node.needed("weight").shape[1] * whole(node, "groups")[0]
        return checked_shape([channels, *np.ravel(node.values["input_shape"])])
    if node.kind in (*NEURONS, "Scale", "Delay"):
        shapes = [np.shape(value) for value in node.values.values() if value is not None]
        return max(shapes, key=len) or None
    return None


def _sent(node: Primitive, shape: Shape) -> Shape:
    if len(shape) > 3:
        raise ValueError(
            f"found sources of shape {shape}, accepted (N,), (channels, length) or (channels, rows,"
            " columns) without frames and steps"
        )
    match node.kind:
        case "Affine" | "Linear":
            weight = node.needed("weight")
            if squeezed(shape) != (weight.shape[1],):
                raise ValueError(
                    f"found sources of shape {shape}, accepted ({weight.shape[1]},); put a Flatten "
                    "before it or mend its weight"
                )
            if (bias := node.array("bias")) is not None and bias.size != weight.shape[0]:
                raise ValueError(f"found a bias of shape {bias.shape}, accepted {weight.shape[:1]}")
            return (int(weight.shape[0]),)
        case "Conv1d":
            return _convolved(node, shape, 1)
        case "Conv2d":
            return _convolved(node, shape, 2)
        case "SumPool2d" | "AvgPool2d":
            image = _image(shape, 3)
            kernel, stride, padding = (
                pair(node, name, 2) for name in ("kernel_size", "stride", "padding")
            )
            return _positive((shape[0], *window_shape(image, kernel, stride, padding, (1, 1))))
        case "Flatten":
            return _flattened(node, shape)
        case "Output":
            declared = node.values.get("shape")
            inner = squeezed(shape)
            if declared is not None and checked_shape(declared)[-len(inner) :] != inner:
                raise ValueError(
                    f"found shape {checked_shape(declared)}, accepted {shape} as its sources send; "
                    "mend the layer before it or the output"
                )
            return shape
        case _:
            for name, value in node.values.items():
                if node.kind not in ("Input", "Output") and value is not None:
                    spread(np.asarray(value), shape, name)
            return shape


def _convolved(node: Primitive, shape: Shape, axes: int) -> Shape:
    weight = node.needed("weight")
    if axes == 1 and len(shape) == 3 and shape[1] == 1:
        shape = (shape[0], shape[2])
    if len(shape) != axes + 1 or shape[0] != weight.shape[1] * whole(node, "groups")[0]:
        channels = int(weight.shape[1] * whole(node, "groups")[0])
        names = ("length",) if axes == 1 else ("rows", "columns")
        raise ValueError(
            f"found sources of shape {shape}, accepted ({channels}, {', '.join(names)})"
        )
    if np.size(node.values["bias"]) != weight.shape[0]:
        raise ValueError(
            f"found a bias of shape {np.shape(node.values['bias'])}, accepted ({weight.shape[0]},)"
        )
    kernel, stride, padding, dilation = geometry(node, axes)
    out = window_shape((1, shape[1]) if axes == 1 else (shape[1], shape[2]),
                       kernel, stride, padding, dilation)  # fmt: skip
    return _positive((int(weight.shape[0]), *(out[1:] if axes == 1 else out)))


def geometry(node: Primitive, axes: int) -> tuple[tuple[int, int], ...]:
    """(kernel, stride, padding, dilation) of a convolution as (rows, columns)."""
    kernel = tuple(int(size) for size in np.shape(node.values["weight"])[2:])
    dilation, stride = pair(node, "dilation", axes), pair(node, "stride", axes)
    kernel = kernel if axes == 2 else (1, *kernel)
    if not isinstance(node.values["padding"], str):
        return (kernel[0], kernel[1]), stride, pair(node, "padding", axes), dilation
    if node.values["padding"] == "valid":
        return (kernel[0], kernel[1]), stride, (0, 0), dilation
    total = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
    if node.values["padding"] != "same" or stride != (1, 1) or any(pad % 2 for pad in total):
        raise ValueError(
            f"found padding {node.values['padding']!r} with kernel {kernel} and stride {stride}, "
            "accepted numbers, 'valid', or 'same' with stride 1 that pads both sides alike"
        )
    return (kernel[0], kernel[1]), stride, (total[0] // 2, total[1] // 2), dilation


def pair(node: Primitive, name: str, axes: int) -> tuple[int, int]:
    """A geometric parameter as (rows, columns); of a Conv1d the rows are trivial."""
    values = whole(node, name)
    if len(values) > 2 or (axes == 1 and len(values) > 1):
        raise ValueError(f"found {name} {values}, accepted {axes} whole number{'s' * (axes > 1)}")
    if axes == 1:
        return (0 if name == "padding" else 1), values[0]
    return values[0], values[-1]


def whole(node: Primitive, name: str) -> list[int]:
    """A parameter as whole numbers >= 0 (padding) or >= 1."""
    least = 0 if name == "padding" else 1
    values = node.needed(name).ravel()
    if any(not least <= value <= MOST_NEURONS or value != int(value) for value in values):
        raise ValueError(f"found {name} {values.tolist()}, accepted whole numbers from {least} on")
    return [int(value) for value in values]


def _flattened(node: Primitive, shape: Shape) -> Shape:
    start, end = (
        int(node.needed(name).ravel()[0]) if node.values.get(name) is not None else default
        for name, default in (("start_dim", 1), ("end_dim", -1))
    )
    if not (-len(shape) <= start < len(shape) and -len(shape) <= end < len(shape)):
        raise ValueError(f"found start_dim {start}, end_dim {end} on sources of shape {shape}")
    start, end = start % len(shape), end % len(shape)
    before, inside, after = shape[:start], shape[start : end + 1], shape[end + 1 :]
    flat = (*before, math.prod(inside), *after) if end >= start else shape
    if flat != shape and squeezed(flat) != (math.prod(shape),):
        raise ValueError(
            f"found a Flatten of {shape} into {flat}, accepted one of all axes (start_dim 0, "
            "end_dim -1; NIR counts without a frames axis)"
        )
    return flat if flat == shape else (math.prod(shape),)


def _image(shape: Shape, axes: int) -> tuple[int, int]:
    if len(shape) == 2:
        return 1, shape[1]
    if len(shape) != axes:
        raise ValueError(f"found sources of shape {shape}, accepted (channels, rows, columns)")
    return shape[1], shape[2]


def _positive(shape: Shape) -> Shape:
    if min(shape) < 1:
        raise ValueError("found sources smaller than the kernel needs; enlarge the input")
    return shape
