"""``serbero audit``: what is on record, and whether it is what should be."""

from typing import Annotated

import typer

from serbero.cli import completing
from serbero.cli.options import (
    ConfigOption,
    DbOption,
    DisputeOption,
    JsonOption,
    LimitOption,
    SinceOption,
    UntilOption,
)

audit = typer.Typer(
    help="Read the trail, and compare what is on record with what should be.\n\n"
    "Reads beside the running daemon. Needs no configuration where --db or SERBERO_DB_PATH names "
    "the database.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@audit.callback()
def _group() -> None:
    """Keep the names of the commands, also of a single one."""


@audit.command("ladder")
def ladder_(
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Were the people of every open dispute told what they should be by now?

    Hand-offs, reminders and warnings of an escrow's end, worked out anew from what happened to
    each dispute. What the daemon could not do while it was off counts as nothing.

    Exit codes: 0 they were, 1 some were not, or the database cannot be read, 2 wrong usage.
    """
    from serbero.cli.audit import ladder  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    ladder.report(Asked(config, db, as_json))


@audit.command("log")
def log_(
    dispute: DisputeOption = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            metavar="ID",
            help="Only of this session; the first 4 characters of its id may do.",
            show_default=False,
            autocompletion=completing.session_ids,
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Only of this kind; may be repeated.",
            show_default=False,
            autocompletion=completing.audit_kinds,
        ),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")
    ] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened, in order, the newest last: moves, mediation, hand-offs, the journal.

    Never the words of a party or a model: a rationale is named by its id alone. --limit takes the
    newest. With --follow and --json each entry is a document on a line of its own. `lifecycle` is
    the kind of a dispute's moves, `dispatch` that of a hand-off's row.

    Exit codes: 0 shown, even if there is nothing, 1 the database cannot be read or has no such
    dispute or session, 2 wrong usage, or an id that fits several, 130 --follow was interrupted.
    """
    from serbero.cli.audit import log  # noqa: PLC0415 - see above
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    wish = log.Wish(dispute, session, tuple(kind or ()), since, until, limit)
    (log.follow if follow else log.report)(Asked(config, db, as_json), wish)


@audit.command("verify")
def verify_(
    dispute: DisputeOption = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only what was touched since: 12h or 7d ago, or 2026-11-23, or "
            "2026-11-23T14:05 (UTC).",
            show_default=False,
        ),
    ] = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Also compute the ids of all messages and look for words where none belong.",
        ),
    ] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that the trail holds: nothing deleted, changed or added, as far as rows can tell.

    Moves of disputes and sessions, pairs of hand-offs and dispatches, messages and what solvers
    were told, prompts and rationales by their hashes, payloads, row numbers and times. Each row
    that breaks a rule is named with what was expected, what was found, and what it may mean. Gaps
    that the reference is known to leave are named as such and do no harm. One dispute is looked at
    deeply always.

    The whole takes as long as reading the file does; --since is the daily question, answered in
    about a second: every row written since, and all there is, however old, of each dispute that
    one of them is about. It does not read the file itself for damage of a disk, nor disputes that
    nothing happened to: leave these to a look at the whole, each week or month.

    Exit codes: 0 it holds, 1 it does not, or the database cannot be read, 2 wrong usage, or an id
    that fits several.
    """
    from serbero.cli.audit import verify  # noqa: PLC0415 - see above
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    verify.report(Asked(config, db, as_json), dispute, since, deep)
