"""What a mapped network costs: cycles, and estimates of logic and memory."""

from .predict import Prediction, frame_interval, node_cycles, port_cycles, predict
from .resources import Resources, node_resources, port_resources

__all__ = [
    "Prediction",
    "Resources",
    "frame_interval",
    "node_cycles",
    "node_resources",
    "port_cycles",
    "port_resources",
    "predict",
]
