"""Trains the digits network: float first, then with 4-bit weights and 4-bit radix edges.

`.venv/bin/python examples/digits_radix/train.py [--output weights.safetensors]`
"""

from pathlib import Path

from model import net

from e3ne.compile import trace_model
from e3ne.training.datasets import digits
from e3ne.training.fit import Schedule, shifted
from e3ne.training.recipe import Recipe, train_main

RECIPE = Recipe(
    float_phase=Schedule(epochs=60, batch_size=32, learning_rate=3e-3, seed=1),
    quantized_phase=Schedule(epochs=60, batch_size=32, learning_rate=1.5e-3, seed=2),
    augment=shifted(1),
)

if __name__ == "__main__":
    train_main(net, digits, RECIPE, Path(__file__).parent, trace_model)
