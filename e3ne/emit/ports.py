"""The ports of e3ne_top as text: for the Verilog of the top, and for the C++ harness."""

from __future__ import annotations

from typing import Any

from ..ir import Graph
from ..ir.frames import input_ports, output_ports
from ..ir.weight_port import WEIGHT_PORT, loads_weights
from .manifest import ports_of, tool_versions
from .templates import filled


def top_verilog(graph: Graph, network: Any, title: str) -> str:
    """e3ne_top.v: the ports of the manifest around `e3ne_network`."""
    streams = [port for port in ports_of(graph) if port["name"] not in ("clk", "rst", "error")]
    probe_bits = max(probe.offset_bits + probe.word.value_bits for probe in network.probes)
    return filled(
        "e3ne_top.v.j2",
        title=title,
        version=tool_versions().get("e3ne", "from source"),
        stream_ports="\n".join(map(_declaration, streams)),
        stream_connections="\n".join(f"        .{p['name']}({p['name']})," for p in streams),
        strobe_msb=len(network.probes) - 1,
        probe_msb=probe_bits - 1,
        error_meaning=_error_meaning(graph),
    )


def _error_meaning(graph: Graph) -> str:
    events = [source.events for source in graph.inputs]
    length = "was too short or too long"
    wrong = "had wrong events"
    kinds = [wrong] if all(events) else [length, wrong] if any(events) else [length]
    load = "; or the weights were" if loads_weights(graph) else ""
    return f"a frame {' or '.join(kinds)} and has been dropped{load}"


def _declaration(port: dict[str, Any]) -> str:
    kind = "input  wire" if port["direction"] == "in" else "output wire"
    is_data = port["name"].endswith("_tdata")
    width = f"[{port['width_bits'] - 1}:0] " if is_data else ""
    return f"    {kind} {width}{port['name']},"


def harness_ports(graph: Graph) -> str:
    """e3ne_ports.h: where the harness finds the signals of each port in Verilator's class."""
    inputs = [
        f"{{top->{port}_tvalid, top->{port}_tready, top->{port}_tlast, "
        f"&top->{port}_tdata, sizeof(top->{port}_tdata)}}"
        for port in input_ports(graph)
    ]
    outputs = [
        f"{{top->{port}_tvalid, top->{port}_tready, top->{port}_tlast, "
        f"&top->{port}_tdata, sizeof(top->{port}_tdata)}}"
        for port in output_ports(graph)
    ]
    weights = [
        f"{{top->{port}_tvalid, top->{port}_tready, top->{port}_tlast, "
        f"&top->{port}_tdata, sizeof(top->{port}_tdata)}}"
        for port in ([WEIGHT_PORT] if loads_weights(graph) else [])
    ]
    return (
        "// Written by e3ne: the ports of this build, for e3ne_harness.cpp.\n"
        f"{_list_of('InputPort', 'input_ports', inputs)}"
        f"{_list_of('OutputPort', 'output_ports', outputs)}"
        f"{_list_of('InputPort', 'weight_ports', weights)}"
    )


def _list_of(kind: str, name: str, ports: list[str]) -> str:
    pushes = "".join(f"    ports.push_back({port});\n" for port in ports)
    return (
        f"static std::vector<{kind}> {name}(Ve3ne_top* top) {{\n"
        f"    std::vector<{kind}> ports;\n{pushes}    return ports;\n}}\n"
    )
