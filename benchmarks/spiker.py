"""Spiker+ on the same weights, frames and part: `python -m benchmarks.spiker peer_b`.

Needs GHDL (`apt-get install ghdl`) and the package `spikerplus`, which is installed into build/ and
not into our environment. Its VHDL (6-bit weights, 12-bit membranes, as in docs/benchmarks.md) goes
through GHDL's synthesis to Verilog, then the way of our own networks: Yosys, nextpnr, and Icarus
for the cycles of a frame. For routing its inputs come from a shift register, as no package has 784
pins for them: so many flip-flops more, and no LUT.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from safetensors.numpy import load_file

from e3ne.boards import load_board
from e3ne.ir import BadInput
from e3ne.synthesis import resources_used
from e3ne.toolchain import icarus, nextpnr, yosys
from e3ne.toolchain.process import run_program

from .run import EXAMPLES, ROOT, example_module

PACKAGE = "spikerplus==2.0.3"
FOLDER = ROOT / "build" / "spiker"
MEASURED = Path(__file__).parent / "measured"
BOARD = "ulx3s-85f"
STEPS, FRAMES = 25, 20
WEIGHT_BITS, MEMBRANE_BITS, DECAY_SHIFT = 6, 12, 4  # 1 - 2**-4 = 0.9375

BENCH = """`timescale 1ns/1ns
module bench;
    reg clk = 0, rst_n = 0;
    always #5 clk = ~clk;
    reg [{inputs}-1:0] trains [0:{steps}*{frames}-1];
    initial $readmemb("trains.txt", trains);
    wire ready, sample;
    wire [{outputs}-1:0] out_spikes;
    integer step = 0, frame = 0, cycles = 0;
    network dut(.clk(clk), .rst_n(rst_n), .start(ready), .sample_ready(1'b1),
        .in_spikes(trains[step]), .ready(ready), .sample(sample), .out_spikes(out_spikes));
    initial begin #15 rst_n = 1; end
    reg was_ready = 1;
    always @(posedge clk) if (rst_n) begin
        cycles <= cycles + 1;
        was_ready <= ready;
        if (sample && step < {steps}*{frames} - 1) step <= step + 1;
        if (ready && !was_ready) begin
            $display("frame %0d", cycles);
            frame <= frame + 1;
            cycles <= 1;
            if (frame == {frames} - 1) $finish;
        end
        if (cycles > 1000000) begin $display("no end"); $finish; end
    end
endmodule
"""

WRAPPER = """module wrapper(input clk, input rst_n, input start, input sample_ready, input spike,
        output reg ready, output reg sample, output reg [{outputs}-1:0] out_spikes);
    reg [{inputs}-1:0] in_spikes;
    wire is_ready, is_sample;
    wire [{outputs}-1:0] spikes;
    network core(.clk(clk), .rst_n(rst_n), .start(start), .sample_ready(sample_ready),
        .in_spikes(in_spikes), .ready(is_ready), .sample(is_sample), .out_spikes(spikes));
    always @(posedge clk) begin
        in_spikes <= {{in_spikes, spike}};
        ready <= is_ready;
        sample <= is_sample;
        out_spikes <= spikes;
    end
endmodule
"""


@click.command()
@click.argument("name", type=click.Choice(["peer_a", "peer_b"]))
@click.option("--seeds", type=click.IntRange(0), default=5, show_default=True)
def main(name: str, seeds: int) -> None:
    """Build Spiker+ for the network of an example; prints one JSON object."""
    if shutil.which("ghdl") is None:
        raise click.ClickException("ghdl: found none on the PATH; install it: apt-get install ghdl")
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    weights = load_file(EXAMPLES / name / "weights.safetensors")
    layers = [weights["linear1.weight"], weights["linear2.weight"]]
    write_vhdl(layers, folder)
    found = {"network": name, "spikerplus": PACKAGE, **cycles(name, layers, folder)}
    found |= area(layers, folder, seeds)
    MEASURED.mkdir(exist_ok=True)
    (MEASURED / f"spiker_{name}.json").write_text(json.dumps(found, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))


def write_vhdl(layers: list[Any], folder: Path) -> None:
    """Spiker+'s VHDL of the layers' weights (outputs, inputs), and network.v from it."""
    target = FOLDER / "package"
    if not target.is_dir():
        install = ["-m", "pip", "install", "--quiet", "--target", str(target)]
        wanted = [PACKAGE, "tabulate"]
        subprocess.run([sys.executable, *install, "--no-deps", *wanted], check=True)
    sys.path.insert(0, str(target))
    vhdl = importlib.import_module("spikerplus.vhdl.network")
    network = vhdl.Network(STEPS)
    for index, weight in enumerate(layers):
        largest = float(np.abs(weight).max())
        fraction_bits = int(np.floor(np.log2((2 ** (WEIGHT_BITS - 1) - 1) / largest)))
        outputs = len(weight)
        network.add(
            vhdl.Layer(
                label=f"layer{index}",
                w_exc=weight,
                w_inh=np.zeros((outputs, outputs)),
                v_th=np.ones(outputs),
                bitwidth=MEMBRANE_BITS,
                fp_decimals=fraction_bits,
                w_inh_bw=WEIGHT_BITS,
                w_exc_bw=WEIGHT_BITS,
                shift=DECAY_SHIFT,
                reset="subtractive",
                functional=True,
            )
        )
    network.write_file_all(output_dir=str(folder / "vhdl"), rm=True)
    top = folder / "vhdl" / "network.vhd"  # GHDL would give a port's wire the name of a signal
    top.write_text(re.sub(r"\blayer_(\d+)_ready\b", r"ready_of_layer_\1", top.read_text()))
    files = sorted(path.name for path in (folder / "vhdl").glob("*.vhd"))
    run_program("ghdl", ["ghdl", "-i", "--std=08", *files], folder / "vhdl")
    run_program("ghdl", ["ghdl", "-m", "--std=08", "network"], folder / "vhdl")
    command = "ghdl --synth --std=08 --out=verilog network > ../network.v"
    run_program("ghdl", ["sh", "-c", command], folder / "vhdl")
    # GHDL leaves out the default of a case over a one-hot choice; Yosys would see a latch.
    verilog = (folder / "network.v").read_text()
    last_choice = r"(\n +\d+'b[01]+: (\w+) <= [^;]*;)(\n +endcase)"
    verilog = re.sub(last_choice, r"\1\n      default: \2 <= 'b0;\3", verilog)
    verilog = re.sub(r"\d+'b([01]{4097,})", in_pieces, verilog)
    (folder / "network.v").write_text(verilog)


def in_pieces(constant: re.Match[str]) -> str:
    """A long constant as a concatenation of shorter ones, which Icarus can read."""
    bits = constant[1]
    pieces = (bits[at : at + 4096] for at in range(0, len(bits), 4096))
    return "{" + ", ".join(f"{len(piece)}'b{piece}" for piece in pieces) + "}"


def cycles(name: str, layers: list[Any], folder: Path) -> dict[str, Any]:
    """Cycles of a frame on the first test trains, in Icarus."""
    x, _ = example_module(EXAMPLES / name / "data.py").test_frames()
    inputs, outputs = layers[0].shape[1], layers[-1].shape[0]
    trains = x[:FRAMES].reshape(-1, inputs)
    lines = ["".join(map(str, row[::-1])) for row in trains.tolist()]
    (folder / "trains.txt").write_text("\n".join(lines) + "\n")
    text = BENCH.format(inputs=inputs, outputs=outputs, steps=STEPS, frames=FRAMES)
    (folder / "bench.v").write_text(text)
    icarus.compile(["bench.v", "network.v"], "bench", folder, "bench.vvp", warnings=False)
    output = icarus.simulate("bench.vvp", folder)
    counts = [int(line.split()[1]) for line in output.splitlines() if line.startswith("frame")]
    if len(counts) < 2:
        raise BadInput(f"spiker: found {len(counts)} frames in {folder}, accepted {FRAMES}")
    return {"cycles": float(np.mean(counts[1:])), "frames": len(counts) - 1}


def area(layers: list[Any], folder: Path, seeds: int) -> dict[str, Any]:
    """Cells after Yosys, and after nextpnr with its clock."""
    board = load_board(BOARD)
    wrapper = WRAPPER.format(inputs=layers[0].shape[1], outputs=layers[-1].shape[0])
    (folder / "wrapper.v").write_text(wrapper)
    files = ["wrapper.v", "network.v"]
    cells = yosys.synthesize(board.family, files, "wrapper", folder, "network_cells")
    found: dict[str, Any] = {"synthesis": resources_used(board.family, cells)}
    clocks = []
    for seed in range(1, seeds + 1):
        routed = nextpnr.route(
            *(board.family, board.device, board.package, "network_cells.json", folder),
            *(f"routed{seed}", board.clock_hz, seed),
            options=["--speed", board.speed],
        )
        used = {cell: count for cell, (count, _) in routed.utilization.items()}
        clocks.append(routed.fmax_hz)
        found["routed"] = resources_used(board.family, used)
    if clocks:
        found["fmax_hz"] = {"median": float(np.median(clocks)), "worst": min(clocks)}
    return found


if __name__ == "__main__":
    main()
