"""Text and files meant for other programs: Verilog, ROM images, benches, scripts, the manifest."""

from .folder import Build, check_replaceable, load_build, write_build
from .graph_file import load_graph, save_graph
from .manifest import Details
from .synth_scripts import Part
from .templates import filled, template

__all__ = [
    "Build",
    "Details",
    "Part",
    "check_replaceable",
    "filled",
    "load_build",
    "load_graph",
    "save_graph",
    "template",
    "write_build",
]
