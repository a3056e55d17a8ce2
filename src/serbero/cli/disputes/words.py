"""States, messages, takes and notes about a dispute in plain words."""

from collections.abc import Mapping
from typing import Final

from serbero.cli.page import moment, span, word
from serbero.cli.solver_keys import solver_name
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import NotificationType, Purpose
from serbero.model.reference_names import (
    TRIGGER_CATCH_UP,
    TRIGGER_INITIAL_NOTIFICATION,
    TRIGGER_REOPENED,
    TRIGGER_RESOLVED_EXTERNALLY,
)
from serbero.model.taking import Cause, Release, TakeState
from serbero.store.dispute_story import Change, Note, TakeRecord

STATES: Final[Mapping[str, str]] = {
    Lifecycle.NEW: "opened; no solver is known to have been told yet",
    Lifecycle.NOTIFIED: "solvers were told; nobody took it yet",
    Lifecycle.TAKEN: "somebody has it",
    Lifecycle.WAITING: "Serbero has it and waits for the parties",
    Lifecycle.ESCALATED: "Serbero asks for a human",
    Lifecycle.RESOLVED: "closed at the node",
}

STATUSES: Final[Mapping[str, str]] = {
    "initiated": "opened, nobody has it",
    "in-progress": "taken by a solver",
    "settled": "the buyer got the sats",
    "seller-refunded": "the seller got the sats back",
    "released": "the seller released the sats to the buyer",
    "cooperatively-canceled": "both parties cancelled",
}

MESSAGES: Final[Mapping[str, str]] = {
    Purpose.INITIAL: "new dispute",
    Purpose.RENOTIFICATION: "reminder that nobody took it",
    Purpose.ASSIGNMENT: "somebody took it",
    Purpose.PARTY_MESSAGE: "words of Serbero to the parties",
    Purpose.MEDIATION_SUMMARY: "mediation's summary",
    Purpose.MEDIATION_ESCALATION: "Serbero asks for a human",
    Purpose.MEDIATION_BRIEF: "what the parties were asked and answered",
    Purpose.RESOLUTION_REPORT: "final report",
    Purpose.HANDOFF: "hand-off",
    Purpose.REMINDER: "reminder of the hand-off",
    Purpose.ACKNOWLEDGED: "somebody said to have it",
    Purpose.DEADLINE_WARNING: "warning of the escrow's end",
    Purpose.DIGEST: "digest of a quiet time",
    Purpose.ANSWER: "answer to a solver",
}

TYPES: Final[Mapping[str, str]] = {
    NotificationType.INITIAL: "new dispute",
    NotificationType.RENOTIFICATION: "reminder that nobody took it",
    NotificationType.ASSIGNMENT: "somebody took it",
    NotificationType.MEDIATION_SUMMARY: "mediation's summary",
    NotificationType.MEDIATION_ESCALATION_RECOMMENDED: "Serbero asks for a human",
    NotificationType.MEDIATION_RESOLUTION_REPORT: "final report",
    NotificationType.ESCALATION: "reminder or warning",
}

_TAKES: Final[Mapping[str, str]] = {
    TakeState.OPEN: "the node was asked for the dispute; no answer yet",
    TakeState.TAKEN: "the node gave Serbero the dispute",
    TakeState.REFUSED: "the node refused Serbero the dispute",
    TakeState.NO_ANSWER: "the node did not answer when asked for the dispute",
    TakeState.INTERRUPTED: "Serbero stopped while it asked for the dispute",
}

_MOVES: Final[Mapping[str, str]] = {
    TRIGGER_INITIAL_NOTIFICATION: "the first solver was reached",
    TRIGGER_CATCH_UP: "found that solvers had been told",
    "mediation:session_opened": "mediation began",
    "mediation:summary_delivered": "a solver has the summary; it is theirs now",
    "mediation:dispute_taken_by_human": "a human took it",
    "mediation:own_take": "Serbero's own take was seen",
}

