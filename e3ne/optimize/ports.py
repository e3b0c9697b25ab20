"""What a user chose of the ports: packed beats, events, words and widths of the outputs."""

from __future__ import annotations

from dataclasses import replace

from ..config import Config, OutputConfig
from ..config.names import nearest
from ..ir import BadInput, Graph, Output, OutputWords
from ..ir.events import event_problems
from ..ir.port_rules import output_problems, port_problems, weight_port_problems


def with_ports(graph: Graph, config: Config) -> Graph:
    """The graph with the ports that `config` asks for; BadInput with every one that cannot be."""
    problems: list[str] = []
    inputs = tuple(
        replace(
            source,
            events=source.events or config.input_of(source.name).events,
            packed=source.packed or config.input_of(source.name).packed,
        )
        for source in graph.inputs
    )
    for source in inputs:
        problems += port_problems(source)
        problems += event_problems(source) if source.events else []
    lanes = config.input_lanes or 1
    if any(source.events for source in inputs) and lanes & (lanes - 1):
        problems.append(
            f"config.input_lanes: found {lanes}, accepted 1, 2, 4, 8 ... where frames arrive as "
            "events; leave it out"
        )
    names = [output.source for output in graph.outputs]
    problems += [
        f"config.output.{name}: found no such output, accepted {nearest(name, names)}"
        for name in sorted(config.outputs)
        if name not in names
    ]
    outputs = tuple(_chosen(output, config.output_of(output.source)) for output in graph.outputs)
    for output in outputs:
        problems += output_problems(output, graph.edge(output.source))
    found = replace(graph, inputs=inputs, outputs=outputs, weight_port_bits=config.weight_port_bits)
    problems += weight_port_problems(found)
    if problems:
        raise BadInput(problems)
    return found


def _chosen(output: Output, chosen: OutputConfig) -> Output:
    """The output as the user wants it; as it is where nothing is chosen."""
    if chosen == OutputConfig():
        return output
    return replace(output, words=OutputWords(chosen.words), bits=chosen.bits)
