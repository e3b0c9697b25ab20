"""Trains the spiking digits network: float first, then with 4-bit weights.

`.venv/bin/python examples/digits_lif/train.py [--output weights.safetensors]`
"""

from pathlib import Path

from model import net
from torch import Tensor, nn

from e3ne.compile import trace_model
from e3ne.training.datasets import digits
from e3ne.training.fit import Schedule
from e3ne.training.recipe import Recipe, train_main


def spike_counts(model: nn.Module, x: Tensor) -> Tensor:
    """Logits (batch, 10): spikes of each output neuron over all steps."""
    return model(x).sum(dim=0)  # type: ignore[no-any-return]


RECIPE = Recipe(
    float_phase=Schedule(epochs=30, batch_size=32, learning_rate=3e-3, seed=1),
    quantized_phase=Schedule(epochs=40, batch_size=32, learning_rate=1e-3, seed=2),
    score=spike_counts,
)

if __name__ == "__main__":
    train_main(net, digits, RECIPE, Path(__file__).parent, trace_model)
