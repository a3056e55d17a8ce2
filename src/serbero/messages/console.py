"""What Serbero answers a solver who writes to it: short lines, for a phone.

Times are UTC with how far away they are beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from serbero.messages.reminders import SHORT
from serbero.messages.solver import HELD_BY_SERBERO
from serbero.model.texts import Fixed, Outgoing

SUBJECT: Final = "Serbero"
MOST: Final = 10
"""Disputes a list names; the others are counted."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_LAST = 253_402_300_799
"""The end of the year 9999: a node may name any time."""

_HELP: Final = (
    "I know these words:\n"
    "open - disputes that are not closed\n"
    "show 1a2b - one dispute, by the first characters of its id\n"
)
_HELP_ACK: Final = "ack 1a2b - you have it; the others are told\n"
_HELP_SNOOZE: Final = "snooze 1a2b 2h - no reminders of it to you for 2 hours\n"
_HELP_REST: Final = (
    "mute 8h - what can wait, waits for 8 hours; mute off ends that\n"
    "who - who has what\n"
    "status - how things are\n"
    "\n"
    "Nothing written here settles or cancels a dispute or changes a setting."
)
_UNKNOWN: Final = "I do not know that. Write help to see what I do."
_ELSEWHERE: Final = (
    "That is not done here. Disputes are taken, settled and cancelled at the node, in Mostrix or "
    "with your own client; settings are in Serbero's configuration file.\n"
    "Write help to see what I do."
)
_SLOW_DOWN: Final = (
    "That was {limit} messages within a minute. I read on in a minute; write what you need again "
    "then."
)
_BAD_TIME: Final[Mapping[str, str]] = {
    "snooze": "I do not know that time. Write for example: snooze 1a2b 2h - or 15m, or 1d",
    "mute": "I do not know that time. Write for example: mute 8h - or 30m, or 1d, or off",
}
_SWITCHED_OFF: Final = (
    "{command} is switched off here, and nothing was changed. Whoever runs Serbero switches it on "
    "in its configuration: acknowledge = true under [escalation]."
)
_WHICH: Final = "Which dispute? Write {command} and the first characters of its id."
_TOO_SHORT: Final = "{which} is too short: write the first {least} characters of an id or more."
_NOT_FOUND: Final = "No dispute begins with {which}. Write open to see those that are not closed."
_AMBIGUOUS: Final = "More than one dispute begins with {which}. Write more of the id:"
_ID_LINE: Final = "\n{id}"
_MORE: Final = "\nand {count} more"

_NONE_OPEN: Final = "No dispute is open."
_ONE_OPEN: Final = "1 dispute is open:"
_SOME_OPEN: Final = "{count} disputes are open:"
_OPEN_LINE: Final = "\n{short} - {state}, {age} old"
_SERBERO_HAS: Final = ", Serbero mediates"
_HAS: Final = ", {name} has it until {clock} UTC"
_WAITS: Final = ", nobody has it yet"
_ESCROW_SHORT: Final = ", escrow ends in {left}"
_ESCROW_OVER_SHORT: Final = ", escrow over"

_SHOW: Final = (
    "dispute_id: {dispute_id}\n"
    "state: {state}\n"
    "initiator: {initiator}\n"
    "opened: {day} {clock} UTC ({age} ago)"
)
_SHOW_HANDED_OVER: Final = "\nhanded over: {day} {clock} UTC ({age} ago)"
_SHOW_WAITS: Final = "\nwho has it: nobody yet"
_SHOW_HAS: Final = "\nwho has it: {name}, until {clock} UTC (in {left})"
_SHOW_ESCROW: Final = "\nescrow ends: {day} {clock} UTC (in {left}), {certainty}"
_SHOW_ESCROW_OVER: Final = "\nescrow ended: {day} {clock} UTC ({age} ago), {certainty}"
_LINE_END: Final = "\n"

