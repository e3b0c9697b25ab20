"""What an installed wheel holds: templates and boards are found without the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("a wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    for name in ("e3ne", "boards", "hdl_templates"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), "."]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_wheel_holds_templates_and_boards(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, target in (("hdl_templates", "hdl_templates"), ("boards", "boards_data")):
        for path in (ROOT / folder).iterdir():
            assert f"e3ne/{target}/{path.name}" in names
    assert "e3ne/report/report.html.j2" in names


def test_installed_package_finds_its_data(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "with space"
    venv.create(home, with_pip=False, system_site_packages=False)
    python = home / "bin" / "python"
    target = next((home / "lib").glob("python*")) / "site-packages"
    zipfile.ZipFile(wheel).extractall(target)
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (target / "shared.pth").write_text("\n".join(shared) + "\n", encoding="utf-8")
    code = (
        "import e3ne, e3ne.boards, e3ne.emit\n"
        "print(e3ne.__file__, e3ne.boards.boards_folder())\n"
        "print(len(e3ne.list_boards()), len(e3ne.emit.template('e3ne_rom.v')) > 100)\n"
    )
    ran = subprocess.run(
        [str(python), "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    where, found = ran.stdout.splitlines()
    assert where.count(str(target)) == 2
    assert found == f"{len(list((ROOT / 'boards').glob('*.toml')))} True"
