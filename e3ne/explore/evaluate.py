"""Configurations of one subject evaluated: figures depend on subject, configuration and frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from ..choosing.bench import quiet
from ..compile import Journey, map_traced
from ..config import parse_config
from ..ir import BadInput, DoesNotFit, Graph, UnsupportedModel
from ..lower import lower
from ..progress import Stages
from ..report.predicted import first_report
from .cache import Figures
from .keys import content_key
from .subject import Part, Subject

REMEMBERED = 4
"""Journeys that a desk keeps: a trial's synthesis often follows its evaluation there."""

Tree = Mapping[str, Any]
"""A configuration as `config_as_dict` gives it."""

REFUSED = (DoesNotFit, BadInput, UnsupportedModel)


class Desk:
    """Where configurations of one subject are evaluated; one in each process that works."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._journeys: OrderedDict[str, Journey] = OrderedDict()

    def evaluate(self, tree: Tree) -> Figures:
        """Accuracy by the integer twin on the frames of the search, and the prediction.

        `accuracy` is in percent of the labels of `frames` frames; `latency_cycles`,
        `interval_cycles`, resources by their names; `mapped` is the key of the mapped graph.
        `infeasible` has the reasons where there is no such design.
        """
        try:
            journey = self.journey(tree)
            accuracy = self._accuracy(journey.mapped, "search")
        except REFUSED as error:
            return {"infeasible": list(error.problems), "kind": type(error).__name__}
        report = first_report(
            *(journey.mapped, journey.trains, self.subject.board, self.subject.title, Stages())
        )
        return {
            **accuracy,
            "mapped": content_key(journey.mapped),
            "energy_nj": report["energy"]["model_nominal"],
            **predicted_figures(report),
        }

    def judge(self, tree: Tree) -> Figures:
        """`accuracy` and `frames` on the held out frames; no layout is made for it."""
        config = parse_config(tree)
        with quiet():
            integer = lower(self.subject.graph(config), self.subject.calibration, config)
        return self._accuracy(integer, "held_out")

    def _accuracy(self, graph: Graph, part: Part) -> Figures:
        from ..training.twin import answers

        x, y = self.subject.frames(part)
        classes = answers(graph, x)[1]
        return {
            "accuracy": 100.0 * float((classes == y.reshape(classes.shape)).mean()),
            "frames": len(y),
        }

    def journey(self, tree: Tree) -> Journey:
        """The network of a configuration in each stage, as `e3ne compile` makes it."""
        key = content_key(tree)
        if key not in self._journeys:
            config = parse_config(tree)
            graph = self.subject.graph(config)
            with quiet():
                self._journeys[key] = map_traced(
                    graph, self.subject.calibration, self.subject.board, config, Stages()
                )
            while len(self._journeys) > REMEMBERED:
                self._journeys.popitem(last=False)
        return self._journeys[key]


def predicted_figures(report: Mapping[str, Any]) -> Figures:
    """The predictions of a report by the names of the objectives."""
    cycles = report["cycles"]
    found = {
        "latency_cycles": cycles["predicted_latency"],
        "interval_cycles": cycles["predicted_interval"],
        **report["resources"]["predicted"],
    }
    return found | times_us(found, report["clock_hz"])


def times_us(figures: Mapping[str, Any], clock_hz: float) -> Figures:
    """Latency and interval in microseconds at a clock."""
    return {
        "clock_hz": clock_hz,
        "latency_us": figures["latency_cycles"] / clock_hz * 1e6,
        "interval_us": figures["interval_cycles"] / clock_hz * 1e6,
    }
