"""How a mediation begins: judged first, taken then, recorded with what is said to the parties."""

import json
from pathlib import Path

import pytest
from tests.daemon.mediation_model import (
    BUYER_QUESTION,
    SELLER_QUESTION,
    Asked,
    asks,
    cooperative,
    opens_with,
    summarizes,
)
from tests.daemon.mediation_rig import BUNDLE_ID, mediating, mediation
from tests.daemon.rig import firsts

from serbero.messages.party import IDENTITY, Language
from serbero.model.party import Party
from serbero.reasoning.bundle import packaged
from serbero.simulator.model_endpoint import Says, Step, Waits
from serbero.simulator.node_log import Did
from serbero.simulator.node_messages import Protocol
from serbero.simulator.peer import RelayPeer

LINE = IDENTITY[Language.ENGLISH]
OPENING = [
    "start_attempt_started",
    "reasoning_verdict",
    "take_dispute_issued",
    "session_opened",
    "classification_produced",
    "outbound_sent",
    "outbound_sent",
]


@pytest.mark.parametrize("protocol", [2, 1])
async def test_the_parties_are_asked_in_the_second_of_the_detection(
    tmp_path: Path, protocol: Protocol
) -> None:
    """Events in the order of section 10, by the event alone: no tick is waited for."""
    async with mediating(tmp_path, protocol=protocol) as case:
        began = case.stage.clock.monotonic()
        dispute = await case.begun()
        assert case.stage.clock.monotonic() - began <= 1
        assert case.kinds(dispute) == OPENING
        assert case.one(dispute, "start_attempt_started")["trigger"] == "detected"
        assert case.one(dispute, "reasoning_verdict")["decision"] == "ask_clarification"
        assert case.one(dispute, "take_dispute_issued")["outcome"] == "success"
        assert case.stage.node.desk.outcomes() == [Did.TOOK]
        session = case.session(dispute)
        assert (session["state"], session["round_count"]) == ("awaiting_response", 0)
        assert [(row["direction"], row["party"]) for row in case.words(dispute)] == [
            ("outbound", "buyer"),
            ("outbound", "seller"),
        ]
        assert await case.daemon.history(dispute.id)
        assert case.lifecycle(dispute) == "waiting"


@pytest.mark.parametrize("protocol", [2, 1])
async def test_each_party_reads_its_own_question_and_who_asks(
    tmp_path: Path, protocol: Protocol
) -> None:
    """Signed by us inside, from no key of the order outside (INV-20, INV-21, INV-36)."""
    async with mediating(tmp_path, protocol=protocol) as case:
        await case.begun()
        assert case.heard(Party.BUYER) == [f"Buyer: {BUYER_QUESTION}\n\n{LINE}"]
        assert case.heard(Party.SELLER) == [f"Seller: {SELLER_QUESTION}\n\n{LINE}"]
        own = case.stage.own.public_key().to_hex()
        assert {each.heard[0].author for each in case.parties.values()} == {own}
        trade = {each.public_key for each in case.parties.values()}
        async with RelayPeer(case.stage.relays[0].url) as peer:
            for client in case.parties.values():
                [outer] = await peer.fetch_all({"ids": [client.heard[0].outer_id]})
                named = {tag[1] for tag in json.loads(outer.as_json())["tags"] if tag[0] == "p"}
                assert named
                assert not named & (trade | {own})
                assert outer.author().to_hex() not in trade | {own}


async def test_the_older_client_reads_the_older_envelope(tmp_path: Path) -> None:
    """On protocol 1 both envelopes go out, as one message (decisions: `[chat].legacy` auto)."""
    async with mediating(tmp_path, protocol=1, envelope="gift-wrap") as case:
        dispute = await case.begun()
        assert case.heard(Party.BUYER) == [f"Buyer: {BUYER_QUESTION}\n\n{LINE}"]
        assert len(case.words(dispute)) == 2
        assert len(case.events(dispute, "outbound_sent")) == 2


