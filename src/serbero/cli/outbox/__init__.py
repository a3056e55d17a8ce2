"""``serbero outbox``: what waits, what was given up, and what a person does about it."""

from enum import StrEnum
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

outbox = typer.Typer(
    help="Messages to people: those that wait, went out, were given up or withdrawn.\n\n"
    "Works beside the running daemon, which looks for due work every 5 seconds. Needs no "
    "configuration where --db or SERBERO_DB_PATH names the database.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class State(StrEnum):
    """States of a message, as ``--state`` names them."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"


IdsArgument = Annotated[
    list[int] | None,
    typer.Argument(
        metavar="ID...",
        help="Numbers of messages, as `serbero outbox list` shows them.",
        min=1,
        max=2**63 - 1,
        show_default=False,
        autocompletion=completing.message_numbers,
    ),
]


@outbox.command("list")
def list_(
    state: Annotated[
        list[State] | None,
        typer.Option(
            "--state",
            help="Only in it; may be repeated. Without: pending and dead.",
            show_default=False,
        ),
    ] = None,
    dispute: DisputeOption = None,
    purpose: Annotated[
        str | None,
        typer.Option(
            "--purpose",
            metavar="NAME",
            help="Only those for it.",
            show_default=False,
            autocompletion=completing.purposes,
        ),
    ] = None,
    recipient: Annotated[
        str | None,
        typer.Option(
            "--recipient",
            metavar="KEY",
            help="Only to it: npub, hex, or the first 4 hex digits.",
            show_default=False,
            autocompletion=completing.solvers,
        ),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 50,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List messages, newest first: without --state those that wait or were given up.

    --since and --until go by when a message was decided. What a message says is not shown.

    Exit codes: 0 listed, even if there is none, 1 the database cannot be read or has no such
    dispute, 2 wrong usage, or an id that fits several.
    """
    from serbero.cli.outbox import reading  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    states = [each.value for each in state or (State.PENDING, State.DEAD)]
    wish = reading.Wish(states, dispute, purpose, recipient, since, until, limit)
    reading.list_messages(Asked(config, db, as_json), wish)


@outbox.command("show")
def show_(
    number: Annotated[
        int,
        typer.Argument(
            metavar="ID",
            help="Its number.",
            min=1,
            max=2**63 - 1,
            show_default=False,
            autocompletion=completing.message_numbers,
        ),
    ],
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one message: its times, and what each relay said. Not its words.

    Exit codes: 0 shown, 1 unknown, or the database cannot be read, 2 wrong usage.
    """
    from serbero.cli.outbox import reading  # noqa: PLC0415 - see above
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    reading.show_message(Asked(config, db, as_json), number)


@outbox.command("retry")
def retry_(
    numbers: IdsArgument = None,
    all_dead: Annotated[
        bool, typer.Option("--all-dead", help="All that were given up, instead of numbers.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="With --all-dead: only those given up not before, as 12h or 2026-11-23.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try messages again now, on every relay, also where they were refused.

    One that waits becomes due at once. One that was given up lives again, as the same message in
    the same bytes, for [delivery].deadline_seconds of the configuration, else 24 hours. What is
    not true any more is withdrawn instead: of a dispute taken meanwhile nobody is told that it is
    new; the daemon looks once more before it sends. Refused: what a relay has, what was withdrawn,
    what a purge emptied, and messages to people who are not configured (any more).

    A configuration is used where it is the one of this database, or named with --config.

    Exit codes: 0 all are tried again, 1 some are not (the answer says why), or the database cannot
    be written, 2 wrong usage.
    """
    from serbero.cli.outbox import acting  # noqa: PLC0415 - see above
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    acting.retry(Asked(config, db, as_json), numbers or [], all_dead=all_dead, since=since)


@outbox.command("drop")
def drop_(
    numbers: IdsArgument = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw messages that wait, or take those that were given up off the list.

    What is dropped is never sent, except where it is on its way to a relay at this very moment: it
    is then recorded as sent. Asks first; needs --yes where nobody can answer.

    Refused: what a relay has, and the last message that can announce a new dispute, bring a
    hand-off that nobody has, or tell of an escalation. Dropping the last of a summary lets the
    daemon hand the dispute to a human.

    Exit codes: 0 all are dropped, 1 some are not (the answer says why), nothing was confirmed, or
    the database cannot be written, 2 wrong usage.
    """
    from serbero.cli.outbox import acting  # noqa: PLC0415 - see above
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    acting.drop(Asked(config, db, as_json), numbers or [], yes=yes)
