"""Where things lie, and YAML."""

from importlib import import_module
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
SYSTEMD = DEPLOY / "systemd"


def read_yaml(path: Path) -> Any:
    """The one document of a file. The parser is there for another's sake, without types."""
    return import_module("yaml").safe_load(path.read_text())
