"""Parties that stay silent, conversations that take too long, and parties who want a person."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.daemon.mediation_model import Asked, asks, cooperative, once_answered
from tests.daemon.mediation_rig import BUYER_ANSWER, SELLER_ANSWER, mediating

from serbero.model.party import Party
from serbero.reasoning.calls import Purpose
from serbero.simulator.fault_replies import RefuseEvents
from serbero.simulator.model_endpoint import Step, Waits
from serbero.simulator.node_log import Manner

WAITS = once_answered(asks(rationale="The other side is still silent."))


async def test_a_silent_party_ends_the_session_once(tmp_path: Path) -> None:
    """`party_unresponsive`, with its hand-off and one message; a later look adds nothing."""
    async with mediating(tmp_path, mediation={"party_response_timeout_seconds": 40}) as case:
        dispute = await case.begun()
        asked_at = case.stage.clock.now()
        await case.until_state(dispute, "escalation_recommended", seconds=80)
        assert 40 < case.stage.clock.now() - asked_at <= 75
        assert case.pair(dispute)[0]["trigger"] == "party_unresponsive"
        await case.until(lambda: case.escalations(dispute), "the solver is told")
        await case.stage.elapse(65)
        case.pair(dispute)
        session = case.session(dispute)
        assert case.escalations(dispute) == [
            f"Mediation session {session['session_id']} (dispute {dispute.id}) escalated — "
            "trigger: party_unresponsive. Needs human judgment."
        ]


@pytest.mark.parametrize(("talks", "is_silent"), [("buyer", "seller"), ("seller", "buyer")])
async def test_one_who_talks_does_not_hide_one_who_is_silent(
    tmp_path: Path, talks: str, is_silent: str
) -> None:
    """Measured per party from the last question put to it (W-42; the reference took either)."""
    async with mediating(tmp_path, WAITS, mediation={"party_response_timeout_seconds": 40}) as case:
        dispute = await case.begun()
        asked_at = case.stage.clock.now()
        while case.state(dispute) == "awaiting_response":
            await case.say(Party(talks), f"Are you there? It is {case.stage.clock.now()}.")
            await case.stage.elapse(9)
            assert case.stage.clock.now() - asked_at <= 80, f"{is_silent} is not missed"
        assert case.pair(dispute)[0]["trigger"] == "party_unresponsive"


async def test_whoever_answered_is_not_silent(tmp_path: Path) -> None:
    """Both answered, and the model is still thinking: nobody is blamed for our own slowness."""
    says = once_answered(Waits(asks()))
    async with mediating(
        tmp_path,
        says,
        mediation={"party_response_timeout_seconds": 20},
        reasoning={"request_timeout_seconds": 300},
    ) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until(lambda: case.model.held == 1, "the model thinks")
        await case.stage.elapse(70)
        assert case.state(dispute) == "awaiting_response"
        case.model.release()
        await case.until_kind(dispute, "outbound_sent", 4)


async def test_a_new_question_begins_a_new_wait(tmp_path: Path) -> None:
    """The clock of each party starts again with the next pair."""
    says = once_answered(asks(rationale="Another detail is missing."))
    async with mediating(tmp_path, says, mediation={"party_response_timeout_seconds": 40}) as case:
        dispute = await case.begun()
        await case.stage.elapse(30)
        await case.both_say()
        await case.until_kind(dispute, "outbound_sent", 4)
        await case.stage.elapse(30)
        assert case.state(dispute) == "awaiting_response"
        await case.until_state(dispute, "escalation_recommended", seconds=45)
        assert case.pair(dispute)[0]["trigger"] == "party_unresponsive"


async def test_a_question_nobody_could_get_is_no_silence(tmp_path: Path) -> None:
    """No relay took it: `notification_failed`, and no party is blamed for our trouble."""
    async with mediating(tmp_path, mediation={"party_response_timeout_seconds": 20}) as case:
        desk, proxy = case.stage.node.desk, case.stage.proxies[0]
        desk.upcoming.append(Manner(answer_after=5))
        dispute = await case.dispute()
        await case.until(lambda: desk.received, "the take has arrived")
        await case.stage.settle()
        refusing = proxy.add(RefuseEvents("error: the disk is busy"))
        await case.until_state(dispute, "escalation_recommended", seconds=90)
        assert case.pair(dispute)[0]["trigger"] == "notification_failed"
        proxy.remove(refusing)
        await case.stage.elapse(60)
        assert [case.heard(party) for party in Party] == [[], []]


async def test_without_a_timeout_silence_is_no_reason(tmp_path: Path) -> None:
    """0 means for ever."""
    async with mediating(tmp_path, mediation={"party_response_timeout_seconds": 0}) as case:
        dispute = await case.begun()
        await case.stage.elapse(300)
        assert case.state(dispute) == "awaiting_response"


async def test_a_mediation_may_take_so_long_and_no_longer(tmp_path: Path) -> None:
    """`session_deadline_seconds` ends it as `mediation_timeout`, which the reference never did."""
    async with mediating(
        tmp_path,
        WAITS,
        mediation={"session_deadline_seconds": 60, "party_response_timeout_seconds": 0},
    ) as case:
        dispute = await case.begun()
        started = case.session(dispute)["started_at"]
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until_state(dispute, "escalation_recommended", seconds=120)
        assert 60 <= case.stage.clock.now() - started <= 95
        assert case.pair(dispute)[0]["trigger"] == "mediation_timeout"
        await case.until(lambda: case.escalations(dispute), "the solver is told")


@pytest.mark.parametrize(
    ("party", "words"),
    [
        (Party.SELLER, "Quiero hablar con una persona, por favor."),
        (Party.BUYER, "Ich möchte mit einem Menschen sprechen."),
    ],
    ids=["es", "de"],
)
async def test_a_person_is_called_at_a_partys_word(
    tmp_path: Path, party: Party, words: str
) -> None:
    """`low_confidence`, reason `human_requested`: the model need not even be asked."""
    async with mediating(tmp_path, WAITS) as case:
        dispute = await case.begun()
        inner_id = await case.say(party, words)
        await case.until_state(dispute, "escalation_recommended")
        recommended, prepared = case.pair(dispute)
        assert recommended["trigger"] == "low_confidence"
        assert recommended["reason"] == "human_requested"
        assert inner_id in prepared["evidence_refs"]
        assert len(case.model.of(dispute)) == 1


async def test_a_person_is_called_at_any_time(tmp_path: Path) -> None:
    """Also when the model was asked as often as it may be this round."""
    async with mediating(tmp_path, WAITS) as case:
        dispute = await case.begun()
        for number in range(4):
            await case.say(Party.BUYER, f"Something else that I remember, number {number}.")
            await case.stage.elapse(3)
        await case.say(Party.BUYER, "Can I please speak to a real person?")
        await case.until_state(dispute, "escalation_recommended")
        assert case.pair(dispute)[0]["reason"] == "human_requested"


async def test_a_person_is_called_when_the_model_says_so(tmp_path: Path) -> None:
    """A wish in words that no list has: the answer's `wants_human`."""
    async with mediating(tmp_path, once_answered(asks(wants_human="seller"))) as case:
        dispute = await case.begun()
        await case.say(Party.SELLER, "Je préférerais que quelqu'un d'autre regarde tout cela.")
        await case.until_state(dispute, "escalation_recommended")
        recommended, _ = case.pair(dispute)
        assert (recommended["trigger"], recommended["reason"]) == (
            "low_confidence",
            "human_requested",
        )


