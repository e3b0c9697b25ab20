"""One operator wrong in the emitted Verilog: the check names the node that holds it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from e3ne import check
from e3ne.emit import Build, load_build
from e3ne.ir import BadInput, Mismatch
from tests.random_frames import frames_of
from tests.small_networks import built, convolution, spiking

NETWORKS = {"convolution": convolution, "spiking": spiking}

# Network, module below e3ne_network.core (it begins with its node), old and new operator.
TWINS = [
    ("convolution", "features.0.matrixunit0", r"= product \+", "= product -"),
    ("convolution", "features.0.neuron.core", r"\+ \$signed\(2'h1\)", "- $signed(2'h1)"),
    ("convolution", "pool.poolunit0", r" > ", " < "),
    (
        *("convolution", "head.matrixunit0"),
        *(r"\+ \$signed\(\{ 1'h0, sum1", "- $signed({ 1'h0, sum1"),
    ),
    (
        *("spiking", "hidden.neuron.core.membrane"),
        *(r"- \$signed\(held_0\)", "+ $signed(held_0)"),
    ),
    ("spiking", "out.neuron.core.membrane", r"- \$signed\(\{", "+ $signed({"),
]


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Build]:
    folder = tmp_path_factory.mktemp("builds")
    return {name: built(folder / name, make()) for name, make in NETWORKS.items()}


def broken_twin(build: Build, folder: Path, module: str, old: str, new: str) -> Build:
    """A copy of the build with one operator of one module's text changed, past the hashes."""
    shutil.copytree(build.folder, folder)
    path = folder / "rtl" / "e3ne_network.v"
    text = path.read_text()
    begin = text.index(f"module \\e3ne_network.core.{module} (")
    end = text.index("endmodule", begin)
    changed, count = re.subn(old, lambda match: new, text[begin:end], count=1)
    assert count == 1, f"{module}: found no {old}; update the twin"
    path.write_text(text[:begin] + changed + text[end:])
    return Build(folder, build.graph, build.manifest)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_original_is_bit_exact(builds: dict[str, Build], name: str) -> None:
    build = builds[name]
    check.simulate(
        build, frames_of(build.graph, 3), frames=3, simulator="icarus"
    ).raise_for_mismatch()


@pytest.mark.parametrize(("name", "module", "old", "new"), TWINS)
def test_one_wrong_operator_is_found_at_its_node(
    builds: dict[str, Build], tmp_path: Path, name: str, module: str, old: str, new: str
) -> None:
    build = broken_twin(builds[name], tmp_path / "twin", module, old, new)
    result = check.simulate(build, frames_of(build.graph, 3), frames=3, simulator="icarus")
    assert not result.equal
    found = result.differences[0]
    assert module.startswith(f"{found.node}.")
    with pytest.raises(Mismatch, match=rf"{re.escape(found.node)}: frame \d+, step \d+, index \("):
        result.raise_for_mismatch()


def test_a_build_with_changed_verilog_is_not_opened(
    builds: dict[str, Build], tmp_path: Path
) -> None:
    _, module, old, new = TWINS[0]
    broken_twin(builds["convolution"], tmp_path / "twin", module, old, new)
    with pytest.raises(BadInput, match=r"e3ne_network\.v: found other contents than manifest"):
        load_build(tmp_path / "twin")
