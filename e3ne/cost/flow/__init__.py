"""Words on their way through a mapped network, cycle by cycle, without what is in them.

Each part of the hardware has a model here that keeps its handshakes and counts only; so the cycles
of a run follow from the graph and, where EVENT nodes leave out zeros, from what is zero.
"""

from .run import FlowInterval, FlowRun, run_flow, run_interval

__all__ = ["FlowInterval", "FlowRun", "run_flow", "run_interval"]
