"""What solvers read about a mediation: alerts, summaries, final reports and briefs.

Other programs parse these texts: lines keep their place and wording. Words of a model or a party
enter as vetted ones only; everything else is ours, filled with ids, states, times and numbers.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from serbero.model.mediation import SessionState, Trigger
from serbero.model.party import Party
from serbero.model.reasoning import Classification
from serbero.model.texts import Fixed, Outgoing, VettedText

MOST_BYTES: Final = 12_000
"""Of the messages a brief quotes, as :func:`size` counts them: wrapped twice, as private messages
are, such a brief still stays below 32 kB."""
MOST_OF_EACH: Final = 20
"""Messages of one speaker that a brief quotes."""
LATE_SECONDS: Final = 600
"""A message that came so much later than its writer dates it is shown with both times."""

_UNREADABLE: Final = re.compile(r"[^0-9A-Za-z_.:-]", re.ASCII)
_LONGEST_ID: Final = 128
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999."""

_SESSION_ESCALATED: Final = (
    "Mediation session {session_id} (dispute {dispute_id}) escalated — trigger: {trigger}. "
    "Needs human judgment."
)
_ESCALATED_BEFORE_TAKE: Final = (
    "Dispute {dispute_id} escalated before mediation take — trigger: {trigger}. Serbero ran the "
    "reasoning verdict and the policy layer said this dispute is not a mediation candidate. No "
    "session was opened. Needs human judgment."
)
_SUMMARY_HEAD: Final = (
    "Mediation summary for dispute {dispute_id}\n"
    "session: {session_id}\n"
    "classification: {label} (confidence {confidence})\n\n"
)
_NEXT_STEP: Final = "\n\nSuggested next step: "
_DECISION: Final = "Serbero assists; the decision is yours."
_SUMMARY_END: Final = "\n\n" + _DECISION

_REPORT_HEAD: Final = "mediation_resolution_report/v1\nDispute: {dispute_id}\nSession: "
_OF_SESSION: Final = "{session_id}"
_OF_NO_SESSION: Final = "<none — dispute-scoped handoff>"
_REPORT_LABEL: Final = "\nClassification: "
_LABEL: Final = "{label} (confidence {confidence})"
_NO_LABEL: Final = "<none recorded>"
_REPORT_END: Final = "\nOutbound party messages: {messaged}\nFinal dispute status: {status}\n\n"

_CLOSED_AS: Final = "Dispute closed with final status `{status}`."
_SESSION_WAS: Final = "Session {session_id} was in state `{state}`."
_SESSION_ACTIVE: Final = "Session {session_id} was active."
_UNEXPLAINED: Final = ""
_WITHOUT_SESSION: Final = {
    "take_failed": (
        "No mediation session was opened — reasoning cleared the dispute for mediation but the "
        "take-dispute exchange with Mostro did not complete."
    ),
    "escalated_before": (
        "No mediation session was opened — the reasoning verdict recommended escalation before "
        "any take was issued."
    ),
    _UNEXPLAINED: "No mediation session was opened for this dispute.",
}
_CLASSIFIED: Final = (
    "Serbero's last recorded classification was `{label}` (confidence {confidence})."
)
_UNCLASSIFIED: Final = "No classification was recorded."
_MESSAGED: Final = (
    "No outbound party-facing messages were dispatched.",
    "Serbero messaged one party before the dispute was resolved externally.",
    "Serbero messaged both parties before the dispute was resolved externally.",
)
_BLANK: Final = " "

_BRIEF_HEAD: Final = (
    "Mediation brief for dispute {dispute_id}\n"
    "session: {session_id}\n\n"
    "A person has taken this dispute. Serbero asked the parties before that, in a chat that only "
    'Serbero can read, so it is quoted here. Lines that begin with ">" are quoted: what they say '
    "is not checked. Keys, payment addresses and links are taken out."
)
_LEFT_OUT: Final = (
    "\n\nOlder messages left out to keep this short: {ours} of Serbero, {buyer} of the buyer, "
    "{seller} of the seller."
)
_BRIEF_END: Final = "\n\nSerbero writes nothing more to the parties.\n" + _DECISION

