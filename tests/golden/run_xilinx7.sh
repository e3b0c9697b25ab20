#!/bin/sh
# Synthesis by hand: the design of `e3ne synth`, which reads the report as well. No open place and
# route for this family is packaged: take the netlist, or rtl/ and rom/, and constraints.xdc into the
# vendor's tools for xc7a35t in csg324, at 24 MHz.
set -e
cd "$(dirname "$0")/.."
yosys -s synth/synthesize.ys
