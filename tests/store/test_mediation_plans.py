"""Mediation's queries read the present: sessions long closed and trails long written cost nothing.

The plans are SQLite's own, of the statements that really run.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.store.mediation_rig import (
    ADDRESS,
    BUYER,
    LABEL,
    PINS,
    SETTLE,
    Talk,
    hold,
    new_session,
    open_in,
    pair,
    rationale,
    session_id,
    take,
)
from tests.store.rig import NODE, T0, Database, audience, dispute_id, revision
from tests.store.test_query_plans import GROWING, plans_of, steps

from serbero.model.mediation import SessionState, StartTrigger, Trigger
from serbero.store import (
    audit_trail,
    eligibility,
    escalations,
    evaluations,
    prompt_bundles,
    reasoning_calls,
    resolution_report,
    session_messages,
    session_moves,
    sessions,
    standing,
    start_events,
    summaries,
    transcripts,
)
from serbero.store.escalations import Handoff
from serbero.store.session_messages import Arrived
from serbero.store.session_moves import EndCause

PAST: Final = 300
NOW: Final = T0 + 100_000
OPEN: Final = PAST + 1
FREE: Final = PAST + 2
HELD: Final = PAST + 3
SESSION: Final = session_id(OPEN)
GROWS: Final = (
    *GROWING,
    "mediation_sessions",
    "mediation_messages",
    "reasoning_rationales",
    "mediation_summaries",
    "mediation_events",
    "session_facts",
    "session_sides",
    "buyer_side",
    "seller_side",
    "dispute_events",
    "reasoning_calls",
    "prompt_bundles",
    "parties",
    "takes",
)
PRESENT_ONLY: Final = ("ix_session_facts_evaluate",)


ARRIVING: Final = Arrived(SESSION, BUYER, ADDRESS[BUYER], "aa" * 32, NOW, "ab" * 32, "words")


def fill_present(database: Database) -> None:
    database.record(*(revision(each, at=NOW) for each in (OPEN, FREE, HELD)), audience=audience(1))
    for number in (OPEN, HELD):
        database.run(take, dispute_id(number), NOW)
    database.run(open_in, dispute_id(OPEN), OPEN, NOW)
    Talk(database, SESSION).hears(BUYER, NOW)


@pytest.fixture(scope="module")
def long_past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Hundreds of sessions that ended, and hundreds of disputes escalated before any."""
    database = Database(tmp_path_factory.mktemp("mediated") / "serbero.db")
    numbers = range(1, PAST)
    database.record(*(revision(each, at=T0) for each in numbers), audience=audience(1))

    def past(tx: sa.Connection) -> None:
        for number in numbers:
            dispute = dispute_id(number)
            start_events.start_attempt_started(tx, dispute, StartTrigger.DETECTED, T0)
            if number % 3 == 0:
                handoff = Handoff(Trigger.LOW_CONFIDENCE)
                escalations.escalate_dispute(tx, dispute, handoff, PINS, T0)
                continue
            take(tx, dispute, T0)
            open_in(tx, dispute, number, T0)
            if number % 2:
                handoff = Handoff(Trigger.LOW_CONFIDENCE)
                escalations.escalate_session(tx, session_id(number), handoff, T0)

    database.run(past)
    for start in range(1, PAST, 50):
        batch = [revision(each, "settled", T0 + 50) for each in numbers[start - 1 : start + 49]]
        database.record(*batch, audience=audience(1))

    def close(tx: sa.Connection) -> None:
        for number in numbers:
            session_moves.end_sessions(
                tx, dispute_id(number), EndCause.RESOLVED, T0, event_id="e", status="settled"
            )

    database.run(close)
    fill_present(database)
    yield database
    database.close()


def summarize(tx: sa.Connection) -> object:
    for step in (SessionState.CLASSIFIED, SessionState.SUMMARY_PENDING):
        session_moves.move(tx, SESSION, step, NOW)
    why = rationale(dispute_id(OPEN), SESSION, "summary")
    summaries.save(tx, SESSION, LABEL, "b", "s", why, NOW)
    summaries.of_session(tx, SESSION)
    return session_moves.finish_summary(tx, SESSION, NOW)


