"""After years: a list of messages costs what it shows, whichever time or state is asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa
from tests.cli.large_database import NEWEST, SPAN
from tests.cli.test_disputes_large import steps

from serbero.store import outbox_lookup, sqlite
from serbero.store.outbox_lookup import Wanted

YEAR_AGO: Final = NEWEST - SPAN // 2
WANTED: Final = {
    "old": Wanted(until=YEAR_AGO),
    "an old day": Wanted(since=YEAR_AGO, until=YEAR_AGO + 86_400),
    "sent, old": Wanted(states=("sent", "withdrawn"), until=YEAR_AGO),
    "before the first": Wanted(states=("sent",), until=1),
    "withdrawn": Wanted(states=("withdrawn",)),
    "rare states": Wanted(states=("dead", "pending", "withdrawn"), until=YEAR_AGO),
    "rare and none": Wanted(states=("pending",), purpose="mediation_summary"),
}


@pytest.fixture(scope="module")
def engine(large_database: Path) -> Iterator[sa.Engine]:
    opened = sqlite.connect_reader(large_database)
    yield opened
    opened.dispose()


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED.keys())
def test_a_list_of_some_time_or_state(engine: sa.Engine, wanted: Wanted) -> None:
    with engine.begin() as tx:
        found = [each.id for each in outbox_lookup.newest(tx, wanted, 20)]
    conditions = ["1"]
    if wanted.states:
        conditions.append(f"state IN ({', '.join(map(repr, wanted.states))}, '')")
    if wanted.purpose is not None:
        conditions.append(f"purpose = '{wanted.purpose}'")
    if wanted.since is not None:
        conditions.append(f"enqueued_ms >= {wanted.since * 1000}")
    if wanted.until is not None:
        conditions.append(f"enqueued_ms < {wanted.until * 1000}")
    query = f"SELECT id FROM outbox WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT 20"  # noqa: S608
    with engine.begin() as tx:
        assert found == list(tx.exec_driver_sql(query).scalars())
        walked = tx.exec_driver_sql("SELECT count(*) FROM outbox").scalar_one()
    # The index of times is passed over where a period has no end; the rows never are.
    assert steps(engine, lambda tx: outbox_lookup.newest(tx, wanted, 20)) < walked / 16