async def test_every_row_carries_the_pins(tmp_path: Path) -> None:
    """Session, messages, rationale, events, calls: the hash of the bytes the model saw (INV-35)."""
    async with mediating(tmp_path) as case:
        dispute = await case.begun()
        pins = (BUNDLE_ID, packaged().policy_hash)
        session, words = case.session(dispute), case.words(dispute)
        rationales = case.rows("SELECT * FROM reasoning_rationales")
        pinned = [row for row in case.events(dispute) if row["kind"] != "start_attempt_started"]
        for row in (session, *words, *rationales, *pinned):
            assert (row["prompt_bundle_id"], row["policy_hash"]) == pins
        [asked] = case.model.of(dispute)
        assert asked.policy_hash == pins[1]
        assert asked.system == packaged().text("system")
        assert packaged().text("classification") in asked.user
        [call] = case.rows("SELECT * FROM reasoning_calls WHERE purpose = 'classify'")
        assert (call["policy_hash"], call["dispute_id"]) == (pins[1], dispute.id)
        assert (call["input_tokens"], call["output_tokens"]) == (100, 20)
        assert call["rationale_id"] == rationales[0]["rationale_id"]
        assert rationales[0]["session_id"] == session["session_id"]
        stored = case.rows("SELECT policy_hash, system FROM prompt_bundles")
        assert [row["policy_hash"] for row in stored] == [pins[1]]


async def test_nothing_is_taken_before_the_verdict_and_nobody_waits_for_it(tmp_path: Path) -> None:
    """A model that hangs delays no notification (W-3) and no take comes before its verdict."""
    async with mediating(tmp_path, opens_with(Waits(asks()))) as case:
        began = case.stage.clock.monotonic()
        dispute = await case.dispute()
        await case.stage.told(dispute)
        assert case.stage.clock.monotonic() - began <= 1
        await case.until(lambda: case.model.held == 1, "the model is asked")
        await case.stage.elapse(5)
        assert case.kinds(dispute) == ["start_attempt_started"]
        assert case.stage.node.desk.received == []
        case.model.release()
        await case.until_kind(dispute, "outbound_sent", 2)
        assert case.kinds(dispute) == OPENING


@pytest.mark.parametrize(
    ("says", "trigger"),
    [
        (asks(flags=["fraud_risk"]), "fraud_indicator"),
        (asks(classification="suspected_fraud"), "fraud_indicator"),
        (Says(asks(suggested_action="escalate").text), "reasoning_unavailable"),
        (asks(classification="not_suitable_for_mediation"), "invalid_model_output"),
        (summarizes(), "invalid_model_output"),
        (
            asks(seller_clarification="Please release the funds to the buyer now."),
            "authority_boundary_attempt",
        ),
    ],
    ids=["flag", "fraud", "escalate", "unsuitable", "summarize", "text"],
)
async def test_a_negative_verdict_asks_a_human_and_takes_nothing(
    tmp_path: Path, says: Says, trigger: str
) -> None:
    """No take, no session, one hand-off without a session, everybody told once (INV-17).

    Labels escalate like their flags (W-43), a summary before anybody spoke is no output (W-60),
    and a question that screening stops ends the start with screening's trigger, before a take.
    """
    async with mediating(tmp_path, opens_with(says), solvers=("write", "read")) as case:
        dispute = await case.dispute()
        await case.until_kind(dispute, "handoff_prepared")
        recommended, prepared = case.pair(dispute)
        assert recommended["trigger"] == trigger
        assert "session_id" not in recommended
        assert "session_id" not in prepared
        assert recommended["rationale_refs"] == prepared["rationale_refs"] != []
        verdict = case.one(dispute, "reasoning_verdict")
        assert (verdict["decision"], verdict["trigger"]) == ("escalate", trigger)
        stopped = case.one(dispute, "start_attempt_stopped")
        assert (stopped["reason"], stopped["trigger"]) == ("policy_escalate", trigger)
        text = (
            f"Dispute {dispute.id} escalated before mediation take — trigger: {trigger}. Serbero "
            "ran the reasoning verdict and the policy layer said this dispute is not a mediation "
            "candidate. No session was opened. Needs human judgment."
        )
        for number in range(2):
            await case.until(lambda n=number: case.escalations(dispute, n), "everybody is told")
        await case.stage.elapse(65)
        assert [case.escalations(dispute, number) for number in range(2)] == [[text], [text]]
        assert len(case.model.of(dispute)) == 1
        assert case.stage.node.desk.received == []
        assert case.sessions(dispute) == []
        assert case.lifecycle(dispute) == "notified"
        case.pair(dispute)


