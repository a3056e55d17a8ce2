"""How messages of the outbox look: a list of them, or one with all its relays."""

from collections.abc import Sequence
from typing import Final

from serbero.cli.outbox.words import STATES, purpose_words, recipient_words, to_party
from serbero.cli.page import Page, columns, counted, moment, short, span, word
from serbero.model.notification import OutboxState, TargetState
from serbero.nostr.addresses import loggable
from serbero.store.outbox_lookup import Attempted, Letter

_TITLES: Final = ("ID", "AGE", "STATE", "WHAT", "TO", "BY", "NEXT")
_ROOM: Final = 72
"""Columns that one line a message takes."""
_INDENT: Final = "    "
_NEVER: Final = "-"


def document(letters: Sequence[Letter]) -> list[dict[str, object]]:
    """The list as JSON."""
    return [letter_document(each) for each in letters]


def letter_document(letter: Letter) -> dict[str, object]:
    """One message as JSON; of a party's key only the beginning."""
    private = to_party(letter)
    return {
        "id": letter.id,
        "purpose": letter.purpose,
        "state": letter.state,
        "dispute_id": letter.dispute_id,
        "session_id": letter.session_id,
        "recipient": letter.recipient[:8] if private else letter.recipient,
        "party": letter.party,
        "channel": letter.channel,
        "decided_at": letter.enqueued_at,
        "deadline_at": letter.deadline_at,
        "settled_at": letter.settled_at,
        "delivery_ms": letter.delivery_ms,
        "next_attempt_at": letter.next_attempt_at,
        "kept": letter.kept,
        "sent_on_other_channel": letter.sent_otherwise,
        "relays": [
            {
                "relay": loggable(each.relay),
                "source": each.source,
                "state": each.state,
                "attempts": each.attempts,
                "next_attempt_at": each.next_attempt_at,
                "reason": None if each.reason is None else word(each.reason),
                "updated_at": each.updated_at,
                "round_trip_ms": each.round_trip_ms,
            }
            for each in letter.relays
        ],
    }


def show_list(letters: Sequence[Letter], now: int, page: Page) -> None:
    """Print the list, under each message what the relays said; ``now`` is Unix seconds."""
    wide = page.room >= _ROOM
    rows = [_TITLES, *(_row(each, now) for each in letters)]
    if not wide:
        # Narrow: only number, state and purpose fit in a line; the rest is printed below it.
        rows = [(row[0], row[2], row[3]) for row in rows]
    titles, *lines = columns(rows)
    page.line(titles, "dim")
    for letter, line in zip(letters, lines, strict=True):
        page.line(line, "bold red" if _lost(letter) else "")
        if not wide:
            page.paragraph(_about(letter, now), len(_INDENT))
        for each in _details(letter):
            page.paragraph(each, len(_INDENT), "dim")


def _lost(letter: Letter) -> bool:
    return letter.state == OutboxState.DEAD and not letter.sent_otherwise


def _row(letter: Letter, now: int) -> tuple[str, ...]:
    return (
        str(letter.id),
        span(now - letter.enqueued_at),
        word(letter.state),
        purpose_words(letter.purpose),
        recipient_words(letter),
        word(letter.channel),
        _next(letter, now),
    )


def _about(letter: Letter, now: int) -> str:
    to = f"to {recipient_words(letter)} by {word(letter.channel)}"
    when = _next(letter, now)
    due = "" if when == _NEVER else f", due {when}"
    return f"{span(now - letter.enqueued_at)} ago {to}{due}"


def _next(letter: Letter, now: int) -> str:
    asked = any(each.state == TargetState.OPEN for each in letter.relays)
    if letter.next_attempt_at is None or (letter.state == OutboxState.SENT and not asked):
        # One that was sent waits until its deadline for relays its recipient may yet name.
        return _NEVER
    if letter.next_attempt_at <= now:
        return "now"
    return f"in {span(letter.next_attempt_at - now)}"


def _details(letter: Letter) -> list[str]:
    parts = [] if letter.dispute_id is None else [f"dispute {short(letter.dispute_id)}"]
    parts += [_said(each) for each in letter.relays if each.state != TargetState.ACCEPTED]
    if not letter.relays and letter.state == OutboxState.PENDING:
        parts.append("no relay was asked yet")
    if letter.sent_otherwise and letter.state != OutboxState.SENT:
        parts.append("sent on the other channel")
    if not letter.kept and letter.state in (OutboxState.PENDING, OutboxState.DEAD):
        parts.append("its words were emptied by a purge")
    return parts


def _said(tried: Attempted) -> str:
    where = word(loggable(tried.relay))
    if tried.attempts == 0:
        return f"{where}: not asked yet"
    tries = counted(tried.attempts, "attempt")
    refused = " (refused)" if tried.state == TargetState.REFUSED else ""
    reason = "" if tried.reason is None else f", {word(tried.reason)}"
    return f"{where}: {tries}{reason}{refused}"


def show_one(letter: Letter, now: int, page: Page) -> None:
    """Print one message with all its relays; ``now`` is Unix seconds."""
    page.pieces(("Message ", ""), (str(letter.id), "bold"))
    page.field("for", f"{purpose_words(letter.purpose)} ({word(letter.purpose)})")
    meaning = STATES.get(letter.state)
    state = word(letter.state)
    page.field("state", state if meaning is None else f"{state}: {meaning}")
    if letter.sent_otherwise and letter.state != OutboxState.SENT:
        page.field("", "the same message went out on the recipient's other channel")
    if letter.dispute_id is not None:
        page.field("dispute", word(letter.dispute_id))
    if letter.session_id is not None:
        page.field("session", word(letter.session_id))
    page.field("to", f"{recipient_words(letter)} by {word(letter.channel)}")
    page.field("decided", _at(letter.enqueued_at, now))
    if letter.settled_at is not None:
        page.field("since", _at(letter.settled_at, now))
    if letter.delivery_ms is not None:
        page.field("delivery", f"{letter.delivery_ms} ms until the first relay had it")
    if letter.next_attempt_at is not None:
        page.field("next", _next(letter, now))
        page.field("deadline", moment(letter.deadline_at))
    if not letter.kept:
        page.field("words", "emptied by a purge")
    page.heading("Relays")
    for each in letter.relays:
        page.line(f"  {word(loggable(each.relay))}")
        for text in _relay_lines(each, now):
            page.paragraph(text, 4, "dim")
    if not letter.relays:
        page.line("  none was asked yet")


def _relay_lines(tried: Attempted, now: int) -> list[str]:
    tries = counted(tried.attempts, "attempt")
    said = [f"{word(tried.state)} after {tries}; asked as {word(tried.source)}"]
    if tried.round_trip_ms is not None:
        said.append(f"answered in {tried.round_trip_ms} ms")
    if tried.reason is not None:
        said.append(f"said: {word(tried.reason)}")
    if tried.state == TargetState.OPEN and tried.next_attempt_at is not None:
        wait = tried.next_attempt_at - now
        said.append("due now" if wait <= 0 else f"next attempt in {span(wait)}")
    return said


def _at(at: int, now: int) -> str:
    return f"{moment(at)} UTC, {span(now - at)} ago"
