"""`python -m benchmarks.accuracy train ROW`, `... measure [ROWS]`, `... simulate ROW`."""

from __future__ import annotations

import logging
import sys

import click
from rich.logging import RichHandler

from e3ne.cli.terminal import progress, stderr
from e3ne.ir import E3neError

from ..__main__ import stop_on_mismatch
from .document import DOCUMENT, write_document
from .results import checkpoint_of, float_checkpoint_of
from .rows import ROWS, row_of

NAMES = click.Choice(list(ROWS))
DEVICE = click.option("--device", default="cpu", show_default=True, help="A torch device.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train and measure the networks of docs/accuracy.md.

    \b
    Examples:
      python -m benchmarks.accuracy train vowels_rsnn --seed 0
      python -m benchmarks.accuracy measure vowels_rsnn
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler()])


@main.command()
@click.argument("row", type=NAMES)
@click.option("--seed", type=click.IntRange(0), help="Default: the row's first.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@DEVICE
def train(row: str, seed: int | None, threads: int, device: str) -> None:
    """Train ROW: float (once a network and seed), then at the row's bits; records its accuracy."""
    from .train import train_row

    chosen = row_of(row)
    train_row(chosen, chosen.seeds[0] if seed is None else seed, device, threads)


@main.command()
@click.argument("rows", nargs=-1, type=NAMES)
@DEVICE
def measure(rows: tuple[str, ...], device: str) -> None:
    """Measure the committed checkpoints of ROWS (default: all), and rebuild docs/accuracy.md."""
    from .measure import measure_network, measure_row

    chosen = [row_of(name) for name in rows or ROWS]
    for network in dict.fromkeys(row.network for row in chosen):
        if float_checkpoint_of(network).exists():
            measure_network(network, device)
    for row in chosen:
        if checkpoint_of(row.name).exists():
            measure_row(row, device)
    write_document()
    stderr.print(f"wrote {DOCUMENT}", markup=False, soft_wrap=True)


@main.command()
@click.argument("row", type=NAMES)
@click.option("--frames", type=click.IntRange(1), default=100, show_default=True)
@click.option("--board", default="ulx3s-85f", show_default=True)
def simulate(row: str, frames: int, board: str) -> None:
    """Run the first test frames of ROW through its Verilog, compared with the reference."""
    from .simulate import simulate_row

    with progress() as tell:
        part = simulate_row(row_of(row), frames, board, tell)
    write_document()
    stop_on_mismatch(row, part["mismatches"])


@main.command()
def document() -> None:
    """Rebuild docs/accuracy.md from the recorded results."""
    write_document()
    stderr.print(f"wrote {DOCUMENT}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    try:
        main(prog_name="python -m benchmarks.accuracy", standalone_mode=True)
    except E3neError as error:
        stderr.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
