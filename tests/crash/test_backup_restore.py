"""A backup made while the daemon works, restored after a power cut elsewhere.

What "without a lost or repeated message" means for somebody who goes back to a past of his:

- What the backup holds with its bytes goes out with those bytes, so a relay holds it once, whether
  it was given it before the power cut, after the restoring, or both times.
- What the backup holds without bytes yet keeps the id of its rumor, by which clients know a message
  they have: a relay may hold two envelopes of it, a reader sees one message.
- What was decided after the backup is unknown to it. It is decided again from what the relays hold,
  as a new message; what the old life told of it stays told. So each solver is told of everything at
  least once, and twice at most, and that only of what the backup does not know.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.crash.household import PATIENCE_SECONDS, Household
from tests.crash.village import OPTIONS, Village, village

from serbero.model.lifecycle import TRANSITIONS, Lifecycle
from serbero.model.notification import OutboxState, TargetState
from serbero.simulator.clock import eventually
from serbero.store import sqlite
from serbero.store.schema import disputes, outbox, outbox_targets, outbox_wraps, transitions

SOLVERS = 2
RELAYS = 2

pytestmark = pytest.mark.timeout(300)


async def back_up(place: Village, target: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "serbero", "backup", str(target), "--db", str(place.home.database)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def live_and_be_copied(place: Village, folder: Path) -> Path:
    """A life that is backed up while disputes come in, and killed; return one of the copies."""
    life = await place.home.start()
    assert await life.ready(), place.home.logs()
    await asyncio.gather(place.open(4), back_up(place, folder / "first.db"))
    away = place.proxies[1]
    away.refusal = "reset"
    away.cut()  # what is told now has its bytes, and one relay that never saw them
    await place.open(3)
    await eventually(
        lambda: place.home.holds(_one_relay_waits), seconds=PATIENCE_SECONDS, every=0.05
    )
    chosen = folder / "second.db"
    await asyncio.gather(place.open(3), back_up(place, chosen))
    away.refusal = ""
    await eventually(lambda: place.home.holds(_all_taken), seconds=PATIENCE_SECONDS, every=0.05)
    await place.move_on(3)
    await asyncio.gather(place.open(3), back_up(place, folder / "third.db"))
    assert life.alive, place.home.logs()
    await life.kill()
    return chosen


def _one_relay_waits(tx: sa.Connection) -> bool:
    states = Counter(tx.execute(sa.select(outbox_targets.c.state)).scalars())
    return states[TargetState.OPEN.value] >= 3 * SOLVERS


def _all_taken(tx: sa.Connection) -> bool:
    sent = set(tx.execute(sa.select(outbox.c.state)).scalars()) == {OutboxState.SENT.value}
    return sent and set(tx.execute(sa.select(outbox_targets.c.state)).scalars()) == {
        TargetState.ACCEPTED.value
    }


async def test_a_restored_backup_goes_on(tmp_path: Path) -> None:
    (tmp_path / "life").mkdir()
    (tmp_path / "restored").mkdir()
    async with village(tmp_path / "life", relays=RELAYS, solvers=SOLVERS) as place:
        copy = await live_and_be_copied(place, tmp_path)
        known = read_copy(copy)
        assert known.wrapped, "the backup holds messages with their bytes"
        assert known.open_at_a_relay, "and relays that had not taken them"
        async with Household(
            tmp_path / "restored",
            relays=[each.url for each in place.proxies],
            node=place.node.public_key,
            solvers=[each.public_key for each in place.solvers],
            options=OPTIONS,
        ) as home:
            copy.rename(home.database)
            own = place.home.keys.secret_key().to_hex()
            place.home = home
            life = await home.start(SERBERO_PRIVATE_KEY=own)
            assert await life.ready(), home.logs()
            await place.open(2)
            await eventually(
                lambda: home.holds(lambda tx: _settled(tx, place)),
                seconds=PATIENCE_SECONDS,
                every=0.05,
                what="everything known and told",
            )
            assert await life.stop() == 0, home.logs()
            for relay in place.relays:
                for solver in place.solvers:
                    held = [
                        (each.rumor_id, each.text.splitlines()[0], _dispute(each.text))
                        for each in await solver.all_events(relay.url)
                    ]
                    check_told(place, known, held)
            home.read(lambda tx: check_trail(tx, place, known))


class Known:
    """What a backup holds: rumors, those with bytes, its disputes, and its history."""

    def __init__(self, tx: sa.Connection) -> None:
        assert tx.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        self.rumors = set(tx.execute(sa.select(outbox.c.rumor_id)).scalars())
        self.wrapped = set(
            tx.execute(
                sa.select(outbox.c.rumor_id).join(
                    outbox_wraps, outbox_wraps.c.outbox_id == outbox.c.id
                )
            ).scalars()
        )
        self.open_at_a_relay = _one_relay_waits(tx)
        self.disputes = set(tx.execute(sa.select(disputes.c.dispute_id)).scalars())
        self.history = tx.execute(sa.select(transitions).order_by(transitions.c.id)).all()
        self.journal = tx.exec_driver_sql("SELECT * FROM journal ORDER BY id").all()
        self.told = tx.exec_driver_sql("SELECT * FROM notifications ORDER BY id").all()


def read_copy(path: Path) -> Known:
    assert path.stat().st_mode & 0o777 == 0o600
    engine = sqlite.connect_reader(path)
    with engine.begin() as tx:
        known = Known(tx)
    engine.dispose()
    assert [each.name for each in path.parent.glob(f"{path.name}-*")] == []
    return known


def check_told(place: Village, known: Known, held: list[tuple[str, str, str]]) -> None:
    """What one solver finds on one relay."""
    envelopes = Counter(rumor for rumor, _, _ in held)
    assert {envelopes[each] for each in known.wrapped & envelopes.keys()} <= {1}
    assert max(envelopes.values()) <= 2
    assert {each for each, count in envelopes.items() if count == 2} <= known.rumors
    messages = Counter((text, dispute) for _, text, dispute in set(held))
    wanted = {("New Mostro dispute requires attention.", each.id) for each in place.opened}
    wanted |= {("Mostro dispute has been taken.", each.id) for each in place.taken}
    assert messages.keys() == wanted, "nothing is lost, nothing is told that never was"
    of_backup = {(text, dispute) for rumor, text, dispute in held if rumor in known.rumors}
    assert {messages[each] for each in of_backup} == {1}, "what the backup knows is told once"
    assert max(messages.values()) <= 2


def check_trail(tx: sa.Connection, place: Village, known: Known) -> None:
    """The audit trail: all that the backup held, continued by legal steps to what is."""
    assert tx.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
    assert tx.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    steps = tx.execute(sa.select(transitions).order_by(transitions.c.id)).all()
    assert steps[: len(known.history)] == known.history
    journal = tx.exec_driver_sql("SELECT * FROM journal ORDER BY id").all()
    assert journal[: len(known.journal)] == known.journal
    told = tx.exec_driver_sql("SELECT * FROM notifications ORDER BY id").all()
    assert told[: len(known.told)] == known.told
    places: dict[str, Lifecycle] = {}
    for step in steps:
        before = places.get(step.dispute_id)
        assert before is None or step.from_state == before.value
        places[step.dispute_id] = Lifecycle(step.to_state)
        if before is not None:
            assert places[step.dispute_id] in TRANSITIONS[before]
    states = tx.execute(sa.select(disputes.c.dispute_id, disputes.c.lifecycle_state)).all()
    assert {row.dispute_id for row in states} == {each.id for each in place.opened}
    for row in states:
        assert places.get(row.dispute_id, Lifecycle.TAKEN).value == row.lifecycle_state


def _settled(tx: sa.Connection, place: Village) -> bool:
    rows = tx.execute(sa.select(disputes.c.dispute_id, disputes.c.lifecycle_state)).all()
    taken = {each.id for each in place.taken}
    wanted = {
        each.id: (Lifecycle.TAKEN if each.id in taken else Lifecycle.NOTIFIED).value
        for each in place.opened
    }
    return {row.dispute_id: row.lifecycle_state for row in rows} == wanted and _all_taken(tx)


def _dispute(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("dispute_id: "))[12:]