async def test_a_question_that_was_stopped_is_kept_where_nobody_is_told_it(tmp_path: Path) -> None:
    """The whole answer stands in the rationale store for review, and nowhere else (DIFF-24)."""
    stopped = "Send your seed phrase so that we can check the payment."
    async with mediating(tmp_path, opens_with(asks(buyer_clarification=stopped))) as case:
        dispute = await case.dispute()
        await case.until_kind(dispute, "handoff_prepared")
        [row] = case.rows("SELECT rationale_text FROM reasoning_rationales")
        assert stopped in row["rationale_text"]
        assert case.pair(dispute)[0]["findings"]


async def test_a_summary_before_any_answer_leaves_no_session_behind(tmp_path: Path) -> None:
    """W-7 cannot happen: no session is ever `classified` before somebody spoke."""
    async with mediating(tmp_path, opens_with(summarizes())) as case:
        dispute = await case.dispute()
        await case.until_kind(dispute, "handoff_prepared")
        assert case.count("mediation_sessions") == 0
        assert case.count("mediation_summaries") == 0


async def test_an_unknown_initiator_is_told_of_and_not_mediated(tmp_path: Path) -> None:
    """Decisions, intake trust: an initiator other than buyer and seller is not mediated."""
    async with mediating(tmp_path) as case:
        dispute_id = "5a0e6c1e-7a11-4a7e-9f0a-0d6f3f0c2b11"
        await case.stage.publish(
            ["d", dispute_id], ["s", "initiated"], ["initiator", "admin"], ["z", "dispute"]
        )
        solver = case.stage.solvers[0]
        await case.until(lambda: solver.about(dispute_id), "the solver is told")
        assert "initiator: unknown" in solver.about(dispute_id)[0].text
        await case.stage.elapse(35)
        assert case.model.of(dispute_id) == []
        assert case.count("mediation_events") == 0


async def test_an_id_that_is_no_uuid_costs_no_call_and_no_row(tmp_path: Path) -> None:
    """Such an event is not a dispute at all (decisions, intake trust; the reference told of it)."""
    async with mediating(tmp_path) as case:
        await case.stage.revision("not-a-uuid", "initiated")
        dispute = await case.begun()
        assert {each.dispute_id for each in case.model.asked} == {"", dispute.id}
        assert len(case.events(dispute)) == case.count("mediation_events")


async def test_a_dispute_in_session_is_started_once(tmp_path: Path) -> None:
    """The same revision again, on the stream and in a new one, starts nothing (W-27)."""
    async with mediating(tmp_path) as case:
        dispute = await case.begun()
        case.stage.inject(dispute.revisions[0])
        await case.stage.elapse(65)
        assert len(case.model.of(dispute)) == 1
        assert case.stage.node.desk.outcomes() == [Did.TOOK]
        assert case.kinds(dispute) == OPENING
        assert len(case.sessions(dispute)) == 1