async def test_after_the_hand_over_the_silent_are_left_in_peace(tmp_path: Path) -> None:
    """A session that was handed over is not swept again."""
    async with mediating(tmp_path, WAITS, mediation={"party_response_timeout_seconds": 30}) as case:
        dispute = await case.begun()
        await case.say(Party.SELLER, "I want to talk to a human, please.")
        await case.until_state(dispute, "escalation_recommended")
        await case.stage.elapse(100)
        assert case.pair(dispute)[0]["trigger"] == "low_confidence"
        assert [len(case.heard(party)) for party in Party] == [1, 1]
        assert SELLER_ANSWER not in repr(case.words(dispute))


@pytest.mark.parametrize("during", [Purpose.CLASSIFY, Purpose.SUMMARIZE])
async def test_a_person_is_called_while_the_model_is_about_to_end_it(
    tmp_path: Path, during: Purpose
) -> None:
    """All is agreed, says the model; meanwhile a party wants a person. That comes first."""

    def says(asked: Asked) -> Step:
        step = cooperative(asked)
        return Waits(step) if asked.purpose is during and asked.both_spoke else step

    async with mediating(tmp_path, says) as case:
        dispute = await case.begun()
        await case.both_say()
        await case.until(lambda: case.model.held == 1, "the model thinks")
        inner_id = await case.say(Party.SELLER, "I want to talk to a human, please.")
        await case.until_kind(dispute, "inbound_ingested", 3)
        case.model.release()
        await case.until_state(dispute, "escalation_recommended", seconds=60)
        recommended = case.pair(dispute)[0]
        assert recommended["reason"] == "human_requested"
        assert recommended["evidence_refs"] == [inner_id]
        assert case.count("mediation_summaries") == 0


async def test_one_that_cannot_be_handed_over_holds_up_no_other(tmp_path: Path) -> None:
    """The fault is told, and neither the others' time nor their conversations wait for it."""
    async with mediating(tmp_path, mediation={"party_response_timeout_seconds": 40}) as case:
        case.expected |= {"overdue_session_failed", "chat_channels_share_a_key"}
        case.says_it_again = True
        first = await case.begun()
        second = await case.begun()
        await case.daemon.parts.base.store.transact(_refuse, case.session(first)["session_id"])
        await case.until_state(second, "escalation_recommended", seconds=90)
        assert case.state(first) == "awaiting_response"
        assert case.stage.logs.named("part_failed") == []
        await case.both_say()
        await case.until_kind(first, "classification_produced", 2)


def _refuse(tx: sa.Connection, session_id: str) -> None:
    tx.exec_driver_sql(
        "CREATE TRIGGER stuck BEFORE UPDATE OF state ON mediation_sessions"
        f" WHEN NEW.session_id = '{session_id}' AND NEW.state = 'escalation_recommended'"
        " BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )
