"""``serbero init``: from a few answers to a configuration that runs."""

from pathlib import Path
from typing import Annotated

import typer

from serbero.config.environment import DEFAULT_PATH


def init(
    node: Annotated[
        str | None, typer.Option("--node", metavar="KEY", help="Public key of the Mostro node.")
    ] = None,
    relay: Annotated[
        list[str] | None, typer.Option("--relay", metavar="URL", help="A relay; repeat for more.")
    ] = None,
    solver: Annotated[
        list[str] | None,
        typer.Option(
            "--solver",
            metavar="KEY[:write]",
            help="A solver's public key, with :write if the node lets this solver settle; repeat.",
        ),
    ] = None,
    private_key_file: Annotated[
        Path | None,
        typer.Option(
            "--private-key-file",
            metavar="FILE",
            help="Use the secret key in this file instead of a new one.",
        ),
    ] = None,
    db: Annotated[
        str | None,
        typer.Option("--db", metavar="FILE", help="The database; serbero.db if left out."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "--config", "-c", metavar="FILE", help="The configuration to write."
        ),
    ] = Path(DEFAULT_PATH),
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing file; it is kept as FILE.bak.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "--non-interactive", "-y", help="Ask nothing; flags only.")
    ] = False,
) -> None:
    """Write a configuration that runs.

    Asks what it needs, makes a key and says what to register where.

    Exit codes: 0 written, 1 interrupted or not writable, 2 wrong usage; then nothing is written.
    """
    from serbero.cli import init_dialogue as dialogue  # noqa: PLC0415 - loads what others need not

    given = dialogue.Given(node, relay or [], solver or [], private_key_file, db)
    dialogue.write_configuration(given, output, force=force, asks=not yes)
