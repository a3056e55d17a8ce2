"""The end of a mediation that went well: a summary for whoever decides, once."""

import asyncio
from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.daemon.mediation_model import Asked, Brain, asks, cooperative, summarizes
from tests.daemon.mediation_rig import Case, mediating, mediation

from serbero.model.party import Party
from serbero.reasoning.bundle import packaged
from serbero.reasoning.calls import Purpose
from serbero.simulator.fault_replies import RefuseEvents
from serbero.simulator.model_endpoint import Says, Sends, Step, Waits, summary
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute
from serbero.store.disputes import set_assigned_solver

BODY = "The buyer says the payment was sent; the seller found it meanwhile."
NEXT = "Check both statements and decide."
HEAD = "Mediation summary for dispute "


def summed_up(step: Step) -> Brain:
    """Cooperate, and say ``step`` where a summary is wanted."""

    def says(asked: Asked) -> Step:
        return step if asked.purpose is Purpose.SUMMARIZE else cooperative(asked)

    return says


async def answered(case: Case) -> Dispute:
    """A dispute whose parties have both answered."""
    dispute = await case.begun()
    await case.both_say()
    return dispute


@pytest.mark.parametrize("protocol", [2, 1])
async def test_a_summary_goes_to_the_solvers_and_closes_the_session(
    tmp_path: Path, protocol: Protocol
) -> None:
    """It names dispute, session and label (W-13), and says whose the decision is; once."""
    async with mediating(tmp_path, protocol=protocol, solvers=("write", "read")) as case:
        dispute = await answered(case)
        await case.until_state(dispute, "closed")
        for number in range(2):
            await case.until_told(dispute, HEAD, number)
        session = case.session(dispute)
        text = (
            f"{HEAD}{dispute.id}\nsession: {session['session_id']}\n"
            "classification: coordination_failure_resolvable (confidence 0.90)\n\n"
            f"{BODY}\n\nSuggested next step: {NEXT}\n\n"
            "Serbero assists; the decision is yours."
        )
        [row] = case.rows("SELECT * FROM mediation_summaries")
        assert (row["summary_text"], row["suggested_next_step"]) == (BODY, NEXT)
        assert (row["classification"], row["confidence"]) == (
            "coordination_failure_resolvable",
            0.9,
        )
        assert row["policy_hash"] == session["policy_hash"] == packaged().policy_hash
        kinds = case.kinds(dispute)
        assert kinds.index("summary_generated") > kinds.index("classification_produced")
        assert case.one(dispute, "session_closed")["reason"] == "summary_delivered"
        told = await case.daemon.notified(dispute.id)
        assert [each[1] for each in told if each[2] == "mediation_summary"] == ["sent", "sent"]
        assert case.lifecycle(dispute) == "taken"
        # A closed session is no reason to begin another (W-12), nor to write a second summary.
        asked, kinds = len(case.model.asked), case.kinds(dispute)
        await case.stage.elapse(65)
        assert len(case.model.asked) == asked
        assert case.kinds(dispute) == kinds
        assert len(case.sessions(dispute)) == 1
        assert [case.told(dispute, number, HEAD) for number in range(2)] == [[text], [text]]
        assert [len(case.heard(party)) for party in Party] == [1, 1]


@pytest.mark.parametrize("assigned", ["first", "stranger", "nobody"])
async def test_who_gets_the_summary(tmp_path: Path, assigned: str) -> None:
    """The assigned solver alone; everybody where he is none of ours, or nobody is assigned.

    Our own key stands there while we hold the dispute and counts as nobody (decisions, routers).
    """
    async with mediating(tmp_path, solvers=("write", "write")) as case:
        dispute = await case.begun()
        if assigned != "nobody":
            chosen = (
                case.stage.solvers[0].public_key
                if assigned == "first"
                else Keys.generate().public_key().to_hex()
            )
            await case.daemon.parts.base.store.transact(set_assigned_solver, dispute.id, chosen)
        await case.both_say()
        await case.until_state(dispute, "closed")
        await case.stage.elapse(2)
        told = [len(case.told(dispute, number, HEAD)) for number in range(2)]
        assert told == ([1, 0] if assigned == "first" else [1, 1])
        warned = case.stage.logs.named("assigned_solver_unknown")
        assert bool(warned) == (assigned == "stranger")


