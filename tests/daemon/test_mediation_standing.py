"""Whether the node lets us act, and takes that bring nothing: refused, lost, unanswered."""

from pathlib import Path
from typing import Any

import pytest
from tests.daemon.mediation_model import asks, cooperative, opens_with
from tests.daemon.mediation_rig import Case, mediating, mediation

from serbero.observe.health import Part
from serbero.simulator.model_endpoint import Waits
from serbero.simulator.node_log import Did, Manner, Refuse
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute
from serbero.simulator.node_rules import Category

FAST = {
    "solver_auth_retry_initial_seconds": 20,
    "solver_auth_retry_max_interval_seconds": 40,
}


def standing(case: Case) -> str | None:
    rows = case.rows("SELECT state FROM standing")
    return rows[0]["state"] if rows else None


def daemon_wide(case: Case) -> list[tuple[str, Any]]:
    """Events about no dispute."""
    rows = case.rows(
        "SELECT kind, json_extract(payload_json, '$.attempt') AS attempt FROM mediation_events"
        " WHERE kind LIKE 'auth_retry%' ORDER BY id"
    )
    return [(row["kind"], row["attempt"]) for row in rows]


async def until_refused(case: Case) -> Dispute:
    """Let the node refuse us for good."""
    case.expected |= {"solver_standing_refused"}
    dispute = await case.dispute()
    await case.until(lambda: standing(case) == "refused", "it is decided", 60)
    return dispute


@pytest.mark.parametrize("protocol", [2, 1])
async def test_a_node_that_does_not_know_us(tmp_path: Path, protocol: Protocol) -> None:
    """Decided when nobody took the dispute within 30 s; told with what to do; new ones wait.

    The reference's check always succeeded (W-15); here the node's answer is the check.
    """
    async with mediating(tmp_path, protocol=protocol, registered=False, mediation=FAST) as case:
        began = case.stage.clock.monotonic()
        dispute = await until_refused(case)
        assert case.stage.clock.monotonic() - began >= 30
        issued = case.events(dispute, "take_dispute_issued")[0]["payload"]
        assert issued["outcome"] == "failure"
        assert "invalid_pubkey" in issued["reason"]
        assert case.events(dispute, "start_attempt_stopped")
        assert daemon_wide(case) == [("auth_retry_attempt", 1)]
        [line] = case.stage.logs.named("solver_standing_refused")
        assert ":read" in line["remedy"]
        other = await case.dispute()
        await case.until_kind(other, "start_attempt_stopped")
        assert case.one(other, "start_attempt_stopped")["stop_reason"] == "auth_pending"
        assert case.model.of(other) == []
        assert case.sessions(dispute) == case.sessions(other) == []
        assert await case.daemon.state_of(other) == "notified"


async def test_a_node_that_learns_of_us_needs_no_restart(tmp_path: Path) -> None:
    """Probed again on the next eligible dispute; then everything that waited goes on."""
    async with mediating(tmp_path, registered=False, mediation=FAST) as case:
        dispute = await until_refused(case)
        case.stage.node.register(case.stage.own.public_key().to_hex(), Category.READ)
        await case.until_kind(dispute, "outbound_sent", 2, seconds=120)
        assert standing(case) == "authorized"
        assert daemon_wide(case)[-1][0] == "auth_retry_recovered"
        outcomes = [e["payload"]["outcome"] for e in case.events(dispute, "take_dispute_issued")]
        assert (outcomes[0], outcomes[-1]) == ("failure", "success")
        other = await case.stage.node.open_order_dispute()
        await case.until_state(other, "awaiting_response")


async def test_probing_ends_after_so_many_attempts(tmp_path: Path) -> None:
    """`auth_terminated` then: no model call, no take; one event, one error (43)."""
    limits = FAST | {"solver_auth_retry_max_attempts": 2}
    async with mediating(tmp_path, registered=False, mediation=limits) as case:
        case.expected |= {"auth_retry_terminated"}
        await until_refused(case)
        await case.until(lambda: standing(case) == "terminated", "it gives up", 200)
        assert daemon_wide(case) == [
            ("auth_retry_attempt", 1),
            ("auth_retry_attempt", 2),
            ("auth_retry_terminated", 2),
        ]
        takes = len(case.stage.node.desk.received)
        other = await case.dispute()
        await case.until_kind(other, "start_attempt_stopped")
        assert case.one(other, "start_attempt_stopped")["stop_reason"] == "auth_terminated"
        await case.stage.elapse(60)
        assert case.model.of(other) == []
        assert len(case.stage.node.desk.received) == takes


async def test_the_info_event_says_who_may_act(tmp_path: Path) -> None:
    """Its `serbero` tag with another key: nothing is taken; with ours: it goes on at once."""
    async with mediating(tmp_path, mediation=FAST) as case:
        case.expected |= {"solver_standing_refused", "authorization_lost"}
        node, own = case.stage.node, case.stage.own.public_key().to_hex()
        await case.stage.elapse(2)
        await node.publish_info(extra=[["serbero", "ab" * 32]])
        await case.until(lambda: standing(case) == "refused", "another key is named", 90)
        dispute = await case.dispute()
        await case.until_kind(dispute, "start_attempt_stopped")
        assert node.desk.received == []
        assert case.model.of(dispute) == []
        await case.stage.elapse(2)
        await node.publish_info(extra=[["serbero", own]])
        await case.until_kind(dispute, "outbound_sent", 2, seconds=120)
        assert standing(case) == "authorized"


