"""Who was told what by which relays, and how long it took: each message, or all of a round."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from serbero.cli.disputes.entry import MIDDLE, Entry
from serbero.cli.disputes.words import MESSAGES, TYPES, because, took
from serbero.cli.page import counted, word
from serbero.cli.solver_keys import in_hex, solver_name
from serbero.model.notification import CHAT_CHANNELS, OutboxState, Purpose, TargetState
from serbero.model.reference_names import NOTIFICATION_SENT
from serbero.store.dispute_story import Story
from serbero.store.dispute_story_deliveries import AtRelay, Delivery
from serbero.store.notification_lookup import Notification

_ROUND_SECONDS = 60
"""Rows of the reference that are no further apart belong to one round."""
_REASONS = 3
"""So many answers of relays are repeated in a line."""
_RANKS = {
    Purpose.INITIAL: 39,
    Purpose.PARTY_MESSAGE: 49,
    Purpose.MEDIATION_BRIEF: 85,
    Purpose.ASSIGNMENT: 86,
    Purpose.RESOLUTION_REPORT: 91,
}
"""Places among the rows of a second: after what they tell of, before what follows of them."""
_REPEATED = frozenset({Purpose.RENOTIFICATION.value, Purpose.REMINDER.value, Purpose.ANSWER.value})


def rounds(story: Story) -> list[Entry]:
    """Return one entry for all that was enqueued at once for the same purpose."""
    together: defaultdict[tuple[str, int | None], list[Delivery]] = defaultdict(list)
    for each in story.deliveries:
        together[each.purpose, each.enqueued_ms].append(each)
    return [_round(purpose, rows) for (purpose, _), rows in together.items()]


def _round(purpose: str, rows: Sequence[Delivery]) -> Entry:
    states: defaultdict[str, set[str]] = defaultdict(set)
    for each in rows:
        states[each.recipient].add(each.state)
    people = len(states)
    reached = sum(OutboxState.SENT in found for found in states.values())
    parts = [_told(rows[0], reached, people)]
    times = [each.delivery_ms for each in rows if each.delivery_ms is not None]
    if times:
        fastest, slowest = took(min(times)), took(max(times))
        parts[0] += f" after {fastest}" if fastest == slowest else f" after {fastest} to {slowest}"
    for state, what in (
        (OutboxState.PENDING, "on the way"),
        (OutboxState.DEAD, "reached nobody in time"),
        (OutboxState.WITHDRAWN, "withdrawn, no longer true"),
    ):
        number = sum(state in found and OutboxState.SENT not in found for found in states.values())
        if number:
            parts.append(f"{number} {what}")
    parts += _relays([relay for each in rows for relay in each.relays])
    what = because(MESSAGES, purpose)
    return Entry(
        rows[0].created_at,
        "delivery",
        f"{what}: {'; '.join(parts)}",
        style="" if reached == people else "yellow",
        like=f"{purpose} {reached} {people}" if purpose in _REPEATED else None,
        rank=_rank(purpose),
    )


def _told(first: Delivery, reached: int, people: int) -> str:
    if first.channel in CHAT_CHANNELS:
        noun = "party" if people == 1 else "parties"
    else:
        noun = "solver" if people == 1 else "solvers"
    return f"{reached} of {people} {noun} told"


def _relays(answers: Sequence[AtRelay]) -> Iterable[str]:
    took_it = sorted({host(each) for each in answers if each.state == TargetState.ACCEPTED})
    if took_it:
        yield f"by {', '.join(took_it)}"
    refused: dict[str, str] = {}
    for each in answers:
        if each.state != TargetState.ACCEPTED and each.reason:
            verb = "refused it" if each.state == TargetState.REFUSED else "not yet"
            refused.setdefault(host(each), f"{host(each)} {verb}: {word(each.reason)}")
    yield from list(refused.values())[:_REASONS]
    if len(refused) > _REASONS:
        yield f"and {counted(len(refused) - _REASONS, 'further relay')}"


def host(answer: AtRelay) -> str:
    """A relay's address without what every one has, and without its query: that may be a token."""
    return word(answer.relay.partition("?")[0].removeprefix("wss://").rstrip("/"))


def each_message(story: Story) -> list[Entry]:
    """Return one entry a message, with a line a relay."""
    return [_message(each) for each in story.deliveries]


def _message(row: Delivery) -> Entry:
    to = "a party" if row.channel in CHAT_CHANNELS else solver_name(row.solver)
    said = f"{because(MESSAGES, row.purpose)} to {to} ({word(row.channel)}): {word(row.state)}"
    if row.delivery_ms is not None:
        said += f" after {took(row.delivery_ms)}"
    style = {OutboxState.DEAD.value: "red", OutboxState.PENDING.value: "yellow"}
    return Entry(
        row.created_at,
        "delivery",
        said,
        style=style.get(row.state, ""),
        more=tuple(map(_answer, row.relays)),
        rank=_rank(row.purpose),
    )


def _rank(purpose: str) -> int:
    return next((rank for known, rank in _RANKS.items() if known == purpose), MIDDLE)


def _answer(answer: AtRelay) -> str:
    said = f"{host(answer)} ({word(answer.source)}): {word(answer.state)}"
    if answer.round_trip_ms is not None:
        said += f" in {took(answer.round_trip_ms)}"
    if answer.attempts is not None and answer.attempts > 1:
        said += f", {answer.attempts} attempts"
    return f"{said}: {word(answer.reason)}" if answer.reason else said


def without_message(story: Story) -> list[Notification]:
    """Return rows of ``notifications`` that no message of ours explains: the reference's, failures.

    A ``sent`` row is written at the first success of its message.
    """
    ours = {
        (each.type, in_hex(each.solver), each.settled_at)
        for each in story.deliveries
        if each.state == OutboxState.SENT
    }
    return [
        each
        for each in story.notifications
        if each.status != NOTIFICATION_SENT
        or (each.type, in_hex(each.solver), each.sent_at) not in ours
    ]


def notified(rows: Sequence[Notification], *, together: bool) -> list[Entry]:
    """Return entries for such rows, those of one round in one where that is wanted."""
    if not together:
        return [_notification([each]) for each in rows]
    found: list[list[Notification]] = []
    newest: dict[tuple[str, str, str | None], list[Notification]] = {}
    for each in rows:
        key = (each.type, each.status, each.error)
        open_round = newest.get(key)
        if open_round is not None and _close(open_round[-1], each):
            open_round.append(each)
            continue
        newest[key] = [each]
        found.append(newest[key])
    return [_notification(each) for each in found]


def _close(before: Notification, after: Notification) -> bool:
    if before.sent_at is None or after.sent_at is None:
        return before.sent_at is after.sent_at
    return abs(after.sent_at - before.sent_at) <= _ROUND_SECONDS


def _notification(rows: Sequence[Notification]) -> Entry:
    first = rows[0]
    people = {in_hex(each.solver): each.solver for each in rows}
    who = counted(len(people), "solver") if len(people) > 1 else solver_name(first.solver)
    sent = first.status == NOTIFICATION_SENT
    verb = "told" if sent else f"not reached ({word(first.status)})"
    why = "" if first.error is None else f": {word(first.error)}"
    repeated = first.type in _REPEATED or not sent
    return Entry(
        first.sent_at,
        "notification",
        f"{because(TYPES, first.type)}: {who} {verb}{why}",
        style="" if sent else "yellow",
        like=f"{first.type} {first.status} {len(people)}" if repeated else None,
    )
