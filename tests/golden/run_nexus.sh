#!/bin/sh
# Synthesis, place and route and bitstream by hand; `e3ne synth` does the same and reads the reports.
# It also opens the carry input that Yosys ties to zero (its issue 4081), without which nextpnr stops.
set -e
cd "$(dirname "$0")/.."
yosys -p "read_verilog -sv rtl/e3ne_rom.v rtl/e3ne_network.v rtl/e3ne_top.v; synth_nexus -family lifcl -top e3ne_top -json synth/e3ne_top.json"
nextpnr-nexus --device LIFCL-40-9BG400C --json synth/e3ne_top.json --pdc synth/constraints.pdc --freq 24 --fasm synth/e3ne_top.fasm --report synth/e3ne_top.report.json
prjoxide pack synth/e3ne_top.fasm synth/e3ne_top.bit
