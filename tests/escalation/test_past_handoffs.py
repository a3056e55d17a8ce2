"""A hundred thousand hand-offs of the past: a new one costs what it costs after a few.

What is compared is the work of SQLite's virtual machine, not time: a search costs the same however
large its index is, and a scan costs every row.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import pytest
import sqlalchemy as sa
from tests.escalation.test_dispatch import READER, SECOND, WRITER, Case
from tests.migrated import provide
from tests.store.rig import NODE, T0, Database, key

from serbero.escalation import ladder_records
from serbero.escalation.dispatching import DispatchRules, Outcome, conclude_stranded, dispatch
from serbero.model.ladder import DEFAULT_POLICY
from serbero.store import handoffs, sqlite

P = ParamSpec("P")
T = TypeVar("T")

PAST: Final = 100_000
FEW: Final = 20
"""The past that the other is measured against: enough for each row there is to be there."""

_NUMBERS: Final = """
    WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :past)
    INSERT INTO temp.past
    SELECT i, printf('%08x-0000-4000-8000-000000000000', i), printf('%064x', i), i + :past,
        i % 10 = 0
    FROM numbers
"""
"""Each tenth rests. An event's id says which dispute it is of; dispatches follow all hand-offs."""
_ROWS: Final = """
    INSERT INTO disputes (dispute_id, event_id, mostro_pubkey, initiator_role, dispute_status,
        event_timestamp, detected_at, lifecycle_state)
    SELECT dispute, hex, :node, 'buyer', 'settled', 1, 1, 'resolved' FROM past;

    INSERT INTO revisions (dispute_id, event_id, created_at, status, applied_at)
    SELECT dispute, hex, 1, 'settled', 1 FROM past;

    INSERT INTO mediation_events (id, kind, payload_json, prompt_bundle_id, policy_hash,
        occurred_at)
    SELECT i, 'handoff_prepared',
        json_object('dispute_id', dispute, 'trigger', 'fraud_indicator'), 'bundle', hex, 1
    FROM past;

    INSERT INTO dispute_events (dispute_id, kind, event_id)
    SELECT dispute, 'handoff_prepared', i FROM past;

    INSERT INTO pending_handoffs (event_id, dispute_id, parked)
    SELECT i, dispute, iif(i % 20, 'superseded', 'unroutable') FROM past WHERE rests;

    INSERT INTO mediation_events (id, kind, payload_json, prompt_bundle_id, policy_hash,
        occurred_at)
    SELECT later, 'escalation_dispatched',
        json_object('dispute_id', dispute, 'handoff_event_id', i), 'bundle', hex, 1
    FROM past WHERE NOT rests;

    INSERT INTO dispute_events (dispute_id, kind, event_id)
    SELECT dispute, 'escalation_dispatched', later FROM past WHERE NOT rests;

    INSERT INTO escalation_dispatches (dispatch_id, dispute_id, handoff_event_id, target_solver,
        dispatched_at, created_at)
    SELECT dispute, dispute, i, :solver, 1, 1 FROM past WHERE NOT rests;

    INSERT INTO ladders (dispute_id, handoff_event_id, started_at, policy_json, steps_taken,
        ended_at, ended_by)
    SELECT dispute, i, 1, '[]', 1, 2, 'taken' FROM past WHERE NOT rests;

    INSERT INTO outbox (dedupe_key, purpose, dispute_id, anchor, recipient, recipient_typed,
        channel, rumor_id, urgency, created_at, enqueued_ms, deadline_at, state)
    SELECT dispute, 'escalation_handoff', dispute, i, :solver, '', 'nip17', hex, 0, 1, 1000, 1,
        'sent'
    FROM past WHERE NOT rests;

    INSERT OR REPLACE INTO cursors (name, value)
    SELECT 'handoffs_taken_up', max(id) FROM mediation_events;

    INSERT OR REPLACE INTO cursors (name, value)
    SELECT 'reference_mediation_events', max(id) FROM mediation_events
"""


