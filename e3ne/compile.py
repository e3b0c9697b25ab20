"""The whole journey, each step by name: a trained torch module becomes a build on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import config as configuration
from .boards import Board, board_table, load_board
from .config import Config, load_config, parse_config
from .data import encoded_inputs
from .hardware import BOARD_FILE, DEQUANTIZED_FOLDER, FLOAT_FOLDER, Hardware
from .ir import Array, BadInput, Graph, Integrate, IntegrateFire, Readout, Stage, text, verify
from .ir.user_arrays import UserArrays, input_arrays
from .network_file import is_network_file, load_network
from .progress import Stages, Tell
from .report.document import write_report
from .report.predicted import first_report
from .synthesis import part_of
from .trace_frames import example_of, input_names

DEFAULT_BOARD = "ulx3s-85f"
TRAIN_FRAMES = 16  # calibration frames whose trains the cycles of EVENT nodes are told by

ConfigSource = Config | Mapping[str, Any] | str | Path | None
Readouts = Readout | str | None | list[Readout | str | None] | tuple[Readout | str | None, ...]
Wanted = int | str | Sequence[int | str]
"""As `frontend.trace` takes them: how outputs are read, and which they are."""


@dataclass(frozen=True)
class Journey:
    """One network in each stage. `dequantized` is FLOAT with the integer weights loaded back.

    `trains`: what every input and node sends on some of the calibration frames, where there are
    any: integers (frames, steps, *shape).
    """

    traced: Graph
    dequantized: Graph
    mapped: Graph
    trains: dict[str, Array] | None = None


def compile(
    model: Any,
    example_input: Any = None,
    *,
    steps: int | None = None,
    input_has_steps: bool | Sequence[bool] | Mapping[str, bool] = False,
    readout: Readouts = None,
    outputs: Wanted = 1,
    board: str | Board = DEFAULT_BOARD,
    calibration: UserArrays | None = None,
    config: ConfigSource = None,
    output: str | Path | None = None,
    name: str | None = None,
    dump: str | Path | None = None,
    progress: Tell | None = None,
) -> Hardware:
    """Compiles a torch module, or a Graph of stage FLOAT, into the build folder `output`.

    `model` may also be the path of a network that `save_network` wrote; its configuration applies
    unless `config` is given, and everything about its frames (example, steps, readout) is in it.
    `example_input` and `calibration` are real frames (frames, *shape), or (frames, steps, *shape)
    with `input_has_steps`; without an example the first calibration frames serve. A model of
    several inputs takes a tuple of them, or a dict by the arguments of its forward. `steps` is the
    number of time steps where the model makes one a call. `outputs` says which of the tensors that
    forward returns are the network's (the first so many, or names or positions), and `readout` may
    be one for each. `config` is a Config, a dict as
    `default_config` gives, or the path of a YAML file; its `steps` and `readout` serve where the
    arguments are None. `output` None stands for build/<name>, and `name` None for the model's
    class. `dump` is a folder for the text of the graph after each pass. Raises UnsupportedModel,
    TraceMismatch, DoesNotFit or BadInput with every problem found, and ToolError.
    """
    stages = Stages(progress)
    chosen = board if isinstance(board, Board) else load_board(board)
    title = name or type(model).__name__.lower()
    if is_network_file(model):
        title = name or Path(model).stem
        refuse_what_a_file_has(model, example_input, steps, input_has_steps, readout, outputs)
        model, own, _ = load_network(model)
        config = own if config is None else config
    settings = read_config(config)
    settings = replace(settings, steps=settings.steps if steps is None else steps)
    if isinstance(readout, str):
        settings, readout = replace(settings, readout=readout), None
    folder = Path(output) if output is not None else Path("build") / title
    check_output(folder)

    with stages("trace"):
        example = example_input
        if example is None and calibration is not None:
            names = input_names(model, calibration)
            example = example_of(calibration, input_has_steps, settings, names)
        traced = trace_model(model, example, input_has_steps, settings, readout, outputs)
        traced = replace(traced, streaming=traced.streaming or settings.streaming)
        dump_text(dump, "traced", traced)
    if calibration is not None:
        calibration = input_arrays("calibration", traced.inputs, calibration)
        compare_ranges(traced, calibration, example_input)
    journey = map_traced(traced, calibration, chosen, settings, stages, dump)
    build = write(journey, chosen, folder, title, settings, stages)
    return Hardware(build, chosen, journey.traced, journey.dequantized)


def compare_ranges(traced: Graph, calibration: Sequence[Array], example: Any) -> None:
    """Warns where the calibration frames and the user's example input have other ranges."""
    from .lower.doubtful_frames import compare_with_example

    if example is None:
        return
    if isinstance(example, Mapping):
        example = tuple(example.values())
    examples = example if isinstance(example, tuple | list) else (example,)
    arrays = [item.detach().cpu() if hasattr(item, "detach") else item for item in examples]
    if len(arrays) == len(calibration):
        compare_with_example(traced, calibration, [np.asarray(array) for array in arrays])


def refuse_what_a_file_has(
    path: str | Path, example: Any, steps: Any, input_has_steps: Any, readout: Any, outputs: Any
) -> None:
    """BadInput with every argument of `compile` that a saved network answers itself."""
    given = {
        "example_input": example is not None,
        "steps": steps is not None,
        "input_has_steps": input_has_steps is not False,
        "readout": readout is not None,
        "outputs": outputs != 1,
    }
    problems = [
        f"{name}: found with the saved network {path}, accepted with a torch module; leave it out, "
        "the file has it"
        for name, is_given in given.items()
        if is_given
    ]
    if problems:
        raise BadInput(problems)