_ENDS: Final[Mapping[str, str]] = {
    "replaced": "a later hand-off replaced it",
    "taken": "somebody took the dispute",
    "resolved": "the dispute was closed",
    "reopened": "the dispute was opened anew",
    "renewed": "it was said again",
    "expired": "its time was over",
    Release.TAKEOVER: "another solver took it over",
    Release.CLOSED: "the dispute was closed",
    Release.KEY_CHANGED: "Serbero runs with another key now",
}

_CAUSES: Final[Mapping[str, str]] = {
    Cause.NO_INFO_EVENT: "no info event of the node was found",
    Cause.NOT_HEARING: "no relay would have brought its answer",
    Cause.NO_RELAY_TOOK_IT: "no relay took the request",
    Cause.NODE_OFFLINE: "the node may be offline",
    Cause.RELAY_NOT_SHARED: "the node may listen to other relays",
    Cause.UNKNOWN_DISPUTE: "the node may not know the dispute",
    Cause.DISPUTE_CLOSED: "the dispute was closed meanwhile",
}


def because(meanings: Mapping[str, str], found: str) -> str:
    """Return what a value means; a value nobody knows as it is."""
    return meanings.get(found) or word(found)


def ended_words(by: str) -> str:
    """Why a ladder or an acknowledgement was over."""
    return because(_ENDS, by) if by else "why is not on record"


def change_words(change: Change) -> str:
    """What a row of the lifecycle's history says."""
    why = _MOVES.get(change.trigger)
    if why is None and change.trigger.startswith(TRIGGER_REOPENED):
        why = "opened anew at the node"
    elif why is None and change.trigger == TRIGGER_RESOLVED_EXTERNALLY:
        why = "closed at the node"
    elif why is None and change.trigger.startswith("mediation:"):
        why = f"mediation: {word(change.trigger.partition(':')[2])}"
    elif why is None and change.after == Lifecycle.TAKEN:
        why = "somebody took it at the node"
    elif why is None:
        why = word(change.trigger) if change.trigger else "why is not on record"
    before = word(change.before) if change.before else "nothing"
    return f"{before} -> {word(change.after)}: {why}"


def take_words(take: TakeRecord) -> str:
    """What came of asking the node for the dispute."""
    said = because(_TAKES, take.state)
    if take.attempts is not None and take.attempts > 1:
        said += f", asked {take.attempts} times"
    if not take.reason:
        return said
    return f"{said}: {', '.join(because(_CAUSES, each) for each in take.reason.split()[:4])}"


def note_words(note: Note) -> str:
    """What a row of the journal says."""
    payload = note.payload
    solver = solver_name(str(payload.get("solver", "")))
    match note.kind:
        case "dispute_taken_over":
            return "another solver took the dispute over"
        case "dispute_reopened":
            return f"opened anew; it was {word(payload.get('from_state'))}"
        case "solver_command":
            command, outcome = word(payload.get("command")), word(payload.get("outcome"))
            return f"{solver} wrote `{command}`: {outcome.replace('_', ' ')}"
        case "snoozed":
            return f"{solver} is not to be reminded until {_when(payload.get('until'))}"
        case "acknowledged":
            return f"{solver} said to have it"
        case "deadline_warned":
            return f"solvers were warned of the escrow's end at {_when(payload.get('deadline'))}"
        case "handoff_expired":
            return "the hand-off was too old to be sent"
        case "message_withdrawn":
            what = because(MESSAGES, str(payload.get("purpose")))
            return f"withdrew a message ({what}): {word(payload.get('reason'))}"
        case "start_failed":
            return start_failed_words(payload)
        case "contents_purged":
            return "a purge emptied what was said and written"
        case kind:
            return word(kind).replace("_", " ")


def start_failed_words(payload: Mapping[str, object]) -> str:
    """Say that a mediation could not begin because of a fault of our own."""
    attempt = payload.get("attempt")
    number = f", try {attempt}" if isinstance(attempt, int) else ""
    return f"mediation could not begin: a fault of Serbero's ({word(payload.get('fault'))}{number})"


def _when(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{moment(value)} UTC"
    return "a time that cannot be read"


def took(milliseconds: int) -> str:
    """Return how long something took, for people."""
    if milliseconds < 1000:
        return f"{max(0, milliseconds)} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    return span(milliseconds // 1000)
