"""What the operator's own channels read: ids, roles, times and states, in words of ours.

Nothing in an alert is repeated as it stands: a dispute's id must be a UUID, a number a number, and
every other fact is looked up among the words here. What is none of these is left out. So whatever
got into the database, no key, address or sentence of anybody leaves by this road.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from serbero.messages.spans import spelled
from serbero.model.alerts import Alert, AlertEvent, Fact, Turn
from serbero.model.notification import Purpose
from serbero.model.texts import Fixed, Outgoing

SINGLY: Final = 5
"""Up to so many alerts in one message are told one by one; more are counted."""
NAMED: Final = 10
"""Of what is counted, so many disputes are named."""
SHORT: Final = 8
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

_SHORT: Final = " {short}"
_MANY: Final = "Serbero: {count} alerts"
TEST_TITLE: Final = "Serbero: test message"
_TEST: Final = (
    "This is a test, sent by `serbero doctor --send-test`.\n"
    "Nothing has happened; this channel works.\n"
)
_DISPUTE: Final = "\ndispute {dispute_id}"
_SOME_DISPUTE: Final = "\na dispute with an unreadable id: see `serbero disputes list`"
_AT: Final = "\n{day} {clock} UTC"
_SPAN: Final = "\nbetween {day} {clock} and {last_day} {last_clock} UTC"
_LATE: Final = "\nThis channel could not be reached for a while: some of it is old news."

_SUBJECTS: Final[Mapping[AlertEvent, str]] = {
    AlertEvent.NEW_DISPUTE: "Serbero: new dispute",
    AlertEvent.UNATTENDED: "Serbero: nobody has taken a dispute",
    AlertEvent.ESCALATED: "Serbero: a dispute needs a human",
    AlertEvent.DEAD_LETTER: "Serbero: a message was given up",
    AlertEvent.DEGRADED: "Serbero: something does not work",
    AlertEvent.UNAUTHORIZED: "Serbero: standing at the node",
}
_NOUNS: Final[Mapping[AlertEvent, tuple[str, str]]] = {
    # Singular and plural.
    AlertEvent.NEW_DISPUTE: ("{count} new dispute", "{count} new disputes"),
    AlertEvent.UNATTENDED: (
        "{count} reminder of a dispute that nobody has taken",
        "{count} reminders of disputes that nobody has taken",
    ),
    AlertEvent.ESCALATED: (
        "{count} dispute that needs a human",
        "{count} disputes that need a human",
    ),
    AlertEvent.DEAD_LETTER: ("{count} message given up", "{count} messages given up"),
}
_OVER_SUBJECTS: Final[Mapping[AlertEvent, str]] = {
    AlertEvent.DEGRADED: "Serbero: works again",
}

_OPENED: Final[Mapping[str, str]] = {
    "buyer": "A dispute was opened by the buyer.",
    "seller": "A dispute was opened by the seller.",
}
_OPENED_BY_SOMEBODY: Final = "A dispute was opened."
_OPENED_AGAIN: Final = "A dispute was opened again."
_UNATTENDED: Final = "Nobody has taken this dispute. Solvers are reminded (reminder {number})."
_UNATTENDED_PLAIN: Final = "Nobody has taken this dispute. Solvers are reminded."
_ESCALATED: Final = "This dispute needs a human. Solvers are told."
_UNREACHED: Final[Mapping[str, str]] = {
    "solver": "A message to a solver was given up: no relay took it until its deadline",
    "party": "A message to a party was given up: no relay took it until its deadline",
}
_UNREACHED_SOMEBODY: Final = "A message was given up: no relay took it until its deadline"
_PURPOSES: Final[Mapping[str, str]] = {
    Purpose.INITIAL: " (a new dispute).",
    Purpose.RENOTIFICATION: " (a reminder that nobody has it).",
    Purpose.ASSIGNMENT: " (somebody took it).",
    Purpose.PARTY_MESSAGE: " (the dispute chat).",
    Purpose.MEDIATION_SUMMARY: " (a mediation's summary).",
    Purpose.MEDIATION_ESCALATION: " (a human is needed).",
    Purpose.MEDIATION_BRIEF: " (the brief for whoever took it over).",
    Purpose.RESOLUTION_REPORT: " (how it ended).",
    Purpose.HANDOFF: " (the hand-off to a human).",
    Purpose.REMINDER: " (a reminder of a hand-off).",
    Purpose.ACKNOWLEDGED: " (somebody looks after it).",
    Purpose.DEADLINE_WARNING: " (the escrow is about to end).",
    Purpose.DIGEST: " (a digest).",
    Purpose.ANSWER: " (an answer to a command).",
}
_FAILING: Final[Mapping[str, str]] = {
    "store": "The database does not take writes. Nobody is told of anything until it does.",
    "relays": "Too few relays deliver dispute events.",
    "intake": "Dispute events are not taken in.",
    "delivery": "Messages to solvers wait, because no relay takes them.",
    "node": "The node does not say how to speak to it, so no dispute can be taken.",
    "mediation": "Disputes are not mediated.",
    "escalation": "People of an open dispute are not told as they should be.",
}
_SOMETHING: Final = "A part of the daemon does not do its work."
_WORKS: Final[Mapping[str, str]] = {
    "store": "The database takes writes again",
    "relays": "Enough relays deliver dispute events again",
    "intake": "Dispute events are taken in again",
    "delivery": "Messages to solvers leave again",
    "node": "The node says again how to speak to it",
    "mediation": "Disputes are mediated again",
    "escalation": "People of open disputes are told as they should be again",
}
_SOMETHING_WORKS: Final = "A part of the daemon does its work again"
_AFTER: Final = ", after "
_SEE_DOCTOR: Final = "\n`serbero doctor` says what to do."
_REFUSED: Final = "The node does not let Serbero take disputes. `serbero doctor` says what to do."
_LET_IN: Final = "The node lets Serbero take disputes again."

_COLON: Final = ": "
_COMMA: Final = ", "
_NAME: Final = "{short}"
_MORE: Final = " and {count} more"
_LINE: Final = "\n"
_BREAK: Final = "\n\n"
_STOP: Final = "."


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to a channel.

    Attributes:
        title: its subject.
        body: lines of text.
        grave: whether it tells of something that is wrong.
    """

    title: str
    body: str
    grave: bool = False