_ACKNOWLEDGED: Final = (
    "You have {short} until {clock} UTC (in {left}); whoever knows of it is told.\n"
    "Now take it at the node, in Mostrix or with your own client.\n"
    "Need longer? Write ack {short} again."
)
_ACKNOWLEDGED_AGAIN: Final = "You have {short} until {clock} UTC (in {left})."
_HELD: Final = "{name} has {short} until {clock} UTC (in {left}). Nothing was changed."
_READERS_ACK: Final = (
    "Only a solver with write permission can settle a dispute, so only such a solver can say ack. "
    "Nothing was changed."
)
_NOTHING_TO_TAKE: Final[Mapping[str, str]] = {
    "resolved": "{short} is closed already. Nothing was changed.",
    "taken": "Somebody has taken {short} at the node already. Nothing was changed.",
    "gone": "I do not know {short} any more. Nothing was changed.",
    "not_handed_over": "{short} was not handed over to people; ack is for what was. Take it at the "
    "node: that alone ends the reminders that it is unattended. Nothing was changed.",
}
_NOBODY_WAITS: Final = "Nobody is waited for in {short} any more. Nothing was changed."
_SNOOZED: Final = "You are not reminded of {short} until {clock} UTC (in {left}). Others are."
_NOTHING_TO_SNOOZE: Final = (
    "No reminders of a hand-off of {short} are under way. To hear later of what is unattended, "
    "write mute. Nothing was changed."
)
_MUTED: Final = (
    "What can wait is held back until {day} {clock} UTC (in {left}).\n"
    "New disputes and hand-offs still reach you. Write mute off to end it."
)
_UNMUTED: Final = "Your mute is over."

_NOBODY_HAS: Final = "Nobody has said ack."
_WHO_LINE: Final = "{name} has {short} until {clock} UTC (in {left})"
_ON_CALL: Final = "\n\nOn call now:"
_PERSON: Final = "\n{name}, {permission}"
_ASLEEP: Final = ", quiet"
_SAYS_MUTE: Final = ", mute"

_STATUS: Final = "Serbero runs, since {day} {clock} UTC ({age}).\nopen disputes: {count}"
_STATUS_STATE: Final = "\n- {state}: {count}"
_STATUS_WAITING: Final = "\nhanded over and nobody has it: {count}"
_STATUS_YOU: Final = "\nyou: {name}, {permission}"
_STATUS_MUTED: Final = "\nyour mute: until {day} {clock} UTC (in {left})"


@dataclass(frozen=True, slots=True)
class Facts:
    """What may be told of a dispute. Times are Unix seconds.

    Attributes:
        state: its lifecycle.
        initiator: ``buyer``, ``seller`` or ``unknown``.
        ours: whether Serbero mediates it.
        handed_over_at: since when a person is waited for; None where nobody is.
        holder: what the solver is called who has it, and until when.
        escrow: when its escrow ends, and whether that is known or estimated.
    """

    dispute_id: str
    state: str
    initiator: str
    opened_at: int
    ours: bool = False
    handed_over_at: int | None = None
    holder: tuple[str, int] | None = None
    escrow: tuple[int, bool] | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A solver, to other solvers."""

    name: str
    permission: str
    quiet: bool
    muted: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How things are. Times are Unix seconds.

    Attributes:
        since: when this life of the daemon began.
        states: how many open disputes are in which state.
        waiting: how many were handed over and nobody has; None where that is not followed.
        muted_until: the reader's own.
    """

    since: int
    states: Mapping[str, int]
    waiting: int | None
    name: str
    permission: str
    muted_until: int | None


def help_text(*, may_write: bool, acknowledge: bool) -> Outgoing:
    """Say what there is, for this reader in this configuration."""
    parts = [Fixed(_HELP)]
    if acknowledge and may_write:
        parts.append(Fixed(_HELP_ACK))
    if acknowledge:
        parts.append(Fixed(_HELP_SNOOZE))
    return Outgoing(*parts, Fixed(_HELP_REST))


def unknown() -> Outgoing:
    """Say that nothing was understood."""
    return Outgoing(Fixed(_UNKNOWN))


def elsewhere() -> Outgoing:
    """Say where disputes are settled and settings changed."""
    return Outgoing(Fixed(_ELSEWHERE))


def slow_down(limit: int) -> Outgoing:
    """Say that more than ``limit`` messages a minute are not read."""
    return Outgoing(Fixed(_SLOW_DOWN, limit=limit))


