#!/bin/sh
# Synthesis by hand; `e3ne synth` does the same and reads the report. No open place and route for
# this family is packaged: take the netlist, or rtl/ and rom/, and constraints.xdc into the vendor's
# tools for xcvu13p in fhga2104, at 24 MHz.
set -e
cd "$(dirname "$0")/.."
yosys -p "read_verilog -sv rtl/e3ne_rom.v rtl/e3ne_network.v rtl/e3ne_top.v; synth_xilinx -family xcup -flatten -top e3ne_top -json synth/e3ne_top.json"
