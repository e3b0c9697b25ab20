"""From a trained torch model to a checked graph of stage FLOAT.

`trace` watches one real forward and checks what it read against the model; `load_model` finds the
model; `register_neuron` teaches the frontend a neuron class of yours.
"""

from .load import load_model
from .registry import NeuronModel, register_neuron
from .tracing import trace

__all__ = ["NeuronModel", "load_model", "register_neuron", "trace"]
