"""Which session is meant, or why there is none."""

from dataclasses import dataclass

import sqlalchemy as sa

from serbero.cli.page import moment, short, word
from serbero.cli.sessions.words import STATES, event_words, why_handed_over
from serbero.cli.source import FAILED, USAGE, Stop, ambiguous, check_long_enough
from serbero.mediation.hindsight import handed_over
from serbero.model.mediation import AuditKind, SessionState
from serbero.store import session_lookup, session_record
from serbero.store.session_lookup import Glance
from serbero.store.session_record import Record


def state_named(typed: str) -> str:
    """Return a state as it is stored.

    Raises:
        Stop: there is no such state.
    """
    if typed.lower() in tuple(SessionState):
        return typed.lower()
    raise Stop(f"no state is called {word(typed)}; there are: {', '.join(STATES)}", USAGE)


@dataclass(frozen=True, slots=True)
class Meant:
    """What an id names.

    Attributes:
        session_id: None for a dispute that has no session.
        dispute_id: None where a session was named.
    """

    session_id: str | None
    dispute_id: str | None


def meant(tx: sa.Connection, beginning: str) -> Meant:
    """Return the session whose id, or whose dispute's id, begins like this; the newest of several.

    Raises:
        Stop: none does, or several do.
    """
    have = session_lookup.kept(tx)
    if not have.sessions:
        raise Stop("this database is of a version that did not mediate: no sessions", FAILED)
    own = session_lookup.sessions_beginning(tx, beginning)
    disputes = session_lookup.disputes_beginning(tx, beginning)
    check_long_enough(beginning, [each.session_id for each in own] + disputes)
    if len(own) + len(disputes) > 1:
        named = [(each.session_id, _described(each)) for each in own]
        raise ambiguous(beginning, named + [(each, "dispute") for each in disputes])
    if own:
        return Meant(own[0].session_id, None)
    if not disputes:
        message = (
            f"no session or dispute begins with {word(beginning)}; "
            "`serbero sessions list` shows what there is"
        )
        raise Stop(message, FAILED)
    newest = session_lookup.newest(tx, 1, dispute_id=disputes[0])
    return Meant(newest[0].session_id if newest else None, disputes[0])


def record_meant(tx: sa.Connection, beginning: str) -> Record:
    """Return everything on record about the session that is meant.

    Raises:
        Stop: there is none; of a dispute without one it says why.
    """
    found = meant(tx, beginning)
    if found.session_id is None:
        raise Stop(_without_session(tx, found.dispute_id or ""), FAILED)
    record = session_record.read(tx, found.session_id)
    if record is None:
        raise Stop(f"session {word(found.session_id)} is gone", FAILED)
    return record


def judged_meant(tx: sa.Connection, beginning: str) -> Record:
    """Return the same, or what there is of a dispute that was judged and never had a session.

    Raises:
        Stop: there is neither.
    """
    found = meant(tx, beginning)
    if found.session_id is None and found.dispute_id is not None:
        record = session_record.unopened(tx, found.dispute_id)
        if record is not None:
            return record
    return record_meant(tx, beginning)


def _described(session: Glance) -> str:
    return f"session of dispute {short(session.dispute_id)}, {word(session.state)}"


def _without_session(tx: sa.Connection, dispute_id: str) -> str:
    """Why there is nothing to show of a dispute, as far as the trail says."""
    message = f"dispute {word(dispute_id)} has no session: nobody was asked anything."
    trail = session_record.events_without_session(tx, dispute_id)
    handovers = [each for each in trail if each.kind == AuditKind.ESCALATION_RECOMMENDED]
    if handovers:
        why = why_handed_over(handed_over(handovers[-1]))
        return f"{message} At {moment(handovers[-1].at)} it was handed over to a human: {why}"
    if trail:
        last = trail[-1]
        return f"{message} The last on record, at {moment(last.at)}: {event_words(last, {})}"
    return f"{message} No attempt to start one is on record"