def map_traced(
    traced: Graph,
    calibration: Array | Sequence[Array] | None,
    board: Board,
    config: Config,
    stages: Stages,
    dump: str | Path | None = None,
) -> Journey:
    """Over the integer line and onto the board: everything between trace and hardware."""
    from .lower import lowered
    from .lower.encode_inputs import encode_inputs
    from .lower.fidelity import dequantized
    from .optimize import choose_mapping

    with stages("lower"):
        traced = encode_inputs(traced, calibration, config)
        ready, integer = lowered(traced, calibration, config, dump)
    with stages("optimize"):
        trains = calibration_trains(integer, calibration)
        mapped = verify(choose_mapping(integer, board, config, trains))
        dump_text(dump, "mapped", mapped)
    return Journey(traced, dequantized(ready, integer, config), mapped, trains)


def calibration_trains(
    graph: Graph, calibration: Array | Sequence[Array] | None
) -> dict[str, Array] | None:
    """What every input and node of an integer graph sends on the first calibration frames."""
    from . import reference

    if calibration is None:
        return None
    arrays = [calibration] if isinstance(calibration, np.ndarray) else list(calibration)
    frames = tuple(np.asarray(array)[:TRAIN_FRAMES] for array in arrays)
    return reference.run(graph, *encoded_inputs(graph.inputs, frames))


def write(
    journey: Journey, board: Board, folder: Path, title: str, config: Config, stages: Stages
) -> Any:
    """The build folder: Verilog, ROM files, simulation, scripts, graphs, report, manifest."""
    from .emit import Details, save_graph, write_build
    from .gateware.network import Network

    with stages("gateware"):
        network = Network(journey.mapped, rom_form="file")
    digest = hashlib.sha256(text(journey.traced).encode()).hexdigest()
    details = Details(title, board.name, 0, digest, board.clock_hz, part_of(board))

    def add_graphs(partial: Path) -> None:
        for name, graph in (
            (FLOAT_FOLDER, journey.traced),
            (DEQUANTIZED_FOLDER, journey.dequantized),
        ):
            (partial / name).mkdir(parents=True)
            save_graph(partial / name, graph)
        (partial / BOARD_FILE).write_text(json.dumps(board_table(board), indent=2) + "\n")

    with stages("emit"):
        build = write_build(folder, journey.mapped, network, details, extra=add_graphs)
    report = first_report(journey.mapped, journey.trains, board, title, stages)
    write_report(build.folder, report)
    return build


def trace_model(
    model: Any,
    example: Any,
    input_has_steps: bool | Sequence[bool] | Mapping[str, bool],
    config: Config,
    readout: Readouts = None,
    outputs: Wanted = 1,
) -> Graph:
    """A torch module as a checked graph of stage FLOAT; such a graph as it is."""
    if isinstance(model, Graph):
        if model.stage is not Stage.FLOAT:
            raise BadInput(f"graph: found stage {model.stage.value}, accepted float")
        return verify(model)
    if example is None:
        raise BadInput(
            "example input: found neither an example nor calibration frames, accepted one of "
            "them; give a frame or two that the model takes"
        )
    from .frontend import trace

    asked = config.readout if readout is None else readout
    if config.code == "rate" and config.steps is not None:
        try:  # the steps of a plain network are those of its rate code: lowering makes them
            plain = trace(model, example, None, input_has_steps, asked, outputs)
            if not is_stateful(plain):
                return plain
        except BadInput:
            pass
    return trace(model, example, config.steps, input_has_steps, asked, outputs)


def is_stateful(graph: Graph) -> bool:
    """Has it neurons with a membrane?"""
    return any(isinstance(node.neuron, IntegrateFire | Integrate) for node in graph.nodes)


def default_config(
    model: Any = None,
    example_input: Any = None,
    *,
    steps: int | None = None,
    input_has_steps: bool = False,
) -> dict[str, Any]:
    """The editable configuration as a dict, keyed by node name.

    With an example input (or for a Graph) the model is traced, and `nodes` and `mapping` have an
    entry for each node; without one they are empty.
    """
    names: list[str] = []
    if isinstance(model, Graph) or example_input is not None:
        from .lower import simplify

        settings = replace(Config(), steps=steps)
        graph = simplify(trace_model(model, example_input, input_has_steps, settings))
        names = [node.name for node in graph.nodes]
    return configuration.default_config(names)


def read_config(config: ConfigSource) -> Config:
    """A configuration in any of its forms; BadInput with every problem."""
    if config is None:
        return Config()
    if isinstance(config, Config):
        return config
    return parse_config(config) if isinstance(config, Mapping) else load_config(config)


def check_output(folder: Path) -> None:
    """BadInput, before any work, where `folder` holds something else than a build."""
    from .emit.folder import check_replaceable

    check_replaceable(folder)


def dump_text(dump: str | Path | None, name: str, graph: Graph) -> None:
    """Writes the text of a graph into the folder `dump`, where there is one."""
    if dump is not None:
        Path(dump).mkdir(parents=True, exist_ok=True)
        (Path(dump) / f"{name}.txt").write_text(text(graph), encoding="utf-8")
