"""From what was trained to integers: the passes that may change a number.

`simplify` keeps every number (up to float32 rounding of folded weights); `prepared` goes on to the
float graph right before the integer line, `quantized` takes that one over it, `lower` is both.
`verify` runs after each pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..config import Config, check_names
from ..ir import BadInput, Graph, UnsupportedModel, text, verify
from ..ir.user_arrays import UserArrays
from .absorb_flatten import absorb_flatten
from .calibrate import calibrate, checked_calibration
from .compose_selections import compose_selections
from .context import Context
from .convert_to_rate import convert_to_rate
from .distribute_sums import distribute_sums
from .doubtful_frames import check_frames
from .drop_unread import drop_unread
from .encode_inputs import encode_inputs
from .equalize import equalize
from .fit_parameters import fit_parameters
from .fold_batchnorm import fold_batchnorm
from .fold_concatenation import fold_concatenation
from .fuse_nodes import Fused, fuse, fuse_nodes
from .move_delays import move_delays
from .move_rectify import move_rectify
from .quantize import quantize, unquantizable
from .silent_layers import warn_of_silent_layers

Pass = Callable[[Graph, Context], Graph]

STRUCTURE: tuple[Pass, ...] = (
    drop_unread,
    fold_concatenation,
    distribute_sums,
    fold_batchnorm,
    compose_selections,
    move_delays,
    absorb_flatten,
    move_rectify,
    fuse_nodes,
)
REALS: tuple[Pass, ...] = (equalize, calibrate, convert_to_rate, fit_parameters)
"""Passes that may change real numbers; the graph stays FLOAT."""
LINE: tuple[Pass, ...] = (quantize,)
PIPELINE: tuple[Pass, ...] = STRUCTURE + REALS + LINE


def lower(
    graph: Graph,
    calibration: UserArrays | None = None,
    config: Config | None = None,
    dump: str | Path | None = None,
) -> Graph:
    """A traced graph of stage FLOAT as a graph of stage INTEGER.

    `calibration` has real-valued frames (frames, steps, *shape), or (frames, *shape) where the
    input has one step; a sequence of arrays, or a dict by name, where there are several inputs.
    `dump` is a folder that gets the text of the graph after each pass. BadInput and
    UnsupportedModel list every problem of the data, the configuration and the model.
    """
    return lowered(graph, calibration, config, dump)[1]


def lowered(
    graph: Graph,
    calibration: UserArrays | None = None,
    config: Config | None = None,
    dump: str | Path | None = None,
) -> tuple[Graph, Graph]:
    """(what `prepared` makes of the graph, what `quantized` makes of that), as of `lower`.

    Layers that are dead or saturated on the calibration frames are logged by name.
    """
    ready = prepared(graph, calibration, config, dump)
    integer = quantized(ready, calibration, config, dump)
    warn_of_silent_layers(ready, integer, _context(ready, calibration, config or Config()))
    return ready, integer


def prepared(
    graph: Graph,
    calibration: UserArrays | None = None,
    config: Config | None = None,
    dump: str | Path | None = None,
) -> Graph:
    """The graph of stage FLOAT right before the integer line: all choices made, none rounded.

    One node a population, ReLUs with a bound, neurons with a limit of spikes. It is what trains,
    and what the integers are compared with (`fidelity`). Arguments and errors as of `lower`.
    """
    config = config or Config()
    graph = replace(verify(graph), streaming=graph.streaming or config.streaming)
    if graph.streaming and config.code == "rate":
        raise BadInput(
            "config.code: found rate in a streaming network, accepted radix; rate codes of a plain "
            "network start anew in every frame: leave out code or streaming"
        )
    graph = encode_inputs(graph, calibration, config)
    context = _context(graph, calibration, config)
    if context.calibration is not None:
        check_frames(graph, context.calibration, config)
    graph = _run(graph, STRUCTURE[:-1], context, dump)
    _check_names(config, graph, fuse(graph))
    return _run(graph, STRUCTURE[-1:] + REALS, context, dump)


def quantized(
    ready: Graph,
    calibration: UserArrays | None = None,
    config: Config | None = None,
    dump: str | Path | None = None,
) -> Graph:
    """What `prepared` made (perhaps trained since) as a graph of stage INTEGER.

    The same `calibration` and `config`: they say what the inputs become. Errors as of `lower`.
    """
    return _run(ready, LINE, _context(ready, calibration, config or Config()), dump)


def simplify(graph: Graph) -> Graph:
    """The graph after the passes that keep its numbers: the nodes that a configuration names."""
    return _run(verify(graph), STRUCTURE, Context(), None)


def refusals(graph: Graph, config: Config) -> tuple[Graph, list[str]]:
    """(the graph as far as it can be simplified, everything that lowering refuses in it).

    Unlike `lower`, which stops at the first pass that finds problems: a pass that does is left
    out, and of each node the first problem is told.
    """
    problems: list[str] = []
    try:
        graph = encode_inputs(graph, None, config, measured=False)
    except (BadInput, UnsupportedModel) as error:
        problems += error.problems
    for step in STRUCTURE[:-1]:
        try:
            graph = verify(step(graph, Context()))
        except UnsupportedModel as error:
            problems += error.problems
    fused = fuse(graph)
    problems += unquantizable(fused.graph)
    try:
        _check_names(config, graph, fused)
    except BadInput as error:
        problems += error.problems
    first: dict[str, str] = {}
    for problem in problems:
        first.setdefault(problem.split(":")[0], problem)
    return fused.graph, list(first.values())


def _context(graph: Graph, calibration: UserArrays | None, config: Config) -> Context:
    frames = None if calibration is None else checked_calibration(graph, calibration)
    return Context(config, frames)


def _check_names(config: Config, graph: Graph, fused: Fused) -> None:
    names = [node.name for node in fused.graph.nodes]
    check_names(config, names, fused.part_of, [source.name for source in graph.inputs])


def _run(
    graph: Graph, passes: tuple[Pass, ...], context: Context, dump: str | Path | None
) -> Graph:
    for step in passes:
        graph = verify(step(graph, context))
        if dump is not None:
            folder = Path(dump)
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{PIPELINE.index(step):02d}_{step.__name__}.txt"
            (folder / name).write_text(text(graph))
    return graph
