"""The reference's ops, inputs and readouts: by hand, and against torch in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from e3ne import reference
from e3ne.ir import (
    ONE,
    BadInput,
    ChannelAffine,
    Conv2d,
    Dyadic,
    Flatten,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Neuron,
    Node,
    Op,
    Output,
    Readout,
    Rectify,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    Upsample2d,
    frozen,
    op_shape,
)

torch.set_num_threads(1)


def one_node(
    neuron: Neuron, source: SpikeType, type: SpikeType, *synapses: Synapse, stage: Stage
) -> Graph:
    node = Node("n", synapses or (Synapse(Identity(), "x"),), neuron, type)
    return Graph(stage, (Input("x", source),), (node,), (Output("n", Readout.LAST),))


def integers(low: int, high: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high + 1, shape)


# ---------------------------------------------------------------------------------------- ops


def test_linear_by_hand() -> None:
    op = Linear(frozen([[1, -2, 3], [0, 4, -5]], np.int64), frozen([10, -1], np.int64))
    x = np.array([[[7, 1, 2]]])
    assert reference.op_currents(op, x).tolist() == [[[7 - 2 + 6 + 10, 4 - 10 - 1]]]


def test_linear_reads_an_image_in_the_order_channels_rows_columns() -> None:
    op = Linear(frozen(np.arange(12).reshape(1, 12), np.int64))
    x = np.zeros((1, 1, 2, 2, 3), np.int64)
    x[0, 0, 1, 0, 2] = 1  # 1 * 2 * 3 + 0 * 3 + 2
    assert reference.op_currents(op, x).item() == 8


CONVOLUTIONS = [
    {"stride": (s, t), "padding": (p, q), "dilation": (d, e), "groups": g}
    for (s, t), (p, q), (d, e), g in itertools.product(
        [(1, 1), (2, 3)], [(0, 0), (2, 1)], [(1, 1), (2, 3)], [1, 2, 4]
    )
]


@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
def test_conv2d_equals_torch(options: dict) -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(8, 4 // options["groups"], 3, 2))
    bias, x = rng.normal(size=8), rng.normal(size=(2, 3, 4, 9, 10))
    op = Conv2d(frozen(weight, np.float64), frozen(bias, np.float64), **options)
    found = reference.op_currents(op, x)
    wanted = torch.nn.functional.conv2d(
        torch.tensor(x.reshape(6, 4, 9, 10)), torch.tensor(weight), torch.tensor(bias), **options
    )
    assert found.shape[2:] == op_shape(op, (4, 9, 10))
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize("options", CONVOLUTIONS[::5], ids=str)
def test_conv2d_of_integers_is_exact(options: dict) -> None:
    weight = integers(-127, 127, (8, 4 // options["groups"], 3, 2))
    x = integers(0, 255, (1, 2, 4, 9, 10))
    op = Conv2d(frozen(weight, np.int64), **options)
    wanted = torch.nn.functional.conv2d(
        torch.tensor(x[0]).double(), torch.tensor(weight).double(), **options
    )
    found = reference.op_currents(op, x)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found[0], wanted.numpy())


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 2), (1, 1)), ((3, 3), (2, 1), (1, 0))],
)
def test_pooling_equals_torch(kernel: tuple, stride: tuple, padding: tuple) -> None:
    x = np.random.default_rng(2).random((1, 2, 3, 7, 8))  # not negative: a padded place is 0
    for op, function in (
        (MaxPool2d(kernel, stride, padding), torch.nn.functional.max_pool2d),
        (SumPool2d(kernel, stride, padding, kernel[0] * kernel[1]), torch.nn.functional.avg_pool2d),
    ):
        wanted = function(torch.tensor(x[0]), kernel, stride, padding)
        np.testing.assert_allclose(reference.op_currents(op, x)[0], wanted.numpy(), atol=1e-12)


def test_max_pooling_of_binary_spikes_is_an_or_at_each_step() -> None:
    x = np.array([[[[0, 1], [0, 0]]], [[[0, 0], [0, 0]]]])[None]
    assert reference.op_currents(MaxPool2d((2, 2), (2, 2)), x).reshape(-1).tolist() == [1, 0]


def test_batch_normalisation_equals_torch() -> None:
    rng = np.random.default_rng(3)
    norm = torch.nn.BatchNorm2d(3, dtype=torch.float64).eval()
    norm.running_mean[:] = torch.tensor(rng.normal(size=3))
    norm.running_var[:] = torch.tensor(rng.random(3) + 0.1)
    with torch.no_grad():
        norm.weight[:] = torch.tensor(rng.normal(size=3))
        norm.bias[:] = torch.tensor(rng.normal(size=3))
        gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).numpy()
        offset = norm.bias.numpy() - gain * norm.running_mean.numpy()
        x = rng.normal(size=(1, 4, 3, 5, 6))
        wanted = norm(torch.tensor(x[0])).numpy()
    op = ChannelAffine(frozen(gain, np.float64), frozen(offset, np.float64))
    np.testing.assert_allclose(reference.op_currents(op, x)[0], wanted, atol=1e-12)


def test_flatten_and_identity() -> None:
    x = integers(0, 9, (2, 3, 4, 5, 6))
    np.testing.assert_array_equal(
        reference.op_currents(Flatten(), x), torch.flatten(torch.tensor(x), 2).numpy()
    )
    np.testing.assert_array_equal(reference.op_currents(Identity(), x), x)


@pytest.mark.parametrize("crop", [(0, 0), (1, 0), (1, 2)])
def test_upsampling_repeats_a_pixel_as_torch_does(crop: tuple[int, int]) -> None:
    x = integers(0, 9, (2, 3, 4, 2, 5))
    op = Upsample2d((2, 3), "repeat", crop)
    found = reference.op_currents(op, x)
    wanted = torch.nn.functional.interpolate(torch.tensor(x[0]).double(), scale_factor=(2.0, 3.0))
    assert found.shape[2:] == op_shape(op, (4, 2, 5)) == (4, 4 - crop[0], 15 - crop[1])
    np.testing.assert_array_equal(found[0], wanted.numpy()[..., : 4 - crop[0], : 15 - crop[1]])


def test_upsampling_with_zeros_puts_each_pixel_at_the_upper_left_of_its_block() -> None:
    x = np.array([[[[[1, 2], [3, 4]]]]])
    assert reference.op_currents(Upsample2d((2, 3), "zero", (1, 2)), x)[0, 0, 0].tolist() == [
        [1, 0, 0, 2],
        [0, 0, 0, 0],
        [3, 0, 0, 4],
    ]


def test_products_that_float64_cannot_hold_stay_exact() -> None:
    large = 2**40 + 1
    product = reference.ops.exact_matmul(np.array([[large, 1]]), np.array([[2**20 + 1], [1]]))
    assert product.item() == large * (2**20 + 1) + 1


# ------------------------------------------------------------------------------------ neurons


def test_relay_sums_its_synapses_with_gain_and_delay() -> None:
    source = SpikeType((1,), steps=4, bits=3)
    graph = one_node(
        Relay(),
        source,
        SpikeType((1,), 4, 8, signed=True),
        Synapse(Identity(), "x", gain=3),
        Synapse(Identity(), "x", delay=2, gain=-1),
        stage=Stage.INTEGER,
    )
    sent = reference.run(graph, np.array([[[1], [2], [3], [4]]]))["n"]
    assert sent.reshape(-1).tolist() == [3, 6, 9 - 1, 12 - 2]


def test_rectify_clips_at_its_bound() -> None:
    type = SpikeType((4,))
    x = np.array([[-1.0, 0.5, 2.0, 9.0]])
    free = one_node(Rectify(), type, type, stage=Stage.FLOAT)
    bounded = one_node(Rectify(2.5), type, type, stage=Stage.FLOAT)
    assert reference.run(free, x)["n"].reshape(-1).tolist() == [0, 0.5, 2, 9]
    assert reference.run(bounded, x)["n"].reshape(-1).tolist() == [0, 0.5, 2, 2.5]


def test_requantize_rounds_half_up_and_saturates() -> None:
    source, type = SpikeType((7,), bits=8, signed=True), SpikeType((7,), bits=3)
    graph = one_node(Requantize(3, 2), source, type, stage=Stage.INTEGER)
    x = np.array([[-100, -1, 0, 1, 2, 6, 100]])  # 0.75 -> 1, 1.5 -> 2, 4.5 -> 5
    assert reference.run(graph, x)["n"].reshape(-1).tolist() == [0, 0, 0, 1, 2, 5, 7]


def test_requantize_with_a_multiplier_a_channel() -> None:
    type = SpikeType((2, 1, 2), bits=8)
    neuron = Requantize(frozen([1, 5], np.int64), 1)
    graph = one_node(neuron, type, type, stage=Stage.INTEGER)
    sent = reference.run(graph, np.array([[[[3, 4]], [[3, 4]]]]))["n"]
    assert sent.reshape(-1).tolist() == [2, 2, 8, 10]


@pytest.mark.parametrize(
    ("x", "rounded"), [(-5, -2), (-3, -1), (-2, -1), (-1, 0), (0, 0), (1, 1), (3, 2), (5, 3)]
)
def test_dyadic_halves_round_up(x: int, rounded: int) -> None:
    assert reference.times(Dyadic(1, 1), np.array(x), SpikeType((1,))) == rounded


# ------------------------------------------------------------------------------ steps, inputs


def test_one_step_drives_many_with_the_same_current() -> None:
    neuron = IntegrateFire(10, ONE, ONE, fire_on=">=", membrane_bits=8)
    graph = one_node(neuron, SpikeType((1,), 1, 4), SpikeType((1,), 6, 1), stage=Stage.INTEGER)
    # 4, 8, 12 fires, 12 + 4 - 10 = 6, 10 fires, 10 + 4 - 10 = 4
    assert reference.run(graph, np.array([[4]]))["n"].reshape(-1).tolist() == [0, 0, 1, 0, 1, 0]


def test_many_steps_to_one_are_summed_before_the_neuron() -> None:
    graph = one_node(
        Requantize(1, 1), SpikeType((1,), 4, 2), SpikeType((1,), 1, 4), stage=Stage.INTEGER
    )
    assert reference.run(graph, np.array([[[1], [3], [0], [3]]]))["n"].tolist() == [[[4]]]


def test_encode_input_rounds_half_to_even_and_saturates() -> None:
    source = Input("x", SpikeType((6,), bits=3), scale=0.5)
    x = np.array([[0.25, 0.75, 1.25, -1.0, 3.4, 99.0]])
    assert reference.encode_input(source, x).tolist() == [[0, 2, 2, 0, 7, 7]]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 3), np.int64), r"input x: found shape \(2, 3\), accepted \(frames, 1, 4\)"),
        (np.full((2, 4), 0.5), "input x: found float64, accepted integers"),
        (np.full((2, 4), 8), r"input x: found values 8 \.\. 8, accepted 0 \.\. 7"),
        (np.full((2, 4), -1), r"found values -1 \.\. -1, accepted 0 \.\. 7"),
    ],
)
def test_inputs_that_do_not_fit(array: np.ndarray, words: str) -> None:
    type = SpikeType((4,), bits=3)
    graph = one_node(Relay(), type, type, stage=Stage.INTEGER)
    with pytest.raises(BadInput, match=words):
        reference.run(graph, array)


# ------------------------------------------------------------------------------------ readout


@pytest.mark.parametrize(
    ("readout", "words", "index"),
    [
        (Readout.COUNT, [6, 6, 5], 0),
        (Readout.MEAN, [6, 6, 5], 0),
        (Readout.LAST, [1, 2, 5], 2),
        (Readout.MAX, [3, 2, 5], 2),
    ],
)
def test_readouts_and_ties(readout: Readout, words: list[int], index: int) -> None:
    trains = np.array([[[3, 2, 0], [2, 2, 0], [1, 2, 5]]])
    found, classes = reference.read_out(Output("n", readout), {"n": trains})
    assert found.tolist() == [words]
    assert classes.tolist() == [index]


def test_every_op_keeps_frames_and_steps_apart() -> None:
    ops: list[Op] = [
        Linear(frozen(integers(-3, 3, (2, 18)), np.int64)),
        Conv2d(frozen(integers(-3, 3, (2, 2, 2, 2)), np.int64), padding=(1, 1)),
        MaxPool2d((2, 2), (1, 1)),
        SumPool2d((2, 2), (1, 1), (1, 1)),
        Identity(),
        Flatten(),
    ]
    x = integers(0, 7, (3, 4, 2, 3, 3))
    for op in ops:
        whole = reference.op_currents(op, x)
        for frame, step in itertools.product(range(3), range(4)):
            alone = reference.op_currents(op, x[frame : frame + 1, step : step + 1])
            np.testing.assert_array_equal(whole[frame, step], alone[0, 0])
