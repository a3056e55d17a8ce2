"""Options that several commands share, and what they mean."""

import os
from pathlib import Path
from typing import Annotated

import typer

from serbero.config.environment import DB_VARIABLE, config_path

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Configuration; else $SERBERO_CONFIG, else ./config.toml.",
        show_default=False,
    ),
]
DbOption = Annotated[
    Path | None,
    typer.Option(
        "--db", metavar="FILE", help="Database, over the configuration's.", show_default=False
    ),
]


def sources(config: Path | None, db: Path | None) -> tuple[Path, dict[str, str]]:
    """The configuration's path and the environment to read it with; options win over both."""
    environ = dict(os.environ)
    if db is not None:
        environ[DB_VARIABLE] = str(db)
    return config if config is not None else config_path(environ), environ