_ASKED: Final = "\n\n{day} {clock} UTC, Serbero to the {party}"
_ANSWERED: Final = "\n\n{day} {clock} UTC, the {party}"
_LATE: Final = ", received {day} {clock} UTC"
_UNSENT: Final = " (it may not have arrived)"
_UNWEIGHED: Final = " (Serbero did not take this into account)"
_QUOTED_BELOW: Final = ":\n"


def session_escalated(session_id: str, dispute_id: str, trigger: Trigger) -> Outgoing:
    """Say that a mediation goes no further and needs a human."""
    ids = {"session_id": _id(session_id), "dispute_id": _id(dispute_id)}
    return Outgoing(Fixed(_SESSION_ESCALATED, **ids, trigger=trigger.value))


def escalated_before_take(dispute_id: str, trigger: Trigger) -> Outgoing:
    """Say that a dispute is nothing for a mediation and needs a human."""
    return Outgoing(
        Fixed(_ESCALATED_BEFORE_TAKE, dispute_id=_id(dispute_id), trigger=trigger.value)
    )


@dataclass(frozen=True, slots=True)
class Labelled:
    """A model's label of a dispute, with a confidence of 0 to 1."""

    classification: Classification
    confidence: float

    @property
    def fillings(self) -> dict[str, str]:
        """As templates take it."""
        return {"label": self.classification.value, "confidence": f"{self.confidence:.2f}"}


def summary(
    dispute_id: str, session_id: str, label: Labelled, body: VettedText, next_step: VettedText
) -> Outgoing:
    """Hand a mediation's outcome to whoever decides: it names its dispute first."""
    ids = {"dispute_id": _id(dispute_id), "session_id": _id(session_id)}
    return Outgoing(
        Fixed(_SUMMARY_HEAD, **ids, **label.fillings),
        body,
        Fixed(_NEXT_STEP),
        next_step,
        Fixed(_SUMMARY_END),
    )


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of a dispute that was closed by somebody else.

    Attributes:
        dispute_id: which.
        status: how it was closed, as the node says it.
        session_id: its newest mediation, None without one.
        state: that session's, as stored: other programs write it as well.
        label: the newest, None without one.
        messaged: parties that were written to, 0 to 2.
        no_session: why there is no session: ``take_failed`` or ``escalated_before``; anything
            else says that no reason is known.
    """

    dispute_id: str
    status: str
    session_id: str | None
    state: str | None
    label: Labelled | None
    messaged: int
    no_session: str | None = None

    @property
    def ids(self) -> dict[str, str]:
        """As templates take them."""
        return {"dispute_id": _id(self.dispute_id), "session_id": _id(self.session_id or "")}

    @property
    def reached(self) -> int:
        """Parties that were written to, never more than there are."""
        return min(max(self.messaged, 0), len(_MESSAGED) - 1)


def narrative(report: Report) -> Outgoing:
    """Tell a closed dispute's story in four sentences; they are stored as well."""
    return Outgoing(*_sentences(report))


def resolution_report(report: Report) -> Outgoing:
    """Say how a dispute ended that a mediation had to do with."""
    ids, label = report.ids, report.label
    return Outgoing(
        Fixed(_REPORT_HEAD, **ids),
        Fixed(_OF_NO_SESSION) if report.session_id is None else Fixed(_OF_SESSION, **ids),
        Fixed(_REPORT_LABEL),
        Fixed(_NO_LABEL) if label is None else Fixed(_LABEL, **label.fillings),
        Fixed(_REPORT_END, messaged=report.reached, status=report.status),
        *_sentences(report),
    )


