"""Network files of this benchmark: a FLOAT graph, its configuration, and how it was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from e3ne.config import Config, default_config, parse_config
from e3ne.emit.graph_file import load_graph, save_graph
from e3ne.ir import Graph


def save_network(
    path: Path, graph: Graph, config: Config, info: dict[str, Any], half: bool = False
) -> None:
    """Writes `graph` with its configuration and what is known about it."""
    save_graph(path, graph)
    record = {"config": default_config([], config), "info": info}
    record["config"]["nodes"] = {
        name: default_config([name], config)["nodes"][name] for name in config.nodes
    }
    (path / "network.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load_network(path: Path) -> tuple[Graph, Config, dict[str, Any]]:
    """What `save_network` wrote."""
    record = json.loads((path / "network.json").read_text(encoding="utf-8"))
    return load_graph(path), parse_config(record["config"]), record["info"]
