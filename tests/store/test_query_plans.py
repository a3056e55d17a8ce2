"""No query of a timer or a claim walks a table that grows with history.

The plans are SQLite's own, of the statements the functions really run, on a database with a long
history and a short present. A ``SCAN`` is allowed only over an index that holds the present alone.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.store.rig import RELAY, T0, Database, audience, key, revision, said

from serbero.delivery import ledger
from serbero.delivery.dismissal import dismiss
from serbero.intake.decision import Outcome
from serbero.intake.recording import record_revisions
from serbero.intake.reminders import ReminderPace, find_due, remind_due
from serbero.model.notification import TargetSource
from serbero.store import corrected_clock, disputes, failure_notes, outbox, outbox_work
from serbero.store.new_key import reauthor, withdraw_party_messages
from serbero.store.outbox_twins import twins_of

PAST: Final = 800
NOW: Final = T0 + 100_000
GROWING: Final = (
    "disputes",
    "revisions",
    "notifications",
    "dispute_state_transitions",
    "outbox",
    "outbox_targets",
    "outbox_wraps",
    "journal",
)
PRESENT_ONLY: Final = (
    "ix_outbox_due",
    "ix_outbox_deadline",
    "ix_outbox_recipient",
    "ix_outbox_pending",
)
"""Partial indexes over what still waits."""
SOLVERS: Final = audience(2)


@pytest.fixture(scope="module")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Hundreds of disputes long closed, whose messages one relay never took, and a few open."""
    database = Database(tmp_path_factory.mktemp("history") / "serbero.db")
    everybody = dict.fromkeys((RELAY, "wss://away.example"), TargetSource.CONFIGURED)
    batch = [revision(number, at=T0 + number) for number in range(PAST)]
    database.record(*batch, audience=SOLVERS)
    claimed = database.claim(T0, limit=2 * PAST, relays_of=lambda _: everybody)
    outcome = ledger.Batch()
    for row in claimed.rows:
        for target in claimed.targets[row.id]:
            taken = target.relay == RELAY
            update = said(row.id, target, delivered=taken, now=T0, again=60)
            outcome.attempts.append(ledger.Attempt(row, update, delivered=taken))
        outcome.finished.append(row.id)
    database.run(ledger.record, outcome, T0 * 1000, {})
    batch = [revision(number, "settled", T0 + 10_000 + number) for number in range(PAST)]
    database.record(*batch, audience=SOLVERS)
    while database.claim(NOW).more:
        pass
    database.record(
        *(revision(number, at=NOW) for number in range(PAST, PAST + 20)), audience=SOLVERS, now=NOW
    )
    yield database
    database.close()


