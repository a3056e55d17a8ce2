"""Solvers as values."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from serbero.model.notification import Channel

_SPAN: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")


class Permission(StrEnum):
    """What a solver may do at the node (``[[solvers]] permission``)."""

    READ = "read"
    WRITE = "write"


class Via(StrEnum):
    """How messages reach a solver (``[[solvers]] via``)."""

    NIP17 = "nip17"
    """As private messages: any Nostr client that knows them."""
    MOSTRO = "mostro"
    """As ``send-dm``: Mostro's own clients."""
    BOTH = "both"
    """Both ways; whichever arrives first counts."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels a message to such a solver travels in, one outbox row each."""
        match self:
            case Via.NIP17:
                return (Channel.NIP17,)
            case Via.MOSTRO:
                return (Channel.MOSTRO,)
            case Via.BOTH:
                return (Channel.NIP17, Channel.MOSTRO)


@dataclass(frozen=True, slots=True)
class Quiet:
    """A span of every day in which a solver is not to be woken for what can wait.

    Attributes:
        start: minute of the day at which it begins.
        end: minute of the day at which it is over; before ``start`` it is the next day's.
    """

    start: int
    end: int

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Read ``22:00-07:00``; None for anything else, and for a span without a length."""
        found = _SPAN.fullmatch(text.strip())
        if found is None:
            return None
        hours = [int(each) for each in found.groups()]
        start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        return None if start == end else cls(start, end)

    def holds(self, minute: int) -> bool:
        """Whether a minute of the day lies in it."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@dataclass(frozen=True, slots=True)
class Solver:
    """One configured solver.

    Attributes:
        typed: the key exactly as the operator typed it; what the reference's tables hold.
        hex: the same key as 64 lower-case hex digits, or None if it cannot be one.
        problem: why ``hex`` is None or the solver is skipped (``None`` when usable); the text
            after ``invalid pubkey: `` in a ``failed`` row.
        permission: what the node allows this solver to do.
        relays: the solver's own inbox relays from the configuration; when empty, kind 10050
            is looked up.
        via: in which envelopes messages to this solver travel.
        name: what others call this solver; empty where the configuration says nothing.
        groups: names by which a step of a ladder may mean this solver, lower case.
        timezone: of ``quiet`` and ``on_call``, a name of the time zone database.
        quiet: a daily span by that zone; None for none.
        on_call: ISO weeks such as ``2026-W48``; empty is always.
    """

    typed: str
    hex: str | None
    problem: str | None = None
    permission: Permission = Permission.READ
    relays: tuple[str, ...] = ()
    via: Via = Via.NIP17
    name: str = ""
    groups: frozenset[str] = frozenset()
    timezone: str = "UTC"
    quiet: Quiet | None = None
    on_call: frozenset[str] = frozenset()

    @property
    def reachable(self) -> bool:
        """Whether messages can be addressed to this solver at all."""
        return self.hex is not None and self.problem is None
