"""The whole daemon takes a dispute from a simulated node, over a real relay."""

import asyncio
from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.daemon.office import BUYER, SELLER, office, take
from tests.daemon.rig import texts, world

from serbero.model.taking import Cause
from serbero.node.result import NoAnswer, Refused, Taken
from serbero.simulator.node_log import Did, Drop, Manner, Refuse, TakeStep
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute
from serbero.simulator.node_rules import Category
from serbero.simulator.solver_client import SolverClient


@pytest.mark.parametrize("protocol", [2, 1])
async def test_a_take_gives_us_the_parties(tmp_path: Path, protocol: Protocol) -> None:
    async with office(tmp_path, protocol) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        await stage.told(dispute)
        result = await take(stage, daemon, dispute)
        assert isinstance(result, Taken), result
        assert (result.info.buyer, result.info.seller, result.attempts) == (BUYER, SELLER, 1)
        assert stage.node.desk.outcomes("admin-take-dispute") == [Did.TOOK]
        own = stage.own.public_key().to_hex()
        await stage.until(
            lambda: len(texts(stage.solvers[0], dispute)) == 2, limit_seconds=30, what="assigned"
        )
        assert f"assigned_solver: {own}\n" in stage.solvers[0].about(dispute.id)[-1].text
        order = stage.node.order_of(dispute)
        [row] = await daemon.rows("SELECT * FROM parties")
        for secret in (order.preimage, order.payment_hash, order.buyer_invoice):
            assert secret
            assert secret not in repr(row) + repr(result) + repr(stage.logs.lines)


async def test_a_node_that_does_not_know_us_refuses(tmp_path: Path) -> None:
    async with office(tmp_path, registered=False) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        result = await take(stage, daemon, dispute)
        assert result == Refused(dispute.id, "invalid_pubkey", 1)
        assert await daemon.rows("SELECT state, reason FROM takes") == [
            ("refused", "invalid_pubkey")
        ]
        assert await daemon.one("SELECT count(*) FROM parties") == 0


