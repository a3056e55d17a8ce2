"""The outbox worker against real relays: who gets what, how often, with which bytes."""

import asyncio

import sqlalchemy as sa
from nostr_sdk import Event
from tests.delivery.delivery_rig import ACCEPTED, MESSAGES, Rig, Start, hex_of
from tests.store.rig import revision

from serbero.delivery.judgement import Pace
from serbero.model.notification import TargetSource
from serbero.model.people import Solver
from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.simulator.clock import run_until
from serbero.simulator.relay import LoopbackRelay
from serbero.store import outbox_work


class Belated:
    """The pool; an answer that a relay is away is handed on when it is back already."""

    def __init__(self, rig: Rig, relay: LoopbackRelay) -> None:
        self.rig, self.relay = rig, relay
        self.belated = 0

    async def publish(self, url: str, event: Event) -> PublishReply:
        reply = await self.rig.pool.publish(url, event)
        if reply.outcome is PublishOutcome.NOT_CONNECTED:
            await self.relay.start()
            while not self.rig.pool.states()[0].connected:
                await self.rig.clock.sleep(0.1)
            self.belated += 1
        return reply


async def test_every_relay_holds_one_event_for_every_solver(start: Start) -> None:
    async with LoopbackRelay() as one, LoopbackRelay() as two:
        rig = await start(one.url, two.url, people=3)
        await rig.announce()
        await rig.until(ACCEPTED, [("accepted", 6)])
        await rig.until(MESSAGES, [("sent", 3)])
        for solver in rig.solvers:
            first, second = await rig.held_by(one.url, solver), await rig.held_by(two.url, solver)
            assert first == second
            [(_, rumor)] = first
            assert (rumor,) in rig.rows("SELECT rumor_id FROM outbox")
        assert rig.rows("SELECT status, count(*) FROM notifications GROUP BY 1") == [("sent", 3)]
        assert rig.rows("SELECT lifecycle_state FROM disputes") == [("notified",)]


async def test_work_for_the_relay_that_asks_for_it_alone(start: Start) -> None:
    async with LoopbackRelay(min_pow=6) as picky, LoopbackRelay() as plain:
        rig = await start(picky.url, plain.url, people=1)
        await rig.announce()
        await rig.until(ACCEPTED, [("accepted", 2)])
        [solver] = rig.solvers
        [(mined, rumor)] = await rig.held_by(picky.url, solver)
        [(ordinary, same)] = await rig.held_by(plain.url, solver)
        assert int(mined, 16) < 2 ** (256 - 6)
        assert rumor == same
        # An ordinary wrap may be lucky; it is another event only if it was not.
        if int(ordinary, 16) >= 2 ** (256 - 6):
            assert mined != ordinary


async def test_work_for_one_relay_delays_no_other(start: Start) -> None:
    """A second dispute goes out while the wraps of the first are still being worked on."""
    people = 6
    async with LoopbackRelay(min_pow=15) as picky, LoopbackRelay() as plain:
        rig = await start(picky.url, plain.url, people=people)
        await rig.announce()
        asked = f"SELECT count(*) FROM outbox_targets WHERE relay = '{picky.url}'"  # noqa: S608
        await rig.until(f"{asked} AND pow_bits = 15", [(people,)])
        await rig.announce(dispute=2)
        second = revision(2).dispute_id
        await rig.until(
            f"SELECT count(*) FROM outbox WHERE dispute_id = '{second}' AND state = 'sent'",  # noqa: S608
            [(people,)],
        )
        [(mined,)] = rig.rows(f"{asked} AND wraps = 2")
        assert mined < people
        # However busy the machine is: virtual time passes while the work is real.
        await rig.until(ACCEPTED, [("accepted", 4 * people)], seconds=6000)
        for solver in rig.solvers:
            rumors = [rumor for _, rumor in await rig.held_by(picky.url, solver)]
            assert len(rumors) == len(set(rumors)) == 2


