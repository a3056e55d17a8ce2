"""What a play without a session leaves behind: one hand-off, its reminders, and then silence."""

import json
import re
from collections import Counter
from typing import Any, Final

import sqlalchemy as sa
from tests.crash.mediation_plays import Play
from tests.crash.mediation_story import Scene

from serbero.clock import SystemClock
from serbero.model.mediation import AuditKind
from serbero.model.notification import Purpose
from serbero.simulator.node_log import Did
from serbero.simulator.solver import Message, SolverInbox
from serbero.store.engine import Store
from serbero.store.schema import outbox

Row = dict[str, Any]
Told = Counter[tuple[str, str]]
"""(solver, what): ``handoff``, ``reminder 1`` and so on, ``other``."""

_REMINDER: Final = re.compile(r"\(reminder (\d+)\)")
_REMINDERS: Final = {1: "writers", 2: "everyone"}


async def held_over(scene: Scene, play: Play, blame: str) -> Told:
    """Hold the end against what it must be; return what each solver was told.

    Raises:
        AssertionError: it is not what it must be.
    """
    # As the next start finds it: what a start takes up belongs to every run's end.
    Store.open(scene.home.database, SystemClock().now()).close()
    assert scene.node.desk.outcomes() == [Did.TOOK], blame  # the human's
    own = scene.home.keys.public_key().to_hex()
    assert own not in {each.identity for each in scene.node.desk.received}, blame
    scene.home.read(lambda tx: _check_database(tx, scene, play, blame))
    wanted = {(name, what): 1 for name in play.people for what in _due(play.people[name])}
    told: Told = Counter()
    for url in scene.node.relay_urls:
        here: Told = Counter()
        for name, inbox in scene.solvers.items():
            here.update((name, what) for what in await _told(inbox, url, own, blame))
        assert {key: n for key, n in here.items() if key[1] != "other"} == wanted, (
            f"{here}\n{blame}"
        )
        assert here.total() == sum(play.told.values()), f"{here}\n{blame}"
        told = here
    return told


def _due(permission: str) -> tuple[str, ...]:
    """What a solver of a permission must have, besides what everybody is told of a dispute."""
    reader = permission == "read"
    return ("reminder 2",) if reader else ("handoff", "reminder 1", "reminder 2")


async def _told(inbox: SolverInbox, url: str, own: str, blame: str) -> list[str]:
    """What one relay holds for a solver; everything once, by rumor and by text."""
    there = [each for each in await inbox.all_events(url) if each.sender == own]
    assert max(Counter(each.rumor_id for each in there).values()) == 1, blame
    assert max(Counter(each.text for each in there).values()) == 1, blame
    return [_what(each) for each in there]


def _what(message: Message) -> str:
    if message.text.startswith("escalation_handoff/v1\n"):
        return "handoff"
    found = _REMINDER.search(message.text)
    return "other" if found is None else f"reminder {found[1]}"


def _check_database(tx: sa.Connection, scene: Scene, play: Play, blame: str) -> None:
    assert tx.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"], blame
    assert tx.exec_driver_sql("PRAGMA foreign_key_check").all() == [], blame
    _check_dispatch(tx, scene, blame)
    _check_ladder(tx, scene, play, blame)
    assert _rows(tx, "SELECT * FROM mediation_sessions") == [], blame
    assert _rows(tx, "SELECT * FROM acknowledgements") == [], blame
    [standing] = _rows(tx, "SELECT lifecycle_state FROM disputes")
    assert standing == {"lifecycle_state": "resolved"}, blame


def _check_dispatch(tx: sa.Connection, scene: Scene, blame: str) -> None:
    """One hand-off, one row of its dispatch with its event, and nothing that waits."""
    trail = _rows(tx, "SELECT * FROM mediation_events ORDER BY id")
    prepared = [each for each in trail if each["kind"] == AuditKind.HANDOFF_PREPARED.value]
    dispatched = [each for each in trail if each["kind"] == AuditKind.ESCALATION_DISPATCHED.value]
    assert len(prepared) == len(dispatched) == 1, f"{trail}\n{blame}"
    [row] = _rows(tx, "SELECT * FROM escalation_dispatches")
    said = json.loads(dispatched[0]["payload_json"])
    assert prepared[0]["id"] < dispatched[0]["id"], blame
    same = {name: row[name] for name in said} | {"fallback_broadcast": False}
    assert said == same, f"{said} {row}\n{blame}"
    assert row["handoff_event_id"] == prepared[0]["id"], blame
    assert (row["dispute_id"], row["status"]) == (scene.opened.id, "dispatched"), blame
    for table in ("pending_handoffs", "dispatches_under_way"):
        assert _rows(tx, f"SELECT * FROM {table}") == [], blame  # noqa: S608


def _check_ladder(tx: sa.Connection, scene: Scene, play: Play, blame: str) -> None:
    """Numbered without gaps, each step with its messages, and over since the take."""
    [ladder] = _rows(tx, "SELECT * FROM ladders")
    assert (ladder["ended_by"], ladder["next_at"]) == ("taken", None), f"{ladder}\n{blame}"
    steps = _rows(tx, "SELECT * FROM ladder_steps ORDER BY number")
    assert [(each["number"], each["audience"]) for each in steps] == [*_REMINDERS.items()], blame
    assert ladder["steps_taken"] == len(steps), f"{ladder}\n{blame}"
    times = [ladder["started_at"], *(each["at"] for each in steps), ladder["ended_at"]]
    assert times == sorted(times), f"{times}\n{blame}"
    keys = {name: inbox.public_key for name, inbox in scene.solvers.items()}
    writers = {keys[name] for name, permission in play.people.items() if permission == "write"}
    audiences = {"writers": writers, "everyone": set(keys.values())}
    for step in steps:
        assert set(json.loads(step["recipients_json"])) == audiences[step["audience"]], blame
    # The journal is written with each step and never changed: what it tells is what there is.
    told = _rows(
        tx, "SELECT kind, payload_json FROM journal WHERE kind LIKE 'ladder_%' ORDER BY id"
    )
    assert [each["kind"] for each in told] == [
        "ladder_began", *["ladder_step"] * len(steps), "ladder_ended",
    ], f"{told}\n{blame}"  # fmt: skip
    numbers = [json.loads(each["payload_json"]).get("number") for each in told[1:-1]]
    assert numbers == [each["number"] for each in steps], blame
    _check_silence(tx, ladder["ended_at"], play, blame)


def _check_silence(tx: sa.Connection, taken_at: int, play: Play, blame: str) -> None:
    """No reminder was written after the take, and none of those before it was taken back."""
    query = sa.select(outbox.c.state, outbox.c.created_at)
    rows = tx.execute(query.where(outbox.c.purpose == Purpose.REMINDER.value)).mappings().all()
    assert len(rows) == play.told[Purpose.REMINDER], f"{rows}\n{blame}"
    assert {each["state"] for each in rows} == {"sent"}, f"{rows}\n{blame}"
    assert max(each["created_at"] for each in rows) <= taken_at, f"{rows}\n{blame}"


def _rows(tx: sa.Connection, sql: str) -> list[Row]:
    return [dict(row) for row in tx.exec_driver_sql(sql).mappings()]
