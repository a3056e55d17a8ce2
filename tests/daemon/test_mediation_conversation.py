"""Rounds of a conversation: what is evaluated when, and what an evaluation brings."""

from pathlib import Path

import pytest
from tests.daemon.mediation_model import (
    BUYER_QUESTION,
    SELLER_QUESTION,
    Asked,
    asks,
    cooperative,
    once_answered,
    summarizes,
)
from tests.daemon.mediation_rig import BUYER_ANSWER, SELLER_ANSWER, Case, mediating

from serbero.messages.party import IDENTITY, Language
from serbero.model.party import Party
from serbero.reasoning.calls import Purpose
from serbero.simulator.model_endpoint import Step, Waits
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute

SECOND_BUYER = "Which reference did you write on the transfer?"
SECOND_SELLER = "On which day did you look at your account last?"
LINE = IDENTITY[Language.ENGLISH]
AGAIN = asks(
    buyer_clarification=SECOND_BUYER,
    seller_clarification=SECOND_SELLER,
    rationale="One more detail is missing.",
)


def evaluations(case: Case, dispute: Dispute) -> int:
    """Classifications the model was asked for after the opening."""
    return len(case.model.of(dispute)) - 1


async def until_evaluated(case: Case, dispute: Dispute, count: int) -> None:
    await case.until_kind(dispute, "classification_produced", count + 1)


@pytest.mark.parametrize("protocol", [2, 1])
async def test_both_answer_and_are_asked_again(tmp_path: Path, protocol: Protocol) -> None:
    """One more pair, marked with its round, to each its own; the marker counts what was read."""
    async with mediating(tmp_path, once_answered(AGAIN), protocol=protocol) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until_kind(dispute, "outbound_sent", 4)
        assert case.heard(Party.BUYER)[1] == f"Round 1. Buyer: {SECOND_BUYER}\n\n{LINE}"
        assert case.heard(Party.SELLER)[1] == f"Round 1. Seller: {SECOND_SELLER}\n\n{LINE}"
        session = case.session(dispute)
        assert session["state"] == "awaiting_response"
        assert (session["round_count"], session["round_count_last_evaluated"]) == (1, 2)
        assert session["consecutive_eval_failures"] == 0
        assert None not in (
            session["buyer_last_seen_inner_ts"],
            session["seller_last_seen_inner_ts"],
        )
        last = case.model.of(dispute)[-1]
        assert last.said("buyer") == [BUYER_ANSWER]
        assert last.said("seller") == [SELLER_ANSWER]
        assert last.facts["session_id"] == session["session_id"]
        asked = len(case.model.asked)
        await case.stage.elapse(65)
        assert len(case.model.asked) == asked
        assert len(case.words(dispute)) == 6


@pytest.mark.parametrize("protocol", [2, 1])
async def test_a_message_is_stored_once_however_often_it_comes(
    tmp_path: Path, protocol: Protocol
) -> None:
    """The same bytes, the inner event in new ones, and in the other envelope: a duplicate."""
    async with mediating(tmp_path, once_answered(AGAIN), protocol=protocol) as case:
        dispute = await case.begun()
        await case.say(Party.BUYER, BUYER_ANSWER, envelope="both")
        await case.until_kind(dispute, "inbound_ingested")
        await until_evaluated(case, dispute, 1)
        before = case.session(dispute)
        await case.buyer.replay()
        await case.stage.elapse(10)
        assert case.session(dispute) == before
        assert len(case.events(dispute, "inbound_ingested")) == 1
        assert evaluations(case, dispute) == 1


async def test_one_party_alone_makes_no_round(tmp_path: Path) -> None:
    """Three messages of one side: no round, and no question before the other has answered."""
    async with mediating(tmp_path, once_answered(AGAIN)) as case:
        dispute = await case.begun()
        for number in range(3):
            await case.say(Party.BUYER, f"Here is part {number} of my answer.")
            await until_evaluated(case, dispute, number + 1)
        assert case.session(dispute)["round_count"] == 0
        assert [len(case.heard(party)) for party in Party] == [1, 1]
        await case.say(Party.SELLER, SELLER_ANSWER)
        await case.until_kind(dispute, "outbound_sent", 4)
        assert case.session(dispute)["round_count"] == 1


