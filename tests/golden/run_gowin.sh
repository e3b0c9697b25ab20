#!/bin/sh
# Synthesis, place and route and bitstream by hand: the design of `e3ne synth`, which reads the
# reports as well.
set -e
cd "$(dirname "$0")/.."
yosys -s synth/synthesize.ys
nextpnr-himbaechel-gowin --device GW1NR-LV9QN88PC6/I5 --vopt family=GW1N-9C --vopt cst=synth/constraints.cst --json synth/e3ne_top.json --freq 24 --write synth/e3ne_top.routed.json --report synth/e3ne_top.report.json
gowin_pack -d GW1N-9C -o synth/e3ne_top.fs synth/e3ne_top.routed.json
