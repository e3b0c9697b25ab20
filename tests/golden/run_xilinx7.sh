#!/bin/sh
# Synthesis by hand, every product in LUTs (`e3ne synth` puts those that the mapping chose into
# multipliers, and reads the report). No open place and route for
# this family is packaged: take the netlist, or rtl/ and rom/, and constraints.xdc into the vendor's
# tools for xc7a35t in csg324, at 24 MHz.
set -e
cd "$(dirname "$0")/.."
yosys -p "read_verilog -sv rtl/*.v; synth_xilinx -nodsp -family xc7 -flatten -top e3ne_top -json synth/e3ne_top.json"
