"""Everything on record about one mediation session, for a person to read.

Of a database of any age: what it does not keep is None or empty.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from serbero.model.mediation import AuditKind
from serbero.model.party import Party
from serbero.store import (
    audit_trail,
    prompt_bundles,
    reasoning_calls,
    session_lookup,
    transcripts,
)
from serbero.store.audit_trail import AuditEvent, parsed
from serbero.store.mediation_events import Pins
from serbero.store.mediation_schema import dispatches, events, session_sides, sessions, summaries
from serbero.store.odd_values import maybe, since_epoch, text, whole
from serbero.store.reasoning_calls import CallRecord
from serbero.store.schema import disputes
from serbero.store.session_lookup import Glance, Kept, kept
from serbero.store.transcripts import Line

_S, _D, _E = sessions.c, disputes.c, events.c


@dataclass(frozen=True, slots=True)
class SideRecord:
    """One party of a session.

    Attributes:
        asked_at: when the last question was put to it; None before the first.
        reached_at: when a relay took that; None until then, or where nobody keeps it.
        answered_at: when its newest message that counts arrived.
        answers: its messages that count.
        language: what it writes in, where known.
        waits: whether it has yet to answer the last question.
    """

    party: Party
    asked_at: int | None
    reached_at: int | None
    answered_at: int | None
    answers: int
    language: str | None
    waits: bool


@dataclass(frozen=True, slots=True)
class SummaryRecord:
    """A summary as the solvers were given it: its words were screened."""

    classification: str
    confidence: float
    generated_at: int
    body: str = field(repr=False)
    next_step: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Dispatched:
    """A hand-off that was sent, or reached nobody."""

    target_solver: str
    status: str
    dispatched_at: int


@dataclass(frozen=True, slots=True)
class DisputeRecord:
    """The dispute of a session, as it stands."""

    initiator: str
    status: str
    lifecycle: str


@dataclass(frozen=True, slots=True)
class Record:
    """Everything on record about one session.

    Attributes:
        session: of a dispute that never had one, its beginnings: without an id.
        before: events of the dispute that led to this session, in order.
        events: the session's own, in order.
        calls: of models, those that led to the session first.
        shown: what the model was shown, by ``seen_message_id`` of the call.
        lines: everything that was said.
        bundle_kept: whether the bytes of its prompts are here; None where none are kept.
    """

    kept: Kept
    session: Glance
    dispute: DisputeRecord | None
    sides: tuple[SideRecord, ...]
    before: tuple[AuditEvent, ...]
    events: tuple[AuditEvent, ...]
    calls: tuple[CallRecord, ...]
    shown: Mapping[int, tuple[Line, ...]] = field(repr=False)
    lines: tuple[Line, ...] = field(repr=False)
    summary: SummaryRecord | None
    dispatches: tuple[Dispatched, ...]
    bundle_kept: bool | None

    @property
    def purged(self) -> bool:
        """Whether a purge emptied what was said: nothing of ours was blank before."""
        return purged(self.lines)


def purged(lines: Iterable[Line]) -> bool:
    """Whether a purge emptied these messages."""
    return any(each.ours and not each.text for each in lines)


def events_without_session(tx: sa.Connection, dispute_id: str) -> list[AuditEvent]:
    """Return a dispute's events outside its sessions, in order."""
    if kept(tx).filed:
        return audit_trail.of_dispute(tx, dispute_id)
    # The reference keeps in the payload alone which dispute an event is about.
    rows = tx.execute(sa.select(events).where(_E.session_id.is_(None)).order_by(_E.id))
    return [
        AuditEvent(
            id=row.id,
            session_id=None,
            kind=text(row.kind),
            payload=payload,
            rationale_id=maybe(row.rationale_id),
            pins=None,
            at=since_epoch(row.occurred_at),
        )
        for row in rows
        if (payload := parsed(text(row.payload_json))).get("dispute_id") == dispute_id
    ]


def read(tx: sa.Connection, session_id: str) -> Record | None:
    """Return everything on record about a session; None if it is not there."""
    have = kept(tx)
    session = session_lookup.glance(tx, session_id) if have.sessions else None
    if session is None:
        return None
    own = audit_trail.of_session(tx, session_id)
    before = _before(tx, session, own)
    lines = transcripts.whole(tx, session_id)
    calls = _calls(tx, session, before) if have.calls else []
    seen = {each.seen_message_id for each in calls if each.session_id is not None} - {None}
    known = prompt_bundles.has(tx, session.pins.policy_hash) if have.bundles else None
    return Record(
        kept=have,
        session=session,
        dispute=_dispute(tx, session.dispute_id),
        sides=tuple(_side(tx, session_id, party, lines, have) for party in Party),
        before=tuple(before),
        events=tuple(own),
        calls=tuple(calls),
        shown={
            each: tuple(transcripts.fresh(tx, session_id, upto=each))
            for each in seen
            if each is not None
        },
        lines=tuple(lines),
        summary=_summary(tx, session_id),
        dispatches=_dispatches(tx, session_id) if have.dispatches else (),
        bundle_kept=known,
    )


