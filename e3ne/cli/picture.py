"""A graph as text: one line a node, rails on the left for what does not read the line above."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import (
    Conv2d,
    Encode,
    Encoding,
    Graph,
    Linear,
    MaxPool2d,
    Neuron,
    Op,
    SpikeType,
    SumPool2d,
    Synapse,
    Upsample2d,
    edge_encoding,
)

READS = ">"


def picture(graph: Graph) -> str:
    """Inputs and nodes from top to bottom, each with its shape, code, neuron and sources.

    An arrow `↓` stands before what reads the line above. Every other source has a rail: `>` marks
    who reads from it, `─` who sends. A rail that reads upwards is feedback, and `↺` marks
    neurons that read their own spikes. `⇒` marks outputs.
    """
    names = [source.name for source in graph.inputs] + [node.name for node in graph.nodes]
    rails = _rails(graph, names)
    direct = _reads_above(graph, names)
    loops = {n.name for n in graph.nodes if any(s.source == n.name for s in n.synapses)}
    columns: list[list[str]] = []
    for source in graph.inputs:
        code = code_text(source.type, edge_encoding(graph, source.name))
        columns.append([source.name, shape_text(source.type), code, "input"])
    for node in graph.nodes:
        neuron = neuron_text(node.neuron)
        code = code_text(node.type, edge_encoding(graph, node.name))
        sources = ", ".join(synapse_text(synapse, node.name) for synapse in node.synapses)
        ends = "".join(
            f" ⇒ {out.readout.value}" for out in graph.outputs if out.source == node.name
        )
        columns.append([node.name, shape_text(node.type), code, f"{neuron} <- {sources}{ends}"])
    widths = [max(len(row[k]) for row in columns) for k in range(3)]
    drawn = []
    for number, (name, row) in enumerate(zip(names, columns, strict=True)):
        mark = ("↓" if name in direct else " ") + ("↺" if name in loops else " ")
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        drawn.append(f"{_margin(rails, number)}{mark} {'  '.join([*cells, row[3]])}".rstrip())
    return "\n".join(drawn) + "\n"


def shape_text(type: SpikeType) -> str:
    """`2x8x8`."""
    return "x".join(map(str, type.shape))


def neuron_text(neuron: Neuron) -> str:
    """`IntegrateFire`, `Encode bernoulli, seed 7`."""
    if not isinstance(neuron, Encode):
        return type(neuron).__name__
    own = {"bernoulli": f", seed {neuron.seed}", "delta": f", threshold {neuron.threshold}"}
    return f"Encode {neuron.kind}{own.get(neuron.kind, '')}"


def code_text(type: SpikeType, encoding: Encoding) -> str:
    """`10 steps of 1 bit, rate`; without bits before the integer line."""
    steps = f"{type.steps} step{'s' if type.steps > 1 else ''}"
    if type.bits == 0:
        return steps
    signed = " signed" if type.signed else ""
    return f"{steps} of {type.bits} bit{'s' if type.bits > 1 else ''}{signed}, {encoding.value}"


def synapse_text(synapse: Synapse, own: str) -> str:
    """`Conv2d 3x3 of conv1, 2 steps ago`."""
    source = "itself" if synapse.source == own else synapse.source
    ago = f", {synapse.delay} step{'s' if synapse.delay > 1 else ''} ago" if synapse.delay else ""
    return f"{op_text(synapse.op)} of {source}{ago}"


def op_text(op: Op) -> str:
    """The op and its sizes in a few words."""
    match op:
        case Linear():
            return f"Linear {op.weight.shape[0]}x{op.weight.shape[1]}"
        case Conv2d():
            stride = "" if op.stride == (1, 1) else f" stride {_pair(op.stride)}"
            groups = "" if op.groups == 1 else f" of {op.groups} groups"
            return f"Conv2d {_pair(op.kernel)}{stride}{groups}"
        case MaxPool2d() | SumPool2d():
            return f"{type(op).__name__} {_pair(op.kernel)}"
        case Upsample2d():
            return f"Upsample2d {_pair(op.factor)} {op.fill}"
        case _:
            return type(op).__name__


def _pair(sizes: tuple[int, int]) -> str:
    return "x".join(map(str, sizes))


@dataclass(frozen=True)
class _Rail:
    """A source and its readers that do not follow it: their lines, and the rail's column."""

    source: int
    readers: frozenset[int]
    column: int

    @property
    def top(self) -> int:
        return min(self.source, *self.readers)

    @property
    def bottom(self) -> int:
        return max(self.source, *self.readers)


def _rails(graph: Graph, names: list[str]) -> list[_Rail]:
    """One rail a source, shorter ones nearer to the names, none over another."""
    row = {name: number for number, name in enumerate(names)}
    readers: dict[int, set[int]] = {}
    for node in graph.nodes:
        for synapse in node.synapses:
            source, reader = row[synapse.source], row[node.name]
            if reader != source and (reader != source + 1 or synapse.delay):
                readers.setdefault(source, set()).add(reader)
    spans = sorted(readers.items(), key=lambda item: (_span(*item)[1] - _span(*item)[0], item[0]))
    rails: list[_Rail] = []
    for source, taps in spans:
        top, bottom = _span(source, taps)
        taken = {r.column for r in rails if r.top <= bottom and top <= r.bottom}
        column = next(number for number in range(len(rails) + 1) if number not in taken)
        rails.append(_Rail(source, frozenset(taps), column))
    return rails


def _span(source: int, readers: set[int]) -> tuple[int, int]:
    return min(source, *readers), max(source, *readers)


def _reads_above(graph: Graph, names: list[str]) -> set[str]:
    """The nodes that read, without a delay, what stands on the line above them."""
    above = dict(zip(names[1:], names, strict=False))
    return {
        node.name
        for node in graph.nodes
        if any(s.source == above.get(node.name) and not s.delay for s in node.synapses)
    }


def _margin(rails: list[_Rail], row: int) -> str:
    """The rails on one line; column 0 stands next to the names."""
    width = 1 + max((rail.column for rail in rails), default=-1)
    cells = [" "] * (2 * width)
    for rail in sorted(rails, key=lambda rail: rail.column):
        place = 2 * (width - 1 - rail.column)
        if not rail.top <= row <= rail.bottom:
            continue
        if row != rail.source and row not in rail.readers:
            cells[place] = "│"
            continue
        cells[place] = "╭" if row == rail.top else "╰" if row == rail.bottom else "├"
        for k in range(place + 1, len(cells)):
            cells[k] = {"│": "┼", " ": "─"}.get(cells[k], cells[k])
        if row in rail.readers:
            cells[-1] = READS
    return "".join(cells)