async def test_a_refusal_without_a_reason(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        stage.node.desk.upcoming.append(Manner(refuse=Refuse(None)))
        assert await take(stage, daemon, dispute) == Refused(dispute.id, None, 1)


@pytest.mark.parametrize("protocol", [2, 1])
@pytest.mark.parametrize("step", list(TakeStep)[:-1])
async def test_a_take_that_broke_at_the_node_is_found_out_by_asking_again(
    tmp_path: Path, protocol: Protocol, step: TakeStep
) -> None:
    """Whatever the node managed to do before it broke, at the end we hold the dispute, once."""
    async with office(tmp_path, protocol) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        await stage.told(dispute)
        stage.node.desk.upcoming.append(Manner(fail_after=step))
        result = await take(stage, daemon, dispute)
        assert isinstance(result, Taken)
        answered = step >= TakeStep.REPLIED
        assert result.attempts == (1 if answered else 2)
        own = stage.own.public_key().to_hex()
        if not answered:
            await stage.until(
                lambda: len(texts(stage.solvers[0], dispute)) == 2, limit_seconds=60, what="told"
            )
            assert f"assigned_solver: {own}\n" in stage.solvers[0].about(dispute.id)[-1].text
        assert await daemon.one("SELECT released_at FROM parties") is None
        assert len({each.event_id for each in stage.node.desk.received}) == result.attempts


async def test_silence_names_what_remains_possible(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        await stage.told(dispute)
        stage.node.desk.silent = True
        result = await take(stage, daemon, dispute)
        assert isinstance(result, NoAnswer)
        assert Cause.NODE_ERROR in result.causes
        assert not {Cause.UNKNOWN_DISPUTE, Cause.TOO_LITTLE_WORK, Cause.WRONG_TRANSPORT} & {
            *result.causes
        }
        drops = stage.node.desk.outcomes()
        assert drops == [Drop.SILENT] * result.attempts
        assert result.attempts >= 2
        [line] = stage.logs.named("take_unanswered")
        assert "node_error" in line["possible"]


async def test_a_dispute_the_node_does_not_know(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        result = await take(stage, daemon, Dispute("0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10", "", 0))
        assert isinstance(result, NoAnswer)
        assert Cause.UNKNOWN_DISPUTE in result.causes


async def test_every_request_is_a_fresh_event(tmp_path: Path) -> None:
    """A replay within 60 s is dropped, an event older than 10 s as well."""
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        stage.node.desk.upcoming += [Manner(silent=True), Manner(silent=True)]
        result = await take(stage, daemon, dispute)
        assert isinstance(result, Taken)
        received = stage.node.desk.received
        assert [each.outcome for each in received] == [Drop.SILENT, Drop.SILENT, Did.TOOK]
        assert len({each.event_id for each in received}) == 3
        assert all(each.at - each.created_at <= 1 for each in received)
        assert len({each.request_id for each in received}) == 3


@pytest.mark.parametrize("request_id", [None, 7, 2**53, 2**64 - 1])
async def test_stale_and_foreign_answers_end_nothing(
    tmp_path: Path, request_id: int | None
) -> None:
    async with office(tmp_path) as (stage, daemon):
        one, two = [await stage.node.open_order_dispute(BUYER, SELLER) for _ in range(2)]
        wrong = (
            Manner(answer_dispute=two.id)
            if request_id is None
            else Manner(answer_request=request_id)
        )
        stage.node.desk.upcoming += [wrong, Manner(answers=3)]
        result = await take(stage, daemon, one)
        assert isinstance(result, Taken)
        assert result.attempts == 2
        assert await daemon.rows("SELECT dispute_id FROM parties") == [(one.id,)]
        assert await daemon.one("SELECT count(*) FROM takes") == 1


async def test_concurrent_takes_do_not_disturb_one_another(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        disputes = [await stage.node.open_order_dispute(BUYER, SELLER) for _ in range(8)]
        stage.node.desk.upcoming += [
            Manner(silent=True),
            Manner(),
            Manner(refuse=Refuse("not_found")),
        ]
        tasks = [asyncio.create_task(daemon.parts.node.taker.take(each.id)) for each in disputes]
        tasks.append(asyncio.create_task(daemon.parts.node.taker.take(disputes[0].id)))
        await stage.until(
            lambda: all(each.done() for each in tasks), limit_seconds=120, what="all takes"
        )
        results = [each.result() for each in tasks]
        assert sum(isinstance(each, Taken) for each in results[:8]) == 7
        assert sum(isinstance(each, Refused) for each in results[:8]) == 1
        assert results[8] == results[0]
        assert [each.dispute_id for each in results[:8]] == [each.id for each in disputes]
        # The one that asked twice about the same dispute shared one exchange.
        assert await daemon.one("SELECT count(*) FROM takes") == 8


async def test_work_for_strangers_that_is_advertised_is_done_at_once(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        await stage.node.switch(pow_bits=4, first_contact_bits=10)
        await stage.until(
            lambda: (
                daemon.parts.node.watch.info is not None
                and daemon.parts.node.watch.info.pow_first_contact == 10
            ),
            limit_seconds=60,
            what="new info",
        )
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        assert isinstance(await take(stage, daemon, dispute), Taken)
        [received] = stage.node.desk.received
        assert received.bits >= 10


async def test_work_that_is_not_advertised_is_found_out(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        stage.node.advertise_first_contact = False
        await stage.node.switch(first_contact_bits=12)
        await stage.until(
            lambda: (
                daemon.parts.node.watch.info is not None
                and daemon.parts.node.watch.info.pow_first_contact is None
            ),
            limit_seconds=60,
            what="new info",
        )
        first = await stage.node.open_order_dispute(BUYER, SELLER)
        assert isinstance(await take(stage, daemon, first), Taken)
        received = list(stage.node.desk.received)
        assert [each.outcome for each in received[:-1]] == [Drop.FIRST_CONTACT] * (
            len(received) - 1
        )
        assert 2 <= len(received) <= 3
        # What was enough is remembered.
        enough = stage.logs.named("take_dispute_issued")[-1]["bits"]
        second = await stage.node.open_order_dispute(BUYER, SELLER)
        assert isinstance(await take(stage, daemon, second), Taken)
        again = stage.logs.named("take_dispute_issued", dispute_id=second.id)
        assert again[0]["bits"] == enough


async def test_more_work_than_we_are_ready_to_do(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        await stage.node.switch(pow_bits=25)
        await stage.until(
            lambda: (
                daemon.parts.node.watch.info is not None and daemon.parts.node.watch.info.pow == 25
            ),
            limit_seconds=60,
            what="new info",
        )
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        result = await take(stage, daemon, dispute)
        assert result == NoAnswer(dispute.id, (Cause.TOO_LITTLE_WORK,), 0)
        assert await daemon.one("SELECT count(*) FROM takes") == 0


async def test_a_node_that_changes_its_transport_in_mid_take_is_followed(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        stage.node.desk.upcoming.append(Manner(silent=True))
        task = asyncio.create_task(daemon.parts.node.taker.take(dispute.id))
        await stage.until(
            lambda: len(stage.node.desk.received) == 1, limit_seconds=10, what="the first request"
        )
        began = stage.clock.monotonic()
        await stage.node.switch(protocol=1)
        await stage.until(task.done, limit_seconds=60, what="the take")
        assert isinstance(task.result(), Taken)
        assert stage.clock.monotonic() - began < 60
        assert [each.kind for each in stage.node.desk.received] == [14, 1059]


async def test_an_answer_after_our_patience_is_taken_up(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        stage.node.desk.upcoming.append(Manner(answer_after=30))
        task = asyncio.create_task(daemon.parts.node.taker.take(dispute.id, patience=10))
        await stage.until(task.done, limit_seconds=20, what="the take")
        assert isinstance(task.result(), NoAnswer)

        async def taken() -> bool:
            return bool(await daemon.one("SELECT state FROM takes") == "taken")

        await stage.until(taken, limit_seconds=60, what="the late answer")
        assert await daemon.one("SELECT buyer FROM parties") == BUYER


async def test_without_an_info_event_nothing_is_taken_and_all_else_works(tmp_path: Path) -> None:
    async with world(tmp_path, solvers=1) as stage, stage.node.serving(), stage.hearing() as daemon:
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        await stage.told(dispute)
        result = await take(stage, daemon, dispute)
        assert result == NoAnswer(dispute.id, (Cause.NO_INFO_EVENT,), 0)
        assert stage.node.desk.received == []
        await stage.until(
            lambda: bool(stage.logs.named("node_info_missing")), limit_seconds=600, what="told"
        )


async def test_a_takeover_is_noticed_and_told(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        await stage.told(dispute)
        assert isinstance(await take(stage, daemon, dispute), Taken)
        solver = stage.solvers[0]
        await stage.until(lambda: len(texts(solver, dispute)) == 2, limit_seconds=30, what="ours")
        await stage.elapse(10)
        human = Keys.generate()
        stage.node.register(human.public_key().to_hex())
        urls = [each.url for each in stage.relays]
        async with SolverClient(
            urls, stage.node.public_key, clock=stage.clock, keys=human
        ) as client:
            await client.take(dispute.id)
        await stage.until(lambda: len(texts(solver, dispute)) == 3, limit_seconds=30, what="theirs")
        assert "assigned_solver: unknown\n" in solver.about(dispute.id)[-1].text
        assert stage.logs.named("dispute_taken_over")
        row = await daemon.rows("SELECT released_by FROM parties")
        assert row == [("takeover",)]


@pytest.mark.parametrize("protocol", [2, 1])
@pytest.mark.parametrize("fate", ["answered", "answer lost", "broke"])
async def test_a_restart_in_the_middle_of_a_take(
    tmp_path: Path, protocol: Protocol, fate: str
) -> None:
    """The process dies after asking. The answer is on the relays, or was never sent."""
    async with world(tmp_path, solvers=1) as stage, stage.node.serving():
        own = stage.own.public_key().to_hex()
        stage.node.register(own, Category.READ)
        await stage.node.switch(protocol=protocol)
        async with stage.hearing() as daemon:
            await stage.until(
                lambda: daemon.parts.node.watch.info is not None, limit_seconds=30, what="info"
            )
            dispute = await stage.node.open_order_dispute(BUYER, SELLER)
            await stage.told(dispute)
            stage.node.desk.upcoming.append(
                {
                    "answered": Manner(answer_after=5),
                    "answer lost": Manner(answer_after=5, answer_request=7),
                    "broke": Manner(fail_after=TakeStep.SAVED),
                }[fate]
            )
            asking = asyncio.create_task(daemon.parts.node.taker.take(dispute.id))
            await stage.until(
                lambda: len(stage.node.desk.received) == 1, limit_seconds=10, what="the request"
            )
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await stage.elapse(10)
        async with stage.hearing() as daemon:

            async def over() -> bool:
                left: int = await daemon.one("SELECT count(*) FROM takes WHERE state = 'open'")
                return left == 0

            await stage.until(over, limit_seconds=60, what="the take is over")
            if fate == "broke":
                # Nothing tells that the node saved it; the next take finds out.
                assert await daemon.one("SELECT state FROM takes") == "interrupted"
                assert isinstance(await take(stage, daemon, dispute), Taken)
            await stage.until(
                lambda: len(texts(stage.solvers[0], dispute)) == 2, limit_seconds=60, what="told"
            )
            assert f"assigned_solver: {own}\n" in stage.solvers[0].about(dispute.id)[-1].text
            assert await daemon.rows("SELECT buyer, released_at FROM parties") == [(BUYER, None)]
            await stage.elapse(60)
            assert len(texts(stage.solvers[0], dispute)) == 2