@pytest.mark.parametrize(
    ("members", "trigger"),
    [
        ({"summary": "Both agree: RELEASE the Funds to the buyer."}, "authority_boundary_attempt"),
        (
            {"suggested_next_step": "Solicite admin-settle para esta disputa."},
            "authority_boundary_attempt",
        ),
        (
            {"suggested_next_step": "You must refund the seller at once."},
            "authority_boundary_attempt",
        ),
        ({"suggested_next_step": " "}, "invalid_model_output"),
    ],
    ids=["release", "command", "order", "blank"],
)
async def test_a_summary_that_must_not_leave(
    tmp_path: Path, members: dict[str, object], trigger: str
) -> None:
    """No summary row, no summary message; a hand-off and its alert instead (W-9), the text kept.

    An empty next step is `invalid_model_output` (decisions, trigger of what screening stops); the
    reference called it an authority boundary attempt.
    """
    says = summed_up(Says(summary(**members)))
    async with mediating(tmp_path, says) as case:
        dispute = await answered(case)
        await case.until_state(dispute, "escalation_recommended")
        assert case.pair(dispute)[0]["trigger"] == trigger
        await case.until(lambda: case.escalations(dispute), "the solver is told")
        assert case.count("mediation_summaries") == 0
        assert case.told(dispute, begins=HEAD) == []
        kept = case.rows("SELECT rationale_text AS t FROM reasoning_rationales")
        assert any(case.model.answers[-1] in row["t"] for row in kept)


async def test_without_solvers_a_summary_is_for_nobody(tmp_path: Path) -> None:
    """The row is kept, the session goes the loud way (W-9: hand-off included)."""
    async with mediating(tmp_path, solvers=()) as case:
        dispute = await answered(case)
        await case.until_state(dispute, "escalation_recommended")
        recommended, _ = case.pair(dispute)
        assert recommended["trigger"] == "notification_failed"
        assert recommended["reason"] == "no solver recipients configured"
        assert case.count("mediation_summaries") == 1
        assert case.count("notifications", "notif_type = 'mediation_summary'") == 0


async def test_with_malformed_solver_keys_all_sends_have_failed(tmp_path: Path) -> None:
    """The `failed` rows stay, the reason says so."""
    async with mediating(tmp_path, solver_keys=["not a key"]) as case:
        dispute = await answered(case)
        await case.until_state(dispute, "escalation_recommended")
        assert case.pair(dispute)[0]["reason"] == "all recipient sends failed"
        told = await case.daemon.notified(dispute.id)
        assert [each[1] for each in told if each[2] == "mediation_summary"] == ["failed"]


async def test_a_summary_no_relay_ever_takes(tmp_path: Path) -> None:
    """Until every row is dead the session waits, then `notification_failed` (W-61)."""
    short = "[delivery]\ndeadline_seconds = 60\nbackoff_max_seconds = 20"
    says = summed_up(Waits(Says(summary())))
    async with mediating(tmp_path, says, extra=short) as case:
        dispute = await answered(case)
        await case.until(lambda: case.model.held == 1, "the summary is being written")
        case.expected |= {"message_dead"}
        case.stage.proxies[0].add(RefuseEvents("error: the disk is busy"))
        case.model.release()
        await case.until(lambda: case.count("mediation_summaries") == 1, "it is stored")
        await case.stage.elapse(45)
        assert case.state(dispute) == "summary_pending"
        await case.until_state(dispute, "escalation_recommended", seconds=60)
        recommended, _ = case.pair(dispute)
        assert recommended["trigger"] == "notification_failed"
        assert recommended["reason"] == "all recipient sends failed"


