"""The outbox: states, keys and times of each message, and the ids of the bytes it holds."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from serbero.model.notification import (
    CHAT_CHANNELS,
    SOLVER_CHANNELS,
    Channel,
    NotificationType,
    OutboxState,
    Purpose,
    TargetSource,
    TargetState,
)
from serbero.nostr.rumor import rumor_id
from serbero.store.verification.finding import Check, Finding, Level, name_of, said
from serbero.store.verification.scope import Scope
from serbero.store.verification.steps import clock_was_ahead

_O: Final = "outbox"
_T: Final = "outbox_targets"
_W: Final = "outbox_wraps"
_EDITED: Final = "the row was changed by hand or by another program"
_SLACK_SECONDS: Final = 3600
"""A clock may be so far off, and a decision may wait so long for a database, without a word."""
_KEPT_SECONDS: Final = 29 * 86_400
"""After so long settled bytes may be gone (30 days; a day for clocks)."""

_TYPE_OF: Final[dict[Purpose, NotificationType | None]] = {
    Purpose.INITIAL: NotificationType.INITIAL,
    Purpose.RENOTIFICATION: NotificationType.RENOTIFICATION,
    Purpose.ASSIGNMENT: NotificationType.ASSIGNMENT,
    Purpose.PARTY_MESSAGE: None,
    Purpose.MEDIATION_SUMMARY: NotificationType.MEDIATION_SUMMARY,
    Purpose.MEDIATION_ESCALATION: NotificationType.MEDIATION_ESCALATION_RECOMMENDED,
    Purpose.MEDIATION_BRIEF: NotificationType.MEDIATION_ESCALATION_RECOMMENDED,
    Purpose.RESOLUTION_REPORT: NotificationType.MEDIATION_RESOLUTION_REPORT,
    Purpose.HANDOFF: NotificationType.MEDIATION_ESCALATION_RECOMMENDED,
    Purpose.REMINDER: NotificationType.ESCALATION,
    Purpose.ACKNOWLEDGED: NotificationType.ESCALATION,
    Purpose.DEADLINE_WARNING: NotificationType.ESCALATION,
    Purpose.DIGEST: None,
    Purpose.ANSWER: None,
}
_FORMS: Final = json.dumps(
    [
        f"{purpose.value}>{'' if kind is None else kind.value}>{channel.value}"
        for purpose, kind in _TYPE_OF.items()
        for channel in (CHAT_CHANNELS if purpose is Purpose.PARTY_MESSAGE else SOLVER_CHANNELS)
    ]
)
_STATES: Final = json.dumps([each.value for each in OutboxState])


def _words(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT o.id, o.dispute_id, o.purpose, o.notif_type, o.channel, o.state FROM outbox o
    WHERE {about o.dispute_id} AND (o.state NOT IN (SELECT value FROM json_each(:states))
      OR o.purpose || '>' || coalesce(o.notif_type, '') || '>' || o.channel
        NOT IN (SELECT value FROM json_each(:forms)))
    """
    for row, dispute, *values in scope.rows(query, states=_STATES, forms=_FORMS):
        expected = "a known state, and a type and channel that its purpose has"
        found = ", ".join(map(said, values))
        yield Finding(_O, name_of(row), name_of(dispute), expected, found, _EDITED)


_UNSETTLED: Final = (
    (
        "a time of settlement, for it is settled",
        "o.state IN ('sent', 'dead', 'withdrawn') AND typeof(o.settled_at) <> 'integer'",
    ),
    ("no time of settlement, for it waits", "o.state = 'pending' AND o.settled_at IS NOT NULL"),
    (
        "dead at its deadline or later",
        "o.state = 'dead' AND o.settled_at < o.deadline_at",
    ),
    (
        "a latency, for it was sent",
        "o.state = 'sent' AND (typeof(o.delivery_ms) <> 'integer' OR o.delivery_ms < 0)",
    ),
    (
        "no next attempt, for nothing is left to do",
        "o.state IN ('dead', 'withdrawn') AND o.next_attempt_at IS NOT NULL",
    ),
    (
        "a next attempt, for it waits",
        "o.state = 'pending' AND typeof(o.next_attempt_at) <> 'integer'",
    ),
)


