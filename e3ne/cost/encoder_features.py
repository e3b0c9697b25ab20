"""What an encoder is made of: adders, comparators, shift registers of random bits."""

from __future__ import annotations

from ..ir import Encode, Graph, Node
from ..ir.frames import kept_words, source_windows, window_steps
from ..ir.random_bits import LENGTH
from .counts import Features
from .memories import Memory


def encoder_features(found: Features, graph: Graph, node: Node, neuron: Encode) -> None:
    """The unit of a mapped node; the Replay in front of it is counted with its edge."""
    assert node.mapping is not None
    lanes, bits = node.mapping.lanes, neuron.bits
    steps, windows = window_steps(graph, node.type.steps), source_windows(graph, node.name)
    sent = lanes * steps * node.type.bits
    found.ffs += sent
    match neuron.kind:
        case "radix":
            found.add("encoder_gate_bits", sent * (windows - 1) / 2)
        case "latency":
            place = node.type.steps.bit_length()
            adders = max(0, node.type.steps.bit_count() - 1)
            found.add("encoder_leak_bits", lanes * (bits + place) * adders)
            found.add("encoder_gate_bits", sent * place / 2 + lanes * bits)
            found.ffs += lanes * (place + 1)
        case "bernoulli":
            reloaded = LENGTH * (2 if windows > 1 else 1)  # from constants, of which window
            found.add("encoder_gate_bits", 1.1 * steps * (reloaded + lanes * (bits + 2)))
            found.ffs += steps * LENGTH
        case "regular" | "delta":
            adders, steps_in = (2, 1) if neuron.kind == "regular" else (4, steps)
            found.add("encoder_leak_bits", lanes * bits * adders)
            found.add("encoder_split_bits", lanes * (steps_in - 1) * (bits + 1))
            found.ffs += lanes * (2 * bits + node.type.bits)
            if steps > 1:  # samples that wait, spikes that gather
                found.ffs += sent + lanes * steps_in * (bits + 1)
            if words := kept_words(graph, node):
                kept = lanes * bits + (neuron.kind == "delta")
                found.add("loaded_bits", kept)
                found.memories.append(Memory(kept, words, is_rom=False))