async def test_a_follow_up_is_numbered_by_what_was_put(tmp_path: Path) -> None:
    """However often the model was asked meanwhile: parties count questions, not evaluations."""
    async with mediating(tmp_path, once_answered(AGAIN)) as case:
        dispute = await case.begun()
        await case.say(Party.BUYER, BUYER_ANSWER)
        await until_evaluated(case, dispute, 1)
        await case.say(Party.SELLER, SELLER_ANSWER)
        await case.until_heard(Party.BUYER, 2)
        assert case.heard(Party.BUYER)[1].startswith("Round 1. Buyer: ")


async def test_a_talker_is_evaluated_three_times_a_round_at_most(tmp_path: Path) -> None:
    """W-42: what one party goes on saying costs no more calls until the other has answered."""
    async with mediating(tmp_path, once_answered(AGAIN)) as case:
        dispute = await case.begun()
        for number in range(6):
            await case.say(Party.BUYER, f"And one more thing, number {number}.")
            await case.stage.elapse(3)
        assert evaluations(case, dispute) == 3
        assert len(case.events(dispute, "inbound_ingested")) == 6
        await case.say(Party.SELLER, SELLER_ANSWER)
        await case.until_kind(dispute, "outbound_sent", 4)
        assert evaluations(case, dispute) == 4
        assert len(case.model.of(dispute)[-1].said("buyer")) == 6


async def test_a_party_finishes_typing_before_the_model_is_asked(tmp_path: Path) -> None:
    """`settle_seconds` of quiet, counted anew with each message, then one evaluation."""
    async with mediating(tmp_path, once_answered(AGAIN), mediation={"settle_seconds": 10}) as case:
        dispute = await case.begun()
        for text in ("I paid on Tuesday,", "by SEPA,", "with the reference you gave."):
            await case.say(Party.BUYER, text)
            await case.stage.elapse(6)
            assert evaluations(case, dispute) == 0
        await until_evaluated(case, dispute, 1)
        assert len(case.model.of(dispute)[-1].said("buyer")) == 3
        await case.stage.elapse(30)
        assert evaluations(case, dispute) == 1


async def test_somebody_who_never_stops_typing_is_evaluated_all_the_same(tmp_path: Path) -> None:
    """The quiet is waited for twelve times, not for ever."""
    async with mediating(tmp_path, once_answered(AGAIN), mediation={"settle_seconds": 2}) as case:
        dispute = await case.begun()
        for number in range(30):
            await case.say(Party.BUYER, f"word {number}")
            await case.stage.elapse(1)
            if evaluations(case, dispute):
                break
        assert 20 <= number <= 26


async def test_one_evaluation_at_a_time(tmp_path: Path) -> None:
    """What arrives while the model thinks is evaluated after it, in one call (W-27)."""
    async with mediating(tmp_path, once_answered(Waits(AGAIN))) as case:
        dispute = await case.begun()
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until(lambda: case.model.held == 1, "the model thinks")
        await case.say(Party.BUYER, "I forgot: it was at six in the evening.")
        await case.say(Party.SELLER, SELLER_ANSWER)
        await case.stage.elapse(5)
        assert (case.model.held, evaluations(case, dispute)) == (1, 1)
        case.model.release()
        await case.until(lambda: evaluations(case, dispute) == 2, "what came meanwhile")
        assert len(case.model.of(dispute)[-1].party_lines) == 3
        assert [len(case.heard(party)) for party in Party] == [1, 1]
        case.model.release()
        await case.until_kind(dispute, "outbound_sent", 4)
        assert case.session(dispute)["round_count_last_evaluated"] == 3
        await case.stage.elapse(35)
        assert evaluations(case, dispute) == 2