def letter(alerts: Sequence[Alert], *, late: bool = False) -> Letter:
    """Write one message about ``alerts``, which are at least one.

    Args:
        alerts: what to tell.
        late: whether the channel could not be reached when the first of them happened.
    """
    grave = any(_is_grave(each) for each in alerts)
    if len(alerts) == 1:
        only = alerts[0]
        title = _title(only)
        body = [*_told(only), _moment(only.at)]
    else:
        title = Outgoing(Fixed(_MANY, count=len(alerts)))
        body = _one_by_one(alerts) if len(alerts) <= SINGLY else _counted(alerts)
    if late:
        body.append(Fixed(_LATE))
    return Letter(title.text, Outgoing(*body).text, grave)


def trial() -> Letter:
    """Write the message that tries a channel."""
    return Letter(TEST_TITLE, Outgoing(Fixed(_TEST)).text)


def readable_id(dispute_id: object) -> str | None:
    """``dispute_id`` if it is a UUID, which is all that a dispute's id may be; else None."""
    text = dispute_id.lower() if isinstance(dispute_id, str) else ""
    return text if _UUID.fullmatch(text) else None


def _is_grave(alert: Alert) -> bool:
    if alert.event is AlertEvent.NEW_DISPUTE:
        return False
    return alert.facts.get(Fact.TURN) != Turn.OVER


def _title(alert: Alert) -> Outgoing:
    over = alert.facts.get(Fact.TURN) == Turn.OVER
    subject = _SUBJECTS[alert.event]
    if over:
        subject = _OVER_SUBJECTS.get(alert.event, subject)
    short = _short(alert)
    return Outgoing(Fixed(subject), *([Fixed(_SHORT, short=short)] if short else []))


def _short(alert: Alert) -> str:
    return (readable_id(alert.dispute_id) or "")[:SHORT]


def _told(alert: Alert) -> list[Fixed]:
    """What happened, and to which dispute."""
    parts = _happened(alert)
    if (known := readable_id(alert.dispute_id)) is not None:
        parts.append(Fixed(_DISPUTE, dispute_id=known))
    elif alert.dispute_id is not None:
        parts.append(Fixed(_SOME_DISPUTE))
    return parts


