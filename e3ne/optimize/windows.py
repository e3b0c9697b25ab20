"""How many time steps a word can carry."""

from __future__ import annotations

from ..ir import BadInput, Encode, Graph

MOST_STEPS = 32  # steps in one word where they are not needed in one


def allowed_windows(graph: Graph, fixed: int | None) -> list[int]:
    """The steps that a window can have, ascending: divisors of the train, 1 where spikes feed back.

    Where the number of steps changes on the way the whole train is one window. Windows of more
    than 32 steps are left out where shorter ones are allowed. `fixed` is the user's choice;
    BadInput where the hardware cannot have it.
    """
    types = [source.type for source in graph.inputs] + [node.type for node in graph.nodes]
    counts = sorted({type.steps for type in types if type.steps > 1})
    longest = counts[-1] if counts else 1
    delayed = any(synapse.delay for node in graph.nodes for synapse in node.synapses)
    changes = any(
        graph.edge(synapse.source).steps != node.type.steps
        for node in graph.nodes
        if not isinstance(node.neuron, Encode)  # gets its samples again for every window
        for synapse in node.synapses
    )
    if delayed:
        allowed = [1]
    elif changes or len(counts) > 1:
        allowed = [longest]
    else:
        allowed = [steps for steps in range(1, longest + 1) if longest % steps == 0]
    if fixed is None:
        return [steps for steps in allowed if steps <= MOST_STEPS] or allowed
    if fixed not in allowed:
        accepted = ", ".join(map(str, allowed))
        raise BadInput(f"config.window: found {fixed}, accepted {accepted} for this network")
    return [fixed]
