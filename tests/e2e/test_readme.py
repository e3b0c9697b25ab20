"""The README's Python example runs as it stands."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.skipif(
    shutil.which("verilator") is None, reason="no verilator: sudo apt-get install -y verilator"
)
def test_python_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks[0], "README.md", "exec"), {"__name__": "__readme__"})
    report = json.loads((tmp_path / "build" / "mlp" / "report.json").read_text())
    assert report["bit_exact"]["frames"] == 100
    assert report["bit_exact"]["mismatches"] == 0
    assert report["resources"]["synthesis"]["luts"] > 0
    assert (tmp_path / "build" / "mlp" / "report.html").is_file()
