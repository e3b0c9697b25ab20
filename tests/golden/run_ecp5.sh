#!/bin/sh
# Synthesis, place and route and bitstream by hand. Every product in LUTs: `e3ne synth` puts those
# that the mapping chose into multipliers, and reads the reports.
set -e
cd "$(dirname "$0")/.."
yosys -p "read_verilog -sv rtl/*.v; synth_ecp5 -nodsp -top e3ne_top -json synth/e3ne_top.json"
nextpnr-ecp5 --85k --package CABGA381 --speed 6 --json synth/e3ne_top.json --lpf synth/constraints.lpf --lpf-allow-unconstrained --freq 24 --textcfg synth/e3ne_top.config --report synth/e3ne_top.report.json
ecppack --compress synth/e3ne_top.config synth/e3ne_top.bit
