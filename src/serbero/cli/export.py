"""``serbero export``: all that is on record about a dispute, as one file to keep or hand on."""

from pathlib import Path
from typing import Annotated

import typer

from serbero.cli.options import ConfigOption, DbOption, DisputeArgument


def export(
    dispute: DisputeArgument,
    as_html: Annotated[bool, typer.Option("--html", help="A page for people.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A document for programs.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to; - is standard output. Else a page becomes dispute-ID.html here, and a "
            "document goes to standard output.",
            show_default=False,
        ),
    ] = None,
    without_chat: Annotated[
        bool,
        typer.Option(
            "--without-chat",
            help="Leave out what was said in the chat. Summaries and the model's reasons stay.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
) -> None:
    """Write a dispute's case file: story, deliveries, transcript, verdicts, hand-off, audit rows.

    A page stands by itself: no scripts, nothing loaded from anywhere. The file is readable for its
    owner alone (mode 0600): it holds what the parties wrote.

    Exit codes: 0 written, 1 no such dispute, the database cannot be read or the file not written,
    2 wrong usage, or an id that fits several.
    """
    from serbero.cli import export_writing  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    wishes = export_writing.Wishes(as_html, as_json, output, without_chat, force)
    export_writing.export_dispute(Asked(config, db, as_json), dispute, wishes)