def bad_time(command: str) -> Outgoing:
    """Say how a time is written, for ``snooze`` or ``mute``."""
    return Outgoing(Fixed(_BAD_TIME[command]))


def switched_off(command: str) -> Outgoing:
    """Say which key switches a command on."""
    return Outgoing(Fixed(_SWITCHED_OFF, command=command))


def which_one(command: str, waiting: Sequence[str]) -> Outgoing:
    """Ask for an id, and name those (whole ids) it could be."""
    return Outgoing(Fixed(_WHICH, command=command), *_ids([each[:SHORT] for each in waiting]))


def too_short(which: str, least: int) -> Outgoing:
    """Ask for more of an id."""
    return Outgoing(Fixed(_TOO_SHORT, which=which, least=least))


def not_found(which: str) -> Outgoing:
    """Say that no id begins so."""
    return Outgoing(Fixed(_NOT_FOUND, which=which))


def ambiguous(which: str, found: Sequence[str]) -> Outgoing:
    """Say which ids begin so."""
    return Outgoing(Fixed(_AMBIGUOUS, which=which), *_ids(found))


def open_disputes(disputes: Sequence[Facts], count: int, now: int) -> Outgoing:
    """List disputes in the caller's order; ``count`` is how many there are in all."""
    if count == 0:
        return Outgoing(Fixed(_NONE_OPEN))
    parts = [Fixed(_ONE_OPEN) if count == 1 else Fixed(_SOME_OPEN, count=count)]
    for each in disputes:
        parts += _open_line(each, now)
    return Outgoing(*parts, *_rest(count - len(disputes)))


def show(facts: Facts, now: int) -> Outgoing:
    """Tell of one dispute."""
    parts = [
        Fixed(
            _SHOW,
            dispute_id=facts.dispute_id,
            state=facts.state,
            initiator=facts.initiator,
            age=span(now - facts.opened_at),
            **_moment(facts.opened_at),
        )
    ]
    if facts.ours:
        parts += [Fixed(_LINE_END), Fixed(HELD_BY_SERBERO)]
    if (at := facts.handed_over_at) is not None:
        parts.append(Fixed(_SHOW_HANDED_OVER, age=span(now - at), **_moment(at)))
        parts.append(_show_holder(facts, now))
    if facts.escrow is not None:
        at, known = facts.escrow
        certainty = "known" if known else "estimated"
        moment = _moment(at)
        if at > now:
            parts.append(Fixed(_SHOW_ESCROW, left=span(at - now), certainty=certainty, **moment))
        else:
            parts.append(
                Fixed(_SHOW_ESCROW_OVER, age=span(now - at), certainty=certainty, **moment)
            )
    return Outgoing(*parts)


def acknowledged(dispute_id: str, until: int, now: int, *, again: bool) -> Outgoing:
    """Say that the reader has a dispute."""
    words = _ACKNOWLEDGED_AGAIN if again else _ACKNOWLEDGED
    return Outgoing(Fixed(words, short=dispute_id[:SHORT], **_ahead(until, now)))


def held(dispute_id: str, name: str, until: int, now: int) -> Outgoing:
    """Say that somebody else does."""
    return Outgoing(Fixed(_HELD, short=dispute_id[:SHORT], name=name, **_ahead(until, now)))


def nothing_to_take(dispute_id: str, why: str) -> Outgoing:
    """Say why an ``ack`` means nothing: see :class:`~serbero.escalation.acknowledging`."""
    words = _NOTHING_TO_TAKE.get(why, _NOBODY_WAITS)
    return Outgoing(Fixed(words, short=dispute_id[:SHORT]))


def readers_ack() -> Outgoing:
    """Say that a solver without write permission cannot have a dispute."""
    return Outgoing(Fixed(_READERS_ACK))


def snoozed(dispute_id: str, until: int, now: int) -> Outgoing:
    """Say until when the reader is not reminded."""
    return Outgoing(Fixed(_SNOOZED, short=dispute_id[:SHORT], **_ahead(until, now)))


def nothing_to_snooze(dispute_id: str) -> Outgoing:
    """Say that nobody is reminded of a dispute."""
    return Outgoing(Fixed(_NOTHING_TO_SNOOZE, short=dispute_id[:SHORT]))


