"""A dispute that is resolved elsewhere: the session closes, and one report is sent."""

from pathlib import Path

import pytest
from tests.daemon.mediation_model import asks, cooperative, once_answered, opens_with
from tests.daemon.mediation_rig import BUYER_ANSWER, Case, mediating, mediation

from serbero.model.party import Party
from serbero.simulator.fault_replies import RefuseEvents
from serbero.simulator.model_endpoint import Waits
from serbero.simulator.node_log import Manner, Refuse
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute

REPORT = "mediation_resolution_report/v1"


async def resolved(case: Case, dispute: Dispute, status: str = "settled") -> None:
    """Let the node close the dispute, and wait until that is known."""
    await case.stage.elapse(2)
    await case.stage.node.resolve(dispute, status)
    await case.until(lambda: case.lifecycle(dispute) == "resolved", "it is resolved")


@pytest.mark.parametrize(
    ("protocol", "status"),
    [
        (2, "settled"),
        (1, "settled"),
        (2, "seller-refunded"),
        (2, "released"),
        (2, "cooperatively-canceled"),
    ],
)
async def test_an_open_session_closes_with_its_dispute(
    tmp_path: Path, protocol: Protocol, status: str
) -> None:
    """`superseded_by_human`, `session_closed`, then the report; each solver gets it once (94).

    The fourth status is one of newer nodes (decisions, terminal statuses).
    """
    async with mediating(tmp_path, protocol=protocol, solvers=("write", "read")) as case:
        dispute = await case.begun()
        await resolved(case, dispute, status)
        session = case.session(dispute)
        assert session["state"] == "closed"
        kinds = case.kinds(dispute)
        assert [each for each in kinds if each in ENDING] == ENDING
        ended = case.one(dispute, "superseded_by_human")
        assert ended["reason"] == "dispute_resolved_externally"
        assert ended["resolution_status"] == status
        assert ended["event_id"] == dispute.revisions[-1].id().to_hex()
        text = (
            f"{REPORT}\nDispute: {dispute.id}\nSession: {session['session_id']}\n"
            "Classification: coordination_failure_resolvable (confidence 0.80)\n"
            f"Outbound party messages: 2\nFinal dispute status: {status}\n\n"
            f"Dispute closed with final status `{status}`. "
            f"Session {session['session_id']} was in state `closed`. "
            "Serbero's last recorded classification was `coordination_failure_resolvable` "
            "(confidence 0.80). "
            "Serbero messaged both parties before the dispute was resolved externally."
        )
        for number in range(2):
            assert await case.until_told(dispute, REPORT, number) == text
        payload = case.one(dispute, "resolved_externally_reported")
        assert payload["final_dispute_status"] == status
        assert payload["narrative"] == text.partition("\n\n")[2]
        assert payload["outbound_party_messages_count"] == 2
        told = await case.daemon.notified(dispute.id)
        reports = [each[1] for each in told if each[2] == "mediation_resolution_report"]
        assert reports == ["sent", "sent"]


ENDING = ["superseded_by_human", "session_closed", "resolved_externally_reported"]


async def test_a_second_end_changes_nothing(tmp_path: Path) -> None:
    """The event again, and another final status after it: no event, no second report (95)."""
    async with mediating(tmp_path) as case:
        dispute = await case.begun()
        await resolved(case, dispute)
        await case.until_told(dispute, REPORT)
        before = case.kinds(dispute)
        case.stage.inject(dispute.revisions[-1])
        await case.stage.elapse(2)
        await case.stage.node.resolve(dispute, "seller-refunded")
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.stage.elapse(35)
        ours = [each for each in case.kinds(dispute) if each != "inbound_ingested"]
        assert ours == before
        assert len(case.told(dispute, begins=REPORT)) == 1
        assert len(case.model.of(dispute)) == 1
        assert case.lifecycle(dispute) == "resolved"


async def test_a_session_that_was_handed_over_closes_too(tmp_path: Path) -> None:
    """W-59: it waits for exactly this; the report says how it stood (96 left it open)."""
    says = once_answered(asks(flags=["fraud_risk"]))
    async with mediating(tmp_path, says) as case:
        dispute = await case.begun()
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until_state(dispute, "escalation_recommended")
        await resolved(case, dispute, "seller-refunded")
        assert case.state(dispute) == "closed"
        assert case.events(dispute, "superseded_by_human") == []
        await case.until_told(dispute, REPORT)
        case.pair(dispute)


async def test_a_session_that_ended_well_is_reported(tmp_path: Path) -> None:
    """A summary was delivered, then the solver decides: one report, nothing ended twice."""
    async with mediating(tmp_path) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until_state(dispute, "closed")
        await resolved(case, dispute)
        report = await case.until_told(dispute, REPORT)
        assert "(confidence 0.90)" in report
        assert len(case.events(dispute, "session_closed")) == 1
        assert case.events(dispute, "superseded_by_human") == []


