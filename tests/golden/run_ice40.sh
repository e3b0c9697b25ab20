#!/bin/sh
# Synthesis, place and route and bitstream by hand. Every product in LUTs: `e3ne synth` puts those
# that the mapping chose into multipliers, and reads the reports.
set -e
cd "$(dirname "$0")/.."
yosys -p "read_verilog -sv -DE3NE_SPRAM rtl/*.v; synth_ice40 -top e3ne_top -json synth/e3ne_top.json"
nextpnr-ice40 --up5k --package sg48 --json synth/e3ne_top.json --pcf synth/constraints.pcf --pcf-allow-unconstrained --freq 24 --asc synth/e3ne_top.asc --report synth/e3ne_top.report.json
icepack synth/e3ne_top.asc synth/e3ne_top.bin
