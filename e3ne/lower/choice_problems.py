"""Why bits cannot be chosen: what is told where a floor, a cost or the data do not allow it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ..config import Config
from .evaluation import Measured, half_width
from .sensitivity import COST_KINDS, Bits, Costs, Measure, Part, bits_of, with_bits

log = logging.getLogger(__name__)

LEAST_FRAMES = 50
WORST = 3  # layers that an error names


def problems_of(parts: Sequence[Part], floor: float, cost: Costs, frames: int) -> list[str]:
    """Everything that no search could mend; few frames are only logged, with their error."""
    problems = []
    if not 0 < floor <= 100:
        problems.append(
            f"floor: found {floor:g}, accepted percent above 0 and up to 100; 98.5 asks for 98.5 % "
            "of the labels"
        )
    unknown = [kind for kind in cost if kind not in COST_KINDS]
    if unknown or not any(weight > 0 for weight in cost.values()):
        problems.append(
            f"cost: found {cost}, accepted weights > 0 for some of {', '.join(COST_KINDS)}"
        )
    if frames < LEAST_FRAMES:
        error = half_width(min(max(floor, 0.0), 100.0), max(frames, 1))
        problems.append(
            f"data: found {frames} labelled frames, which tell {floor:g} % from others to +- "
            f"{error:.1f} points only, accepted {LEAST_FRAMES} or more; give more frames"
        )
    elif 0 < floor <= 100 and half_width(floor, frames) > 1:
        log.warning(
            "data: found %d labelled frames, which tell accuracies apart to +- %.1f points only",
            *(frames, half_width(floor, frames)),
        )
    if not parts:
        problems.append(
            "parts: found nothing whose bits could change this cost, accepted ReLU edges, inputs "
            "of samples or weights; choose another cost, or steps with choose_encoding"
        )
    return problems


def impossible(
    measure: Measure,
    config: Config,
    measured: Measured,
    percent: float,
    parts: Sequence[Part],
    allowed: Mapping[Part, Sequence[Bits]],
) -> str:
    """What to tell where no network keeps the floor: the best found, and what costs it most.

    `measured` belongs to `config`, the best; `percent` is what the floor was compared with.
    """
    losses = []
    for part in parts:
        fewer = [bits for bits in allowed[part] if bits < bits_of(config, part)]
        if fewer:
            one = measure(with_bits(config, part, max(fewer)))
            points = measured.accuracy() - one.accuracy()
            rise = one.cross_entropy() - measured.cross_entropy()
            losses.append((points, rise, f"{part} ({points:+.2f} points at {max(fewer):g})"))
    worst = ", ".join(text for *_, text in sorted(losses, reverse=True)[:WORST])
    most = f"; what costs most accuracy with a bit less: {worst}" if worst else ""
    at = "; ".join(f"{part} {bits_of(config, part):g}" for part in parts)
    count = len(measured.right)
    error = half_width(measured.accuracy(), count)
    return (
        f"floor: found at most {percent:.2f} % (of {count} frames, +- {error:.2f}; with bits: "
        f"{at}), accepted a floor that the network reaches{most}; lower the floor, give more bits, "
        "or train the network with few bits"
    )
