#!/bin/sh
# Synthesis, place and route and bitstream by hand: the design of `e3ne synth`, which reads the
# reports as well.
# carry_chains.py opens the carry input that Yosys ties to zero (its issue 4081): nextpnr stops there.
set -e
cd "$(dirname "$0")/.."
yosys -s synth/synthesize.ys
python3 synth/carry_chains.py nexus synth/e3ne_top.json
nextpnr-nexus --device LIFCL-40-9BG400C --json synth/e3ne_top.json --pdc synth/constraints.pdc --freq 24 --fasm synth/e3ne_top.fasm --report synth/e3ne_top.report.json
prjoxide pack synth/e3ne_top.fasm synth/e3ne_top.bit
