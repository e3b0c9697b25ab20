"""Rules of the ports: what an input's beats, an output's beats and the weight port may be."""

from __future__ import annotations

from collections.abc import Iterator

from .frames import is_image
from .graph import Graph, Input, Output, OutputWords
from .spikes import SpikeType

BEAT_BITS = (8, 16, 32)
WEIGHT_PORT_BITS = (8, 16, 32, 64)


def port_problems(source: Input) -> Iterator[str]:
    """Every rule that the beats of an input break."""
    if source.packed and source.events:
        yield (
            f"input {source.name}: found packed fields of events, accepted one of the two: an "
            "event has its own 32-bit beat; leave `packed` out"
        )


def output_problems(output: Output, type: SpikeType) -> Iterator[str]:
    """Every rule that the words and beats of an output of an edge of `type` break."""
    where = f"output {output.source}"
    if output.bits not in BEAT_BITS:
        yield f"{where}: found beats of {output.bits} bits, accepted 8, 16 or 32"
    elif output.words is OutputWords.CLASS and is_image(type):
        yield f"{where}: found an image, which has no class word, accepted words: all"
    elif output.words is OutputWords.CLASS and type.neurons > 1 << output.bits:
        yield (
            f"{where}: found {type.neurons} classes in one beat of {output.bits} bits, accepted at "
            f"most {1 << output.bits}; take wider beats"
        )


def weight_port_problems(graph: Graph) -> Iterator[str]:
    """Every rule that the weight port of a graph breaks."""
    if graph.weight_port_bits not in WEIGHT_PORT_BITS:
        yield f"graph: found a weight port of {graph.weight_port_bits} bits, accepted 8, 16, 32, 64"
