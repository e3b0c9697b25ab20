"""The integer twin: an integer graph in torch, for whole data sets, on any device.

Every node sends exactly the integers of `reference.run`; the tests compare them all. Currents are
products of small integers in float32 where no sum reaches 2**24, else in float64; a network whose
sums reach 2**53 is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from .. import reference
from ..ir import Array, BadInput, Graph, Node, Stage
from ..ir.user_arrays import UserArrays, as_frames, input_arrays
from .torch_ops import exact_dtype, exact_products, largest_sum, op_currents
from .twin_neurons import Population, sent_dtype
from .walk import State, walk

CHUNK_VALUES = 1 << 23  # values of all edges of the frames that are computed at once

Device = str | torch.device | None


class Weights(nn.Module):
    """The weight and bias of one synapse, times its gain, in the dtype of its currents."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, op: object, gain: int, dtype: torch.dtype) -> None:
        super().__init__()
        for name in ("weight", "bias"):
            array = getattr(op, name, None)
            held = None if array is None else torch.tensor(array * gain, dtype=dtype)
            self.register_buffer(name, held)


class Twin(nn.Module):
    """A network of stage INTEGER or MAPPED; `run` returns what every node sends.

    UnsupportedModel where a sum can reach 2**53; BadInput for a graph of another stage.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        if graph.stage is Stage.FLOAT:
            raise BadInput("twin: found a graph of stage float, accepted integer; lower it first")
        self.graph = graph
        self.dtypes = {node.name: current_dtype(graph, node) for node in graph.nodes}
        self.populations = nn.ModuleList(Population(graph, node) for node in graph.nodes)
        self.weights = nn.ModuleList(
            nn.ModuleList(Weights(s.op, s.gain, self.dtypes[node.name]) for s in node.synapses)
            for node in graph.nodes
        )
        self._place = {node.name: place for place, node in enumerate(graph.nodes)}

    def run(self, *inputs: Array | Tensor) -> dict[str, Tensor]:
        """What every input and node sends, by name: int64 (frames, steps, *shape) each.

        `inputs` are integers (frames, steps, *shape), one array an input; BadInput where
        `reference.run` says so.
        """
        return {name: sent.long() for name, sent in self(*self.tensors(*inputs)).items()}

    def tensors(self, *inputs: Array | Tensor) -> list[Tensor]:
        """The checked inputs on the device of the twin, as `forward` takes them."""
        device = self.device
        tensors = []
        for source, array in zip(self.graph.inputs, inputs, strict=True):
            held = array.cpu().numpy() if isinstance(array, Tensor) else array
            checked = reference.checked_input(source, held)
            tensors.append(torch.from_numpy(checked).to(device, sent_dtype(source.type)))
        return tensors

    @property
    def device(self) -> torch.device:
        """Where the twin computes."""
        return next((buffer.device for buffer in self.buffers()), torch.device("cpu"))

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        """As `run`, of whole numbers in float32 or float64 that are known to be in range."""
        named = {
            source.name: x.to(sent_dtype(source.type))
            for source, x in zip(self.graph.inputs, inputs, strict=True)
        }
        with exact_products():
            return walk(self.graph, self, named)

    def currents(self, node: Node, index: int, spikes: Tensor) -> Tensor:
        """See `walk.Arithmetic`."""
        synapse = node.synapses[index]
        held: Weights = self.weights[self._place[node.name]][index]  # type: ignore[index, assignment]
        x = spikes.to(self.dtypes[node.name])
        formed = op_currents(synapse.op, x, held.weight, held.bias)
        scaled = held.weight is None and synapse.gain != 1
        return formed * synapse.gain if scaled else formed

    def sends(
        self, node: Node, current: Tensor, state: State | None
    ) -> tuple[Tensor, State | None]:
        """See `walk.Arithmetic`."""
        sent, after = self.populations[self._place[node.name]](current, state)
        return sent, after

    def silence(self, node: Node, frames: int, steps: int) -> Tensor:
        """See `walk.Arithmetic`."""
        shape = (frames, steps, *node.type.shape)
        return torch.zeros(shape, dtype=sent_dtype(node.type), device=self.device)


def current_dtype(graph: Graph, node: Node) -> torch.dtype:
    """float32 or float64, in which the currents of `node` are exact."""
    bounds = [
        largest_sum(synapse.op, graph.edge(synapse.source)) * abs(synapse.gain)
        for synapse in node.synapses
    ]
    steps = max(graph.edge(synapse.source).steps for synapse in node.synapses)
    summed = steps if node.type.steps == 1 else 1
    return exact_dtype(sum(bounds) * summed, node.name)


def answers(graph: Graph | Twin, x: UserArrays, device: Device = None) -> tuple[Array, Array]:
    """(words int64 (frames, elements), classes int64) of the first output for real samples.

    `x` is as `input_arrays` takes it: (frames, ...) of real numbers, of every input. The data set
    is cut into parts that fit into memory together. `device` is "cuda", for example; else the
    twin stays where it is.
    """
    twin = _on(graph, device)
    words, classes = [], []
    for values in _parts(twin, x):
        found = read_out(twin.graph, values)
        words.append(found[0])
        classes.append(found[1])
    return np.concatenate(words), np.concatenate(classes)


def accuracy(graph: Graph | Twin, x: UserArrays, y: Array, device: Device = None) -> float:
    """Percent of the frames (or pixels) whose class is that of `y`."""
    _, classes = answers(graph, x, device)
    return 100.0 * float(np.mean(classes == y))


def read_out(graph: Graph, values: dict[str, Tensor]) -> tuple[Array, Array]:
    """`reference.read_out` of the first output."""
    output = graph.outputs[0]
    trains = values[output.source].cpu().numpy().astype(np.int64)
    return reference.read_out(output, {output.source: trains})


def _on(graph: Graph | Twin, device: Device) -> Twin:
    twin = graph if isinstance(graph, Twin) else Twin(graph)
    return twin if device is None else twin.to(device)


def _parts(twin: Twin, x: UserArrays) -> Iterator[dict[str, Tensor]]:
    graph = twin.graph
    arrays = []
    for source, array in zip(graph.inputs, input_arrays("data", graph.inputs, x), strict=True):
        shaped = as_frames(source.type, np.asarray(array))
        if shaped is None:
            wanted = (source.type.steps, *source.type.shape)
            raise BadInput(
                f"input {source.name}: found frames of shape {np.shape(array)[1:]}, accepted "
                f"{wanted}"
            )
        arrays.append(shaped)
    size = frames_at_once(graph)
    for start in range(0, len(arrays[0]), size):
        words = [
            reference.encode_input(source, array[start : start + size])
            for source, array in zip(graph.inputs, arrays, strict=True)
        ]
        yield twin(*(torch.from_numpy(part).to(twin.device) for part in words))


def frames_at_once(graph: Graph) -> int:
    """Frames whose trains fit into memory together; all of one stream."""
    if graph.streaming:
        return 1 << 62
    edges = [source.type for source in graph.inputs] + [node.type for node in graph.nodes]
    return max(1, CHUNK_VALUES // sum(type.neurons * type.steps for type in edges))