async def test_a_verdict_without_a_session_is_reported(tmp_path: Path) -> None:
    """Label and confidence from `reasoning_verdict` (97), the sentence of an escalation (98)."""
    async with mediating(tmp_path, opens_with(asks(flags=["fraud_risk"]))) as case:
        dispute = await case.dispute()
        await case.until_kind(dispute, "handoff_prepared")
        await resolved(case, dispute)
        report = await case.until_told(dispute, REPORT)
        assert "Session: <none — dispute-scoped handoff>\n" in report
        assert "Classification: coordination_failure_resolvable (confidence 0.80)\n" in report
        assert "Outbound party messages: 0\n" in report
        assert "the reasoning verdict recommended escalation before any take was issued." in report


async def test_a_take_that_failed_is_reported(tmp_path: Path) -> None:
    """Its own sentence (98)."""
    async with mediating(tmp_path) as case:
        case.stage.node.desk.upcoming.append(Manner(refuse=Refuse("invalid_pubkey")))
        dispute = await case.dispute()
        await case.until_kind(dispute, "take_dispute_issued")
        await resolved(case, dispute)
        report = await case.until_told(dispute, REPORT)
        assert "the take-dispute exchange with Mostro did not complete." in report
        assert case.one(dispute, "resolved_externally_reported")["session_id"] is None


async def test_mere_attempts_are_nothing_to_report(tmp_path: Path) -> None:
    """W-26: bookkeeping of a start is no substance."""
    async with mediating(tmp_path, opens_with(Waits(asks()))) as case:
        dispute = await case.dispute()
        await case.until(lambda: case.model.held == 1, "the model thinks")
        await resolved(case, dispute)
        await case.stage.elapse(5)
        assert case.kinds(dispute) == ["start_attempt_started"]
        assert case.told(dispute, begins=REPORT) == []
        case.model.release()
        await case.stage.elapse(5)
        assert case.told(dispute, begins=REPORT) == []


async def test_without_mediation_there_is_no_report(tmp_path: Path) -> None:
    """Mediation off, no row of it: the resolution is recorded, nobody is written to (99)."""
    async with mediating(tmp_path, mediation={"enabled": False}) as case:
        dispute = await case.dispute()
        await case.stage.told(dispute)
        await resolved(case, dispute)
        await case.stage.elapse(5)
        assert case.count("mediation_events") == 0
        assert case.told(dispute, begins=REPORT) == []


async def test_the_report_is_of_the_newest_session(tmp_path: Path) -> None:
    """Two sessions of one dispute, the first one closed (102)."""
    async with mediating(tmp_path, cooperative) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until_state(dispute, "closed")
        case.says_it_again = True
        await case.stage.elapse(2)
        await case.stage.node.reopen(dispute)
        await case.until(lambda: len(case.sessions(dispute)) == 2, "a second session")
        await resolved(case, dispute)
        newest = case.sessions(dispute)[-1]["session_id"]
        assert f"Session: {newest}\n" in await case.until_told(dispute, REPORT)
        assert case.one(dispute, "resolved_externally_reported")["session_id"] == newest


async def test_a_dispute_has_one_report_though_it_was_reopened(tmp_path: Path) -> None:
    """INV-45: exactly one, whatever came after the first end."""
    async with mediating(tmp_path) as case:
        dispute = await case.begun()
        await resolved(case, dispute)
        await case.until_told(dispute, REPORT)
        case.says_it_again = True
        await case.stage.elapse(2)
        await case.stage.node.reopen(dispute)
        await case.until(lambda: len(case.sessions(dispute)) == 2, "a second session")
        await resolved(case, dispute, "seller-refunded")
        await case.until_state(dispute, "closed")
        await case.stage.elapse(10)
        assert len(case.told(dispute, begins=REPORT)) == 1


async def test_a_report_outlives_a_crash(tmp_path: Path) -> None:
    """W-24: committed with the resolution, and sent by the next life, once."""
    async with mediation(tmp_path) as case:
        async with case.running():
            dispute = await case.begun()
            await case.stage.elapse(2)
            refusing = case.stage.proxies[0].add(RefuseEvents("error: the disk is busy"))
            await case.stage.node.resolve(dispute)
            await case.until_kind(dispute, "resolved_externally_reported")
        case.stage.proxies[0].remove(refusing)
        assert case.told(dispute, begins=REPORT) == []
        async with case.running():
            await case.until_told(dispute, REPORT, seconds=60)
            await case.stage.elapse(10)
            assert len(case.told(dispute, begins=REPORT)) == 1


async def test_an_end_seen_only_after_a_restart(tmp_path: Path) -> None:
    """Resolved while we were away: the session closes, the report goes out."""
    async with mediation(tmp_path) as case:
        async with case.running():
            dispute = await case.begun()
        await case.stage.elapse(2)
        await case.stage.node.resolve(dispute)
        async with case.running():
            await case.until_told(dispute, REPORT, seconds=60)
            assert case.state(dispute) == "closed"


async def test_the_parties_close_it_between_themselves(tmp_path: Path) -> None:
    """The seller releases during the mediation: the same end, whoever brought it."""
    async with mediating(tmp_path, once_answered(asks())) as case:
        dispute = await case.begun()
        await case.stage.elapse(2)
        await case.seller.release(dispute.order_id or "")
        await case.until_state(dispute, "closed")
        await case.until_told(dispute, REPORT)
        await case.stage.elapse(5)
        assert [len(case.heard(party)) for party in Party] == [1, 1]
