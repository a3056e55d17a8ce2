"""Everything an endpoint may do instead of answering, at each place where it is asked.

Whatever it does, each call ends where the contract says, nothing reaches a party, the daemon stays
up, and new disputes are told of within the second.
"""

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from tests.daemon.mediation_model import (
    Asked,
    Brain,
    Model,
    asks,
    cooperative,
)
from tests.daemon.mediation_rig import Case, mediating

from serbero.model.party import Party
from serbero.reasoning.calls import Purpose
from serbero.simulator.model_endpoint import HangsUp, Says, Sends, Step, Waits, verdict
from serbero.simulator.node_public import Dispute

HTML: Final = {"content-type": "text/html"}
LIMITED: Final = b'{"error": {"message": "slow down", "type": "rate_limit"}}'
SHAPE: Final = json.dumps({"choices": [{"message": {"content": None}}]}).encode()

FAULTS: Final[Mapping[str, Step]] = {
    "slow": Waits(asks()),
    "hangs up": HangsUp(),
    "rationed": Sends(429, LIMITED),
    "rationed for an hour": Sends(429, LIMITED, headers={"retry-after": "3600"}),
    "broken": Sends(500, b"oops"),
    "a web page": Sends(200, b"<html><body>Sign in</body></html>", headers=HTML),
    "an error's web page": Sends(502, b"<html>Bad gateway</html>", headers=HTML),
    "cut off": Sends(200, b'{"choices": [{"message": {"role": "assis', cut=20),
    "a megabyte": Sends(200, b'{"choices": "' + b"x" * 1_000_000 + b'"}'),
    "a megabyte of words": Says(verdict(rationale="x" * 1_000_000)),
    "no message": Sends(200, SHAPE),
    "an empty object": Sends(200, b"{}"),
    "another shape": Says('{"verdict": ["ask"], "confidence": "high"}'),
    "depth": Says("[" * 20_000),
    "prose": Says("I would ask both of them."),
    "empty": Says(""),
    "no body": Sends(200, b""),
}
"""What an endpoint may do instead of answering."""

WORDS: Final = {"depth"}
"""Which of these is a summary of sorts, without a next step: markers are not demanded."""

SUMMARIES: Final = (
    *("slow", "hangs up", "rationed", "a web page", "cut off", "a megabyte", "another shape"),
    *("depth", "no body"),
)
"""Which are tried at the summary, where one failure is enough and each needs a mediation."""

KEPT: Final = 2
"""Of each table that are tried every time; the opening tries every fault."""


def rest_in_soak(table: Iterable[Any]) -> list[Any]:
    """Leave all but the first entries to the long sweeps."""
    return [
        each if number < KEPT else pytest.param(each, marks=pytest.mark.soak)
        for number, each in enumerate(table)
    ]


LATER: Final = 40
"""Seconds after which a request that got no answer has ended, with something to spare."""


async def told_at_once(case: Case) -> None:
    """A new dispute is told of within the second, and taken for nothing else."""
    clock = case.stage.clock
    began = clock.monotonic()
    dispute = await case.stage.node.open_order_dispute()
    await case.stage.told(dispute)
    assert clock.monotonic() - began <= 1


def gaps(case: Case, dispute: Dispute, kind: str) -> list[int]:
    """Seconds between a dispute's audit events of a kind."""
    times = [row["occurred_at"] for row in case.events(dispute, kind)]
    return [after - before for before, after in pairwise(times)]


def categories(case: Case, dispute: Dispute) -> list[str]:
    """How the audit trail names the calls that failed."""
    failed = case.events(dispute, "reasoning_call_failed")
    return [row["payload"]["error_category"] for row in failed]


@contextmanager
def refusing(model: Model) -> Iterator[None]:
    """Let nobody listen at the endpoint's address from now on."""
    assert model._server is not None
    address = model._server.sockets[0].getsockname()
    model._server.close()
    for connection in model._connections:
        connection.cancel()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        yield


# The opening.