async def test_an_inbox_relay_learned_late_gets_the_same_bytes(start: Start) -> None:
    async with LoopbackRelay() as configured, LoopbackRelay() as inbox:
        rig = await start(configured.url, people=2)
        await rig.announce()
        await rig.until(MESSAGES, [("sent", 2)])
        first, second = rig.solvers
        rig.relays[hex_of(first)] = rig.base | {inbox.url: TargetSource.INBOX}
        await rig.store.transact(outbox_work.wake_recipient, hex_of(first), rig.clock.now())
        rig.worker.wake()
        await rig.until(ACCEPTED, [("accepted", 3)])
        assert await rig.held_by(inbox.url, first) == await rig.held_by(configured.url, first)
        assert await rig.held_by(inbox.url, second) == []
        assert rig.rows("SELECT count(*) FROM notifications") == [(2,)]


async def test_a_relay_that_was_away(start: Start) -> None:
    """`failed` rows meanwhile, one message when it is back, and the state follows only then."""
    relay = LoopbackRelay()
    await relay.start()
    url = relay.url
    await relay.stop()
    rig = await start(url, people=2)
    await rig.announce()
    failed = "SELECT status, count(*) FROM notifications GROUP BY 1"
    await rig.until(failed, [("failed", 2)])
    assert rig.rows("SELECT lifecycle_state, last_notified_at FROM disputes") == [("new", None)]
    await relay.start()
    try:
        await rig.until(MESSAGES, [("sent", 2)])
        for solver in rig.solvers:
            assert len(await rig.held_by(url, solver)) == 1
        assert ("sent", 2) in rig.rows(failed)
        assert rig.rows("SELECT lifecycle_state FROM disputes") == [("notified",)]
    finally:
        await relay.stop()


async def test_a_relay_that_is_back_before_its_absence_is_recorded(start: Start) -> None:
    """The message goes out at once, not when its wait for an absent relay would be over."""
    relay = LoopbackRelay()
    await relay.start()
    await relay.stop()
    try:
        rig = await start(relay.url, people=1, pace=Pace(3000, 3000))
        rig.publisher = late = Belated(rig, relay)
        await rig.announce()
        await rig.until(MESSAGES, [("sent", 1)], seconds=120)
        assert late.belated == 1
    finally:
        await relay.stop()


async def test_a_key_nothing_can_be_encrypted_for_costs_only_itself(start: Start) -> None:
    """64 hex digits that are no point of the curve: said once, the others are told."""
    async with LoopbackRelay() as relay:
        rig = await start(relay.url, people=1)
        await rig.announce(Solver(typed="f" * 64, hex="f" * 64))
        await rig.until(MESSAGES, [("pending", 1), ("sent", 1)])
        await rig.until(
            "SELECT solver_pubkey, status FROM notifications ORDER BY status",
            [("f" * 64, "failed"), (hex_of(rig.solvers[0]), "sent")],
        )
        [(reason,)] = rig.rows("SELECT reason FROM outbox_targets WHERE state = 'refused'")
        assert reason.startswith("cannot be encrypted")


async def test_unrecorded_answers_cost_no_second_event(start: Start) -> None:
    """The database as a crash leaves it: wraps committed, relays have them, no answer recorded."""
    async with LoopbackRelay() as relay:
        rig = await start(relay.url, people=2)
        await rig.announce()
        await rig.until(MESSAGES, [("sent", 2)])
        before = [await rig.held_by(relay.url, each) for each in rig.solvers]
        await rig.store.transact(forget_answers)
        assert rig.rows(MESSAGES) == [("pending", 2)]
        rig.worker.wake()
        await rig.until(MESSAGES, [("sent", 2)])
        assert [await rig.held_by(relay.url, each) for each in rig.solvers] == before


def forget_answers(tx: sa.Connection) -> None:
    tx.exec_driver_sql("UPDATE outbox SET state = 'pending', next_attempt_at = 1")
    tx.exec_driver_sql("UPDATE outbox_targets SET state = 'open', next_attempt_at = 1")
    tx.exec_driver_sql("DELETE FROM notifications")


async def test_drain_lets_what_is_in_flight_be_recorded(start: Start) -> None:
    async with LoopbackRelay() as relay:
        rig = await start(relay.url, people=5)
        await rig.announce()
        await rig.until("SELECT count(*) FROM outbox_wraps", [(5,)])
        draining = asyncio.create_task(rig.worker.drain(30))
        await run_until(rig.clock, draining.done, limit_seconds=60)
        assert rig.rows("SELECT count(*) FROM outbox WHERE state = 'sent'") == [(5,)]
