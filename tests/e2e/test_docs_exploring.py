"""The commands of docs/exploring.md on the digits example as written, with fewer trials."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from e3ne.cli.commands import main
from e3ne.cli.exploring import explore
from e3ne.config import load_config
from e3ne.explore import wishes_of
from e3ne.explore.dials import CHOICES
from e3ne.explore.objectives import KNOWN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "exploring.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The words of each command of the first block."""
    block = re.search(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
    assert block is not None
    lines = block[0].replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


def test_the_first_example(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    data, search, compiled = commands()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "c")}
    assert data[0] == "python"
    assert search[:2] == ["e3ne", "explore"]
    search[search.index("--trials") + 1] = "2"
    for words in ([sys.executable, *data[1:]], [sys.executable, "-m", "e3ne", *search[1:]]):
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "2 trials" in done.stdout
    for name in ("pareto.csv", "pareto.svg", "explore.json", "study.db"):
        assert f"`{name}`" in PAGE
        assert (tmp_path / "out" / name).is_file()
    (pattern,) = [word for word in compiled if "out/pareto/*/e3ne.yaml" in word]
    assert pattern.startswith("$(ls ")
    points = list((tmp_path / "out" / "pareto").glob("*/e3ne.yaml"))
    assert points
    for path in points:
        load_config(path)


def test_every_option_of_the_page_is_one() -> None:
    known = {name for option in explore.params for name in option.opts}
    simulate = {name for option in main.commands["simulate"].params for name in option.opts}
    text = PAGE.replace("dask worker tcp://host:8786 --nthreads 1", "")
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text):
        assert option in known | simulate, option


@pytest.mark.parametrize("name", [*CHOICES, *KNOWN])
def test_the_page_names_every_dial_and_objective(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE)


def test_the_space_of_the_page_is_one() -> None:
    block = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    assert wishes_of(yaml.safe_load(block[1])["explore"]).per_layer == ("edge_bits",)


def test_help_stays_on_the_screen() -> None:
    found = CliRunner().invoke(main, ["explore", "--help"])
    assert found.exit_code == 0
    assert "e3ne explore model.py:net" in found.output
