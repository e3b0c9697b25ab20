"""LeNet-5 on MNIST by the twin: every number is the reference's, in a fraction of its time."""

from __future__ import annotations

import json
import time
from functools import cache

import numpy as np
import pytest

from benchmarks.accuracy.twin_speed import EXAMPLE, mismatches
from e3ne import reference
from e3ne.training.datasets import MissingData
from e3ne.training.twin import Twin, accuracy
from examples.evaluate import EXAMPLES, load_example

COMPARED = 2000
loaded = cache(load_example)


def test_every_node_equals_the_reference_and_the_set_takes_seconds() -> None:
    try:
        example = loaded(EXAMPLE)
    except MissingData as error:
        pytest.skip(str(error))
    twin = Twin(example.integer)
    words = reference.encode_input(example.integer.inputs[0], example.x[:COMPARED])
    assert mismatches(twin, example.integer, words) == 0
    start = time.process_time()
    trained = json.loads((EXAMPLES / "mnist_lenet5" / "training.json").read_text())
    assert accuracy(twin, example.x, example.y) == trained["quantized_percent"]
    assert time.process_time() - start < 20  # 1 s on a free core


def test_a_wrong_weight_is_counted() -> None:
    try:
        example = loaded(EXAMPLE)
    except MissingData as error:
        pytest.skip(str(error))
    twin = Twin(example.integer)
    twin.weights[0][0].weight[0] += 1
    words = reference.encode_input(example.integer.inputs[0], example.x[:20])
    assert mismatches(twin, example.integer, words) > 100
    assert np.array_equal(twin.run(words)["input"].numpy()[:, 0], words.reshape(20, 1, 32, 32))