def _happened(alert: Alert) -> list[Fixed]:
    facts = alert.facts
    match alert.event:
        case AlertEvent.NEW_DISPUTE:
            opened = _OPENED.get(_word(facts, Fact.ROLE), _OPENED_BY_SOMEBODY)
            return [Fixed(_OPENED_AGAIN if _number(facts, Fact.AGAIN) else opened)]
        case AlertEvent.UNATTENDED:
            number = _number(facts, Fact.NUMBER)
            return [Fixed(_UNATTENDED, number=number) if number else Fixed(_UNATTENDED_PLAIN)]
        case AlertEvent.ESCALATED:
            return [Fixed(_ESCALATED)]
        case AlertEvent.DEAD_LETTER:
            whom = _UNREACHED.get(_word(facts, Fact.TO), _UNREACHED_SOMEBODY)
            purpose = _PURPOSES.get(_word(facts, Fact.PURPOSE), _STOP)
            return [Fixed(whom), Fixed(purpose)]
        case AlertEvent.DEGRADED:
            return _of_part(facts)
        case AlertEvent.UNAUTHORIZED:
            return [Fixed(_LET_IN if facts.get(Fact.TURN) == Turn.OVER else _REFUSED)]


def _of_part(facts: Mapping[str, str | int]) -> list[Fixed]:
    part = _word(facts, Fact.PART)
    if facts.get(Fact.TURN) != Turn.OVER:
        failing = _FAILING.get(part, _SOMETHING)
        return [Fixed(failing), Fixed(_SEE_DOCTOR)]
    works = _WORKS.get(part, _SOMETHING_WORKS)
    seconds = _number(facts, Fact.SECONDS)
    return [Fixed(works), *([Fixed(_AFTER), spelled(seconds)] if seconds else []), Fixed(_STOP)]


def _one_by_one(alerts: Sequence[Alert]) -> list[Fixed]:
    parts: list[Fixed] = []
    for each in alerts:
        parts += [*([Fixed(_BREAK)] if parts else []), *_told(each), _moment(each.at)]
    return parts


def _counted(alerts: Sequence[Alert]) -> list[Fixed]:
    """A line an event, the newest state of each part, and the time they lie in."""
    parts: list[Fixed] = []
    for event in AlertEvent:
        of_event = [each for each in alerts if each.event is event]
        if not of_event:
            continue
        if parts:
            parts.append(Fixed(_LINE))
        if event in (AlertEvent.DEGRADED, AlertEvent.UNAUTHORIZED):
            parts += _latest(of_event)
            continue
        counted = _NOUNS[event][len(of_event) > 1]
        parts.append(Fixed(counted, count=len(of_event)))
        parts += _names(of_event)
    times = [each.at for each in alerts]
    (day, clock), (last_day, last_clock) = _when(min(times)), _when(max(times))
    told = {"day": day, "clock": clock, "last_day": last_day, "last_clock": last_clock}
    return [*parts, Fixed(_SPAN, **told)]


def _latest(alerts: Iterable[Alert]) -> list[Fixed]:
    """How each thing that can turn both ways stands now."""
    newest = {_word(each.facts, Fact.PART): each for each in alerts}
    parts: list[Fixed] = []
    for each in newest.values():
        parts += [*([Fixed(_LINE)] if parts else []), *_happened(each)]
    return parts


def _names(alerts: Iterable[Alert]) -> list[Fixed]:
    names = list(dict.fromkeys(filter(None, map(_short, alerts))))
    if not names:
        return []
    parts: list[Fixed] = []
    for name in names[:NAMED]:
        # The id fills a gap in fixed wording: whatever it holds, it cannot change that wording.
        parts += [Fixed(_COMMA if parts else _COLON), Fixed(_NAME, short=name)]
    if more := len(names) - NAMED:
        parts += [Fixed(_MORE, count=more)] if more > 0 else []
    return parts


def _moment(at: int) -> Fixed:
    day, clock = _when(at)
    return Fixed(_AT, day=day, clock=clock)


def _when(at: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(max(0, min(at, _LATEST)), UTC)
    return f"{moment:%Y-%m-%d}", f"{moment:%H:%M:%S}"


def _word(facts: Mapping[str, str | int], name: Fact) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else ""


def _number(facts: Mapping[str, str | int], name: Fact) -> int:
    value = facts.get(name)
    return value if isinstance(value, int) and value > 0 else 0
