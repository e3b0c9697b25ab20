"""The rows of the accuracy benchmark: which network, at which bits, and what it must reach."""

from __future__ import annotations

from dataclasses import dataclass

from e3ne.ir import BadInput

MNIST = "MNIST, 55,000 training and 10,000 test images"


@dataclass(frozen=True)
class Row:
    """One trained network at fixed bits.

    `network` is a module of `benchmarks.accuracy.networks`. `weights` and `edges` are the bits for
    people, as in "4-bit" and "radix 4" or "spikes, 10 steps". `recipe` says in a sentence how it
    was trained. `must_reach` is the percent of the whole test set on the integer graph (None:
    reported only), `compared_with` other people's number or a baseline. `seeds` are those that
    `make accuracy` expects; the committed checkpoint is of the first. `figure` is the one that the
    tables show: the accuracy, or one that the network's `figures` gives.
    """

    name: str
    network: str
    title: str
    data: str
    weights: str
    edges: str
    recipe: str
    must_reach: float | None = None
    compared_with: str = ""
    seeds: tuple[int, ...] = (0, 1, 2)
    figure: str = "percent"


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        *(
            Row(
                name=f"lenet5_radix{bits}",
                network="mnist_lenet5",
                title="LeNet-5 as in E3NE",
                data=MNIST,
                weights="3-bit",
                edges=f"radix {bits}, pixels of {bits} bits",
                recipe="20 epochs in float, 6 at few bits; images moved by up to 2 and 1 pixels",
                must_reach=percent,
                seeds=seeds,
            )
            for bits, percent, seeds in (
                (3, 98.6, (0,)),
                (4, 99.0, (0, 1, 2)),
                (5, 99.2, (0,)),
                (6, 99.2, (0,)),
            )
        ),
        Row(
            name="fang_radix4",
            network="mnist_fang",
            title="CNN of Fang et al., 32C3-P2-32C3-P2-256-10",
            data=MNIST,
            weights="4-bit",
            edges="radix 4, pixels of 4 bits",
            recipe="15 epochs in float, 5 at few bits; images moved by up to 2 and 1 pixels",
            must_reach=99.2,
            seeds=(1,),  # the only one so far
        ),
        Row(
            name="mlp_lif_w4",
            network="mnist_mlp_lif",
            title="MLP 784-128-10 of LIF neurons",
            data=MNIST,
            weights="4-bit",
            edges="spikes, 3 steps, direct coding of pixels of 1 bit",
            recipe="15 epochs in float, 12 at few bits with a price on spikes; 512 of the 784 "
            "pixels are read",
            must_reach=97.5,
            compared_with="Spiker+: 93.85 % at 100 steps",
        ),
        Row(
            name="mlp_lif_ternary",
            network="mnist_mlp_lif",
            title="MLP 784-128-10 of LIF neurons",
            data=MNIST,
            weights="ternary",
            edges="spikes, 3 steps, direct coding of pixels of 1 bit",
            recipe="15 epochs in float, 12 at few bits with a price on spikes",
            must_reach=96.5,
            compared_with="Spiker+: 93.85 % at 100 steps",
        ),
        Row(
            name="mlp_radix4",
            network="mnist_mlp_radix",
            title="MLP 784-128-10",
            data=MNIST,
            weights="4-bit",
            edges="radix 4, pixels of 4 bits",
            recipe="15 epochs in float, 12 at few bits; images moved by up to a pixel",
            must_reach=98.0,
        ),
        Row(
            name="mlp_sparse",
            network="mnist_mlp_sparse",
            title="MLP 784-128-10, at most 3,800 weights that are not 0",
            data=MNIST,
            weights="ternary",
            edges="radix 2, pixels of 1 bit",
            recipe="8 epochs in float, 30 with ternary weights that thin out, 4 in the integers",
            must_reach=96.0,
            compared_with="Syn2Logic: 93.80 %",
        ),
        Row(
            name="nmnist_cnn",
            network="nmnist",
            title="Convolutional SNN on N-MNIST events",
            data="N-MNIST, 1,000 training and 100 test recordings",
            weights="4-bit",
            edges="spikes, 8 steps, address events in",
            recipe="80 epochs in float, 15 at 4 bits; recordings turned, stretched, sheared and "
            "shifted, events late or lost; choices on two held-out fifths of the training "
            "recordings",
            must_reach=95.0,
        ),
        Row(
            name="nmnist_fine",
            network="nmnist_fine",
            title="Convolutional SNN on N-MNIST events, fine steps and few spikes",
            data="N-MNIST, 1,000 training and 100 test recordings",
            weights="4-bit",
            edges="spikes, 64 steps, address events in",
            recipe="From the float weights of nmnist_cnn, without biases: 30 epochs at 64 steps in "
            "float, 10 at 4 bits, with a price on spikes; recordings varied as there; price chosen "
            "by spikes and answers of a held-out fifth, which those first weights had seen",
            must_reach=95.0,
            seeds=(0,),
        ),
        Row(
            name="vowels_rsnn",
            network="vowels",
            title="Recurrent SNN on Japanese Vowels",
            data="Japanese Vowels, 270 training and 370 test series",
            weights="8-bit",
            edges="spikes, 25 steps, samples of 8 signed bits",
            recipe="150 epochs in float, series stretched, moved and noisy; then post-training "
            "quantisation, no more; choices by four-fold cross-validation of the training series",
            must_reach=93.0,
        ),
        Row(
            name="ecg_beats",
            network="ecg",
            title="Streaming beat detection on an ECG",
            data="MIT-BIH record 100, first half for training, second for the test; beats count "
            "where they are found within 75 ms, right answers are single frames of 50 ms",
            weights="8-bit",
            edges="spikes; delta trains of 180 samples a second, 9 a frame",
            recipe="One epoch in float on pieces of 1.6 s from everywhere, louder and softer; then "
            "post-training quantisation, no more; choices by the last fifth of the first half",
            compared_with="detectors on the same half, below",
            figure="f1_percent",
        ),
    )
}


def row_of(name: str) -> Row:
    """The row called `name`; BadInput where there is none."""
    if name not in ROWS:
        raise BadInput(f"row: found {name!r}, accepted {', '.join(ROWS)}")
    return ROWS[name]