async def test_at_the_opening_the_dispute_stays_eligible(tmp_path: Path) -> None:
    """The attempt stops without a take, everybody is told all the same; 30 s later it begins.

    The reference handed such a dispute over for good (W-30).
    """
    faults: dict[str, Step] = {}

    def says(asked: Asked) -> Step:
        return faults.get(asked.dispute_id) or cooperative(asked)

    async with mediating(tmp_path, says, mediation={"max_concurrent_starts": 50}) as case:
        disputes: dict[str, Dispute] = {}
        for number, (name, step) in enumerate(FAULTS.items()):
            dispute_id = f"7f9b1c39-4f8e-4d52-9f5f-{number:012x}"
            faults[dispute_id] = step
            began = case.stage.clock.monotonic()
            disputes[name] = await case.stage.node.open_order_dispute(dispute_id=dispute_id)
            await case.stage.told(disputes[name])
            assert case.stage.clock.monotonic() - began <= 1, name
        for name, dispute in disputes.items():
            await case.until_kind(dispute, "start_attempt_stopped", seconds=LATER)
            assert case.kinds(dispute)[:3] == [
                "start_attempt_started",
                "reasoning_call_failed",
                "start_attempt_stopped",
            ], name
            stopped = case.events(dispute, "start_attempt_stopped")[0]["payload"]
            assert stopped["stop_reason"] == "reasoning_unhealthy", name
            assert case.lifecycle(dispute) == "notified", name
        assert case.stage.node.desk.received == []
        assert case.count("mediation_sessions") == 0
        faults.clear()
        for name, dispute in disputes.items():
            await case.until_kind(dispute, "outbound_sent", 2, seconds=2 * LATER)
            assert gaps(case, dispute, "start_attempt_started")[0] in range(30, 62), name
            assert "escalation_recommended" not in case.kinds(dispute), name


async def test_an_opening_without_a_model_ends_with_a_human(tmp_path: Path) -> None:
    """Nobody listens: again after 30 s, doubling, then a human at `start_deadline_seconds` (W-30).

    The deadline is kept to the second, though the next attempt would come later.
    """
    async with mediating(tmp_path, mediation={"start_deadline_seconds": 300}) as case:
        await case.until(lambda: case.model.pings == 1, "bring-up")
        with refusing(case.model):
            dispute = await case.stage.node.open_order_dispute()
            await case.stage.told(dispute)
            await case.until_kind(dispute, "start_attempt_stopped", 4, seconds=240)
            await told_at_once(case)
            assert "escalation_recommended" not in case.kinds(dispute)
            await case.until_kind(dispute, "handoff_prepared", seconds=120)
            assert gaps(case, dispute, "start_attempt_stopped") == [30, 60, 120, 90]
            assert case.pair(dispute)[0]["trigger"] == "reasoning_unavailable"
            await case.until(lambda: bool(case.escalations(dispute)), "the solver is told")
            await case.stage.elapse(65)
        # Five minutes after its last success a model is asked for any answer at all first.
        assert categories(case, dispute) == ["unreachable"] * 4
        assert len(case.events(dispute, "start_attempt_started")) == 5
        assert case.model.of(dispute) == []
        assert case.stage.node.desk.received == []
        assert case.lifecycle(dispute) == "notified"


async def test_a_model_that_hangs_at_the_start_holds_nobody_up(tmp_path: Path) -> None:
    """W-31: disputes are told of while the provider has not said a word yet."""
    async with mediating(tmp_path, lambda asked: Waits(cooperative(asked))) as case:
        await case.until(lambda: case.model.held == 1, "the provider is asked")
        await told_at_once(case)
        case.model.says = cooperative
        case.model.release()


# A round.


def evaluated(*steps: Step) -> tuple[list[Step], Brain]:
    """Say ``steps`` to evaluations in turn, and be well before and after them.

    Returns:
        What is left to be said, and the model. Sessions of it run one at a time.
    """
    left = list(steps)

    def says(asked: Asked) -> Step:
        if asked.purpose is Purpose.CLASSIFY and not asked.opening and left:
            return left.pop(0)
        return cooperative(asked)

    return left, says


TRIOS: Final = [
    ("slow", "hangs up", "rationed"),
    ("rationed for an hour", "broken", "a web page"),
    ("an error's web page", "cut off", "a megabyte"),
    ("a megabyte of words", "no message", "an empty object"),
    ("another shape", "depth", "prose"),
    ("empty", "no body", "slow"),
]


def test_every_fault_is_tried_in_a_round() -> None:
    assert {each for trio in TRIOS for each in trio} == set(FAULTS)


