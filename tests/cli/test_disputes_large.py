"""After years: a list, a story and the notifications cost what they show, not what there was."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.cli.conftest import MANY

from serbero.store import dispute_lookup, dispute_story, notification_lookup, sqlite
from serbero.store import dispute_story_sources as sources
from serbero.store.dispute_lookup import Wanted
from serbero.store.notification_lookup import Wanted as Notified

NOW: Final = 1_795_000_600
HEAVY: Final = (
    "notifications",
    "outbox",
    "outbox_targets",
    "mediation_events",
    "mediation_messages",
    "reasoning_rationales",
    "dispute_state_transitions",
    "revisions",
    "takes",
    "journal",
    "parties",
)
"""Tables of which no row too many may be read."""


@pytest.fixture(scope="module")
def engine(large_database: Path) -> Iterator[sa.Engine]:
    opened = sqlite.connect_reader(large_database)
    yield opened
    opened.dispose()


def chosen(engine: sa.Engine, state: str) -> str:
    with engine.begin() as tx:
        [one] = dispute_lookup.newest(tx, Wanted(states=(state,), limit=1), NOW)
    return one.dispute_id


def walks(engine: sa.Engine, fn: Callable[[sa.Connection], object]) -> list[str]:
    """Run ``fn`` and return each step of its plans that reads a whole heavy table."""
    run: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        run.append((statement, parameters))

    found = []
    with engine.begin() as tx:
        sa.event.listen(tx, "before_cursor_execute", note)
        fn(tx)
        sa.event.remove(tx, "before_cursor_execute", note)
        assert run
        for statement, parameters in run:
            if statement.startswith("SELECT"):
                for row in tx.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters):
                    words = str(row[3]).split()
                    if words[0] == "SCAN" and words[1] in HEAVY:
                        found.append(str(row[3]))
    return found


def steps(engine: sa.Engine, fn: Callable[[sa.Connection], object]) -> int:
    """How many times a hundred instructions of SQLite's machine it takes."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    with engine.begin() as tx:
        raw: Any = tx.connection.driver_connection
        raw.set_progress_handler(count, 100)
        fn(tx)
        raw.set_progress_handler(None, 0)
    return counted


@pytest.mark.parametrize("state", ["new", "notified", "taken", "waiting", "escalated", "resolved"])
def test_a_story_reads_its_own_rows(engine: sa.Engine, state: str) -> None:
    dispute = chosen(engine, state)

    def read(tx: sa.Connection) -> dispute_story.Story | None:
        return dispute_story.read(tx, dispute, NOW)

    assert walks(engine, read) == []
    assert steps(engine, read) < 500
    with engine.begin() as tx:
        story = read(tx)
        assert story is not None
        ids = [each.session.session_id for each in story.sessions]
    assert walks(engine, lambda tx: sources.rationales(tx, [*ids, "none"], ["0" * 64])) == []
    assert story.deliveries


WANTED: Final = {
    "all": Wanted(),
    "open": Wanted(open_only=True),
    "state": Wanted(states=("resolved", "taken")),
    "between": Wanted(since=NOW - 40_000_000, until=NOW - 39_000_000),
    "initiator": Wanted(initiator="seller"),
    "holder": Wanted(holder=("bb" * 32, "npub1x")),
}


@pytest.mark.parametrize("name", WANTED)
def test_a_list_reads_each_dispute_once_and_the_rest_for_its_page(
    engine: sa.Engine, name: str
) -> None:
    def look(tx: sa.Connection) -> list[dispute_lookup.Listed]:
        return dispute_lookup.newest(tx, WANTED[name], NOW)

    assert walks(engine, look) == []
    # No index is by time, and none may be added to the reference's table.
    assert steps(engine, look) < MANY * 45 // 100
    with engine.begin() as tx:
        found = look(tx)
    assert len(found) == 50
    times = [each.opened_at or 0 for each in found]
    assert times == sorted(times, reverse=True)


def test_notifications_are_walked_from_the_end(engine: sa.Engine) -> None:
    """As far as the limit needs; only what is not there costs a look at every row."""
    dispute = chosen(engine, "notified")
    assert steps(engine, lambda tx: notification_lookup.newest(tx, Notified())) < 50
    one = Notified(dispute_id=dispute)
    assert steps(engine, lambda tx: notification_lookup.newest(tx, one)) < 50
    failed = Notified(status="failed", limit=10)
    assert steps(engine, lambda tx: notification_lookup.newest(tx, failed)) < 3000
    none = Notified(solver=("0" * 64, "npub1none"))
    with engine.begin() as tx:
        assert notification_lookup.newest(tx, none) == []
    assert steps(engine, lambda tx: notification_lookup.newest(tx, none)) < 10 * MANY * 15 // 100


def test_a_walk_would_be_seen(engine: sa.Engine) -> None:
    def walk(tx: sa.Connection) -> object:
        return tx.exec_driver_sql("SELECT count(*) FROM notifications WHERE sent_at > 0").all()

    assert walks(engine, walk)
    assert steps(engine, walk) > 10 * MANY * 3 // 100