def make(path: Path, past: int) -> Path:
    """Make a database with so many hand-offs of the past, a tenth of which rest."""
    provide(path)
    with closing(sqlite.driver.connect(path)) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        raw.execute(
            "CREATE TEMP TABLE past (i INTEGER PRIMARY KEY, dispute TEXT, hex TEXT,"
            " later INTEGER, rests INTEGER)"
        )
        raw.execute(_NUMBERS, {"past": past})
        for statement in _ROWS.split(";"):
            wanted = {"node": NODE, "solver": key(11)}
            raw.execute(
                statement, {name: wanted[name] for name in wanted if f":{name}" in statement}
            )
        raw.commit()
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database with a long past, made once."""
    return make(tmp_path_factory.mktemp("past") / "serbero.db", PAST)


@pytest.fixture
def old(tmp_path: Path, past: Path) -> Iterator[Case]:
    shutil.copyfile(past, tmp_path / "old.db")
    yield from _case(tmp_path / "old.db")


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Case]:
    yield from _case(make(tmp_path / "new.db", FEW))


def _case(path: Path) -> Iterator[Case]:
    database = Database(path)
    yield Case(database, (WRITER, SECOND, READER))
    database.close()


class Meter:
    """Counts the steps of SQLite's virtual machine in transactions of a database.

    Attributes:
        spent: by what they were for, in order.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.spent: dict[str, int] = {}

    def run(
        self,
        what: str,
        fn: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run one transaction."""
        with self.reading(what):
            return self._database.run(fn, *args, **kwargs)

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Count what the transactions of the block do."""
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        def begun(tx: sa.Connection) -> None:
            raw: Any = tx.connection.driver_connection
            raw.set_progress_handler(count, 1)

        def over(tx: sa.Connection) -> None:
            raw: Any = tx.connection.driver_connection
            raw.set_progress_handler(None, 0)

        engine = self._database.engine
        watching = {"begin": begun, "commit": over}
        for event, what_then in watching.items():
            sa.event.listen(engine, event, what_then)
        try:
            yield
        finally:
            for event, what_then in watching.items():
                sa.event.remove(engine, event, what_then)
        assert steps > 0
        self.spent[what] = steps


def hand_over(case: Case, *, session: bool) -> dict[str, int]:
    """Dispatch a new hand-off, to its first success; return what each transaction cost."""
    meter, rules = Meter(case.database), case.rules
    rules = DispatchRules(
        rules.audience,
        rules.fallback_to_all,
        on_dispatched=lambda tx, pending, package, now: ladder_records.begin(
            tx, package.dispute_id, pending.session_id, pending.event_id, DEFAULT_POLICY, now
        ),
    )
    number = 1 if session else 2
    dispute, event_id = case.escalated(number, session=session)
    assert meter.run("look", handoffs.due, 128) == [event_id]
    assert meter.run("dispatch", dispatch, rules, event_id, (T0 + 10) * 1000) is Outcome.ENQUEUED
    assert meter.run("look again", handoffs.due, 128) == []
    assert meter.run("stranded", conclude_stranded, T0 + 10) == 0
    before = case.database.one("SELECT count(*) FROM escalation_dispatches")
    with meter.reading("first success"):
        case.deliver()
    assert case.database.one("SELECT count(*) FROM escalation_dispatches") == before + 1
    assert len(case.sent(dispute)) == 2
    return meter.spent


def scan(tx: sa.Connection, table: str) -> int:
    """Count the rows, one by one."""
    query = f"SELECT count(*) FROM {table} WHERE rowid + 0 > 0"  # noqa: S608
    return int(tx.exec_driver_sql(query).scalar_one())


def test_the_past_is_one(old: Case) -> None:
    """What the others measure against is there, and a scan of it would be seen."""
    meter = Meter(old.database)
    for table, rows in {
        "mediation_events": PAST * 19 // 10,
        "escalation_dispatches": PAST * 9 // 10,
        "pending_handoffs": PAST // 10,
    }.items():
        found = meter.run(table, scan, table)
        assert found == rows
        assert meter.spent[table] >= rows
    assert old.database.rows("PRAGMA foreign_key_check") == []


@pytest.mark.parametrize("session", [True, False], ids=["session", "dispute"])
def test_a_new_one_costs_what_it_costs_after_a_few(old: Case, new: Case, session: bool) -> None:
    assert hand_over(old, session=session) == hand_over(new, session=session)


def test_an_open_reads_past_its_mark_only(old: Case, new: Case) -> None:
    """Nothing where nothing is new, and what the reference left behind since, where it is."""
    spent = []
    for case in (old, new):
        meter = Meter(case.database)
        assert meter.run("nothing new", handoffs.take_up) == 0
        leave_behind(case)
        assert meter.run("two new", handoffs.take_up) == 2
        assert meter.run("nothing again", handoffs.take_up) == 0
        newest = case.database.one("SELECT max(id) FROM mediation_events")
        assert case.database.run(handoffs.due, 128) == [newest - 1, newest]
        spent.append(meter.spent)
    assert spent[0] == spent[1]


def leave_behind(case: Case) -> None:
    """Two hand-offs by another program, after a third that it dispatched itself."""
    with case.database.engine.begin() as tx:
        for number in range(3):
            tx.exec_driver_sql(
                "INSERT INTO mediation_events (kind, payload_json, occurred_at) SELECT kind,"
                " payload_json, occurred_at FROM mediation_events WHERE id = ?",
                (number + 1,),
            )
            if number == 0:
                tx.exec_driver_sql(
                    "INSERT INTO escalation_dispatches (dispatch_id, dispute_id, handoff_event_id,"
                    " target_solver, dispatched_at, created_at) SELECT 'theirs', dispute_id,"
                    " last_insert_rowid(), target_solver, 1, 1 FROM escalation_dispatches LIMIT 1"
                )


def test_looking_again_and_again_costs_the_same(old: Case, new: Case) -> None:
    """What rests is woken by what it waits for, and by nothing else."""
    spent = []
    for case in (old, new):
        meter = Meter(case.database)
        for what in ("first", "second"):
            assert meter.run(what, handoffs.due, 128) == []
            assert meter.run(f"{what}, stranded", conclude_stranded, T0) == 0
        spent.append(meter.spent)
    assert spent[0] == spent[1]
