#!/bin/sh
# Synthesis, place and route and bitstream by hand. Every product in LUTs: `e3ne synth` puts those
# that the mapping chose into multipliers, and reads the reports.
# It also opens the carry input that Yosys ties to zero (its issue 4081), without which nextpnr stops.
set -e
cd "$(dirname "$0")/.."
yosys -p "read_verilog -sv rtl/*.v; synth_nexus -nodsp -family lifcl -top e3ne_top -json synth/e3ne_top.json"
nextpnr-nexus --device LIFCL-40-9BG400C --json synth/e3ne_top.json --pdc synth/constraints.pdc --freq 24 --fasm synth/e3ne_top.fasm --report synth/e3ne_top.report.json
prjoxide pack synth/e3ne_top.fasm synth/e3ne_top.bit