def _settled(scope: Scope) -> Iterator[Finding]:
    rules = " ".join(f"WHEN {rule} THEN {number}" for number, (_, rule) in enumerate(_UNSETTLED))
    query = """
    SELECT o.id, o.dispute_id, o.state, o.settled_at, CASE {rules} END AS broken
    FROM outbox o WHERE {about o.dispute_id} AND broken IS NOT NULL
    """.replace("{rules}", rules)
    for row, dispute, state, at, broken in scope.rows(query):
        expected = _UNSETTLED[broken][0]
        found = f"{said(state)}, settled at {said(at)}"
        yield Finding(_O, name_of(row), name_of(dispute), expected, found, _EDITED)


_EARLY: Final = """
SELECT o.id, o.dispute_id, o.state, o.settled_at, o.enqueued_ms / 1000, o.rumor_id, o.rumor_json,
  EXISTS (SELECT 1 FROM outbox_targets t WHERE t.outbox_id = o.id AND t.state = 'accepted'
    AND t.updated_at = o.settled_at) AS taken_then
FROM outbox o
WHERE {about o.dispute_id} AND o.settled_at < o.enqueued_ms / 1000 - :slack
"""


def _early(scope: Scope) -> Iterator[Finding]:
    """Only a clock that was ahead and was set back decides after it settles.

    Such a step is in the journal, or other rows show it. Of older rows it may be that nothing does:
    then it is no more than a note where both times stand in a second place, the decision's in the
    bytes whose hash is the message's id, the other's with the relay that took it.
    """
    for row, dispute, state, at, decided, name, text, taken_then in scope.rows(
        _EARLY, slack=_SLACK_SECONDS
    ):
        known = isinstance(at, int) and isinstance(decided, int)
        if known and clock_was_ahead(scope, at, decided):
            continue
        borne_out = known and bool(taken_then) and _was_dated(name, text, decided)
        level = Level.NOTE if borne_out else Level.DAMAGE
        meaning = (
            "the clock was ahead when it was decided and was set right before it was sent"
            if borne_out
            else f"{_EDITED}, or the clock was set back and nothing tells of it"
        )
        expected = f"settled after it was decided, at {said(decided)}"
        found = f"{said(state)}, settled at {said(at)}"
        yield Finding(_O, name_of(row), name_of(dispute), expected, found, meaning, level)


def _was_dated(name: object, text: object, at: int) -> bool:
    """Whether a rumor bears its own id and a time of about then."""
    event = _event(text)
    if event is None or event["id"] != name or _hash(event) != name:
        return False
    dated = event["created_at"]
    return isinstance(dated, int) and abs(dated - at) <= _SLACK_SECONDS


