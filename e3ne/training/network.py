"""Training with the very integers of the hardware: a float graph with quantised arithmetic.

`QuantizedNetwork` trains what `lower.prepared` made of a model of any library. Its forward pass
computes, in whole numbers, what lowering's integers compute; gradients go straight through
roundings, stop where values are clipped, and take a surrogate where neurons spike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..config import Config
from ..ir import BadInput, Graph, Input, IntegrateFire, Node, Readout, Rectify, Stage, verify
from ..ir.user_arrays import UserArrays, as_frames
from ..lower import quantized
from .edge_bits import check_bits, with_bits, with_bits_of
from .grids import Grid, Weighted, input_types, loaded, pinned, settled, with_inputs, with_nodes
from .integers import Integers, probe_of
from .named_tensors import NamedTensors
from .passes import RealPass, WholePass
from .readouts import read_out
from .surrogate import Surrogate
from .torch_ops import exact_products
from .trained_weights import TrainedWeights
from .walk import Arithmetic, walk


class QuantizedNetwork(nn.Module):
    """A trainable network of the FLOAT graph `graph`, which `lower.prepared` made.

    `weights` holds every trained parameter by name: `<node>.weight` and `<node>.bias`, or
    `<node>.<index>.weight` where several synapses of a node have weights; weights that only select
    inputs are not trained. `masks` may hold, under the same names, factors (0 and 1) of their
    shape: what is masked is 0 in every pass. With `train_thresholds` and `train_decays` there are
    `<node>.threshold`, `<node>.decay` and `<node>.synaptic_decay`, too.

    With `quantizing` (which may change at any time) the forward pass is that of the integers, else
    that of the float graph: float training of any network. `config` says the bits; `calibration`
    is needed where it does not say what the inputs become. Scales of weights are fixed (of least
    squared error, unless the configuration names another method than `max`) until `refresh`.

    The attribute `config` is the one to lower `float_graph()` with: it pins what was chosen.
    """

    def __init__(
        self,
        graph: Graph,
        config: Config | None = None,
        calibration: UserArrays | None = None,
        *,
        quantizing: bool = True,
        surrogate: Surrogate | str | None = None,
        reset_gradient: bool = False,
        train_thresholds: bool = False,
        train_decays: bool = False,
    ) -> None:
        super().__init__()
        if graph.stage is not Stage.FLOAT:
            raise BadInput(f"training: found stage {graph.stage.value}, accepted float")
        self.graph, self.quantizing = verify(graph), quantizing
        if not isinstance(surrogate, Surrogate):
            surrogate = Surrogate() if surrogate is None else Surrogate(surrogate)
        self.surrogate = surrogate
        self.reset_gradient = reset_gradient
        self.trained = TrainedWeights(graph, train_thresholds, train_decays)
        self._chosen = with_bits_of(graph, settled(graph, config or Config(), train_decays))
        self._calibration = calibration
        self._integers: Integers | None = None
        if quantizing:
            self.refresh()

    @property
    def weights(self) -> NamedTensors:
        """The trained parameters by name, float32."""
        return self.trained.tensors

    @property
    def masks(self) -> NamedTensors:
        """Factors of trained parameters by name; set what is missing."""
        return self.trained.masks

    # The forward pass -------------------------------------------------------------------------

    def forward(self, *x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Real logits (frames, elements) of real samples, one tensor an input.

        Samples are (frames, steps, *shape), or (frames, *shape) of an input of one step. Logits
        are the words of the output times their scale (a mean is divided by the steps); a tuple
        where the network has several outputs.
        """
        return self.logits(self.values(*x))

    def values(self, *x: Tensor) -> dict[str, Tensor]:
        """What every input and node sends for real samples: (frames, steps, *shape), by name.

        Whole numbers, those of the lowered graph, where `quantizing`; else reals.
        """
        graph = self.integers.probe if self.quantizing else self.graph
        inputs = {
            source.name: self.entering(source, samples)
            for source, samples in zip(graph.inputs, x, strict=True)
        }
        with exact_products():
            return walk(graph, self._arithmetic(), inputs)

    def spikes_per_frame(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each spiking population sends in a frame, the mean of all frames, with gradients.

        `values` are those of a pass; add a price on them to the loss where few spikes are wanted.
        """
        return {
            node.name: values[node.name].flatten(1).sum(dim=1).mean()
            for node in self.graph.nodes
            if isinstance(node.neuron, IntegrateFire) and node.neuron.sends == "spikes"
        }

    def logits(
        self, values: Mapping[str, Tensor], readout: Readout | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """See `forward`; with another `readout` than the network's where one is given.

        `values` are those of a pass in the present mode, whole numbers or reals.
        """
        if self.quantizing:
            probe = self.integers.probe
            names = {output.source for output in self.graph.outputs}
            values = {name: values[name] * probe.scale(name) for name in names}
        return self.real_logits(values, readout)

    def real_logits(
        self, values: Mapping[str, Tensor], readout: Readout | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """As `logits`, of values that are real."""
        found = tuple(
            read_out(output.source, readout or output.readout, values)
            for output in self.graph.outputs
        )
        return found[0] if len(found) == 1 else found

    def _arithmetic(self) -> Arithmetic:
        if not self.quantizing:
            return RealPass(self.trained, self.surrogate, self.reset_gradient)
        return WholePass(self.integers, self.trained, self.surrogate, self.reset_gradient)

    @torch.no_grad()
    def entering(self, source: Input, samples: Tensor) -> Tensor:
        """Samples as an input sends them: clip(rint(x / scale)) where the pass is quantised."""
        shaped: Any = as_frames(source.type, samples)  # type: ignore[arg-type]
        if shaped is None:
            wanted = (source.type.steps, *source.type.shape)
            raise BadInput(
                f"input {source.name}: found frames of shape {tuple(samples.shape[1:])}, accepted "
                f"{wanted}"
            )
        if not self.quantizing:
            return shaped.float()  # type: ignore[no-any-return]
        units = shaped if source.scale == 1.0 else shaped.double() / source.scale
        return units.round().clamp(source.type.low, source.type.high).float()  # type: ignore[no-any-return]

    # Bits and scales --------------------------------------------------------------------------

    def refresh(self, *names: str) -> None:
        """Chooses the scales of the present weights of the nodes `names` (all of them) again."""
        nodes = [self.graph.node(name) for name in names] or list(self.graph.nodes)
        self.trained.choose_grids(self.graph, nodes, self._chosen)
        self._lower_probe()

    def set_weight_bits(self, name: str, bits: int | float) -> None:
        """Gives the weights of the node `name` other bits (1, 1.58, 2 .. 8), and a new scale."""
        self.set_bits(weights={name: bits})

    def set_edge_bits(self, name: str, bits: int) -> None:
        """Gives what the ReLU `name` sends other bits (1 .. 8); its bound stays."""
        self.set_bits(edges={name: bits})

    def set_bits(
        self,
        weights: Mapping[str, int | float] | None = None,
        edges: Mapping[str, int] | None = None,
    ) -> None:
        """As `set_weight_bits` and `set_edge_bits`, of many nodes at once."""
        weights, edges = weights or {}, edges or {}
        check_bits(weights, self.weight_bits(), "trained weights", (1, 1.58, *range(2, 9)))
        check_bits(edges, self.edge_bits(), "ReLU", range(1, 9))
        nodes = dict(self._chosen.nodes)
        for name in {**weights, **edges}:
            settings = nodes.get(name, self._chosen.default)
            settings = replace(settings, weight_bits=weights.get(name, settings.weight_bits))
            nodes[name] = replace(settings, edge_bits=edges.get(name, settings.edge_bits))
        self._chosen = with_nodes(self._chosen, nodes)
        if self._integers is not None:
            changed = [self.graph.node(name) for name in weights]
            self.trained.choose_grids(self.graph, changed, self._chosen)
            self._lower_probe()

    def set_scales(self, weights: Mapping[str, Grid], bounds: Mapping[str, float]) -> None:
        """Gives trained weights other grids, by the name of the weights, and ReLUs other bounds."""
        nodes = [
            replace(node, neuron=Rectify(bounds[node.name])) if node.name in bounds else node
            for node in self.graph.nodes
        ]
        if self._integers is None:
            self.refresh()
        self.graph = verify(self.graph.with_nodes(nodes))
        for name, bound in bounds.items():
            self.trained.fixed[f"{name}.bound"] = torch.tensor(bound)
        self.trained.grids.update(weights)
        self._lower_probe()

    def weight_bits(self) -> dict[str, int | float]:
        """The bits of the trained weights, by the name of their node."""
        nodes = sorted({node for node, _ in self.trained.names})
        return {name: self._chosen.node(name).weight_bits for name in nodes}

    def edge_bits(self) -> dict[str, int]:
        """The bits of what each ReLU sends."""
        relus = [node.name for node in self.graph.nodes if isinstance(node.neuron, Rectify)]
        return {name: self._chosen.node(name).edge_bits for name in relus}

    @property
    def config(self) -> Config:
        """The configuration to lower `float_graph()` with: it pins whatever was chosen."""
        return self.integers.config

    @property
    def integers(self) -> Integers:
        """The constants of the integers; scales are chosen where they have not been yet."""
        if self._integers is None:
            self.refresh()
        assert self._integers is not None
        return self._integers

    def _lower_probe(self) -> None:
        """Reads the constants of the integers off the network with probe weights."""
        graph = with_bits(self._present(), self._chosen)
        if self._integers is None:
            inputs = input_types(graph, self._calibration, self._chosen)
            self._chosen, self._calibration = with_inputs(self._chosen, graph, inputs), None
        probe = probe_of(graph, self.trained)
        first = quantized(probe, None, self._chosen)
        config = pinned(self._chosen, quantized(self._on_grid(graph, first), None, self._chosen))
        device = next((tensor.device for tensor in self.trained.parameters()), None)
        lowered = quantized(probe, None, config)
        self._integers = Integers(probe, lowered, config, self.trained).to(device)

    def _present(self) -> Graph:
        """The FLOAT graph with the trained numbers of neurons."""
        return self.graph.with_nodes([self.trained.with_neuron(n) for n in self.graph.nodes])

    def _on_grid(self, graph: Graph, integer: Graph) -> Graph:
        """The graph with weights and biases on their grids; `integer` has its scales."""

        def load(node: Node, index: int, op: Weighted) -> Weighted:
            source = node.synapses[index].source
            return self.trained.with_levels(node, index, op, integer.scale(source))

        return loaded(graph, load)

    # Graphs -----------------------------------------------------------------------------------

    def float_graph(self) -> Graph:
        """The FLOAT graph with the present weights.

        Where `quantizing`, weights and biases lie on their grids and ReLUs have their bits, so that
        lowering with the attribute `config` takes all of them over.
        """
        if not self.quantizing:
            return verify(loaded(self._present(), self.trained.with_real))
        graph = with_bits(self._present(), self._chosen)
        return verify(self._on_grid(graph, self.integers.probe))

    def export(self) -> Graph:
        """The network in stage INTEGER, with its weights on their grids."""
        graph = with_bits(self._present(), self._chosen)
        return quantized(self._on_grid(graph, self.integers.probe), None, self.config)
