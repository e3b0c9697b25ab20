"""Where the fixed texts lie: `hdl_templates/` of the checkout, or inside the installed package."""

from __future__ import annotations

from importlib.resources import files

import jinja2


def template(name: str) -> str:
    """The text of the file `name` of `hdl_templates/`."""
    package = files("e3ne")
    for folder in (package / "hdl_templates", package / ".." / "hdl_templates"):
        found = folder / name
        if found.is_file():
            return found.read_text(encoding="utf-8")
    raise FileNotFoundError(f"hdl_templates/{name}: found none; install e3ne again")


def filled(name: str, **values: str | int) -> str:
    """The jinja2 template `name` with `values` filled in; a missing value is an error."""
    source = jinja2.Template(
        template(name), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    return str(source.render(**values))
