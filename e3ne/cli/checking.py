"""`e3ne check`: a compile without output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import click

from ..boards import load_board
from ..config import Config
from ..ir import Graph, Stage, TraceMismatch, UnsupportedModel, edge_encoding
from ..ir.errors import Problems
from .options import MODEL_HELP, Loaded, ModelOptions, load, model_options
from .picture import op_text, picture
from .terminal import ERROR_EXIT, command_options, print_json, progress, stderr

EPILOG = (
    MODEL_HELP
    + """
\b
Without --calibration the ranges of inputs and edges may not be known yet: the
network is checked as far as it goes, and the output says what is missing.

\b
Examples:
  e3ne check model.py:net --input-shape 1,28,28 --steps 10
  e3ne check model.py:net --calibration train.npz --board icebreaker --json
  e3ne check net.nir --dt 1e-3 --reset subtract --convention norse --steps 50
"""
)


@dataclass(frozen=True)
class Findings:
    """How far a network comes: its graph at the last stage that it reached, what is refused, and
    the names of what calibration frames are needed for."""

    graph: Graph | None
    refused: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()


@click.command(epilog=EPILOG)
@model_options
@click.option("--board", help="A name of `e3ne boards`: also checks that the network fits on it.")
@command_options
def check(chosen: ModelOptions, board: str | None, as_json: bool) -> None:
    """Show what MODEL would be compiled to, and everything that is refused and why.

    Prints a picture of the network and its size, and writes nothing. Exits with 0 only when
    nothing is refused.
    """
    if board is not None:
        load_board(board)
    with progress() as tell:
        tell("check", 0, 0)
        try:
            found = checked(load(chosen), chosen, board)
        except UnsupportedModel as error:  # in a file that is read without a trace
            found = Findings(None, error.problems)
    if as_json:
        print_json(document(chosen.model, found))
    else:
        print_findings(found)
    if found.refused:
        raise SystemExit(ERROR_EXIT)


def checked(loaded: Loaded, chosen: ModelOptions, board: str | None) -> Findings:
    """Traces, simplifies, lowers where ranges are known, and maps where a board is given."""
    from ..compile import trace_model

    settings = loaded.settings
    settings = replace(settings, steps=chosen.steps or settings.steps)
    outputs = 1 if chosen.outputs is None else chosen.outputs
    asked = chosen.readout or settings.readout
    try:
        traced = trace_model(
            loaded.model, loaded.example, loaded.input_has_steps, settings, asked, outputs
        )
    except Problems as error:
        return Findings(None, error.problems)
    except TraceMismatch as error:
        return Findings(None, (str(error),))
    traced = replace(traced, streaming=traced.streaming or settings.streaming)
    return lowered(traced, loaded, settings, board)


def lowered(traced: Graph, loaded: Loaded, settings: Config, board: str | None) -> Findings:
    """What becomes of a traced graph; each stage that fails keeps the graph of the one before."""
    from ..ir.user_arrays import input_arrays
    from ..lower import lower, refusals
    from ..lower.calibrate import unmeasured

    graph, refused = refusals(traced, settings)
    missing = unmeasured(graph, settings) if loaded.frames is None else []
    if refused or missing:
        return Findings(graph, tuple(refused), tuple(missing))
    try:
        frames = loaded.frames
        if frames is not None:
            frames = input_arrays("calibration", traced.inputs, frames)
        from ..optimize import choose_mapping, with_ports

        graph = with_ports(lower(traced, frames, settings), settings)
        if board is not None:
            graph = choose_mapping(graph, load_board(board), settings)
    except Problems as error:
        return Findings(graph, error.problems)
    return Findings(graph)


def print_findings(found: Findings) -> None:
    """The picture and the figures on stdout, what is refused on stderr."""
    if found.graph is not None:
        click.echo(picture(found.graph))
        click.echo(summary_text(found.graph))
    if found.unmeasured:
        names = ", ".join(found.unmeasured)
        click.echo(f"not lowered: the ranges of {names} are not known; give --calibration")
    for problem in found.refused:
        stderr.print("refused:", style="bold red", end=" ")
        stderr.print(problem, markup=False, soft_wrap=True)


def summary_text(graph: Graph) -> str:
    """`3 populations, 42 neurons, 3 edges, 120 parameters, 10 steps; codes: rate, analog`."""
    figures = totals(graph)
    codes = f"; codes: {', '.join(figures['codes'])}" if figures["codes"] else ""
    return (
        f"{figures['populations']} populations, {figures['neurons']:,} neurons, "
        f"{figures['edges']} edges, {figures['parameters']:,} parameters, "
        f"{figures['steps']} steps{codes}{'; streaming' if graph.streaming else ''}"
    )


def totals(graph: Graph) -> dict[str, Any]:
    """The size of a graph; weights that synapses share count once."""
    arrays = {
        id(value): value.size
        for node in graph.nodes
        for synapse in node.synapses
        for value in (getattr(synapse.op, "weight", None), getattr(synapse.op, "bias", None))
        if value is not None
    }
    names = [source.name for source in graph.inputs] + [node.name for node in graph.nodes]
    integer = graph.stage is not Stage.FLOAT
    return {
        "populations": len(graph.nodes),
        "neurons": sum(node.type.neurons for node in graph.nodes),
        "edges": sum(len(node.synapses) for node in graph.nodes),
        "parameters": sum(arrays.values()),
        "steps": max(graph.edge(name).steps for name in names),
        "codes": sorted({edge_encoding(graph, name).value for name in names}) if integer else [],
    }


def document(model: str, found: Findings) -> dict[str, Any]:
    """Everything for programs; keys stay stable."""
    graph = found.graph
    return {
        "model": model,
        "compiles": not found.refused,
        "stage": None if graph is None else graph.stage.value,
        "refused": list(found.refused),
        "needs_calibration_for": list(found.unmeasured),
        "streaming": graph is not None and graph.streaming,
        "totals": None if graph is None else totals(graph),
        "inputs": []
        if graph is None
        else [{"name": s.name, "events": s.events, **edge(graph, s.name)} for s in graph.inputs],
        "nodes": [] if graph is None else [node_document(graph, n.name) for n in graph.nodes],
        "outputs": []
        if graph is None
        else [{"node": out.source, "readout": out.readout.value} for out in graph.outputs],
    }


def node_document(graph: Graph, name: str) -> dict[str, Any]:
    """One population: what it sends, its neurons and its synapses."""
    node = graph.node(name)
    synapses = [{"source": s.source, "op": op_text(s.op), "delay": s.delay} for s in node.synapses]
    neuron = type(node.neuron).__name__
    return {"name": name, "neuron": neuron, **edge(graph, name), "synapses": synapses}


def edge(graph: Graph, name: str) -> dict[str, Any]:
    """What an input or node sends; `bits` and `code` are null before the integer line."""
    type = graph.edge(name)
    known = type.bits > 0
    return {
        "shape": list(type.shape),
        "steps": type.steps,
        "bits": type.bits if known else None,
        "signed": type.signed,
        "code": edge_encoding(graph, name).value if known else None,
    }