async def test_a_lost_race_is_no_refusal(tmp_path: Path) -> None:
    """Refused because somebody else took it: our standing stays, nobody is alarmed (W-17)."""
    async with mediating(tmp_path) as case:
        case.stage.node.desk.upcoming.append(Manner(refuse=Refuse("invalid_pubkey")))
        dispute = await case.dispute()
        await case.until(lambda: case.stage.node.desk.outcomes() == [Did.REFUSED], "refused")
        await case.stage.elapse(3)
        await case.stage.node.take(dispute)
        await case.stage.elapse(65)
        assert standing(case) in {None, "unknown"}
        assert daemon_wide(case) == []
        assert case.sessions(dispute) == []
        assert len(case.stage.node.desk.received) == 1
        assert case.lifecycle(dispute) == "taken"
        other = await case.stage.node.open_order_dispute()
        await case.until_state(other, "awaiting_response")


async def test_a_human_who_takes_it_while_the_model_thinks(tmp_path: Path) -> None:
    """The verdict comes too late: no take, no session, no word to the parties (DIFF-6)."""
    async with mediating(tmp_path, opens_with(Waits(asks()))) as case:
        dispute = await case.dispute()
        await case.until(lambda: case.model.held == 1, "the model thinks")
        async with case.human() as client:
            await client.take(dispute.id)
        await case.until(lambda: case.lifecycle(dispute) == "taken", "it is taken")
        case.model.release()
        await case.stage.elapse(65)
        assert case.sessions(dispute) == []
        assert len(case.stage.node.desk.received) == 1
        assert [client.texts for client in case.parties.values()] == [[], []]
        assert len(case.model.of(dispute)) == 1


async def test_a_dispute_that_is_closed_while_the_model_thinks(tmp_path: Path) -> None:
    """The verdict comes too late: nothing is taken, and nothing asked."""
    async with mediating(tmp_path, opens_with(Waits(asks()))) as case:
        dispute = await case.dispute()
        await case.until(lambda: case.model.held == 1, "the model thinks")
        await case.stage.node.resolve(dispute)
        await case.until(lambda: case.lifecycle(dispute) == "resolved", "it is closed")
        case.model.release()
        await case.stage.elapse(35)
        assert case.stage.node.desk.received == []
        assert case.sessions(dispute) == []


async def test_a_node_that_does_not_answer(tmp_path: Path) -> None:
    """The failure is on record; asked again after 30 s, then 60 s (W-16), never more often."""
    async with mediating(tmp_path, mostro={"take_timeout_seconds": 5}) as case:
        case.expected |= {"take_unanswered"}
        case.stage.node.desk.silent = True
        dispute = await case.dispute()
        await case.until_kind(dispute, "take_dispute_issued")
        first = case.events(dispute, "take_dispute_issued")[0]
        assert first["payload"]["outcome"] == "failure"
        assert "timed out waiting for AdminTookDispute" in first["payload"]["reason"]
        assert case.sessions(dispute) == []
        await case.until_kind(dispute, "take_dispute_issued", 3, seconds=180)
        at = [row["occurred_at"] for row in case.events(dispute, "start_attempt_started")]
        assert at[1] - first["occurred_at"] >= 30
        assert at[2] - at[1] >= 60
        triggers = [r["payload"]["trigger"] for r in case.events(dispute, "start_attempt_started")]
        assert triggers == ["detected", "tick_retry", "tick_retry"]
        case.stage.node.desk.silent = False
        await case.until_kind(dispute, "outbound_sent", 2, seconds=300)


async def test_an_answer_that_comes_too_late_is_used(tmp_path: Path) -> None:
    """The node answers after we gave up: the dispute is ours, its session begins, once."""
    async with mediating(tmp_path, mostro={"take_timeout_seconds": 5}) as case:
        case.expected |= {"take_unanswered"}
        case.stage.node.desk.upcoming.append(Manner(answer_after=12))
        dispute = await case.dispute()
        await case.until_kind(dispute, "outbound_sent", 2, seconds=120)
        assert len(case.sessions(dispute)) == 1
        assert [len(client.heard) for client in case.parties.values()] == [1, 1]


async def test_a_refusal_of_an_old_life_is_not_believed(tmp_path: Path) -> None:
    """W-17: an answer of the node about another take stops nothing."""
    async with mediation(tmp_path, registered=False, mediation=FAST) as case:
        async with case.running():
            first = await until_refused(case)
        async with case.running() as daemon:
            await case.until(lambda: case.model.pings == 2, "the model is there")
            await case.stage.elapse(2)
            assert not daemon.parts.base.health.parts()[Part.MEDIATION].ok
        case.stage.node.register(case.stage.own.public_key().to_hex(), Category.READ)
        async with case.running():
            await case.until_kind(first, "outbound_sent", 2, seconds=150)
            assert standing(case) == "authorized"


async def test_losing_the_standing_hands_open_sessions_over(tmp_path: Path) -> None:
    """`authorization_lost`: each open session goes to a human, with hand-off and message."""
    async with mediating(tmp_path, cooperative, mediation=FAST) as case:
        case.expected |= {"authorization_lost", "solver_standing_refused"}
        dispute = await case.begun()
        await case.stage.node.publish_info(extra=[["serbero", "cd" * 32]])
        await case.until_state(dispute, "escalation_recommended", seconds=90)
        assert case.pair(dispute)[0]["trigger"] == "authorization_lost"
        await case.until(lambda: case.escalations(dispute), "the solver is told")
        assert case.lifecycle(dispute) == "escalated"
        assert not case.daemon.parts.base.health.parts()[Part.MEDIATION].ok