def plans_of(database: Database, fn: Callable[[sa.Connection], object]) -> list[tuple[str, str]]:
    """Run ``fn`` and explain every statement it ran, then undo it all."""
    run: list[tuple[str, Any]] = []

    def note(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        run.append((statement, parameters[0] if many else parameters))

    with database.engine.connect() as connection:
        transaction = connection.begin()
        sa.event.listen(connection, "before_cursor_execute", note)
        fn(connection)
        sa.event.remove(connection, "before_cursor_execute", note)
        explained = []
        for statement, parameters in run:
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
                explained += [(statement, str(row[3])) for row in rows]
        transaction.rollback()
    return explained


def walks(detail: str) -> bool:
    """Whether one step of a plan reads all of something that grows."""
    words = detail.split()
    if words[0] != "SCAN" or not any(name in words for name in GROWING):
        return False
    return not any(index in words for index in PRESENT_ONLY)


RELAYS: Final = dict.fromkeys((RELAY, "wss://away.example"), TargetSource.CONFIGURED)
PACE: Final = ReminderPace(interval=300, growth=1.0, check_every=60)
QUERIES: Final[dict[str, Callable[[sa.Connection], object]]] = {
    "due": lambda tx: outbox_work.due(tx, NOW, 64, frozenset({1, 2})),
    "overdue": lambda tx: outbox_work.overdue(tx, NOW + 86_400, 500, frozenset({1})),
    "next_due_at": lambda tx: outbox_work.next_due_at(tx, frozenset()),
    "depth": outbox.depth,
    "count_unreached_inboxes": outbox_work.count_unreached_inboxes,
    "wake_relay": lambda tx: outbox_work.wake_relay(tx, "wss://away.example", NOW - 5),
    "wake_recipient": lambda tx: outbox_work.wake_recipient(tx, key(1), NOW),
    "wake_live": lambda tx: outbox_work.wake_live(tx, NOW - 5),
    "dismiss": lambda tx: dismiss(tx, {key(1)}, NOW),
    "withdraw_party_messages": lambda tx: withdraw_party_messages(tx, key(9), NOW),
    "recipients_with_pending": lambda tx: outbox.recipients_with_pending(
        tx, revision(PAST + 1).dispute_id
    ),
    "twins_of": lambda tx: twins_of(tx, range(1, 60)),
    "failure notes": lambda tx: failure_notes.noted(tx, 2 * PAST + 1),
    "late claim": lambda tx: ledger.claim(tx, NOW + 9, 64, frozenset(), lambda _: RELAYS, {}),
    "correct_clock": lambda tx: corrected_clock.correct(tx, NOW - 1000),
    "reauthor": lambda tx: reauthor(tx, key(9)),
    "claim": lambda tx: ledger.claim(tx, NOW, 64, frozenset(), lambda _: RELAYS, {}),
    "bury": lambda tx: ledger.claim(tx, NOW + 90_000, 64, frozenset(), lambda _: RELAYS, {}),
    "find_due": lambda tx: find_due(tx, PACE, NOW + 1000),
    "remind": lambda tx: remind_due(
        tx, find_due(tx, PACE, NOW + 1000), SOLVERS, PACE, (NOW + 1000) * 1000
    ),
    "open_ids": disputes.open_ids,
    "count_open": disputes.count_open,
    "load_known": lambda tx: disputes.load_known(tx, [revision(1).dispute_id, "x"]),
    "detection": lambda tx: record_revisions(
        tx, [revision(PAST + 99, at=NOW)], SOLVERS, 0, NOW * 1000
    ),
    "take": lambda tx: record_revisions(
        tx, [revision(PAST + 1, "in-progress", NOW + 1)], SOLVERS, 0, NOW * 1000
    ),
    "reopening": lambda tx: record_revisions(
        tx, [revision(1, "initiated", NOW + 1)], SOLVERS, 0, NOW * 1000
    ),
}


@pytest.mark.parametrize("analysed", [False, True], ids=["no statistics", "statistics"])
@pytest.mark.parametrize("name", QUERIES)
def test_no_walk_through_history(long_history: Database, name: str, analysed: bool) -> None:
    long_history.run(lambda tx: tx.exec_driver_sql("ANALYZE").close() if analysed else None)
    plans = plans_of(long_history, QUERIES[name])
    assert plans
    assert [each for each in plans if walks(each[1])] == []


def test_the_check_sees_a_walk(long_history: Database) -> None:
    plans = plans_of(long_history, lambda tx: tx.exec_driver_sql("SELECT * FROM outbox").all())
    assert any(walks(detail) for _, detail in plans)


def test_a_relay_that_returns_looks_only_at_what_waits(long_history: Database) -> None:
    """Targets of settled messages are history too, though nobody closed them."""
    plans = plans_of(long_history, QUERIES["wake_relay"])
    seeks = [detail for _, detail in plans if "outbox_targets" in detail]
    assert seeks
    assert all("next_attempt_at" in detail for detail in seeks), seeks


def test_a_claim_costs_the_same_however_much_waits(tmp_path: Path) -> None:
    """A long outage leaves a long queue: each pass reads its own share of it, sorted already."""
    database = Database(tmp_path / "queue.db")
    batch = [revision(number, at=NOW) for number in range(1000)]
    database.record(*batch[:100], audience=SOLVERS, now=NOW)
    few = {name: steps(database, QUERIES[name]) for name in ("due", "next_due_at")}
    database.record(*batch[100:], audience=SOLVERS, now=NOW)
    many = {name: steps(database, QUERIES[name]) for name in few}
    database.close()
    assert all(many[name] <= few[name] + 2 for name in few), (few, many)


def test_the_history_is_what_it_should_be(long_history: Database) -> None:
    assert long_history.one("SELECT count(*) FROM outbox WHERE state = 'sent'") == 2 * PAST
    assert long_history.run(outbox.depth).pending == 40
    [seen] = long_history.record(revision(5), audience=SOLVERS)
    assert seen.outcome is Outcome.STALE


def test_work_does_not_grow_with_history(long_history: Database, tmp_path: Path) -> None:
    """The same present with and without a past: SQLite takes the same number of steps."""
    fresh = Database(tmp_path / "fresh.db")
    fresh.record(
        *(revision(number, at=NOW) for number in range(PAST, PAST + 20)), audience=SOLVERS, now=NOW
    )
    for name in ("due", "overdue", "next_due_at", "depth", "find_due", "open_ids", "wake_relay"):
        assert steps(long_history, QUERIES[name]) <= 2 * steps(fresh, QUERIES[name]) + 5, name
    fresh.close()


def test_a_reminder_costs_the_same_after_many_rounds(tmp_path: Path) -> None:
    """Nobody takes a dispute for days: what was sent about it is not read at each round."""
    database = Database(tmp_path / "rounds.db")
    database.record(revision(1), audience=SOLVERS)
    database.answer(database.claim(), delivered=True)
    queries: dict[str, Callable[[sa.Connection], object]] = {
        "reminder": lambda tx: remind_due(
            tx, [revision(1).dispute_id], SOLVERS, PACE, (T0 + 1000) * 1000
        ),
        "withdrawal": lambda tx: outbox.withdraw(
            tx, revision(1).dispute_id, outbox.ABOUT_A_DISPUTE, T0
        ),
    }
    few = {name: steps(database, query) for name, query in queries.items()}
    database.run(
        lambda tx: tx.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
            " INSERT INTO outbox (dedupe_key, purpose, dispute_id, anchor, recipient,"
            " recipient_typed, channel, rumor_id, urgency, created_at, enqueued_ms, deadline_at,"
            " state) SELECT dedupe_key || i, 're-notification', dispute_id, 'round' || i,"
            " recipient, recipient_typed, channel, rumor_id || i, 0, created_at, enqueued_ms,"
            " deadline_at, 'sent' FROM outbox, n"
        ).close()
    )
    many = {name: steps(database, query) for name, query in queries.items()}
    roots = database.run(outbox.thread_roots, revision(1).dispute_id)
    first = database.rows("SELECT recipient, rumor_id FROM outbox WHERE purpose = 'initial'")
    database.close()
    assert roots == dict(first)
    assert all(many[name] <= few[name] + 2 for name in few), (few, many)


def steps(database: Database, fn: Callable[[sa.Connection], object]) -> int:
    """How many times a hundred instructions of SQLite's machine it takes."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    with database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        transaction = connection.begin()
        raw.set_progress_handler(count, 100)
        fn(connection)
        raw.set_progress_handler(None, 0)
        transaction.rollback()
    return counted[0]
