"""Neuron units: from words of current to words of spikes, one unit a node."""

from .unit import NeuronUnit, neuron_unit

__all__ = ["NeuronUnit", "neuron_unit"]
