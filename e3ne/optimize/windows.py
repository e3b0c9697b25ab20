"""How many time steps a word carries."""

from __future__ import annotations

from ..ir import BadInput, Graph

MOST_STEPS = 32  # steps in one word where they are not needed in one


def choose_window(graph: Graph, fixed: int | None) -> int:
    """Steps in a window: all of them for short trains, 1 where spikes feed back.

    Where the number of steps changes on the way the whole train is one window. `fixed` is the
    user's choice; BadInput where the hardware cannot have it.
    """
    types = [source.type for source in graph.inputs] + [node.type for node in graph.nodes]
    counts = sorted({type.steps for type in types if type.steps > 1})
    longest = counts[-1] if counts else 1
    delayed = any(synapse.delay for node in graph.nodes for synapse in node.synapses)
    changes = any(
        graph.edge(synapse.source).steps != node.type.steps
        for node in graph.nodes
        for synapse in node.synapses
    )
    if delayed:
        allowed = [1]
    elif changes or len(counts) > 1:
        allowed = [longest]
    else:
        allowed = [steps for steps in range(1, longest + 1) if longest % steps == 0]
    if fixed is not None and fixed not in allowed:
        accepted = ", ".join(map(str, allowed))
        raise BadInput(f"config.window: found {fixed}, accepted {accepted} for this network")
    if fixed is not None:
        return fixed
    return max([steps for steps in allowed if steps <= MOST_STEPS], default=min(allowed))