QUERIES: Final[dict[str, Callable[[sa.Connection], object]]] = {
    "live": sessions.live,
    "due_for_evaluation": lambda tx: sessions.due_for_evaluation(tx, NOW + 99, 8),
    "next_evaluation_at": sessions.next_evaluation_at,
    "load": lambda tx: sessions.load(tx, SESSION),
    "of_dispute": lambda tx: sessions.of_dispute(tx, dispute_id(OPEN)),
    "may_speak": lambda tx: sessions.may_speak(tx, SESSION),
    "open": lambda tx: session_moves.open_session(tx, new_session(dispute_id(HELD), 9_999), NOW),
    "pair": lambda tx: session_messages.put_pair(tx, SESSION, pair(SESSION, 2), NOW),
    "sent": lambda tx: session_messages.mark_sent(
        tx, SESSION, pair(SESSION, 1)[BUYER].inner_id, "f1", NOW
    ),
    "arrival": lambda tx: session_messages.take_in(tx, ARRIVING, NOW, SETTLE),
    "transcript": lambda tx: transcripts.fresh(tx, SESSION),
    "newest message": lambda tx: transcripts.newest_id(tx, SESSION),
    "evaluation": lambda tx: evaluations.record(
        tx, SESSION, LABEL, rationale(dispute_id(OPEN), SESSION), NOW
    ),
    "settle": lambda tx: evaluations.settle(tx, SESSION, 1),
    "fail": lambda tx: evaluations.fail(tx, SESSION, NOW),
    "summary": summarize,
    "escalation": lambda tx: escalations.escalate_session(
        tx, SESSION, Handoff(Trigger.ROUND_LIMIT), NOW
    ),
    "escalation before": lambda tx: escalations.escalate_dispute(
        tx, dispute_id(FREE), Handoff(Trigger.ROUND_LIMIT), PINS, NOW
    ),
    "end": lambda tx: session_moves.end_sessions(
        tx, dispute_id(OPEN), EndCause.RESOLVED, NOW, event_id="e", status="settled"
    ),
    "judge": lambda tx: eligibility.judge(tx, dispute_id(FREE), NOW),
    "candidates": lambda tx: eligibility.candidates(tx, NOW, 8),
    "candidates of a node": lambda tx: eligibility.candidates(tx, NOW, 8, NODE),
    "failed start": lambda tx: eligibility.start_failed(tx, dispute_id(FREE), lambda _: 30, NOW),
    "report": lambda tx: resolution_report.context(tx, dispute_id(OPEN)),
    "report without session": lambda tx: resolution_report.context(tx, dispute_id(3)),
    "trail": lambda tx: audit_trail.of_dispute(tx, dispute_id(OPEN)),
    "bundle": lambda tx: prompt_bundles.load(tx, PINS.policy_hash),
    "calls": lambda tx: (
        reasoning_calls.of_session(tx, SESSION),
        reasoning_calls.of_dispute(tx, dispute_id(OPEN)),
    ),
    "standing": lambda tx: standing.load(tx, NODE),
}


def walks(detail: str) -> bool:
    words = detail.split()
    if words[0] != "SCAN" or not any(name in words for name in GROWS):
        return False
    return not any(index in words for index in PRESENT_ONLY)


@pytest.mark.parametrize("analysed", [False, True], ids=["no statistics", "statistics"])
@pytest.mark.parametrize("name", QUERIES)
def test_no_walk_through_history(long_past: Database, name: str, analysed: bool) -> None:
    long_past.run(lambda tx: tx.exec_driver_sql("ANALYZE").close() if analysed else None)
    plans = plans_of(long_past, QUERIES[name])
    assert plans
    assert [each for each in plans if walks(each[1])] == []


def test_the_past_is_what_it_should_be(long_past: Database) -> None:
    closed = "SELECT count(*) FROM mediation_sessions WHERE state = 'closed'"
    assert long_past.one(closed) == 200
    found = [each.session_id for each in long_past.run(sessions.live)]
    assert found == [SESSION]
    free = [each.dispute_id for each in long_past.run(eligibility.candidates, NOW, 99)]
    assert sorted(free) == sorted([dispute_id(FREE), dispute_id(HELD)])


def test_work_does_not_grow_with_history(long_past: Database, tmp_path: Any) -> None:
    """The same present with and without a past: SQLite takes about as many steps."""
    fresh = Database(tmp_path / "fresh.db")
    fill_present(fresh)
    costs = {
        name: (steps(long_past, query), steps(fresh, query)) for name, query in QUERIES.items()
    }
    fresh.close()
    assert {name: cost for name, cost in costs.items() if cost[0] > 2 * cost[1] + 5} == {}


def test_a_held_dispute_of_the_past_is_no_candidate(long_past: Database, tmp_path: Any) -> None:
    """The check would see one that is: the same dispute, alone."""
    fresh = Database(tmp_path / "one.db")
    dispute = hold(fresh, 1)
    assert len(fresh.run(eligibility.candidates, NOW, 9)) == 1
    assert dispute not in {
        each.dispute_id for each in long_past.run(eligibility.candidates, NOW, 9)
    }
    fresh.close()
