"""Options that several commands share, and what they mean."""

import os
from pathlib import Path
from typing import Annotated

import typer

from serbero.cli import completing
from serbero.cli.times import NoTime, parse_time
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

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
LimitOption = Annotated[
    int, typer.Option("--limit", "-n", metavar="N", min=1, max=10**9, help="At most.")
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Not before: 12h or 3d ago, or 2026-11-23, or 2026-11-23T14:05 (UTC).",
        show_default=False,
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="Before it; likewise.", show_default=False),
]
DisputeArgument = Annotated[
    str,
    typer.Argument(
        metavar="DISPUTE",
        help="Its id; the first 4 characters may do.",
        show_default=False,
        autocompletion=completing.dispute_ids,
    ),
]
DisputeOption = Annotated[
    str | None,
    typer.Option(
        "--dispute",
        metavar="ID",
        help="Only of this dispute; the first 4 characters of its id may do.",
        show_default=False,
        autocompletion=completing.dispute_ids,
    ),
]


def moment_given(text: str | None, option: str, now: int) -> int | None:
    """Return a time that was typed behind ``option``, in Unix seconds; None for none.

    Raises:
        typer.BadParameter: it is none; the command ends with 2.
    """
    try:
        return None if text is None else parse_time(text, now)
    except NoTime as problem:
        raise typer.BadParameter(str(problem), param_hint=option) from None


def sources(config: Path | None, db: Path | None) -> tuple[Path, dict[str, str]]:
    """The configuration's path and the environment to read it with; options win over both."""
    environ = dict(os.environ)
    if db is not None:
        environ[DB_VARIABLE] = str(db)
    return config if config is not None else config_path(environ), environ