async def test_an_answer_before_our_take_is_stale(tmp_path: Path) -> None:
    """W-48: stale is what is dated a minute before the take, not what is older than the newest."""
    async with mediating(tmp_path, once_answered(AGAIN)) as case:
        dispute = await case.begun()
        taken_at, buyer = case.stage.clock.now(), case.buyer
        await buyer.publish(
            buyer.outer(buyer.inner("from another trade", created_at=taken_at - 90))
        )
        await case.until_kind(dispute, "inbound_ingested")
        await case.stage.elapse(35)
        assert evaluations(case, dispute) == 0
        assert case.session(dispute)["buyer_last_seen_inner_ts"] is None
        await case.say(Party.BUYER, BUYER_ANSWER)
        await until_evaluated(case, dispute, 1)
        older = buyer.inner("I had written this a little earlier.", created_at=taken_at - 20)
        await buyer.publish(buyer.outer(older))
        await until_evaluated(case, dispute, 2)
        stale = [row["stale"] for row in case.words(dispute) if row["direction"] == "inbound"]
        assert stale == [1, 0, 0]
        shown = case.model.of(dispute)[-1].said("buyer")
        assert shown == ["I had written this a little earlier.", BUYER_ANSWER]


async def test_a_date_in_the_future_silences_nobody(tmp_path: Path) -> None:
    """W-41: an inner date far ahead is refused or corrected; the party is heard afterwards."""
    async with mediating(tmp_path, once_answered(AGAIN)) as case:
        dispute = await case.begun()
        await case.buyer.from_the_future(500, inner_only=True)
        await case.stage.elapse(2)
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until(
            lambda: BUYER_ANSWER in case.model.of(dispute)[-1].said("buyer"), "it is heard"
        )
        seen = case.session(dispute)["buyer_last_seen_inner_ts"]
        assert seen <= case.stage.clock.now()


async def test_the_last_answers_are_evaluated_before_the_limit(tmp_path: Path) -> None:
    """W-49: with one round, both answers are read; only another question is too many."""
    async with mediating(tmp_path, mediation={"max_rounds": 1}) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until_state(dispute, "closed")
        assert case.count("mediation_summaries") == 1
        assert case.events(dispute, "escalation_recommended") == []


@pytest.mark.parametrize("rounds", [1, 2])
async def test_a_question_too_many_goes_to_a_human(tmp_path: Path, rounds: int) -> None:
    """The limit counts pairs of questions that were put (W-42, W-49)."""
    async with mediating(tmp_path, once_answered(AGAIN), mediation={"max_rounds": rounds}) as case:
        dispute = await case.begun()
        for number in range(rounds):
            for party in Party:
                await case.until_heard(party, number + 1)
            await case.both_say(f"Buyer's answer {number}.", f"Seller's answer {number}.")
        await case.until_state(dispute, "escalation_recommended")
        recommended, _ = case.pair(dispute)
        assert recommended["trigger"] == "round_limit"
        assert [len(case.heard(party)) for party in Party] == [rounds, rounds]
        assert evaluations(case, dispute) == rounds


async def test_an_attachment_is_noted_and_never_fetched(tmp_path: Path) -> None:
    """The model learns that there is a file; where it lies and its key go nowhere."""
    async with mediating(tmp_path, once_answered(AGAIN)) as case:
        dispute = await case.begun()
        await case.buyer.send_attachment("receipt.jpg", key="a0" * 32)
        await until_evaluated(case, dispute, 1)
        [shown] = case.model.of(dispute)[-1].said("buyer")
        assert "receipt.jpg" in shown
        user = case.model.of(dispute)[-1].user
        assert "blossom" not in user
        assert "a0" * 32 not in user
        assert "a0" * 32 not in repr(case.stage.logs.lines)


