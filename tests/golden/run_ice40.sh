#!/bin/sh
# Synthesis, place and route and bitstream by hand: the design of `e3ne synth`, which reads the
# reports as well.
set -e
cd "$(dirname "$0")/.."
yosys -s synth/synthesize.ys
nextpnr-ice40 --up5k --package sg48 --json synth/e3ne_top.json --pcf synth/constraints.pcf --pcf-allow-unconstrained --freq 24 --asc synth/e3ne_top.asc --report synth/e3ne_top.report.json
icepack synth/e3ne_top.asc synth/e3ne_top.bin
