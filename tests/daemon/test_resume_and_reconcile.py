"""What happened while nobody listened: outages, restarts, lost live events, first starts."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.rig import Daemon, World, firsts, texts, world

from serbero.mostro.node_info import INFO_KIND
from serbero.simulator.behaviour import Way
from serbero.simulator.faults import FAULTS
from serbero.simulator.node import Dispute
from serbero.simulator.proxy import Link
from serbero.simulator.wire import Frame, peek

RECONCILE_SECONDS = 300
OVERLAP_SECONDS = 60


def _lookback(here: World, seconds: int) -> str:
    return f'[mostro]\npubkey = "{here.node.public_key}"\ncold_start_lookback_seconds = {seconds}\n'


async def _is(here: World, daemon: Daemon, dispute: Dispute, state: str, within: float) -> None:
    async def reached() -> bool:
        return await daemon.state_of(dispute) == state

    await here.until(reached, limit_seconds=within, what=f"it is {state}")


def lose_live_disputes(way: Way, text: str, _link: Link) -> list[Frame]:
    """The live subscription stays silent about disputes; canaries and questions are served."""
    verb, name = peek(text)
    if way == "down" and verb == "EVENT" and name.startswith("disputes:"):
        return [text] if json.loads(text)[2]["kind"] != 38386 else []
    return [text]


async def test_a_restart_resumes_before_the_newest_it_accepted(here: World) -> None:
    """It asks from the cursor, less a minute, and nobody told twice."""
    async with here.hearing():
        await here.clock.advance(1000)
        dispute = await here.node.open_dispute()
        await here.told(dispute)
    await here.clock.advance(5000)
    missed = await here.node.open_dispute()
    asked = len(here.requests[0].disputes())
    async with here.hearing() as daemon:
        assert here.requests[0].disputes()[asked]["since"] == dispute.stamp - OVERLAP_SECONDS
        await here.told(missed)
        await here.elapse(RECONCILE_SECONDS + 60)
        assert [len(firsts(each, dispute)) for each in here.solvers] == [1, 1]
        assert [len(each.messages) for each in here.solvers] == [2, 2]
        assert daemon.alive


async def test_an_event_from_the_future_does_not_push_the_cursor(here: World) -> None:
    """Dated 2100 it is a dispute like any other, but what follows must still be asked for."""
    year_2100 = 4_102_444_800
    async with here.hearing() as daemon:
        event = await here.revision(
            "0b7a3c7e-6d0a-4a5e-9d5f-0a2c31a9a111", "initiated", at=year_2100
        )
        await here.until(
            lambda: all(each.messages for each in here.solvers), limit_seconds=30, what="told"
        )
        before = here.clock.now()
        assert await daemon.one("SELECT event_id FROM revisions") == event.id().to_hex()
        assert await daemon.one("SELECT value FROM cursors WHERE name = 'disputes'") <= before
        here.proxies[0].cut()
        await here.until(
            lambda: len(here.requests[0].disputes()) > 1, limit_seconds=60, what="asked again"
        )
        assert here.requests[0].disputes()[-1]["since"] <= before
    dispute = await here.node.open_dispute()
    asked = len(here.requests[0].disputes())
    async with here.hearing():
        assert here.requests[0].disputes()[asked]["since"] <= before
        await here.told(dispute)


async def test_reconcile_finds_what_the_live_stream_lost(here: World) -> None:
    async with here.hearing() as daemon:
        await here.elapse(20)  # the pass that follows a start is over
        here.proxies[0].add(lose_live_disputes)
        dispute = await here.node.open_dispute()
        await here.elapse(10)
        assert await daemon.state_of(dispute) is None
        await here.until(
            lambda: all(firsts(each, dispute) for each in here.solvers),
            limit_seconds=RECONCILE_SECONDS,
            what="found by asking",
        )
        await _is(here, daemon, dispute, "notified", 5)


async def test_reconcile_finds_the_end_of_all_it_holds_open(here: World) -> None:
    """Lost resolutions are asked for by the ids that are held open, several at once.

    The embedded relay answers a filter of author, kind and several ``#d`` with one event only.
    """
    async with here.hearing() as daemon:
        opened = [await here.node.open_dispute() for _ in range(4)]
        await here.told(*opened)
        await here.elapse(20)  # the pass that follows a start is over
        here.proxies[0].add(lose_live_disputes)
        await here.node.take(opened[0])
        for dispute in opened[1:]:
            await here.node.resolve(dispute)
        await _is(here, daemon, opened[0], "taken", RECONCILE_SECONDS + 20)
        for dispute in opened[1:]:
            await _is(here, daemon, dispute, "resolved", 5)


async def test_opened_and_taken_during_an_outage(here: World) -> None:
    """Known and told to nobody: somebody has it already."""
    async with here.hearing() as daemon:
        outage = here.proxies[0].add(FAULTS["refuse"].make())
        await here.elapse(30)
        dispute = await here.node.open_dispute()
        await here.elapse(30)
        await here.node.take(dispute)
        waiting = await here.node.open_dispute()
        await here.elapse(30)
        here.proxies[0].remove(outage)
        await here.told(waiting)
        await _is(here, daemon, dispute, "taken", 30)
        await here.elapse(RECONCILE_SECONDS)
        assert [each.about(dispute.id) for each in here.solvers] == [[], []]


async def test_taken_and_resolved_during_an_outage(here: World) -> None:
    """Only the newest revision is left on the relay; one take in between may go untold."""
    async with here.hearing() as daemon:
        dispute = await here.node.open_dispute()
        await here.told(dispute)
        outage = here.proxies[0].add(FAULTS["refuse"].make())
        await here.elapse(15)
        await here.node.take(dispute)
        await here.node.resolve(dispute, "released")
        here.proxies[0].remove(outage)
        await _is(here, daemon, dispute, "resolved", 30)
        assert [len(texts(each, dispute)) for each in here.solvers] == [1, 1]


@pytest.mark.parametrize(("age", "ours"), [(3000, True), (4000, False)])
async def test_a_first_start_with_a_lookback(here: World, age: int, ours: bool) -> None:
    """What is still open since then is announced; what is older, or over, is not."""
    dispute = await here.node.open_dispute()
    taken = await here.node.open_dispute()
    await here.node.take(taken)
    await here.clock.advance(age)
    async with here.hearing(here.config(_lookback(here, 3600))) as daemon:
        await here.elapse(RECONCILE_SECONDS + 60)
        assert await daemon.state_of(dispute) == ("notified" if ours else None)
        assert [len(firsts(each, dispute)) for each in here.solvers] == [int(ours)] * 2
        assert await daemon.state_of(taken) == ("taken" if ours else None)
        assert [each.about(taken.id) for each in here.solvers] == [[], []]


async def test_a_take_follows_what_the_lookback_ignored(here: World) -> None:
    """A dispute from before the horizon is not ours, until something new happens to it."""
    dispute = await here.node.open_dispute()
    await here.clock.advance(500)
    async with here.hearing() as daemon:
        await here.elapse(30)
        assert await daemon.state_of(dispute) is None
        await here.node.take(dispute)
        await _is(here, daemon, dispute, "taken", 10)
        assert [each.messages for each in here.solvers] == [[], []]


async def test_two_relays_that_disagree_converge_on_the_newest(tmp_path: Path) -> None:
    """One relay lags behind: its older revision comes later and changes nothing."""
    async with world(tmp_path, relays=2) as here:
        behind, ahead = (each.url for each in here.relays)
        async with here.hearing() as daemon:
            dispute = await here.node.open_dispute(relays=[ahead])
            await here.told(dispute)
            await here.node.take(dispute, relays=[ahead])
            await _is(here, daemon, dispute, "taken", 10)
            await here.node.publish(dispute.revisions[0], relays=[behind])
            await here.elapse(RECONCILE_SECONDS + 30)
            assert await daemon.state_of(dispute) == "taken"
            assert [len(firsts(each, dispute)) for each in here.solvers] == [1, 1]


def swallow_lists(way: Way, text: str, _link: Link) -> list[Frame]:
    """Questions about disputes by their ids never reach the relay."""
    if way == "up" and peek(text)[0] == "REQ" and asks_by_id(json.loads(text)[2]):
        return []
    return [text]


def asks_by_id(wanted: dict[str, Any]) -> bool:
    """Whether a filter names disputes; what the node says of itself has a ``d`` as well."""
    return "#d" in wanted and wanted.get("kinds") != [INFO_KIND]


async def test_a_question_without_an_answer_delays_no_other(here: World) -> None:
    """What is asked about open disputes is acted on while other questions still wait."""
    async with here.hearing() as daemon:
        held = await here.node.open_dispute()
        await here.told(held)
        await here.elapse(20)  # the pass that follows a start is over
        here.proxies[0].add(lose_live_disputes)
        here.proxies[0].add(swallow_lists)
        dispute = await here.node.open_dispute()
        asked = len(here.requests[0].asked)

        def in_question() -> bool:
            return any(asks_by_id(each[0]) for _, each in here.requests[0].asked[asked:])

        await here.until(in_question, limit_seconds=RECONCILE_SECONDS + 20, what="a pass")
        await _is(here, daemon, dispute, "notified", 5)


async def test_a_message_outlives_the_daemon(here: World) -> None:
    """Committed before a crash, delivered after it, in the same bytes to whoever had them."""
    refusing = here.proxies[0].add(FAULTS["ok-never"].make())
    async with here.hearing() as daemon:
        dispute = await here.node.open_dispute()
        await here.until(
            lambda: all(firsts(each, dispute) for each in here.solvers),
            limit_seconds=5,
            what="stored, and never acknowledged",
        )
        assert await daemon.state_of(dispute) == "new"
    here.proxies[0].remove(refusing)
    async with here.hearing() as daemon:
        await _is(here, daemon, dispute, "notified", 30)
        for solver in here.solvers:
            assert len(await solver.all_events(here.relays[0].url)) == 1
        rows = await daemon.rows("SELECT solver_pubkey, status FROM notifications ORDER BY 1")
        assert rows == sorted((each.public_key, "sent") for each in here.solvers)
