#!/bin/sh
# Synthesis, place and route and bitstream by hand: the design of `e3ne synth`, which reads the
# reports as well.
set -e
cd "$(dirname "$0")/.."
yosys -s synth/synthesize.ys
python3 synth/carry_chains.py ecp5 synth/e3ne_top.json
nextpnr-ecp5 --85k --package CABGA381 --speed 6 --json synth/e3ne_top.json --lpf synth/constraints.lpf --lpf-allow-unconstrained --freq 24 --textcfg synth/e3ne_top.config --report synth/e3ne_top.report.json
ecppack --compress synth/e3ne_top.config synth/e3ne_top.bit