def muted(until: int, now: int) -> Outgoing:
    """Say until when what can wait is held back."""
    if until <= now:
        return Outgoing(Fixed(_UNMUTED))
    return Outgoing(Fixed(_MUTED, left=span(until - now), **_moment(until)))


def who(holders: Sequence[tuple[str, str, int]], people: Sequence[Person], now: int) -> Outgoing:
    """Say who has what: (dispute, name, until); and who is on call, unless ``people`` is empty."""
    parts = [Fixed(_NOBODY_HAS)] if not holders else []
    for number, (dispute_id, name, until) in enumerate(holders):
        if number:
            parts.append(Fixed(_LINE_END))
        line = {"short": dispute_id[:SHORT], "name": name}
        parts.append(Fixed(_WHO_LINE, **line, **_ahead(until, now)))
    if people:
        parts.append(Fixed(_ON_CALL))
    for each in people:
        parts.append(Fixed(_PERSON, name=each.name, permission=each.permission))
        parts += [Fixed(_ASLEEP)] if each.quiet else []
        parts += [Fixed(_SAYS_MUTE)] if each.muted else []
    return Outgoing(*parts)


def status(standing: Standing, now: int) -> Outgoing:
    """Say how things are."""
    since, count = standing.since, sum(standing.states.values())
    parts = [Fixed(_STATUS, count=count, age=span(now - since), **_moment(since))]
    parts += [
        Fixed(_STATUS_STATE, state=state, count=number)
        for state, number in standing.states.items()
        if number
    ]
    if standing.waiting is not None:
        parts.append(Fixed(_STATUS_WAITING, count=standing.waiting))
    parts.append(Fixed(_STATUS_YOU, name=standing.name, permission=standing.permission))
    if (until := standing.muted_until) is not None:
        parts.append(Fixed(_STATUS_MUTED, left=span(until - now), **_moment(until)))
    return Outgoing(*parts)


def span(seconds: int) -> str:
    """A length of time in at most two units: ``45s``, ``15m``, ``2h05m``, ``3d4h``."""
    seconds = max(0, seconds)
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < _DAY:
        hours, minutes = seconds // _HOUR, seconds % _HOUR // _MINUTE
        return f"{hours}h{minutes:02}m" if minutes else f"{hours}h"
    days, hours = seconds // _DAY, seconds % _DAY // _HOUR
    return f"{days}d{hours}h" if hours else f"{days}d"


def _open_line(facts: Facts, now: int) -> list[Fixed]:
    short, age = facts.dispute_id[:SHORT], span(now - facts.opened_at)
    parts = [Fixed(_OPEN_LINE, short=short, state=facts.state, age=age)]
    if facts.holder is not None:
        name, until = facts.holder
        parts.append(Fixed(_HAS, name=name, clock=_moment(until)["clock"]))
    elif facts.handed_over_at is not None:
        parts.append(Fixed(_WAITS))
    elif facts.ours:
        parts.append(Fixed(_SERBERO_HAS))
    if facts.escrow is not None:
        left = facts.escrow[0] - now
        over = Fixed(_ESCROW_OVER_SHORT)
        parts.append(Fixed(_ESCROW_SHORT, left=span(left)) if left > 0 else over)
    return parts


def _show_holder(facts: Facts, now: int) -> Fixed:
    if facts.holder is None:
        return Fixed(_SHOW_WAITS)
    name, until = facts.holder
    return Fixed(_SHOW_HAS, name=name, **_ahead(until, now))


def _ids(found: Sequence[str]) -> list[Fixed]:
    return [Fixed(_ID_LINE, id=each) for each in found[:MOST]] + _rest(len(found) - MOST)


def _rest(count: int) -> list[Fixed]:
    return [Fixed(_MORE, count=count)] if count > 0 else []


def _moment(at: int) -> dict[str, str]:
    when = datetime.fromtimestamp(min(max(0, at), _LAST), UTC)
    return {"day": when.strftime("%Y-%m-%d"), "clock": when.strftime("%H:%M")}


def _ahead(until: int, now: int) -> dict[str, str]:
    return {"clock": _moment(until)["clock"], "left": span(until - now)}
