"""The database that others measure on is what it says, and its rows agree."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import MANY, MOST

from serbero.model.lifecycle import TRANSITIONS, Lifecycle
from serbero.model.mediation import AuditKind
from serbero.store import sqlite


@pytest.fixture(params=["large", pytest.param("largest", marks=pytest.mark.soak)])
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[Any, int]]:
    path: Path = request.getfixturevalue(f"{request.param}_database")
    raw = sqlite.driver.connect(f"{path.as_uri()}?mode=ro", uri=True)
    yield raw, MANY if request.param == "large" else MOST
    raw.close()


def test_rows_agree(opened: tuple[Any, int]) -> None:
    raw, many = opened

    def rows(query: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in raw.execute(query).fetchall()]

    assert rows("PRAGMA foreign_key_check") == []
    assert rows("SELECT count(*), count(DISTINCT substr(dispute_id, 1, 8)) FROM disputes") == [
        (many, many)
    ]
    [(told,)] = rows("SELECT count(*) FROM notifications")
    [(enqueued,)] = rows("SELECT count(*) FROM outbox")
    assert isinstance(told, int)
    assert isinstance(enqueued, int)
    assert min(told, enqueued) > 10 * many
    assert (
        rows(
            "SELECT 1 FROM outbox LEFT JOIN outbox_targets ON outbox_id = id GROUP BY id"
            " HAVING count(outbox_id) <> 1"
        )
        == []
    )
    moved = rows("SELECT DISTINCT from_state, to_state FROM dispute_state_transitions")
    assert all(
        Lifecycle(str(after)) in TRANSITIONS[Lifecycle(str(before))] for before, after in moved
    )
    assert len(moved) == 7
    kinds = rows("SELECT DISTINCT kind FROM mediation_events")
    assert {AuditKind(str(kind)) for (kind,) in kinds} > {
        AuditKind.SUMMARY_GENERATED,
        AuditKind.ESCALATION_DISPATCHED,
    }
