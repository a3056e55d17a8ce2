"""Why a session stopped where it stopped, in sentences for somebody who knows nothing of it."""

from typing import Final

from serbero.cli.page import counted, moment, word
from serbero.cli.sessions.words import ENDS, TRIGGERS, label_words, why_handed_over
from serbero.mediation.hindsight import Done, handed_over
from serbero.model.mediation import SPEAKING, AuditKind, SessionState
from serbero.store.audit_trail import AuditEvent
from serbero.store.session_moves import EndCause
from serbero.store.session_record import Record

_HUMAN: Final = "A human decides the dispute; Serbero only asks and reports."


def handed(record: Record) -> Done | None:
    """Why it was handed over; None where it was not."""
    event = _last(record, AuditKind.ESCALATION_RECOMMENDED)
    return None if event is None else handed_over(event)


def headline(record: Record) -> str:
    """Why it ended, in a line; where it goes on, that it does."""
    done = handed(record)
    if done is not None:
        return why_handed_over(done)
    closed = _last(record, AuditKind.SUPERSEDED_BY_HUMAN) or _last(record, AuditKind.SESSION_CLOSED)
    if closed is not None:
        ending = _end(closed)
        return f"{ending[:1].upper()}{ending[1:]}."
    if record.session.state in _ENDED:
        return "Why it ended is not on record."
    return "It goes on."


_ENDED: Final = frozenset(
    {
        SessionState.SUMMARY_DELIVERED,
        SessionState.ESCALATION_RECOMMENDED,
        SessionState.SUPERSEDED_BY_HUMAN,
        SessionState.CLOSED,
    }
)


def story(record: Record) -> str:
    """Why it stopped where it stopped, as a paragraph."""
    return " ".join((*_asked(record), *_judged(record), *_ended(record), _HUMAN))


def _asked(record: Record) -> list[str]:
    """What was asked and answered, in sentences."""
    pairs = record.session.pairs_put
    answered = [each.party.value for each in record.sides if each.answers]
    silent = [each.party.value for each in record.sides if not each.answers]
    if not record.lines:
        return ["Nobody was asked anything that is on record."]
    times = {1: "once", 2: "twice"}.get(pairs, f"{pairs} times")
    asked = f"Serbero asked buyer and seller {times}."
    if not answered:
        return [asked, "Neither has answered."]
    if not silent:
        return [asked, "Both have answered."]
    return [asked, f"The {answered[0]} has answered, the {silent[0]} has not."]


def _judged(record: Record) -> list[str]:
    """What the model made of it last, and what it was not shown."""
    late = sum(each.stale for each in record.lines)
    said = []
    if late:
        said.append(f"{counted(late, 'message')} came too late to count.")
    session = record.session
    if session.classification is not None:
        last = label_words(session.classification, session.confidence)
        said.append(f"The model's last verdict was {last}.")
    return said


def _ended(record: Record) -> list[str]:
    session = record.session
    if session.state in SPEAKING:
        return _waiting(record)
    if session.state in (SessionState.CLASSIFIED, SessionState.SUMMARY_PENDING):
        return [
            "The model found the matter clear enough, so no more is asked: a summary for the "
            "solvers is being made or is on its way."
        ]
    told = _told(record)
    if told:
        return told
    if session.state in _ENDED:
        return [f"It is {word(session.state)}; why is not on record in this database."]
    return [f"Its state is {word(session.state)}, which this version does not know."]


def _waiting(record: Record) -> list[str]:
    waiting = [each.party.value for each in record.sides if each.waits]
    if not waiting:
        return ["It has not stopped: what was answered is to be looked at next."]
    who = " and the ".join(waiting)
    return [
        f"It has not stopped: the {who} {'has' if len(waiting) == 1 else 'have'} yet to answer"
        " the last question."
    ]


def _told(record: Record) -> list[str]:
    """How it came to its end, event by event."""
    said = []
    handover = _last(record, AuditKind.ESCALATION_RECOMMENDED)
    summary = record.summary
    if handover is not None:
        done = handed_over(handover)
        said.append(
            f"At {moment(handover.at)} it stopped and handed over to a human: {_because(done)} "
            "From then on the parties were written nothing more."
        )
    elif summary is not None:
        said.append(
            f"At {moment(summary.generated_at)} it had a summary for the solvers "
            "and asked nothing more."
        )
    superseded = _last(record, AuditKind.SUPERSEDED_BY_HUMAN)
    closed = _last(record, AuditKind.SESSION_CLOSED)
    if superseded is not None:
        said.append(
            f"At {moment(superseded.at)} {_end(superseded)}, so Serbero's part ended at once: "
            "the parties were written nothing more."
        )
    elif closed is not None:
        said.append(f"At {moment(closed.at)} it was closed, because {_end(closed)}.")
    return said


def _because(done: Done) -> str:
    """The reason as a sentence, without the word in front, which a stranger does not know."""
    sentence = why_handed_over(done)
    return sentence.partition(": ")[2] if done.trigger in TRIGGERS else sentence


def _end(event: AuditEvent) -> str:
    reason = str(event.payload.get("reason"))
    if reason == EndCause.RESOLVED and event.payload.get("resolution_status"):
        return f"{ENDS[reason]} ({word(event.payload['resolution_status'])})"
    return ENDS.get(reason, word(reason))


def _last(record: Record, kind: AuditKind) -> AuditEvent | None:
    return next((each for each in reversed(record.events) if each.kind == kind), None)
