"""Tables that scripts write into docs/choosing.md, each between its own two marks."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "choosing.md"


def write_between(name: str, lines: list[str], page: Path = PAGE) -> None:
    """Replaces what stands between `<!-- name: begin -->` and `<!-- name: end -->`.

    ValueError where the page lacks one of the marks.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = page.read_text(encoding="utf-8")
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page}: found no marks {begin} and {end}, accepted both in this order")
    body = "\n".join(["", "", *lines, "", ""])
    page.write_text(head + begin + body + end + tail, encoding="utf-8")
