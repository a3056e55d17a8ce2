"""Every entry of the trail in plain words: events, the journal, moves and dispatches."""

from collections.abc import Callable, Mapping
from typing import Final

from serbero.cli.disputes.words import (
    MESSAGES,
    because,
    change_words,
    ended_words,
    start_failed_words,
)
from serbero.cli.page import counted, moment, span, word
from serbero.cli.sessions.words import event_words
from serbero.cli.solver_keys import solver_name
from serbero.model.mediation import AuditKind
from serbero.store.audit_log import DISPATCH, MOVED, Entry, Source
from serbero.store.audit_trail import AuditEvent
from serbero.store.dispute_story import Change

_AUTH: Final[Mapping[str, str]] = {
    AuditKind.AUTH_RETRY_ATTEMPT: "the node does not let Serbero act",
    AuditKind.AUTH_RETRY_RECOVERED: "the node lets Serbero act again",
    AuditKind.AUTH_RETRY_TERMINATED: "the node is not asked any more for a while",
}


def entry_words(entry: Entry) -> str:
    """Return what an entry says; a kind nobody knows as it is."""
    if entry.source is Source.LIFECYCLE:
        return _moved(entry)
    if entry.source is Source.DISPATCHES:
        return _dispatched(entry)
    if entry.source is Source.JOURNAL:
        said = JOURNAL.get(entry.kind)
        return word(entry.kind).replace("_", " ") if said is None else said(entry)
    return _event(entry)


def _event(entry: Entry) -> str:
    if entry.kind in _AUTH:
        why = _of(entry, "error")
        attempt = entry.payload.get("attempt")
        tries = f", attempt {attempt}" if isinstance(attempt, int) else ""
        return f"{_AUTH[entry.kind]}{tries}{f': {why}' if why else ''}"
    event = AuditEvent(
        id=entry.id,
        session_id=entry.session_id,
        kind=entry.kind,
        payload=entry.payload,
        rationale_id=entry.rationale_id,
        pins=None,
        at=entry.at,
    )
    inner = entry.payload.get("inner_event_id")
    whose = {} if entry.party is None else {str(inner): entry.party}
    return event_words(event, whose)


def _moved(entry: Entry) -> str:
    before, after, trigger = (entry.payload.get(each) for each in ("from", "to", "trigger"))
    change = Change(
        at=entry.at,
        before=before if isinstance(before, str) else "",
        after=str(after),
        trigger=trigger if isinstance(trigger, str) else "",
    )
    return change_words(change)


def _dispatched(entry: Entry) -> str:
    targets = str(entry.payload.get("target_solver", "")).split(",")
    reached = ", reached nobody" if entry.payload.get("status") == "send_failed" else ", on record"
    return f"dispatch to {counted(len(targets), 'solver')}{reached}"


def _of(entry: Entry, key: str) -> str:
    value = entry.payload.get(key)
    return "" if value is None else word(value)


def _who(entry: Entry) -> str:
    solver = entry.payload.get("solver")
    return solver_name(solver) if isinstance(solver, str) and solver else "a solver"


def _when(entry: Entry, key: str) -> str:
    value = entry.payload.get(key)
    known = isinstance(value, int) and not isinstance(value, bool)
    return f"{moment(int(str(value)))} UTC" if known else "a time that cannot be read"


def _many(entry: Entry, key: str) -> int:
    value = entry.payload.get(key)
    return len(value) if isinstance(value, list) else 0


def _take(said: str) -> Callable[[Entry], str]:
    def words(entry: Entry) -> str:
        reason = _of(entry, "reason")
        return f"{said}: {reason}" if reason else said

    return words


def _withdrawn(entry: Entry) -> str:
    what = because(MESSAGES, _of(entry, "purpose"))
    return f"a message was withdrawn ({what}): {_of(entry, 'reason')}"


def _command(entry: Entry) -> str:
    outcome = _of(entry, "outcome").replace("_", " ")
    return f"{_who(entry)} wrote `{_of(entry, 'command')}`: {outcome}"


def _standing(entry: Entry) -> str:
    moved = f"{_of(entry, 'before')} -> {_of(entry, 'after')}"
    return f"standing at the node {moved}: {_of(entry, 'reason')}"


def _step(entry: Entry) -> str:
    told = counted(_many(entry, "recipients"), "solver")
    asleep = _many(entry, "held")
    later = f", {asleep} asleep" if asleep else ""
    return f"reminder {_of(entry, 'number')} to {_of(entry, 'to')}: {told}{later}"


def _warned(entry: Entry) -> str:
    left = entry.payload.get("before_seconds")
    mark = f" ({span(left)} before)" if isinstance(left, int) else ""
    return f"warned of the escrow's end at {_when(entry, 'deadline')}{mark}"


def _clock(said: str) -> Callable[[Entry], str]:
    def words(entry: Entry) -> str:
        by = entry.payload.get("seconds")
        known = isinstance(by, int) and not isinstance(by, bool)
        return f"the clock {said}{f' by {span(int(str(by)))}' if known else ''}"

    return words


def _purged(entry: Entry) -> str:
    if entry.dispute_id is None:
        return "bytes of messages settled long ago were emptied"
    return "what was written about this dispute was emptied"


def _steered(said: str) -> Callable[[Entry], str]:
    def words(entry: Entry) -> str:
        who, what = _of(entry, "by"), _of(entry, "purpose")
        of_what = f" ({because(MESSAGES, what)})" if what else ""
        return f"{who or 'the operator'} {said}{of_what}"

    return words


JOURNAL: Final[Mapping[str, Callable[[Entry], str]]] = {
    "acknowledged": lambda entry: f"{_who(entry)} has it, until {_when(entry, 'expires_at')}",
    "clock_set_back": _clock("was set back"),
    "clock_set_forward": _clock("was set forward, or the machine stood still,"),
    "contents_purged": _purged,
    "deadline_warned": _warned,
    "dispute_reopened": lambda entry: f"opened anew; it was {_of(entry, 'from_state')}",
    "dispute_taken_over": lambda _: "another solver took the dispute over",
    "handoff_expired": lambda _: "the hand-off was too old to be sent",
    "ladder_began": lambda _: "solvers are reminded until somebody has it",
    "ladder_ended": lambda entry: f"reminding ended: {ended_words(_of(entry, 'by'))}",
    "ladder_step": _step,
    "message_withdrawn": _withdrawn,
    "muted": lambda entry: f"{_who(entry)} reads what can wait after {_when(entry, 'until')}",
    "operator_drop": _steered("dropped a message"),
    "operator_retry": _steered("had a message tried again"),
    "outbound_sent": lambda entry: f"a relay took our message to the {_of(entry, 'party')}",
    "snoozed": lambda entry: f"{_who(entry)} is not reminded until {_when(entry, 'until')}",
    "solver_command": _command,
    "standing_changed": _standing,
    "reference_ran": lambda _: "the reference had run on this database",
    "start_failed": lambda entry: start_failed_words(entry.payload),
    "take_interrupted": lambda _: "Serbero stopped while it asked for the dispute",
    "take_no_answer": _take("the node did not answer when asked for the dispute"),
    "take_refused": _take("the node refused Serbero the dispute"),
    "take_taken": lambda _: "the node gave Serbero the dispute",
}
"""Kinds of the journal."""

KINDS: Final = frozenset({*JOURNAL, *(each.value for each in AuditKind), MOVED, DISPATCH})
"""What ``--kind`` may name."""
