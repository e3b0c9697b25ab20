"""How words travel in a mapped network: what is sent, what is taken, and where they wait."""

from __future__ import annotations

from .event_lanes import lane_word
from .geometry import synapse_fold
from .graph import Engine, Graph, Node
from .ops import Conv2d, Linear, MaxPool2d, SumPool2d

MOST_PARTS = 16  # slices in a word that a list of events takes


def source_lanes(graph: Graph, name: str) -> int | None:
    """Elements in a word of the input or node called `name`; None before it is mapped."""
    for source in graph.inputs:
        if source.name == name:
            return source.lanes
    mapping = graph.node(name).mapping
    return None if mapping is None else mapping.lanes


def wanted_lanes(graph: Graph, node: Node, index: int) -> int:
    """Elements of its source that synapse `index` of a mapped node takes in one word.

    A row memory takes `in_lanes`, a sliding window `in_columns` whole pixels, a bare edge the
    node's own lanes; a list of events whole words of its source, so that zeros pass at once.
    """
    assert node.mapping is not None
    op, channels = node.synapses[index].op, graph.edge(node.synapses[index].source).channels
    lanes = node.mapping.synapses[index]
    if isinstance(op, Linear) and node.mapping.engine is Engine.EVENT:
        sent = source_lanes(graph, node.synapses[index].source) or 1
        if lanes.lane_rows:
            return lane_word(int(op.weight.shape[1]), sent, lanes.in_lanes)
        slices = sent // lanes.in_lanes if sent % lanes.in_lanes == 0 else 1
        return lanes.in_lanes * max(k for k in range(1, MOST_PARTS + 1) if slices % k == 0)
    if isinstance(op, Linear | Conv2d):
        fold = synapse_fold(node, index)
        return lanes.in_lanes if fold.in_memory else channels * lanes.in_columns
    if isinstance(op, MaxPool2d | SumPool2d):
        return channels * lanes.in_columns
    return node.mapping.current_lanes


def queue_words(graph: Graph, name: str) -> int:
    """Words of the queue that is asked for behind the input or node called `name`."""
    for source in graph.inputs:
        if source.name == name:
            return source.queue_words
    mapping = graph.node(name).mapping
    return 0 if mapping is None else mapping.queue_words


def is_logic(node: Node) -> bool:
    """Whether a node is mapped to a network of constants: it takes a word when what follows does.

    All combinational; so without skids, which register it, its `ready` would come from the end of
    the network, through every such layer, to thousands of registers and back to the port.
    """
    weighted = any(isinstance(synapse.op, Linear | Conv2d) for synapse in node.synapses)
    return node.mapping is not None and node.mapping.engine is Engine.LOGIC and weighted


def sends_through_skid(graph: Graph, node: Node) -> bool:
    """Whether a skid stands behind a node: LOGIC that others read without a queue."""
    if not is_logic(node):
        return False
    assert node.mapping is not None
    return not node.mapping.queue_words and any(True for _ in graph.consumers(node.name))


def takes_through_skid(graph: Graph, node: Node, index: int) -> bool:
    """Whether a skid stands before synapse `index` of a mapped node: LOGIC, with its own weights.

    Not behind one of its source.
    """
    synapse = node.synapses[index]
    if not (is_logic(node) and isinstance(synapse.op, Linear | Conv2d)):
        return False
    from_port = any(source.name == synapse.source for source in graph.inputs)
    waits = len(node.synapses) > 1 or synapse.delay
    return bool(from_port or waits or not sends_through_skid(graph, graph.node(synapse.source)))