def _keys(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT o.id, o.dispute_id FROM outbox o WHERE {about o.dispute_id}
      AND o.dedupe_key IS NOT o.purpose || ':' || coalesce(nullif(o.dispute_id, ''), '-') || ':'
        || o.anchor || ':' || o.recipient || ':' || o.channel
    """
    for row, dispute in scope.rows(query):
        expected = "a key made of purpose, dispute, anchor, recipient and channel"
        meaning = "a column was changed: the same message might be decided twice"
        yield Finding(_O, name_of(row), name_of(dispute), expected, "another one", meaning)


def _unaccepted(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT o.id, o.dispute_id FROM outbox o
    WHERE {about o.dispute_id} AND o.state = 'sent' AND NOT EXISTS (
      SELECT 1 FROM outbox_targets t WHERE t.outbox_id = o.id AND t.state = 'accepted')
    """
    for row, dispute in scope.rows(query):
        expected = "a relay that took it, for it was sent"
        meaning = "the state was changed, or what the relays said was"
        yield Finding(_O, name_of(row), name_of(dispute), expected, "none", meaning)


_TARGETS: Final = """
SELECT o.id, o.dispute_id, t.state, t.source,
  t.state = 'accepted' AND o.state <> 'sent' AS early,
  t.state = 'accepted' AND t.event_id IS NULL AS bare
FROM outbox o CROSS JOIN outbox_targets t ON t.outbox_id = o.id
WHERE {about o.dispute_id} AND (early OR bare
  OR t.state NOT IN (SELECT value FROM json_each(:states))
  OR t.source NOT IN (SELECT value FROM json_each(:sources)))
"""


def _targets(scope: Scope) -> Iterator[Finding]:
    states = json.dumps([each.value for each in TargetState])
    sources = json.dumps([each.value for each in TargetSource])
    for row, dispute, state, source, early, bare in scope.rows(
        _TARGETS, states=states, sources=sources
    ):
        if early:
            expected, found = "a message that counts as sent", "one that does not"
        elif bare:
            expected, found = "the bytes that this relay took", "none"
        else:
            expected = "a known state and source"
            found = f"{said(state)}, {said(source)}"
        yield Finding(_T, name_of(row), name_of(dispute), expected, found, _EDITED)


def _astray(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT o.id, o.dispute_id FROM outbox o CROSS JOIN outbox_targets t ON t.outbox_id = o.id
    WHERE {about o.dispute_id} AND t.event_id IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM outbox_wraps w WHERE w.event_id = t.event_id AND w.outbox_id = t.outbox_id)
    """
    for row, dispute in scope.rows(query):
        expected = "the bytes that this relay was given, of this message"
        meaning = "the wrap was deleted, or the target names that of another message"
        yield Finding(_T, name_of(row), name_of(dispute), expected, "none", meaning)


def _emptied(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT o.id, o.dispute_id, o.settled_at, o.next_attempt_at IS NOT NULL FROM outbox o
    WHERE {about o.dispute_id} AND o.rumor_json IS NULL
      AND (o.state = 'pending' OR o.settled_at > :kept)
    """
    for row, dispute, at, live in scope.rows(query, kept=scope.now - _KEPT_SECONDS):
        if at is not None and dispute in scope.purged:
            continue
        expected = "its rumor: it is not settled for 30 days, and no purge tells of it"
        meaning = "it was emptied by hand" + (": nobody will be told" if live else "")
        yield Finding(_O, name_of(row), name_of(dispute), expected, "none", meaning)


def _rumors(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT o.id, o.dispute_id, o.rumor_id, o.rumor_json, o.recipient, o.channel FROM outbox o
    WHERE {about o.dispute_id} AND o.rumor_json IS NOT NULL
    """
    for row, dispute, name, text, recipient, channel in scope.rows(query):
        event = _event(text)
        private = channel in (Channel.NIP17, Channel.MOSTRO)
        if event is None or event["id"] != name or _hash(event) != name:
            expected = "a rumor whose NIP-01 hash is its id"
        elif private and ["p", recipient] not in event["tags"]:
            expected = "a rumor addressed to its recipient"
        else:
            continue
        meaning = "what was decided is not what is kept: words or recipient were changed"
        yield Finding(_O, name_of(row), name_of(dispute), expected, "another one", meaning)


def _wraps(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT w.event_id, o.dispute_id, w.event_json FROM outbox o
    CROSS JOIN outbox_wraps w ON w.outbox_id = o.id
    WHERE {about o.dispute_id} AND w.event_json IS NOT NULL
    """
    for name, dispute, text in scope.rows(query):
        event = _event(text)
        if event is None or event["id"] != name or _hash(event) != name:
            expected = "an event whose NIP-01 hash is its id"
            meaning = "the bytes were changed: relays would refuse them"
            yield Finding(_W, name_of(name), name_of(dispute), expected, "another one", meaning)


def _event(text: object) -> dict[str, Any] | None:
    try:
        event = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    fields = {"id", "pubkey", "created_at", "kind", "tags", "content"}
    if not isinstance(event, dict) or not fields <= event.keys():
        return None
    return event if isinstance(event["tags"], list) else None


def _hash(event: dict[str, Any]) -> str | None:
    try:
        return rumor_id(
            event["pubkey"], event["created_at"], event["kind"], event["tags"], event["content"]
        )
    except (UnicodeEncodeError, ValueError, RecursionError):
        return None


_SENT: Final = frozenset({_O, _T, _W})


def _checks() -> Iterable[Check]:
    yield Check("messages", frozenset({_O}), _words)
    yield Check("settlement of messages", frozenset({_O}), _settled)
    yield Check("messages settled early", frozenset({_O, _T}), _early)
    yield Check("keys of messages", frozenset({_O}), _keys)
    yield Check("messages no relay took", _SENT, _unaccepted)
    yield Check("answers of relays", _SENT, _targets)
    yield Check("emptied messages in the outbox", frozenset({_O, "journal"}), _emptied)
    yield Check("ids of rumors", frozenset({_O}), _rumors, deep=True)
    yield Check("wraps of relays", _SENT, _astray, deep=True)
    yield Check("ids of wraps", _SENT, _wraps, deep=True)


CHECKS: Final = tuple(_checks())
