"""``serbero outbox list`` and ``show``; loaded when one of them is run."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
import typer

from serbero.cli.options import moment_given
from serbero.cli.outbox import listing
from serbero.cli.page import Page, print_document
from serbero.cli.source import FAILED, SHORTEST_BEGINNING, USAGE, Asked, Stop, dispute_meant
from serbero.clock import SystemClock
from serbero.model.notification import OutboxState, Purpose
from serbero.nostr.keys import KeyProblem, parse_public_key
from serbero.store import outbox_lookup
from serbero.store.outbox_lookup import Letter, Wanted

_BEGINNING: Final = re.compile(f"[0-9a-f]{{{SHORTEST_BEGINNING},64}}")
NO_OUTBOX: Final = "this database is of a version without an outbox"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed behind ``list``."""

    states: Sequence[str]
    dispute: str | None
    purpose: str | None
    recipient: str | None
    since: str | None
    until: str | None
    limit: int


def list_messages(asked: Asked, wish: Wish) -> None:
    """``list``."""
    now = SystemClock().now()
    since = moment_given(wish.since, "--since", now)
    until = moment_given(wish.until, "--until", now)
    recipient = _key(wish.recipient)

    def chosen(tx: sa.Connection) -> tuple[list[Letter], bool]:
        meant = None if wish.dispute is None else dispute_meant(tx, wish.dispute)
        purpose = _purpose(wish.purpose)
        wanted = Wanted(wish.states, meant, purpose, recipient, since, until)
        return outbox_lookup.newest(tx, wanted, wish.limit), outbox_lookup.has_outbox(tx)

    found, kept = asked.read(chosen)
    if asked.as_json:
        print_document(listing.document(found), sys.stdout)
    elif found:
        listing.show_list(found, now, Page(sys.stdout))
    else:
        typer.echo(_none(wish) if kept else NO_OUTBOX, err=True)


def _none(wish: Wish) -> str:
    """That nothing was found; of what a person should look at daily that is good news."""
    narrowed = (wish.dispute, wish.purpose, wish.recipient, wish.since, wish.until)
    if any(narrowed) or set(wish.states) != {OutboxState.PENDING, OutboxState.DEAD}:
        return "no such messages"
    return "nothing waits, and nothing was given up"


def show_message(asked: Asked, number: int) -> None:
    """``show``."""

    def meant(tx: sa.Connection) -> Letter:
        found = outbox_lookup.one(tx, number)
        if found is None:
            raise Stop(f"there is no message {number}; see `serbero outbox list`", FAILED)
        return found

    letter = asked.read(meant)
    if asked.as_json:
        print_document(listing.letter_document(letter), sys.stdout)
    else:
        listing.show_one(letter, SystemClock().now(), Page(sys.stdout))


def _purpose(typed: str | None) -> str | None:
    if typed is None or typed in tuple(Purpose):
        return typed
    raise Stop(f"--purpose: expected one of {', '.join(sorted(Purpose))}; found another", USAGE)


def _key(typed: str | None) -> str | None:
    """A key in hex, or the beginning of one.

    Raises:
        typer.BadParameter: it is neither.
    """
    if typed is None:
        return None
    if _BEGINNING.fullmatch(typed.strip().lower()):
        return typed.strip().lower()
    try:
        return parse_public_key(typed)
    except KeyProblem as problem:
        message = f"{problem}; or the first {SHORTEST_BEGINNING} hex digits"
        raise typer.BadParameter(message, param_hint="--recipient") from None
