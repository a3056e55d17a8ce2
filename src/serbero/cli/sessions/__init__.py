"""``serbero sessions``: what mediation did, and what another model or other prompts would do."""

from pathlib import Path
from typing import Annotated

import typer

from serbero.cli import completing
from serbero.cli.options import (
    ConfigOption,
    DbOption,
    DisputeOption,
    JsonOption,
    LimitOption,
)
from serbero.model.mediation import SessionState

sessions = typer.Typer(
    help="Mediation sessions: what was asked, answered and decided, and why it stopped.\n\n"
    "Reads beside the running daemon. `list`, `show` and `transcript` need no configuration where "
    "--db or SERBERO_DB_PATH names the database.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

IdArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Of a session, or of a dispute for its newest one; 4 characters of it may do.",
        show_default=False,
        autocompletion=completing.session_ids,
    ),
]


@sessions.command("list")
def list_(
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only those in it.",
            show_default=False,
            autocompletion=completing.words(*SessionState),
        ),
    ] = None,
    dispute: DisputeOption = None,
    limit: LimitOption = 50,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List sessions, newest first.

    Exit codes: 0 listed, even if there is none, 1 the database cannot be read or has no such
    dispute, 2 wrong usage, or an id that fits several.
    """
    from serbero.cli.sessions import reading  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    reading.list_sessions(Asked(config, db, as_json), state, dispute, limit)


@sessions.command("show")
def show_(
    identifier: IdArgument,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell one session's story: state, parties, verdicts, summary, hand-off, timeline.

    Exit codes: 0 shown, 1 unknown, or the database cannot be read, 2 wrong usage, or an id that
    fits several.
    """
    from serbero.cli.sessions import reading  # noqa: PLC0415 - see above
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    reading.show_session(Asked(config, db, as_json), identifier)


@sessions.command("transcript")
def transcript_(
    identifier: IdArgument,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was said, in order, and why it stopped where it stopped.

    Exit codes: 0 shown, 1 unknown, or the database cannot be read, 2 wrong usage, or an id that
    fits several.
    """
    from serbero.cli.sessions import reading  # noqa: PLC0415 - see above
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    reading.show_transcript(Asked(config, db, as_json), identifier)


@sessions.command("replay")
def replay_(
    identifier: IdArgument,
    provider: Annotated[
        str | None,
        typer.Option("--provider", metavar="NAME", help="Ask this one.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Ask this model.", show_default=False),
    ] = None,
    api_base: Annotated[
        str | None,
        typer.Option("--api-base", metavar="URL", help="Ask it there.", show_default=False),
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            "--api-key-env",
            metavar="NAME",
            help="The variable with its key, if not as configured.",
            show_default=False,
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts", metavar="DIR", help="Ask with the five files in it.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a session's classifications again, and compare with what was decided.

    The configured model is asked unless another is named, with the prompts of then unless --prompts
    names others. Needs the configuration. Sends nothing to parties or solvers, writes nothing.

    Exit codes: 0 done, whatever came of it, 1 the model could not be asked or the database not
    read, 2 wrong usage or configuration, or an id that fits several.
    """
    from serbero.cli.sessions import reading  # noqa: PLC0415 - see above
    from serbero.cli.sessions.asking import Wishes  # noqa: PLC0415 - see above
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    wishes = Wishes(provider, model, api_base, api_key_env, prompts)
    reading.replay_session(Asked(config, db, as_json), identifier, wishes)