async def test_the_sweep_finds_what_nobody_woke_it_for(tmp_path: Path) -> None:
    """A dispute of the time when mediation was off is begun with once it is on."""
    async with mediation(tmp_path) as case:
        async with case.running(mediation={"enabled": False}):
            dispute = await case.dispute()
            await case.stage.told(dispute)
            assert case.model.requests == []
        async with case.running():
            await case.until_kind(dispute, "outbound_sent", 2, seconds=40)
            assert case.kinds(dispute) == OPENING


async def test_a_few_at_once_the_oldest_first(tmp_path: Path) -> None:
    """`max_concurrent_starts` bounds the calls; whoever waits longest goes first."""
    async with mediating(
        tmp_path, opens_with(Waits(asks())), mediation={"max_concurrent_starts": 2}
    ) as case:
        opened = []
        for _ in range(4):
            opened.append(await case.stage.node.open_order_dispute())
            await case.stage.elapse(1)
        wanted = [each.id for each in opened]

        def begun() -> list[str]:
            return [each.dispute_id for each in case.model.asked if each.opening]

        await case.until(lambda: len(begun()) == 2, "two are asked about")
        await case.stage.elapse(15)
        assert begun() == wanted[:2]
        case.model.release()
        await case.until(lambda: len(begun()) == 4, "the next two")
        assert sorted(begun()) == sorted(wanted)
        assert case.model.busiest == 2
        case.model.says = cooperative
        case.model.release()
        await case.until(lambda: case.count("mediation_sessions") == 4, "all of them")


async def test_one_that_hangs_delays_no_other(tmp_path: Path) -> None:
    """Disputes are independent: the model never answers about one, the other goes on."""
    hanging: list[str] = []

    def says(asked: Asked) -> Step:
        return Waits(asks()) if asked.dispute_id in hanging else cooperative(asked)

    async with mediating(tmp_path, says, mediation={"max_concurrent_starts": 2}) as case:
        hanging.append("7f9b1c39-4f8e-4d52-9f5f-3c8f6a1f2b10")
        stuck = await case.stage.node.open_order_dispute(dispute_id=hanging[0])
        await case.until(lambda: case.model.held == 1, "one hangs")
        for _ in range(2):
            other = await case.stage.node.open_order_dispute()
            began = case.stage.clock.monotonic()
            await case.until_kind(other, "outbound_sent", 2)
            assert case.stage.clock.monotonic() - began <= 1
        assert case.kinds(stuck) == ["start_attempt_started"]
        assert firsts(case.stage.solvers[0], stuck)
        case.model.release()


async def test_reminders_go_on_where_nothing_was_taken_and_rest_where_something_was(
    tmp_path: Path,
) -> None:
    """A hand-off without a take leaves the lifecycle (decisions); a session is somebody at work."""
    quick = "[timeouts]\nrenotification_seconds = 20\nrenotification_check_interval_seconds = 5"
    refused: list[str] = []

    def says(asked: Asked) -> Step:
        if asked.dispute_id in refused:
            return asks(flags=["fraud_risk"])
        return cooperative(asked)

    async with mediating(tmp_path, says, timeouts=quick) as case:
        refused.append("3d2b1c4e-1f55-4b7f-8a53-6c1de9d5c0aa")
        alone = await case.stage.node.open_order_dispute(dispute_id=refused[0])
        led = await case.begun()
        await case.until_told(alone, "Mostro dispute is still unattended.", seconds=60)
        await case.stage.elapse(30)
        assert (case.lifecycle(alone), case.lifecycle(led)) == ("notified", "waiting")
        assert case.told(led, begins="Mostro dispute is still unattended.") == []


async def test_two_parties_of_one_key_go_to_a_human(tmp_path: Path) -> None:
    """Their chats could not be told apart: no session, no message, a human is asked."""
    async with mediating(tmp_path) as case:
        key = case.buyer.public_key
        dispute = await case.stage.node.open_order_dispute(key, key)
        await case.until_kind(dispute, "take_dispute_issued")
        await case.stage.elapse(5)
        assert case.sessions(dispute) == []
        assert case.escalations(dispute)
