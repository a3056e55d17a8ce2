"""What was over long ago costs an answer nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.store.rig import NODE, T0, Database

from serbero.store import commands

READS: dict[str, Callable[[sa.Connection], Any]] = {
    "open": lambda tx: commands.open_ids(tx, NODE, 10),
    "count": lambda tx: commands.count_open(tx, NODE),
    "beginning": lambda tx: commands.beginning_with(tx, NODE, "1a2b", 11, only_open=False),
    "told": lambda tx: commands.told(tx, ["1a2b"]),
    "holders": lambda tx: commands.holders(tx, T0),
    "waiting": lambda tx: commands.waiting_ids(tx, T0),
    "seen": lambda tx: commands.seen(tx, "aa"),
    "forget": lambda tx: commands.forget(tx, T0),
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "serbero.db")
    yield opened
    opened.close()


@pytest.mark.parametrize("name", READS)
def test_no_table_is_read_from_end_to_end(database: Database, name: str) -> None:
    said: list[tuple[str, Any]] = []

    def note(_c: object, _k: object, statement: str, values: Any, *_: object) -> None:
        said.append((statement, values))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    database.run(READS[name])
    sa.event.remove(database.engine, "before_cursor_execute", note)
    assert said
    for statement, values in said:
        with database.engine.begin() as tx:
            plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        steps = [str(row[-1]) for row in plan]
        assert not [each for each in steps if each.startswith("SCAN")], steps
