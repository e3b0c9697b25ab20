"""Streams and address events from torch to Verilator: what users do with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import e3ne
from e3ne import check, reference
from e3ne.__main__ import main
from e3ne.check.compare import compare
from e3ne.check.runs import RunOptions, build_simulator, run_icarus, run_verilator
from e3ne.cost import predict
from e3ne.emit import Build
from e3ne.ir import Array, BadInput, Engine, Graph, Node, SpikeType, Synapse, UnsupportedModel
from e3ne.toolchain import yosys
from tests.fixed_lanes import no_search
from tests.random_frames import inputs_of
from tests.small_networks import built, spiking, two_inputs
from tests.streaming_networks import (
    FRAMES,
    LIF,
    NETWORKS,
    STEPS,
    mapped,
    matrix,
    network,
    of_steps,
    train,
)

snntorch = pytest.importorskip("snntorch", reason="no snntorch: pip install snntorch")

SHAPE = (2, 5, 5)


class Gesture(nn.Module):
    """A convolutional spiking network on events, one step a call."""

    def __init__(self, beta: float = 0.75) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(2, 3, 3, bias=False)
        self.lif = snntorch.Leaky(beta=beta, threshold=0.4)
        self.fc = nn.Linear(27, 4)
        self.out = snntorch.Leaky(beta=beta, threshold=0.4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (steps, frames, channels, rows, columns)
        lif, out, sent = self.lif.init_leaky(), self.out.init_leaky(), []
        for step in x:
            spikes, lif = self.lif(self.conv(step), lif)
            spikes, out = self.out(self.fc(spikes.flatten(1)), out)
            sent.append(spikes)
        return torch.stack(sent)


def recordings(count: int = 6, seed: int = 0) -> dict[str, Array]:
    """Events as in an .npz file of N-MNIST, on 5 x 5 pixels, for 1000 us."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 90, count)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    sizes = {"x": 5, "y": 5, "p": 2}
    axes = {name: random.integers(0, high, offsets[-1]) for name, high in sizes.items()}
    times = np.concatenate([np.sort(random.integers(0, 1000, n)) for n in counts])
    return {**axes, "t_us": times, "offsets": offsets, "label": random.integers(0, 4, count)}


def compiled(folder: Path, settings: dict[str, Any], steps: int = 4, beta: float = 0.75) -> Any:
    x = e3ne.data.events_to_frames(recordings(), SHAPE, steps, 1000).astype(np.float32)
    return e3ne.compile(
        Gesture(beta),
        calibration=x,
        input_has_steps=True,
        config=settings,
        output=folder / "build",
    )


# ------------------------------------------------------------------------------------ events


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with no_search():
        return compiled(tmp_path_factory.mktemp("events"), {"input": {"events": True}})


