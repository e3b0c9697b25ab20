"""Trains LeNet-5 on MNIST: float first, then with 3-bit weights and 4-bit radix edges.

`.venv/bin/python examples/mnist_lenet5/train.py [--output weights.safetensors]`
"""

from pathlib import Path

from model import net

from e3ne.compile import trace_model
from e3ne.training.datasets import mnist
from e3ne.training.fit import Schedule, shifted
from e3ne.training.recipe import Recipe, train_main

RECIPE = Recipe(
    float_phase=Schedule(epochs=5, batch_size=128, learning_rate=2e-3, seed=1),
    quantized_phase=Schedule(epochs=15, batch_size=128, learning_rate=1e-3, seed=2),
    augment=shifted(1),
    threads=2,
)

if __name__ == "__main__":
    train_main(net, lambda: mnist(padding=2), RECIPE, Path(__file__).parent, trace_model)
