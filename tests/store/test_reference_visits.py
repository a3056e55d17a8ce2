"""There and back: the reference runs on our database, or leaves a mediation open, and we go on.

Ids, times and words are as release 0.1.1 of the reference wrote them on a database of ours.
"""

from pathlib import Path
from typing import Any, Final

import pytest
from tests.store import reference_databases as reference
from tests.store.rig import T0, Database, audience, dispute_id, key, revision
from tests.store.test_mediation_reference import event, write_session

from serbero.intake.decision import Outcome
from serbero.mediation.inherited import hand_over_inherited
from serbero.model.taking import CHAT_KEYS_UNKNOWN
from serbero.store.engine import run_once
from serbero.store.verification import Level, Verified, verify

TOLD, CLOSED, LED = (dispute_id(each) for each in (1, 2, 3))
AWAY: Final = T0 + 600
BACK: Final = T0 + 1_200
OWN_TAKE: Final = "c1" * 32
SOLVERS: Final = audience(1)


def look(path: Path) -> Verified:
    return run_once(path, lambda tx: verify(tx, BACK + 60, deep=True))


def damage(path: Path) -> list[tuple[str, str | None]]:
    found = look(path).findings
    return [(each.check, each.row) for each in found if each.level is Level.DAMAGE]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ours told of two disputes; then the reference ran, and mediates one of its own."""
    path = tmp_path / "serbero.db"
    database = Database(path, T0)
    database.record(revision(1), revision(2), audience=SOLVERS)
    database.answer(database.claim(T0), delivered=True, now=T0)
    database.reopen(T0 + 60)
    database.close()
    raw = reference.connect(path)
    tell(raw, TOLD, "re-notification")
    raw.execute(reference.SET_STATE, ("resolved", AWAY, CLOSED))
    ended = (CLOSED, "notified", "resolved", AWAY, "dispute_resolved_externally")
    raw.execute(reference.INSERT_TRANSITION, ended)
    lead(raw)
    raw.close()
    return path


def tell(raw: Any, dispute: str, kind: str) -> None:
    row = (dispute, SOLVERS.solvers[0].typed, AWAY, "sent", None, kind)
    raw.execute(reference.INSERT_NOTIFICATION, row)


def lead(raw: Any) -> None:
    opened = (LED, key(3), reference.NODE, "seller", "initiated", T0 + 20, T0 + 20)
    raw.execute(reference.INSERT_DISPUTE, opened)
    tell(raw, LED, "initial")
    for before, after, trigger in (
        ("new", "notified", "initial_notification"),
        ("notified", "taken", OWN_TAKE),
    ):
        raw.execute(reference.SET_STATE, (after, AWAY, LED))
        raw.execute(reference.INSERT_TRANSITION, (LED, before, after, AWAY, trigger))
    event(raw, None, "take_dispute_issued", dispute_id=LED, outcome="success")
    event(raw, None, "take_dispute_issued", dispute_id=LED, outcome="failure")
    raw.execute("UPDATE mediation_events SET occurred_at = ? WHERE id = 1", (AWAY,))
    raw.execute("UPDATE mediation_events SET occurred_at = ? WHERE id = 2", (AWAY + 300,))
    write_session(raw, LED, "awaiting_response")


def test_what_it_told_and_closed_meanwhile_is_no_damage(path: Path) -> None:
    database = Database(path, BACK)
    database.run(hand_over_inherited, SOLVERS, BACK * 1000)
    database.close()
    said = {"notifications without message", "dispute status", "revisions"}
    assert not {check for check, _ in damage(path)} & said
    database = Database(path, BACK + 30)
    ran = database.rows("SELECT payload_json FROM journal WHERE kind = 'reference_ran'")
    assert ran == [('{"first_notification":3,"last_notification":4,"notifications":2}',)]
    database.close()


def test_a_row_by_hand_is_damage_still(path: Path) -> None:
    Database(path, BACK).close()
    raw = reference.connect(path)
    tell(raw, TOLD, "initial")
    raw.execute("UPDATE disputes SET dispute_status = 'settled' WHERE dispute_id = ?", (TOLD,))
    raw.close()
    found = damage(path)
    assert ("notifications without message", "5") in found
    assert ("dispute status", TOLD) in found


@pytest.mark.parametrize("own", [(OWN_TAKE, 1), ("c2" * 32, 2)])
def test_the_events_of_its_own_takes_are_no_persons(path: Path, own: tuple[str, int]) -> None:
    """By its id, or by its date: up to two seconds after the node's answer."""
    database = Database(path, BACK)
    assert database.run(hand_over_inherited, SOLVERS, BACK * 1000) == 1
    assert database.state(LED) == "escalated"
    event_id, after = own
    seen = revision(3, status="in-progress", at=AWAY + after, event_id=event_id)
    [recorded] = database.record(seen, audience=SOLVERS, now=BACK)
    assert recorded.outcome in (Outcome.DUPLICATE, Outcome.STALE)
    assert database.state(LED) == "escalated"
    database.close()


def test_a_take_after_that_is_a_persons(path: Path) -> None:
    database = Database(path, BACK)
    person = revision(3, status="in-progress", at=AWAY + 3, event_id="c3" * 32)
    [recorded] = database.record(person, audience=SOLVERS, now=BACK)
    assert recorded.outcome is Outcome.TAKEN_AGAIN
    database.close()


def test_its_open_mediation_goes_to_people_once(path: Path) -> None:
    """It keeps the parties' keys in memory: no chat can be read or written after it (W-14)."""
    database = Database(path, BACK)
    assert database.run(hand_over_inherited, SOLVERS, BACK * 1000) == 1
    assert database.run(hand_over_inherited, SOLVERS, BACK * 1000) == 0
    assert database.one(
        "SELECT json_extract(payload_json, '$.reason') FROM mediation_events"
        " WHERE kind = 'escalation_recommended'"
    ) == (CHAT_KEYS_UNKNOWN)
    assert database.rows("SELECT DISTINCT purpose FROM outbox WHERE dispute_id = ?", LED) == [
        ("mediation_escalation",)
    ]
    database.close()