def test_events_from_torch_to_verilator(events: Any, tmp_path: Path) -> None:
    assert events.graph.inputs[0].events
    path = tmp_path / "recordings.npz"
    np.savez(path, **recordings(9, seed=1))
    arguments = ["simulate", str(events.folder), "--data", str(path), "--duration-us", "1000"]
    done = CliRunner().invoke(main, [*arguments, "--stalls", "3", "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert figures["bit_exact"]["mismatches"] == 0
    assert figures["bit_exact"]["frames"] == figures["accuracy"]["samples"] == 9


def test_dense_frames_are_sent_as_events(events: Any) -> None:
    x = e3ne.data.events_to_frames(recordings(5, seed=2), SHAPE, 4, 1000)
    for simulator in ("verilator", "icarus", "amaranth"):
        events.simulate(x, frames=2, simulator=simulator).raise_for_mismatch()


def test_an_event_camera_on_the_event_engine(tmp_path: Path) -> None:
    """Events in, populations that leave out zeros: every node, and cycles as predicted."""
    layouts = {name: {"engine": "event"} for name in ("conv", "fc")}
    hw = compiled(tmp_path, {"input": {"events": True}, "mapping": layouts})
    assert all(node.mapping.engine is Engine.EVENT for node in hw.graph.nodes)  # type: ignore[union-attr]
    x = e3ne.data.events_to_frames(recordings(6, seed=4), SHAPE, 4, 1000)
    x[2] = 0
    result = hw.simulate(x)
    result.raise_for_mismatch()
    figures = json.loads((hw.folder / "report.json").read_text())["cycles"]
    trains = reference.run(hw.graph, x.astype(np.int64))
    predicted = predict(hw.graph, trains=trains)
    assert predicted.latency_cycles == np.ceil(figures["latency_mean"])
    every_event = hw.graph.inputs[0].type.neurons * hw.graph.inputs[0].type.steps
    one_event = predict(hw.graph).latency_cycles
    assert figures["predicted_latency_worst"] == one_event + every_event - 1
    assert figures["latency_max"] <= figures["predicted_latency_worst"]
    assert figures["latency_p50"] <= figures["latency_max"]
    assert figures["interval_p50"] <= figures["interval_max"]


def test_manifest_and_verilog_say_what_a_beat_is(events: Any) -> None:
    found = events.build.manifest["input"]
    expected = {"form": "events", "event_bits": 32, "time_bits": 12, "address_bits": 20}
    assert {key: found[key] for key in expected} == expected
    assert (found["no_event"], found["shape"], found["steps"]) == (0xFFFFFFFF, [2, 5, 5], 4)
    ports = {port["name"]: port["width_bits"] for port in events.build.manifest["ports"]}
    assert ports["s_axis_tdata"] == 32
    assert events.build.manifest["streaming"] is False
    assert "a frame had wrong events" in (events.folder / "rtl" / "e3ne_top.v").read_text()


def test_events_need_an_unsigned_edge(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="found events on an edge of 4 signed bits"):
        compiled(tmp_path, {"input": {"events": True, "signed": True, "bits": 4, "scale": 1.0}})
    assert not (tmp_path / "build").exists()


# ----------------------------------------------------------------------------------- streams


def test_a_stream_from_torch_to_verilator(tmp_path: Path) -> None:
    """Frames of 4 steps in a stream are frames of 20 steps, spike for spike; and so is float."""
    hw = compiled(tmp_path, {"streaming": True})
    x = e3ne.data.events_to_frames(recordings(10, seed=3), SHAPE, 4, 1000)
    labels = hw.reference(x).classes
    result = hw.simulate(x, labels, stalls=5)
    result.raise_for_mismatch()
    assert result.rtl_accuracy == 100.0
    assert hw.build.manifest["streaming"] is True
    whole = replace(of_steps(hw.graph, 20), streaming=False)
    integers = x.astype(np.int64)
    wanted = reference.run(whole, integers.reshape(2, 20, *SHAPE)[:1])
    found = reference.run(hw.graph, integers[:5])
    for node in hw.graph.nodes:
        assert np.array_equal(found[node.name].reshape(wanted[node.name].shape), wanted[node.name])
    with torch.no_grad():
        model = Gesture()
        real = model(torch.from_numpy(x[:5].reshape(20, 1, *SHAPE)).float())
    traced = reference.run(hw.traced, x[:5].astype(np.float64))[hw.traced.outputs[0].source]
    assert np.array_equal(traced.reshape(20, 1, 4), real.numpy())


def test_what_never_decays_needs_a_width_in_a_stream(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel) as error:
        compiled(tmp_path, {"streaming": True}, beta=1.0)
    assert error.value.problems == tuple(
        f"{name}: found a membrane that an endless stream drives beyond every width (it does not "
        "decay), accepted decays below 1; choose its width, at which it saturates, as "
        f"nodes.{name}.membrane_bits or default.membrane_bits"
        for name in ("conv", "fc")
    )
    hw = compiled(tmp_path, {"streaming": True, "default": {"membrane_bits": 18}}, beta=1.0)
    assert [node.neuron.membrane_bits for node in hw.graph.nodes] == [18, 18]
    x = e3ne.data.events_to_frames(recordings(8, seed=4), SHAPE, 4, 1000)
    hw.simulate(x).raise_for_mismatch()


def test_rate_codes_do_not_stream(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="found rate in a streaming network, accepted radix"):
        e3ne.compile(
            nn.Sequential(nn.Linear(3, 2), nn.ReLU()),
            calibration=np.ones((2, 3), np.float32),
            config={"streaming": True, "code": "rate", "steps": 4},
            output=tmp_path / "build",
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_verilator_streams_what_one_long_frame_sends(name: str, tmp_path: Path) -> None:
    graph = mapped(NETWORKS[name], 2)
    x = train(graph)
    whole = of_steps(replace(graph, streaming=False), FRAMES * STEPS)
    long = ran(built(tmp_path / "long", whole), x.reshape(1, -1, *x.shape[2:]))
    build = built(tmp_path / "stream", graph)
    stream = ran(build, x)
    for node in graph.nodes:
        assert np.array_equal(stream.nodes[node.name], long.nodes[node.name])
    assert compare(graph, build.nodes, x, stream).mismatches == 0
    apart = replace(graph, streaming=False)  # a reference that starts anew with each frame
    assert compare(apart, build.nodes, x, stream).mismatches > 0


def ran(build: Build, x: Array) -> Any:
    return run_verilator(build, build_simulator(build), (x,), RunOptions(stall_seed=2))


# --------------------------------------------------------------------------------- both, cycles


def as_stream_of_events(graph: Graph) -> Graph:
    inputs = tuple(
        replace(i, events=not i.type.signed, lanes=i.lanes & -i.lanes) for i in graph.inputs
    )
    return replace(graph, inputs=inputs, streaming=True)


@pytest.mark.parametrize("made", [spiking, two_inputs])
def test_streams_of_events(made: Any, tmp_path: Path) -> None:
    graph = as_stream_of_events(made())
    build = built(tmp_path / "build", graph)
    for stalls in (0, 4):
        check.simulate(build, inputs_of(graph, 41), stalls=stalls).raise_for_mismatch()
    x = inputs_of(graph, 2)
    check.simulate(build, x, stalls=4, simulator="icarus").raise_for_mismatch()


def recurrent(neurons: int) -> Graph:
    type = SpikeType((neurons,), STEPS, 2)
    synapses = (Synapse(matrix(16, neurons), "x"), Synapse(matrix(16, 16), "lif", delay=1))
    lif = Node("lif", synapses, replace(LIF, threshold=40), SpikeType((16,), STEPS, 1))
    return mapped(network(lif, source=type), 2)


def test_frames_wait_in_block_rams(tmp_path: Path) -> None:
    """As many more as predicted: two banks of events, or a queue of a dense stream's frame."""
    dense = replace(recurrent(1024), streaming=False)
    counts = {}
    for name, graph in {
        "dense": dense,
        "stream": replace(dense, streaming=True),
        "both": as_stream_of_events(dense),
    }.items():
        build = built(tmp_path / name, graph)
        cells = yosys.synthesize("ecp5", build.verilog, "e3ne_top", build.folder, "synth/top")
        counts[name] = cells.get("DP16KD", 0), predict(graph).brams
    more = {name: tuple(np.subtract(count, counts["dense"])) for name, count in counts.items()}
    assert all(found == predicted for found, predicted in more.values()), more
    assert (more["stream"], more["both"]) == ((2, 2), (2, 2))


def test_the_netlist_of_a_stream_of_events_is_equal(tmp_path: Path) -> None:
    """Block RAMs of ice40, of which a bank is read and cleared at once."""
    graph = as_stream_of_events(recurrent(64))
    build = built(tmp_path / "build", graph)
    name, top = "synth/probed", "e3ne_top"
    yosys.synthesize("ice40", build.verilog, top, build.folder, name, [], ["E3NE_PROBES"])
    yosys.dissolve_cells("ice40", top, build.folder, name, f"{name}.plain.v")
    x = inputs_of(graph, 3)
    sources = [build.folder / f"{name}.plain.v"]
    capture = run_icarus(build, x, RunOptions(stall_seed=1), sources)
    found = compare(graph, build.nodes, x, capture)
    assert [str(difference) for difference in found.differences] == []


def test_predicted_latency_of_events_is_that_of_one(tmp_path: Path) -> None:
    graph = as_stream_of_events(spiking())
    build = built(tmp_path / "build", graph)
    (x,) = inputs_of(graph, 6)
    x[:] = 0
    x[:, 0].reshape(6, -1)[:, 0] = 1
    cycles = check.simulate(build, x).cycles
    assert cycles is not None
    assert cycles.latency_min == cycles.latency_max == predict(graph).latency_cycles
    assert cycles.interval_mean == predict(graph).interval_cycles
