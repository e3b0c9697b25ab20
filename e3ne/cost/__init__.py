"""What a mapped network costs: cycles, and a first estimate of logic and memory."""

from .predict import Prediction, node_cycles, node_luts, predict

__all__ = ["Prediction", "node_cycles", "node_luts", "predict"]
