"""What ``serbero disputes list`` does; loaded when it is run."""

import sys
from dataclasses import dataclass

import typer

from serbero.cli.disputes import listing
from serbero.cli.options import moment_given
from serbero.cli.page import Page, print_document, word
from serbero.cli.solver_keys import spellings
from serbero.cli.source import USAGE, Asked, Stop
from serbero.clock import SystemClock
from serbero.model.lifecycle import Lifecycle
from serbero.model.party import Party
from serbero.store import dispute_lookup
from serbero.store.dispute_lookup import Wanted


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed behind ``list``."""

    states: tuple[str, ...]
    open_only: bool
    since: str | None
    until: str | None
    initiator: str | None
    assigned: str | None
    limit: int

    def wanted(self, now: int) -> Wanted:
        """Return what is meant by it.

        Raises:
            Stop: a word of it means nothing.
            typer.BadParameter: a time is none.
        """
        return Wanted(
            states=tuple(named(each, tuple(Lifecycle), "state") for each in self.states),
            open_only=self.open_only,
            since=moment_given(self.since, "--since", now),
            until=moment_given(self.until, "--until", now),
            initiator=None
            if self.initiator is None
            else named(self.initiator, tuple(Party), "side of a trade"),
            holder=() if self.assigned is None else spellings(self.assigned),
            limit=self.limit,
        )


def named(typed: str, known: tuple[str, ...], what: str) -> str:
    """Return a word of a vocabulary as it is stored.

    Raises:
        Stop: it is not in it.
    """
    if typed.lower() in known:
        return typed.lower()
    raise Stop(f"no {what} is called {word(typed)}; there are: {', '.join(known)}", USAGE)


def list_disputes(asked: Asked, typed: Typed) -> None:
    """``list``."""
    now = SystemClock().now()
    found = asked.read(lambda tx: dispute_lookup.newest(tx, typed.wanted(now), now))
    if asked.as_json:
        print_document(listing.document(found), sys.stdout)
    elif found:
        listing.show(found, now, Page(sys.stdout))
    else:
        typer.echo("no disputes", err=True)