@pytest.mark.soak
@pytest.mark.parametrize("trio", TRIOS, ids=", ".join)
async def test_three_failed_evaluations_go_to_a_human(
    tmp_path: Path, trio: tuple[str, ...]
) -> None:
    """Again after 30 s and 60 s, whatever the fault and though nobody writes (W-11)."""
    left, says = evaluated(*(FAULTS[each] for each in trio))
    async with mediating(tmp_path, says) as case:
        dispute = await case.begun()
        await case.both_say()
        for count in (1, 2):
            await case.until_kind(dispute, "reasoning_call_failed", count, seconds=2 * LATER)
            assert case.state(dispute) == "awaiting_response"
            assert case.session(dispute)["consecutive_eval_failures"] == count
            await told_at_once(case)
        await case.until_kind(dispute, "handoff_prepared", seconds=3 * LATER)
        assert left == []
        assert len(categories(case, dispute)) == 3
        waits = gaps(case, dispute, "reasoning_call_failed")
        slow = [30 * (each == "slow") for each in trio[1:]]
        assert waits == [30 + slow[0], 60 + slow[1]]
        recommended, _ = case.pair(dispute)
        assert recommended["trigger"] == "reasoning_unavailable"
        await case.until(lambda: bool(case.escalations(dispute)), "the solver is told")
        await case.stage.elapse(65)
        assert (case.state(dispute), case.lifecycle(dispute)) == (
            "escalation_recommended",
            "escalated",
        )
        assert all(len(case.heard(party)) == 1 for party in Party)
        assert len(case.events(dispute, "classification_produced")) == 1


# The summary.


@pytest.mark.parametrize("fault", rest_in_soak(SUMMARIES))
async def test_a_summary_that_cannot_be_had_goes_to_a_human(tmp_path: Path, fault: str) -> None:
    """At the first failure, with hand-off and alert (W-9); nothing is stored as a summary."""

    def says(asked: Asked) -> Step:
        return FAULTS[fault] if asked.purpose is Purpose.SUMMARIZE else cooperative(asked)

    async with mediating(tmp_path, says) as case:
        dispute = await case.begun()
        await case.both_say()
        if isinstance(FAULTS[fault], Waits):
            await case.until_state(dispute, "summary_pending")
        await told_at_once(case)
        await case.until_state(dispute, "escalation_recommended", seconds=LATER)
        recommended, _ = case.pair(dispute)
        words = fault in WORDS
        trigger = "invalid_model_output" if words else "reasoning_unavailable"
        assert recommended["trigger"] == trigger
        await case.until(lambda: bool(case.escalations(dispute)), "the solver is told")
        assert len(categories(case, dispute)) == (not words)
        assert case.count("mediation_summaries") == 0
        assert case.told(dispute, begins="Mediation summary") == []
        assert case.lifecycle(dispute) == "escalated"


# Attempts of one call.


@pytest.mark.parametrize("place", ["opening", "round", "summary"])
async def test_a_fault_that_passes_costs_one_attempt_more(tmp_path: Path, place: str) -> None:
    """500, then 200: the call succeeds, and its row says how many requests that took."""
    seen: set[str] = set()

    def says(asked: Asked) -> Step:
        where = "opening" if asked.opening else "round"
        where = "summary" if asked.purpose is Purpose.SUMMARIZE else where
        if asked.purpose is not Purpose.HEALTH and where == place and where not in seen:
            seen.add(where)
            return Sends(500, b"oops")
        return cooperative(asked)

    async with mediating(tmp_path, says, reasoning={"followup_retry_count": 1}) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until_state(dispute, "closed", seconds=30)
        assert case.events(dispute, "reasoning_call_failed") == []
        calls = case.rows("SELECT purpose, session_id, attempts FROM reasoning_calls ORDER BY id")
        twice = [each for each in calls if each["attempts"] == 2]
        assert [(each["purpose"], each["session_id"] is None) for each in twice] == [
            ("summarize" if place == "summary" else "classify", place == "opening")
        ]


async def test_what_a_rationing_endpoint_asks_for_is_waited(tmp_path: Path) -> None:
    """`Retry-After` of 20 s: the second request comes then, and the dispute begins."""
    ration: list[Step] = [Sends(429, LIMITED, headers={"retry-after": "20"})]

    def says(asked: Asked) -> Step:
        return ration.pop() if asked.opening and ration else cooperative(asked)

    async with mediating(tmp_path, says, reasoning={"followup_retry_count": 1}) as case:
        began = case.stage.clock.monotonic()
        dispute = await case.stage.node.open_order_dispute()
        await case.stage.told(dispute)
        assert case.stage.clock.monotonic() - began <= 1
        await case.stage.elapse(15)
        assert len(case.model.of(dispute)) == 1
        await case.until_kind(dispute, "outbound_sent", 2, seconds=10)
        assert case.stage.clock.monotonic() - began >= 20
        assert case.events(dispute, "reasoning_call_failed") == []
        assert len(case.events(dispute, "start_attempt_started")) == 1