@pytest.mark.parametrize("step", [Sends(503), Says("Nothing but prose.")])
async def test_a_summary_that_was_not_written(tmp_path: Path, step: Step) -> None:
    """`reasoning_unavailable` from the summary path, with hand-off and alert (W-9)."""
    async with mediating(tmp_path, summed_up(step)) as case:
        dispute = await answered(case)
        await case.until_state(dispute, "escalation_recommended")
        assert case.pair(dispute)[0]["trigger"] in {
            "reasoning_unavailable",
            "invalid_model_output",
        }
        await case.until(lambda: case.escalations(dispute), "the solver is told")
        assert case.count("mediation_summaries") == 0


async def test_a_plain_summary_with_markers_is_understood(tmp_path: Path) -> None:
    """What bundles of the reference make a model write (behaviour 7.9)."""
    text = f"{BODY}\n\nSUGGESTED_NEXT_STEP: {NEXT}\nRATIONALE: Both accounts agree on it."
    async with mediating(tmp_path, summed_up(Says(text))) as case:
        dispute = await answered(case)
        await case.until_state(dispute, "closed")
        [row] = case.rows("SELECT summary_text, suggested_next_step FROM mediation_summaries")
        assert (row["summary_text"], row["suggested_next_step"]) == (BODY, NEXT)


async def test_a_restart_while_the_summary_is_written(tmp_path: Path) -> None:
    """W-61: what was left between the verdict and the summary is taken up, once."""
    async with mediation(tmp_path, summed_up(Waits(Says(summary())))) as case:
        async with case.running():
            dispute = await answered(case)
            await case.until(lambda: case.model.held == 1, "the summary is being written")
            assert case.state(dispute) == "summary_pending"
        case.model.says = cooperative
        async with case.running():
            await case.until_state(dispute, "closed")
            await case.until_told(dispute, HEAD)
            await case.stage.elapse(35)
            assert len(case.told(dispute, begins=HEAD)) == 1
            assert case.count("mediation_summaries") == 1


async def test_a_restart_before_the_summary_was_delivered(tmp_path: Path) -> None:
    """W-61: stored and enqueued, and no relay to take it: the next life delivers it and closes."""
    async with mediation(tmp_path, summed_up(Waits(Says(summary())))) as case:
        async with case.running():
            dispute = await answered(case)
            await case.until(lambda: case.model.held == 1, "the summary is being written")
            refusing = case.stage.proxies[0].add(RefuseEvents("error: the disk is busy"))
            case.model.release()
            await case.until(lambda: case.count("mediation_summaries") == 1, "it is stored")
            assert case.state(dispute) == "summary_pending"
        case.stage.proxies[0].remove(refusing)
        async with case.running():
            await case.until_state(dispute, "closed", seconds=40)
            await case.stage.elapse(5)
            assert len(case.told(dispute, begins=HEAD)) == 1
            assert len(case.model.of(dispute, Purpose.SUMMARIZE)) == 1


async def test_the_summary_is_not_made_of_a_session_a_human_ended(tmp_path: Path) -> None:
    """W-29: a takeover while the model writes: nothing is stored, nothing delivered."""
    async with mediating(tmp_path, summed_up(Waits(Says(summary())))) as case:
        dispute = await answered(case)
        await case.until(lambda: case.model.held == 1, "the summary is being written")
        await case.taken_over(dispute)
        await case.until_state(dispute, "closed")
        case.model.release()
        await case.stage.elapse(5)
        assert case.count("mediation_summaries") == 0
        assert case.told(dispute, begins=HEAD) == []


async def test_a_shaky_summary_is_none(tmp_path: Path) -> None:
    """Confidence 0.49 with summarize escalates, 0.5 passes (79)."""
    for confidence, state in ((0.49, "escalation_recommended"), (0.5, "closed")):
        folder = tmp_path / str(confidence)
        await asyncio.to_thread(folder.mkdir)

        def says(asked: Asked, confidence: float = confidence) -> Step:
            if asked.purpose is Purpose.CLASSIFY:
                return summarizes(confidence=confidence) if asked.both_spoke else asks()
            return cooperative(asked)

        async with mediating(folder, says) as case:
            dispute = await answered(case)
            await case.until_state(dispute, state)
            if state == "escalation_recommended":
                assert case.pair(dispute)[0]["trigger"] == "low_confidence"