def unopened(tx: sa.Connection, dispute_id: str) -> Record | None:
    """Return what is on record of a dispute that was judged and has no session; None else."""
    have = kept(tx)
    trail = events_without_session(tx, dispute_id) if have.sessions else []
    verdicts = [each for each in trail if each.kind == AuditKind.REASONING_VERDICT]
    if not verdicts:
        return None
    pins = verdicts[-1].pins or Pins("", "")
    session = Glance("", dispute_id, "", pins, 0, trail[0].at, trail[-1].at, None, None)
    return Record(
        kept=have,
        session=session,
        dispute=_dispute(tx, dispute_id),
        sides=(),
        before=tuple(trail),
        events=(),
        calls=tuple(reasoning_calls.of_dispute(tx, dispute_id)) if have.calls else (),
        shown={},
        lines=(),
        summary=None,
        dispatches=(),
        bundle_kept=prompt_bundles.has(tx, pins.policy_hash) if have.bundles else None,
    )


def _before(tx: sa.Connection, session: Glance, own: Sequence[AuditEvent]) -> list[AuditEvent]:
    """What led to a session: events of its dispute since the session before it began."""
    kind = AuditKind.SESSION_OPENED.value
    opened = next((each.id for each in own if each.kind == kind), None)
    found = events_without_session(tx, session.dispute_id)
    if opened is None:
        return [each for each in found if each.at <= session.started_at]
    earlier = (
        sa.select(sa.func.max(_E.id))
        .join(sessions, _S.session_id == _E.session_id)
        .where(_S.dispute_id == session.dispute_id, _E.kind == kind, _E.id < opened)
    )
    since = tx.execute(earlier).scalar() or 0
    return [each for each in found if since < each.id < opened]


def _calls(tx: sa.Connection, session: Glance, before: Sequence[AuditEvent]) -> list[CallRecord]:
    """A session's calls, after those that were made before it for its sake."""
    previous = tx.execute(
        sa.select(sa.func.max(_S.started_at)).where(
            _S.dispute_id == session.dispute_id, _S.started_at < session.started_at
        )
    ).scalar()
    since = -1 if previous is None else since_epoch(previous)
    verdicts = {each.rationale_id for each in before if each.rationale_id is not None}
    found = reasoning_calls.of_dispute(tx, session.dispute_id)
    first = [
        each
        for each in found
        if each.session_id is None
        and (since < each.at <= session.started_at or each.rationale_id in verdicts)
    ]
    return first + [each for each in found if each.session_id == session.session_id]


def _dispute(tx: sa.Connection, dispute_id: str) -> DisputeRecord | None:
    query = sa.select(_D.initiator_role, _D.dispute_status, _D.lifecycle_state)
    row = tx.execute(query.where(_D.dispute_id == dispute_id)).first()
    return None if row is None else DisputeRecord(*map(text, row))


def _side(
    tx: sa.Connection, session_id: str, party: Party, lines: Sequence[Line], have: Kept
) -> SideRecord:
    columns = session_sides.c
    if have.facts:
        query = sa.select(session_sides).where(
            columns.session_id == session_id, columns.party == party.value
        )
        row = tx.execute(query).first()
        if row is not None:
            question, answer = whole(row.question_id), whole(row.answer_id)
            waits = question is not None and (answer or 0) < question
            return SideRecord(
                party,
                whole(row.asked_at),
                whole(row.reached_at),
                whole(row.answered_at),
                whole(row.fresh) or 0,
                maybe(row.language),
                waits,
            )
    asked = [each for each in lines if each.ours and each.party is party]
    said = [each for each in lines if not each.ours and each.party is party and not each.stale]
    last_asked = max(asked, key=lambda line: line.id, default=None)
    last_said = max(said, key=lambda line: line.id, default=None)
    return SideRecord(
        party,
        None if last_asked is None else last_asked.stored_at,
        None,
        None if last_said is None else last_said.stored_at,
        len(said),
        None,
        last_asked is not None and (last_said is None or last_said.id < last_asked.id),
    )


def _summary(tx: sa.Connection, session_id: str) -> SummaryRecord | None:
    columns = summaries.c
    query = sa.select(summaries).where(columns.session_id == session_id)
    row = tx.execute(query.order_by(columns.id.desc()).limit(1)).first()
    if row is None:
        return None
    return SummaryRecord(
        text(row.classification),
        row.confidence if isinstance(row.confidence, int | float) else 0.0,
        since_epoch(row.generated_at),
        text(row.summary_text),
        text(row.suggested_next_step),
    )


def _dispatches(tx: sa.Connection, session_id: str) -> tuple[Dispatched, ...]:
    columns = dispatches.c
    query = sa.select(columns.target_solver, columns.status, columns.dispatched_at)
    rows = tx.execute(query.where(columns.session_id == session_id).order_by(columns.dispatched_at))
    return tuple(Dispatched(text(row[0]), text(row[1]), since_epoch(row[2])) for row in rows)


def bundle(tx: sa.Connection, policy_hash: str) -> dict[str, bytes] | None:
    """Return the bytes of a prompt bundle; None where they are not kept."""
    return prompt_bundles.load(tx, policy_hash) if kept(tx).bundles else None
