"""Every block of docs/training.md runs, section by section."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
SHARED = "What the recipes share"
NEEDS = {"snntorch": "snntorch", "brevitas": "e3ne[brevitas]"}


def sections() -> dict[str, list[str]]:
    """The Python blocks of the page by heading."""
    found = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        found[title] = re.findall(r"```python\n(.*?)```", body, re.DOTALL)
    return found


def test_every_section_has_code() -> None:
    assert len(sections()) == 10
    assert all(sections().values())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", [title for title in sections() if title != SHARED])
def test_the_blocks_run(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="pip install 'e3ne[examples]'")
    blocks = sections()[title]
    for module, package in NEEDS.items():
        if any(f"import {module}" in block for block in blocks):
            pytest.importorskip(module, reason=f"pip install '{package}'")
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("e3ne").setLevel(logging.ERROR)
    names: dict[str, Any] = {"__name__": "page"}
    try:
        for block in (*sections()[SHARED], *blocks):
            exec(compile(block, f"{PAGE.name}: {title}", "exec"), names)
    finally:
        torch.set_num_threads(threads)
        logging.getLogger("e3ne").setLevel(logging.NOTSET)
