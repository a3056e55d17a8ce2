"""What people and models wrote about disputes that ended: emptied, and nothing else.

What is emptied of a dispute, and stands empty (or NULL where a column may be) afterwards:

- ``mediation_messages.content``: what was said by and to the parties;
- ``reasoning_rationales.rationale_text``: why a model said what it said;
- ``mediation_summaries.summary_text`` and ``suggested_next_step``: a model's words for solvers;
- ``outbox.rumor_json`` and ``outbox_wraps.event_json``: messages, in the clear and as sent; those
  still on their way are left until they are over;
- ``mediation_events.payload_json``, the ``reason`` of a summary that failed: the reference puts
  there, behind a colon, what a provider answered. Ours writes fixed words into payloads;
- ``parties.facts_json``, ``payment_method``: typed by the maker of the order.

The rest holds no words of theirs and stays, so that the audit trail goes on proving who was told
what and when: ids, hashes, keys, times, states, labels, counts. ``notifications.error_message``,
``outbox_targets.reason`` and ``takes.reason`` are words of relays, of the node and of ours;
``session_sides.language`` is a language tag; payloads of ``mediation_events`` and ``journal``,
``alerts.facts_json``, ``owed_briefs``, ``held_messages``, ``ladders``, ``commands_seen`` and
``dispatches`` name ids, fixed words and numbers; ``prompt_bundles``, ``inboxes`` and
``node_info`` are the operator's, or public. A solver's command is answered and not kept.

A rationale of a dispute that never had a session is stored once for every dispute that was given
the same words. It is emptied with the last of them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import sqlalchemy as sa

from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import AuditKind
from serbero.model.notification import OutboxState
from serbero.store import journal
from serbero.store.mediation_schema import (
    dispute_events,
    events,
    messages,
    rationales,
    reasoning_calls,
    sessions,
    summaries,
)
from serbero.store.schema import disputes, outbox, outbox_wraps, parties, transitions

CONTENTS_PURGED: Final = "contents_purged"
"""In the journal: of a dispute, or of a batch of settled messages."""
_D, _S, _M, _U = disputes.c, sessions.c, messages.c, summaries.c
_R, _E, _F, _C = rationales.c, events.c, dispute_events.c, reasoning_calls.c
_O, _W, _P = outbox.c, outbox_wraps.c, parties.c
_OPEN: Final = [each.value for each in Lifecycle if each is not Lifecycle.RESOLVED]
_BEFORE: Final = sa.bindparam("before", type_=sa.Integer)
_OF: Final = sa.bindparam("of", type_=sa.Text)


def ended_at(table: Any) -> sa.ColumnElement[int]:
    """When a dispute that is resolved became so; rows may be written by other programs."""
    last = (
        sa.select(sa.func.max(transitions.c.transitioned_at))
        .where(transitions.c.dispute_id == table.c.dispute_id)
        .correlate_except(transitions)
    )
    return sa.func.coalesce(table.c.last_state_change, last.scalar_subquery(), table.c.detected_at)


def ended(table: Any) -> sa.ColumnElement[bool]:
    """Whether a dispute is resolved, and became so by the parameter ``before``."""
    return sa.and_(table.c.lifecycle_state == Lifecycle.RESOLVED.value, ended_at(table) <= _BEFORE)


def _sessions_of(dispute: Any) -> Any:
    return sa.select(_S.session_id).where(_S.dispute_id == dispute).correlate_except(sessions)


def _spoken(dispute: Any) -> list[sa.ColumnElement[bool]]:
    return [_M.session_id.in_(_sessions_of(dispute)), _M.content != ""]


def _summarised(dispute: Any) -> list[sa.ColumnElement[bool]]:
    return [
        _U.session_id.in_(_sessions_of(dispute)),
        sa.or_(_U.summary_text != "", _U.suggested_next_step != ""),
    ]


def _reasoned(dispute: Any) -> list[sa.ColumnElement[bool]]:
    """Of its sessions."""
    return [_R.session_id.in_(_sessions_of(dispute)), _R.rationale_text != ""]


_OTHER: Final = disputes.alias("other")
_UNENDED: Final = disputes.alias("unended")


def _reasoned_before(dispute: Any) -> list[sa.ColumnElement[bool]]:
    """Of no session, and of no dispute whose words are to be kept."""
    filed = (
        sa.select(_E.rationale_id)
        .join(dispute_events, _F.event_id == _E.id)
        .where(_F.dispute_id == dispute)
        .correlate_except(events, dispute_events)
    )
    called = (
        sa.select(_C.rationale_id).where(_C.dispute_id == dispute).correlate_except(reasoning_calls)
    )
    shared = (
        sa.select(sa.literal(1))
        .select_from(reasoning_calls.join(_OTHER, _OTHER.c.dispute_id == _C.dispute_id))
        .where(
            _C.rationale_id == _R.rationale_id,
            _C.session_id.is_(None),
            _C.rationale_id.is_not(None),
            _C.dispute_id != dispute,
            sa.not_(ended(_OTHER)),
        )
        .correlate_except(reasoning_calls, _OTHER)
    )
    # What the reference asked a model is on its audit trail alone.
    open_filed = dispute_events.alias("open_filed")
    open_events = events.alias("open_events")
    shared_open = (
        sa.select(sa.literal(1))
        .select_from(
            _UNENDED.join(open_filed, open_filed.c.dispute_id == _UNENDED.c.dispute_id).join(
                open_events, open_events.c.id == open_filed.c.event_id
            )
        )
        .where(_UNENDED.c.lifecycle_state.in_(_OPEN), open_events.c.rationale_id == _R.rationale_id)
    )
    return [
        _R.rationale_id.in_(sa.union_all(filed, called)),
        _R.session_id.is_(None),
        _R.rationale_text != "",
        ~shared.exists(),
        ~shared_open.exists(),
    ]


_REASON: Final = sa.func.json_extract(_E.payload_json, "$.reason")


def _reported(dispute: Any) -> list[sa.ColumnElement[bool]]:
    """Events whose reason holds more than fixed words; of a payload that is none, nothing."""
    readable = sa.func.json_valid(_E.payload_json) == 1
    colon = sa.func.instr(_REASON, ":")
    return [
        _E.session_id.in_(_sessions_of(dispute)),
        _E.kind == AuditKind.ESCALATION_RECOMMENDED.value,
        # CASE, because SQLite may look at terms of a conjunction in any order.
        sa.case(
            (
                readable,
                sa.and_(
                    sa.func.json_type(_E.payload_json, "$.rationale_refs").is_(None),
                    sa.func.json_type(_E.payload_json, "$.reason") == "text",
                    colon > 0,
                ),
            ),
            else_=sa.false(),
        ),
    ]


def _named(dispute: Any) -> list[sa.ColumnElement[bool]]:
    known = sa.func.json_type(_P.facts_json, "$.payment_method") != "null"
    return [
        _P.dispute_id == dispute,
        sa.case((sa.func.json_valid(_P.facts_json) == 1, known), else_=sa.false()),
    ]


OVER: Final = sa.or_(
    _O.next_attempt_at.is_(None),
    # Its deadline passed while no daemon ran to settle it.
    sa.and_(_O.state == OutboxState.SENT.value, _O.deadline_at <= _BEFORE),
)
"""Of a message: no relay is asked any more."""


def _told(dispute: Any) -> list[sa.ColumnElement[bool]]:
    return [_O.dispute_id == dispute, _O.rumor_json.is_not(None), OVER]


def contents_of(dispute: Any) -> list[list[sa.ColumnElement[bool]]]:
    """Where the words of a dispute (a column or a parameter) stand, table by table."""
    kinds = (_told, _named, _spoken, _summarised, _reasoned, _reasoned_before, _reported)
    return [conditions(dispute) for conditions in kinds]


@dataclass(frozen=True, slots=True)
class Emptied:
    """How many rows were emptied, or would be.

    Attributes:
        messages: of the conversation with the parties.
        reasons: of events, what a provider had answered.
        order_facts: of an order, what its maker typed.
        outbox: messages in the clear.
        wraps: and as relays were given them.
    """

    messages: int = 0
    rationales: int = 0
    summaries: int = 0
    reasons: int = 0
    order_facts: int = 0
    outbox: int = 0
    wraps: int = 0

    def __bool__(self) -> bool:
        return any(self.counts().values())

    def __add__(self, other: "Emptied") -> "Emptied":
        mine, theirs = self.counts(), other.counts()
        return Emptied(**{name: mine[name] + theirs[name] for name in mine})

    def counts(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


_WRAPPED: Final = (
    _W.event_json.is_not(None),
    _W.outbox_id.in_(sa.select(_O.id).where(*_told(_OF))),
)
_STATEMENTS: Final[dict[str, tuple[sa.Update, ...]]] = {
    "messages": (sa.update(messages).where(*_spoken(_OF)).values(content=""),),
    "rationales": (
        sa.update(rationales).where(*_reasoned(_OF)).values(rationale_text=""),
        sa.update(rationales).where(*_reasoned_before(_OF)).values(rationale_text=""),
    ),
    "summaries": (
        sa.update(summaries)
        .where(*_summarised(_OF))
        .values(summary_text="", suggested_next_step=""),
    ),
    "reasons": (
        sa.update(events)
        .where(*_reported(_OF))
        .values(
            payload_json=sa.func.json_set(
                _E.payload_json,
                "$.reason",
                sa.func.substr(_REASON, 1, sa.func.instr(_REASON, ":") - 1),
            )
        ),
    ),
    "order_facts": (
        sa.update(parties)
        .where(*_named(_OF))
        .values(facts_json=sa.func.json_set(_P.facts_json, "$.payment_method", None)),
    ),
    # Before their messages, by which they are found.
    "wraps": (sa.update(outbox_wraps).where(*_WRAPPED).values(event_json=None),),
    "outbox": (sa.update(outbox).where(*_told(_OF)).values(rumor_json=None),),
}
_STILL_ENDED: Final = sa.select(ended_at(disputes)).where(_D.dispute_id == _OF, ended(disputes))


def empty(tx: sa.Connection, dispute_id: str, before: int, now: int) -> Emptied:
    """Empty one dispute, if it ended by Unix second ``before``, and journal it."""
    known = {"of": dispute_id, "before": before}
    since = tx.execute(_STILL_ENDED, known).scalar()
    if since is None:
        return Emptied()
    changed = {
        name: sum(tx.execute(each, known).rowcount for each in statements)
        for name, statements in _STATEMENTS.items()
    }
    done = Emptied(**changed)
    if done:
        payload = {name: count for name, count in done.counts().items() if count}
        payload["ended_at"] = since
        journal.write(tx, CONTENTS_PURGED, now, dispute_id=dispute_id, payload=payload)
    return done


def empty_all(tx: sa.Connection, ids: Sequence[str], before: int, now: int) -> tuple[int, Emptied]:
    """Empty several disputes, see :func:`empty`; return also how many still had something."""
    done = [empty(tx, each, before, now) for each in ids]
    return sum(map(bool, done)), sum(done, Emptied())