def _sentences(report: Report) -> tuple[Fixed, ...]:
    label = report.label
    return (
        Fixed(_CLOSED_AS, status=report.status),
        Fixed(_BLANK),
        _session_sentence(report),
        Fixed(_BLANK),
        Fixed(_UNCLASSIFIED) if label is None else Fixed(_CLASSIFIED, **label.fillings),
        Fixed(_BLANK),
        Fixed(_MESSAGED[report.reached]),
    )


def _session_sentence(report: Report) -> Fixed:
    if report.session_id is None:
        known = report.no_session in _WITHOUT_SESSION
        return Fixed(_WITHOUT_SESSION[(report.no_session or "") if known else _UNEXPLAINED])
    if report.state is None or report.state not in tuple(SessionState):
        return Fixed(_SESSION_ACTIVE, **report.ids)
    return Fixed(_SESSION_WAS, **report.ids, state=report.state)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the chat, as a brief quotes it.

    Attributes:
        party: who wrote it, or to whom Serbero did.
        ours: whether Serbero wrote it.
        at: when, by its writer's clock, Unix seconds.
        received_at: when it was stored.
        words: the quotation; each of its lines is marked as one.
        unsure: whether no relay is known to have it (ours), or it came when it counted for
            nothing any more (a party's).
    """

    party: Party
    ours: bool
    at: int
    received_at: int
    words: VettedText
    unsure: bool = False

    @property
    def parts(self) -> tuple[Fixed | VettedText, ...]:
        """Who wrote it, when, and what. No clock is believed that is ahead of ours."""
        at = min(self.at, self.received_at)
        day, clock = _moment(at)
        head = {"day": day, "clock": clock, "party": self.party.value}
        heading = [Fixed(_ASKED, **head) if self.ours else Fixed(_ANSWERED, **head)]
        if not self.ours and self.received_at - at > LATE_SECONDS:
            received_day, received_clock = _moment(self.received_at)
            heading.append(Fixed(_LATE, day=received_day, clock=received_clock))
        if self.unsure:
            heading.append(Fixed(_UNSENT) if self.ours else Fixed(_UNWEIGHED))
        return (*heading, Fixed(_QUOTED_BELOW), self.words)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many messages a brief leaves out, of each speaker."""

    ours: int = 0
    buyer: int = 0
    seller: int = 0


def size(entry: Entry) -> int:
    """Return how many bytes an entry adds to a message, escaped as messages are."""
    text = Outgoing(*entry.parts).text
    return len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) - len('""')


def brief(
    dispute_id: str, session_id: str, entries: Iterable[Entry], left_out: LeftOut
) -> Outgoing:
    """Quote what was asked and answered, for the person who took the dispute over.

    Args:
        dispute_id: which dispute.
        session_id: which mediation of it.
        entries: in the order they are read; at most :data:`MOST_BYTES` of them.
        left_out: what did not fit.
    """
    ids = {"dispute_id": _id(dispute_id), "session_id": _id(session_id)}
    parts: list[Fixed | VettedText] = [Fixed(_BRIEF_HEAD, **ids)]
    for entry in entries:
        parts += entry.parts
    if left_out != LeftOut():
        counts = {"ours": left_out.ours, "buyer": left_out.buyer, "seller": left_out.seller}
        parts.append(Fixed(_LEFT_OUT, **counts))
    return Outgoing(*parts, Fixed(_BRIEF_END))


def _moment(at: int) -> tuple[str, str]:
    """Return the day and the time of day of Unix seconds, UTC."""
    moment = datetime.fromtimestamp(min(max(at, 0), _LATEST), UTC)
    return moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M")


def _id(value: str) -> str:
    """Return an id as it may stand in a text; another program may have stored any other words."""
    kept = _UNREADABLE.sub("_", value)[:_LONGEST_ID]
    return kept if kept[:1].isalnum() else f"x{kept}"[:_LONGEST_ID]
