"""A human's hand ends our part at once; a reopened dispute begins anew."""

from pathlib import Path

import pytest
from tests.daemon.mediation_model import asks, cooperative, once_answered
from tests.daemon.mediation_rig import (
    BUYER_ANSWER,
    SELLER_ANSWER,
    Case,
    mediating,
    mediation,
)

from serbero.model.party import Party
from serbero.simulator.fault_replies import RefuseEvents
from serbero.simulator.model_endpoint import Waits
from serbero.simulator.node_log import Did
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute

BRIEF = "Mediation brief for dispute "


async def superseded(case: Case, dispute: Dispute) -> None:
    """Let a human take over, and wait until our part has ended."""
    await case.taken_over(dispute)
    await case.until_state(dispute, "closed")


@pytest.mark.parametrize("protocol", [2, 1])
async def test_a_takeover_in_the_middle(tmp_path: Path, protocol: Protocol) -> None:
    """`superseded_by_human` → `closed`, one brief to the writers, no word to the parties."""
    async with mediating(
        tmp_path, once_answered(asks()), protocol=protocol, solvers=("read", "write")
    ) as case:
        dispute = await case.begun()
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until_kind(dispute, "classification_produced", 2)
        await superseded(case, dispute)
        assert case.stage.node.desk.outcomes("admin-take-dispute") == [Did.TOOK, Did.TOOK_OVER]
        ended = case.one(dispute, "superseded_by_human")
        assert ended["reason"] == "dispute_taken_by_human"
        assert ended["resolution_status"] == "in-progress"
        assert case.one(dispute, "session_closed")["reason"] == "dispute_taken_by_human"
        kinds = case.kinds(dispute)
        assert kinds.index("superseded_by_human") < kinds.index("session_closed")
        brief = await case.until_told(dispute, BRIEF, solver=1)
        session = case.session(dispute)
        assert f"{dispute.id}\nsession: {session['session_id']}\n" in brief
        assert f"> {BUYER_ANSWER}" in brief
        assert "> Buyer: When did you send the payment" in brief
        assert all(each.public_key not in brief for each in case.parties.values())
        # The node says who holds it to nobody: unknown, and no longer us (W-22, W-23).
        assigned = case.rows("SELECT assigned_solver AS a FROM disputes")[0]["a"]
        assert assigned is None
        assert case.lifecycle(dispute) == "taken"
        calls = len(case.model.asked)
        await case.say(Party.SELLER, SELLER_ANSWER)
        await case.stage.elapse(65)
        assert len(case.model.asked) == calls
        assert [len(case.heard(party)) for party in Party] == [1, 1]
        assert len(case.told(dispute, 1, BRIEF)) == 1
        assert case.told(dispute, 0, BRIEF) == []
        assert len(case.sessions(dispute)) == 1


async def test_a_takeover_while_the_model_thinks(tmp_path: Path) -> None:
    """W-29: what it says then reaches nobody, though it is on record."""
    async with mediating(tmp_path, once_answered(Waits(asks()))) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until(lambda: case.model.held == 1, "the model thinks")
        await superseded(case, dispute)
        case.model.release()
        await case.stage.elapse(5)
        assert case.state(dispute) == "closed"
        assert [len(case.heard(party)) for party in Party] == [1, 1]
        assert case.count("outbox", "purpose = 'party_message'") == 2
        assert case.count("reasoning_calls", "purpose = 'classify'") == 2


async def test_a_question_on_its_way_is_called_back(tmp_path: Path) -> None:
    """No relay had the follow-up yet when the human came: it is not sent any more."""
    says = once_answered(asks(rationale="One more detail is missing."))
    async with mediating(tmp_path, says) as case:
        dispute = await case.begun()
        refusing = case.stage.proxies[0].add(RefuseEvents("error: the disk is busy"))
        await case.both_say()
        await case.until(lambda: len(case.words(dispute)) == 6, "the follow-up is stored")
        await superseded(case, dispute)
        case.stage.proxies[0].remove(refusing)
        brief = await case.until_told(dispute, BRIEF, seconds=60)
        assert "(it may not have arrived)" in brief
        await case.stage.elapse(30)
        assert [len(case.heard(party)) for party in Party] == [1, 1]


