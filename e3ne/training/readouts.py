"""How the trains of an output become scores, with gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, assert_never, cast

from torch import Tensor, nn

from ..ir import Readout
from .fit import Score

if TYPE_CHECKING:
    from .network import QuantizedNetwork


def read_out(source: str, readout: Readout, values: Mapping[str, Tensor]) -> Tensor:
    """(frames, elements) of real or whole trains, with gradients; a mean is divided."""
    trains = values[source].flatten(2)
    match readout:
        case Readout.COUNT:
            return trains.sum(dim=1)
        case Readout.LAST:
            return trains[:, -1]
        case Readout.MAX:
            return trains.amax(dim=1)
        case Readout.MEAN:
            return trains.mean(dim=1)
        case _:
            assert_never(readout)


def scored_by(readout: Readout) -> Score:
    """A score for `fit`: logits of a QuantizedNetwork read otherwise than its output says."""

    def score(model: nn.Module, x: Tensor) -> Tensor:
        network = cast("QuantizedNetwork", model)
        return cast(Tensor, network.logits(network.values(x), readout))

    return score