async def test_each_party_is_spoken_to_in_its_language(tmp_path: Path) -> None:
    """The opening in the configured language, later the line that says who writes in theirs."""
    says = once_answered(
        asks(
            buyer_clarification="¿Con qué referencia hizo la transferencia?",
            seller_clarification="On which day did you look at your account last?",
            buyer_language="es-AR",
            seller_language="en",
        )
    )
    async with mediating(tmp_path, says, mediation={"language": "pt"}) as case:
        await case.begun()
        opened = case.heard(Party.BUYER)[0]
        assert opened == f"Buyer: {BUYER_QUESTION}\n\n{IDENTITY[Language.PORTUGUESE]}"
        assert case.heard(Party.SELLER)[0].startswith(f"Seller: {SELLER_QUESTION}\n\n")
        await case.both_say("Pagué el martes por la tarde.", "I have not seen anything yet.")
        await case.until_heard(Party.BUYER, 2)
        await case.until_heard(Party.SELLER, 2)
        assert case.heard(Party.BUYER)[1].endswith(f"\n\n{IDENTITY[Language.SPANISH]}")
        assert case.heard(Party.SELLER)[1].endswith(f"\n\n{IDENTITY[Language.ENGLISH]}")


@pytest.mark.parametrize("who", list(Party))
async def test_a_summary_acts_at_once_though_an_answer_is_open(tmp_path: Path, who: Party) -> None:
    """Escalate and summarize do not wait for the other party; only further questions do."""
    async with mediating(tmp_path, once_answered(summarizes())) as case:
        dispute = await case.begun()
        await case.say(who, "We have settled it between us, everything is fine.")
        await case.until_state(dispute, "closed")
        [asked] = case.model.of(dispute, Purpose.SUMMARIZE)
        assert len(asked.party_lines) == 1


async def test_what_no_party_wrote_is_no_word_of_it(tmp_path: Path) -> None:
    """Another signer, another kind, nonsense in a valid envelope: no row, no evaluation (63)."""
    async with mediating(tmp_path, once_answered(AGAIN)) as case:
        dispute = await case.begun()
        await case.buyer.foreign_signer()
        await case.buyer.in_the_name_of(case.seller.public_key)
        await case.buyer.wrong_inner_kind()
        await case.buyer.garbage()
        await case.stage.elapse(5)
        assert case.events(dispute, "inbound_ingested") == []
        assert evaluations(case, dispute) == 0
        await case.say(Party.BUYER, BUYER_ANSWER)
        await until_evaluated(case, dispute, 1)
        assert case.model.of(dispute)[-1].party_lines == [BUYER_ANSWER]


async def test_a_flood_does_not_push_the_other_party_out(tmp_path: Path) -> None:
    """W-47: of more than forty messages the model sees forty, of each speaker in turn (76)."""
    async with mediating(tmp_path, once_answered(AGAIN), mediation={"settle_seconds": 5}) as case:
        dispute = await case.begun()
        await case.say(Party.SELLER, SELLER_ANSWER)
        await case.buyer.flood(60, "and another thing,")
        await until_evaluated(case, dispute, 1)
        await case.stage.elapse(10)
        shown = case.model.of(dispute)[-1]
        assert len(shown.lines) == 40
        assert shown.said("seller") == [SELLER_ANSWER]
        assert shown.said("serbero")
        assert shown.said("buyer")[-1] == "and another thing, 59"


async def test_many_sessions_do_not_wait_for_one_another(tmp_path: Path) -> None:
    """The model hangs about one session; another goes on to its end."""
    slow: list[str] = []

    def says(asked: Asked) -> Step:
        if asked.dispute_id in slow and asked.party_lines:
            return Waits(AGAIN)
        return cooperative(asked)

    async with mediating(tmp_path, says) as case:
        first = await case.begun()
        slow.append(first.id)
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until(lambda: case.model.held == 1, "one hangs")
        second = await case.stage.node.open_order_dispute()
        await case.until_state(second, "awaiting_response")
        assert case.state(first) == "awaiting_response"
        case.model.release()
        await until_evaluated(case, first, 1)