async def test_a_takeover_seen_only_after_a_restart(tmp_path: Path) -> None:
    """The human came while we were away: the session ends with the first look."""
    async with mediation(tmp_path, once_answered(asks())) as case:
        async with case.running():
            dispute = await case.begun()
            await case.say(Party.BUYER, BUYER_ANSWER)
            await case.until_kind(dispute, "classification_produced", 2)
        await case.taken_over(dispute)
        calls = len(case.model.of(dispute))
        async with case.running():
            await case.until_state(dispute, "closed", seconds=40)
            await case.until_told(dispute, BRIEF)
            await case.say(Party.SELLER, SELLER_ANSWER)
            await case.stage.elapse(35)
            assert len(case.model.of(dispute)) == calls
            assert len(case.told(dispute, begins=BRIEF)) == 1


async def test_a_delivered_summary_does_not_come_back_with_a_human(tmp_path: Path) -> None:
    """A session that was over is not ended again; its solver needs no brief of a closed one."""
    async with mediating(tmp_path) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until_state(dispute, "closed")
        before = case.kinds(dispute)
        await case.taken_over(dispute)
        await case.stage.elapse(35)
        assert case.kinds(dispute) == before
        assert len(case.sessions(dispute)) == 1


async def test_a_dispute_a_human_has_is_never_begun_with(tmp_path: Path) -> None:
    """DIFF-6: taken by somebody else before we came: told of, not asked about."""
    async with mediation(tmp_path) as case:
        dispute = await case.dispute()
        async with case.human() as client:
            await client.take(dispute.id)
            async with case.running(mostro={"cold_start_lookback_seconds": 3600}):
                await case.until(lambda: case.lifecycle(dispute) == "taken", "it is known")
                await case.stage.elapse(35)
                assert case.model.of(dispute) == []
                assert case.events(dispute) == []


async def test_a_reopened_dispute_has_a_new_session(tmp_path: Path) -> None:
    """Only a revision that opens it anew makes it one to mediate again (W-12, DIFF-5)."""
    async with mediating(tmp_path, cooperative) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until_state(dispute, "closed")
        await case.stage.elapse(65)
        assert len(case.sessions(dispute)) == 1
        case.says_it_again = True
        await case.stage.node.reopen(dispute)
        await case.until(lambda: len(case.sessions(dispute)) == 2, "a second session")
        for party in Party:
            await case.until_heard(party, 2)
        first, second = case.sessions(dispute)
        assert (first["state"], second["state"]) == ("closed", "awaiting_response")
        assert case.model.of(dispute)[-1].lines == ()
        await case.both_say("I still say that I paid.", "And now I see it as well.")
        await case.until_state(dispute, "closed")
        shown = case.model.of(dispute)[-1].party_lines
        assert shown == ["I still say that I paid.", "And now I see it as well."]


async def test_a_dispute_reopened_in_the_middle(tmp_path: Path) -> None:
    """The open session ends as superseded; the new one knows nothing of it."""
    async with mediating(tmp_path, once_answered(asks())) as case:
        dispute = await case.begun()
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until_kind(dispute, "classification_produced", 2)
        await case.stage.elapse(2)
        case.says_it_again = True
        await case.stage.node.reopen(dispute)
        await case.until(lambda: len(case.sessions(dispute)) == 2, "a second session")
        first, second = case.sessions(dispute)
        assert (first["state"], second["state"]) == ("closed", "awaiting_response")
        assert case.one(dispute, "superseded_by_human")["reason"] == "dispute_reopened"
        assert second["round_count"] == 0
        await case.until_heard(Party.SELLER, 2)
