"""The program `e3ne` and its commands."""

from __future__ import annotations

import click

from .. import __version__
from .building import compile
from .checking import check
from .choosing import choose
from .exploring import explore
from .information import boards, doctor, report
from .running import simulate, synth

EPILOG = """\b
Example:
  e3ne check model.py:net --input-shape 1,28,28 --steps 10
  e3ne compile model.py:net --weights net.safetensors --calibration train.npz -o build/net
  e3ne choose model.py:net --data labelled.npz --floor 98.5 -o e3ne.yaml
  e3ne explore model.py:net --data labelled.npz -o out
  e3ne simulate build/net --data test.npz
  e3ne synth build/net --seeds 3
  e3ne report build/net
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="e3ne")
def main() -> None:
    """From a trained PyTorch spiking neural network to checked Verilog.

    Results go to stdout, progress and errors to stderr. Exit codes: 0 done (and, for simulate,
    every compared number equal), 1 an error or a difference, 2 wrong use.
    """


for command in (compile, check, choose, explore, simulate, synth, report, boards, doctor):
    main.add_command(command)
