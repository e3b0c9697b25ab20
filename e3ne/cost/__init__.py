"""What a mapped network costs: cycles, and estimates of logic and memory."""

from .energy import Energy, energy, node_energy
from .predict import Prediction, frame_interval, neuron_cycles, node_cycles, port_cycles, predict
from .resources import Resources, node_resources, port_resources

__all__ = [
    "Energy",
    "Prediction",
    "Resources",
    "energy",
    "frame_interval",
    "neuron_cycles",
    "node_cycles",
    "node_energy",
    "node_resources",
    "port_cycles",
    "port_resources",
    "predict",
]
