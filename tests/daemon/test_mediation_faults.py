"""A model that is down, slow, or talks nonsense, before and during a mediation."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.mediation_model import (
    Asked,
    Brain,
    asks,
    cooperative,
    once_answered,
    opens_with,
    summarizes,
)
from tests.daemon.mediation_rig import BUYER_ANSWER, Case, mediating

from serbero.model.party import Party
from serbero.reasoning.calls import Purpose
from serbero.simulator.model_endpoint import ModelServer, Says, Sends, Step, Waits
from serbero.simulator.node_public import Dispute

DOWN = Sends(503, b"<html>the service is unavailable</html>")
BROKEN: dict[str, tuple[Step, str]] = {
    "503": (DOWN, "unreachable"),
    "hangs": (Waits(asks()), "timeout"),
    "no-texts": (asks(seller_clarification=None), "malformed_response"),
}


def refuses(down: dict[str, bool]) -> Brain:
    """Everything is answered with 503 while ``down["is"]``."""

    def says(asked: Asked) -> Step:
        return DOWN if down["is"] else cooperative(asked)

    return says


def starts(case: Case, dispute: Dispute) -> list[int]:
    """When attempts began."""
    return [row["occurred_at"] for row in case.events(dispute, "start_attempt_started")]


async def test_a_model_that_is_down_at_bring_up(tmp_path: Path) -> None:
    """Solvers are told, no row of mediation is written; it comes up by itself (W-31, 40).

    The reference decided once for the whole run, before it subscribed. Nothing is escalated for a
    bring-up that fails (decisions, W-30).
    """
    down = {"is": True}
    async with mediating(tmp_path, refuses(down), mediation={"start_deadline_seconds": 30}) as case:
        case.expected |= {"mediation_unavailable"}
        dispute = await case.dispute()
        await case.stage.told(dispute)
        await case.stage.elapse(70)
        for table in ("mediation_events", "mediation_sessions", "reasoning_rationales"):
            assert case.count(table) == 0
        assert case.escalations(dispute) == []
        assert len(case.stage.logs.named("mediation_unavailable")) == 1
        assert 3 <= case.model.pings <= 10
        down["is"] = False
        await case.until_kind(dispute, "outbound_sent", 2, seconds=120)


@pytest.mark.parametrize("fault", BROKEN)
async def test_an_opening_without_a_verdict(tmp_path: Path, fault: str) -> None:
    """The attempt stops, on record with its category; nothing is taken, the dispute stays (W-30).

    The reference escalated it for good at the first error (47, DIFF-3).
    """
    step, category = BROKEN[fault]
    async with mediating(
        tmp_path, opens_with(step), reasoning={"request_timeout_seconds": 5}
    ) as case:
        dispute = await case.dispute()
        await case.until_kind(dispute, "start_attempt_stopped")
        failed = case.one(dispute, "reasoning_call_failed")
        assert (failed["error_category"], failed["attempt_count"]) == (category, 1)
        assert (failed["provider"], failed["model"]) == ("openai-compatible", "scripted")
        stopped = case.one(dispute, "start_attempt_stopped")
        assert stopped["stop_reason"] == "reasoning_unhealthy"
        assert case.stage.node.desk.received == []
        assert case.sessions(dispute) == []
        assert case.escalations(dispute) == []
        case.model.says = cooperative
        await case.until_kind(dispute, "outbound_sent", 2, seconds=60)


async def test_attempts_are_30_s_apart_then_twice_that(tmp_path: Path) -> None:
    """Backoff of W-30; an attempt costs one call: the verdict's, or a ping where it is unwell.

    Healthy is a model that answered within five minutes, so the first attempts do not ping.
    """
    down = {"is": False}
    async with mediating(tmp_path, refuses(down)) as case:
        down["is"] = True
        dispute = await case.dispute()
        await case.until(lambda: len(starts(case, dispute)) == 4, "four attempts", 300)
        at = starts(case, dispute)
        gaps = [after - before for before, after in pairwise(at)]
        assert all(
            wanted <= gap <= wanted + 31 for wanted, gap in zip((30, 60, 120), gaps, strict=True)
        )
        await case.stage.settle()
        assert len(case.model.of(dispute)) + case.model.pings - 1 == 4
        stopped = case.events(dispute, "start_attempt_stopped")
        assert {each["payload"]["stop_reason"] for each in stopped} == {"reasoning_unhealthy"}
        assert len(stopped) == 4
        assert case.stage.node.desk.received == []


async def test_after_the_deadline_a_human_is_asked(tmp_path: Path) -> None:
    """`start_deadline_seconds` after the first failed attempt: `reasoning_unavailable`, once."""
    down = {"is": False}
    async with mediating(tmp_path, refuses(down), mediation={"start_deadline_seconds": 80}) as case:
        down["is"] = True
        dispute = await case.dispute()
        await case.until(lambda: starts(case, dispute), "the first attempt")
        await case.until_kind(dispute, "handoff_prepared", seconds=150)
        recommended, prepared = case.pair(dispute)
        assert recommended["trigger"] == "reasoning_unavailable"
        assert 80 <= prepared["assembled_at"] - starts(case, dispute)[0] <= 115
        await case.until(lambda: case.escalations(dispute), "the solver is told")
        assert case.escalations(dispute)[0].startswith(f"Dispute {dispute.id} escalated before")
        down["is"] = False
        await case.stage.elapse(65)
        case.pair(dispute)
        assert case.stage.node.desk.received == []
        assert len(case.escalations(dispute)) == 1


async def test_answers_in_the_wrong_form_are_malformed_to_the_end(tmp_path: Path) -> None:
    """A model that is there and never makes sense: attempts with backoff, then a human."""
    async with mediating(
        tmp_path, opens_with(Says("Hello!")), mediation={"start_deadline_seconds": 40}
    ) as case:
        dispute = await case.dispute()
        await case.until_kind(dispute, "handoff_prepared", seconds=120)
        assert case.pair(dispute)[0]["trigger"] == "reasoning_unavailable"
        kept = case.rows("SELECT rationale_text AS t FROM reasoning_rationales")
        assert {row["t"] for row in kept} == {"Hello!"}


async def test_three_failed_evaluations_go_to_a_human(tmp_path: Path) -> None:
    """Again after 30 s and 60 s by time alone (W-11), the third time with hand-off and alert."""
    async with mediating(tmp_path, once_answered(DOWN)) as case:
        dispute = await case.begun()
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until_state(dispute, "escalation_recommended", seconds=200)
        assert case.pair(dispute)[0]["trigger"] == "reasoning_unavailable"
        failed = case.events(dispute, "reasoning_call_failed")
        assert [row["payload"]["error_category"] for row in failed] == ["unreachable"] * 3
        gaps = [after["occurred_at"] - before["occurred_at"] for before, after in pairwise(failed)]
        assert [30 <= gaps[0] <= 70, 60 <= gaps[1] <= 100] == [True, True], gaps
        assert case.session(dispute)["consecutive_eval_failures"] == 3
        await case.until(lambda: case.escalations(dispute), "the solver is told")
        assert [len(case.heard(party)) for party in Party] == [1, 1]


async def test_a_failed_evaluation_and_a_good_one(tmp_path: Path) -> None:
    """The counter is 0 again (72); the party need not write anew."""
    failures: list[Asked] = []

    def says(asked: Asked) -> Step:
        if asked.purpose is Purpose.CLASSIFY and asked.party_lines and len(failures) < 2:
            failures.append(asked)
            return DOWN
        return once_answered(asks())(asked)

    async with mediating(tmp_path, says) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until(lambda: case.session(dispute)["consecutive_eval_failures"] == 1, "one")
        await case.until(lambda: case.session(dispute)["consecutive_eval_failures"] == 2, "two", 60)
        await case.until_kind(dispute, "outbound_sent", 4, seconds=120)
        session = case.session(dispute)
        assert session["consecutive_eval_failures"] == 0
        assert session["state"] == "awaiting_response"
        assert case.events(dispute, "escalation_recommended") == []


async def test_talking_on_does_not_call_a_broken_model_more_often(tmp_path: Path) -> None:
    """W-16: the wait after a failure holds, whatever is written meanwhile."""
    async with mediating(tmp_path, once_answered(DOWN)) as case:
        dispute = await case.begun()
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until_kind(dispute, "reasoning_call_failed")
        for number in range(5):
            await case.say(Party.BUYER, f"Hello? Is anybody there, number {number}?")
            await case.stage.elapse(3)
        assert len(case.events(dispute, "reasoning_call_failed")) == 1


async def test_a_ping_is_on_record_like_any_call(tmp_path: Path) -> None:
    """What a health check costs is counted too: a row without dispute and bundle."""
    async with mediating(tmp_path) as case:
        await case.until(lambda: case.count("reasoning_calls") == 1, "it is recorded")
        [row] = case.rows("SELECT * FROM reasoning_calls")
        assert (row["purpose"], row["dispute_id"], row["policy_hash"]) == ("health", None, None)
        assert (row["input_tokens"], row["failure"]) == (100, None)


async def test_another_model_stands_in(tmp_path: Path) -> None:
    """`[[reasoning.fallback]]`: whose answer it is stands in the rows."""
    async with ModelServer(Says(asks().text)) as second:
        extra = (
            '[[reasoning.fallback]]\nprovider = "openai-compatible"\nmodel = "the-second"\n'
            f'api_base = "{second.base}"\napi_key_env = "SERBERO_REASONING_API_KEY"'
        )
        async with mediating(tmp_path, lambda _: DOWN, extra=extra) as case:
            dispute = await case.begun()
            [row] = case.rows("SELECT model FROM reasoning_calls WHERE purpose = 'classify'")
            assert row["model"] == "the-second"
            [row] = case.rows("SELECT model FROM reasoning_rationales")
            assert row["model"] == "the-second"
            assert case.state(dispute) == "awaiting_response"


@pytest.mark.parametrize("mode", ["json", "tool", "schema"])
async def test_every_form_of_answer_leads_to_the_end(tmp_path: Path, mode: str) -> None:
    """A whole mediation in each output mode."""
    async with mediating(tmp_path, reasoning={"output_mode": mode}) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until_state(dispute, "closed")
        sql = "SELECT DISTINCT output_mode AS m FROM reasoning_calls WHERE purpose != 'health'"
        modes = case.rows(sql)
        assert [row["m"] for row in modes] == [mode]


async def test_a_missing_key_costs_mediation_only(tmp_path: Path) -> None:
    """W-37: no key, no mediation; disputes are told of (the reference ended)."""
    async with mediating(tmp_path, environ={}) as case:
        dispute = await case.dispute()
        await case.stage.told(dispute)
        await case.stage.elapse(5)
        assert case.model.requests == []
        assert case.count("mediation_events") == 0
        assert case.stage.logs.named("mediation_off")


async def test_the_ceiling_on_calls_holds(tmp_path: Path) -> None:
    """`max_concurrent_calls` over all disputes: the others wait their turn and lose nothing."""
    async with mediating(
        tmp_path, opens_with(Waits(asks(), 1.0)), reasoning={"max_concurrent_calls": 2}
    ) as case:
        opened = [await case.stage.node.open_order_dispute() for _ in range(5)]
        await case.until(lambda: case.count("mediation_sessions") == 5, "all of them", 30)
        assert case.model.busiest == 2
        assert {case.state(each) for each in opened} == {"awaiting_response"}


async def test_a_model_that_answers_for_somebody_else(tmp_path: Path) -> None:
    """Members nobody asked for are read past; what counts is vetted like any other."""
    step: Any = summarizes(session_id="another", admin_settle=True, wants_human="none")
    async with mediating(tmp_path, once_answered(step)) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until_state(dispute, "closed")
