"""Another life: open sessions go on, on the prompts they were begun with."""

from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.daemon.mediation_model import Asked, asks, cooperative, once_answered, opens_with
from tests.daemon.mediation_rig import BUYER_ANSWER, SELLER_ANSWER, mediating, mediation

from serbero.model import reference_names
from serbero.model.party import Party
from serbero.reasoning.bundle import KEYS, packaged
from serbero.reasoning.calls import Purpose
from serbero.simulator.fault_replies import RefuseEvents
from serbero.simulator.model_endpoint import Step, Waits
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_rules import Category


def bundle_in(folder: Path, note: str = "") -> dict[str, object]:
    """Write the packaged files, the first changed by ``note``; the section that names them."""
    folder.mkdir(exist_ok=True)
    paths = {}
    for label, raw in packaged().parts():
        path = folder / f"{label}.md"
        path.write_bytes(raw + (note.encode() if label == "system" else b""))
        paths[KEYS[label]] = str(path)
    return {"source": "files", **paths}


@pytest.mark.parametrize("protocol", [2, 1])
async def test_an_open_session_goes_on(tmp_path: Path, protocol: Protocol) -> None:
    """W-14: answers of before, of meanwhile and of after are all heard; nothing is said twice."""
    async with mediation(tmp_path, protocol=protocol) as case:
        async with case.running():
            dispute = await case.begun()
            before = case.session(dispute)
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.stage.elapse(30)
        async with case.running():
            await case.until_kind(dispute, "inbound_ingested", seconds=60)
            await case.say(Party.SELLER, SELLER_ANSWER)
            await case.until_state(dispute, "closed", seconds=60)
            session = case.session(dispute)
            assert session["session_id"] == before["session_id"]
            assert session["policy_hash"] == before["policy_hash"]
            assert len(case.model.of(dispute, Purpose.SUMMARIZE)) == 1
            await case.stage.elapse(35)
        assert [len(case.heard(party)) for party in Party] == [1, 1]
        assert case.events(dispute, "escalation_recommended") == []
        assert len(case.events(dispute, "outbound_sent")) == 2


@pytest.mark.parametrize("protocol", [2, 1])
async def test_who_answered_while_we_were_away_was_not_silent(
    tmp_path: Path, protocol: Protocol
) -> None:
    """Away for longer than a party may be silent: what the relays kept is read before it is judged.

    The hand-off would have said `party_unresponsive` of two parties who had answered.
    """
    silence = {"party_response_timeout_seconds": 40}
    async with mediation(tmp_path, protocol=protocol, mediation=silence) as case:
        async with case.running():
            dispute = await case.begun()
        await case.both_say()
        await case.stage.elapse(120)
        async with case.running():
            await case.until_state(dispute, "closed", seconds=60)
        assert case.events(dispute, "escalation_recommended") == []


async def test_a_follow_up_that_was_not_sent_is_not_drafted_again(tmp_path: Path) -> None:
    """Committed and not published: the next life sends the same words (69, W-11)."""
    says = once_answered(asks(rationale="One more detail is missing."))
    async with mediation(tmp_path, says) as case:
        async with case.running():
            dispute = await case.begun()
            await case.both_say()
            refusing = case.stage.proxies[0].add(RefuseEvents("error: the disk is busy"))
            await case.until(lambda: len(case.words(dispute)) == 6, "the follow-up is stored")
            calls = len(case.model.of(dispute))
        case.stage.proxies[0].remove(refusing)
        async with case.running():
            for party in Party:
                await case.until_heard(party, 2, seconds=60)
            await case.until_kind(dispute, "outbound_sent", 4)
            await case.stage.elapse(35)
            assert len(case.model.of(dispute)) == calls
            assert len(case.words(dispute)) == 6
            assert [len(case.heard(party)) for party in Party] == [2, 2]


async def test_an_opening_that_was_not_sent_is_sent(tmp_path: Path) -> None:
    """W-28: taken, recorded, and no relay took the questions: the next life sends them."""
    async with mediation(tmp_path) as case:
        refusing = RefuseEvents("error: the disk is busy")
        async with case.running():
            dispute = await case.dispute()
            await case.until(lambda: case.stage.node.desk.received, "the take is on its way")
            case.stage.proxies[0].add(refusing)
            await case.until_state(dispute, "awaiting_response")
            held = [len(case.heard(party)) for party in Party]
        case.stage.proxies[0].remove(refusing)
        async with case.running():
            for party in Party:
                await case.until_heard(party, 1, seconds=60)
            await case.stage.elapse(10)
        assert held in ([0, 0], [1, 0], [0, 1], [1, 1])
        assert [len(case.heard(party)) for party in Party] == [1, 1]
        assert len(case.sessions(dispute)) == 1
        assert len(case.model.of(dispute)) == 1


async def test_what_could_not_be_asked_before_is_asked_before_it_is_given_up(
    tmp_path: Path,
) -> None:
    """Away for longer than a party may be silent, and no relay has the questions yet."""
    silence = {"party_response_timeout_seconds": 40}
    async with mediation(tmp_path, mediation=silence) as case:
        refusing = RefuseEvents("error: the disk is busy")
        async with case.running():
            dispute = await case.dispute()
            await case.until(lambda: case.stage.node.desk.received, "the take is on its way")
            case.stage.proxies[0].add(refusing)
            await case.until_state(dispute, "awaiting_response")
        case.stage.proxies[0].remove(refusing)
        await case.stage.elapse(120)
        async with case.running():
            for party in Party:
                await case.until_heard(party, 1, seconds=60)
            await case.both_say()
            await case.until_state(dispute, "closed", seconds=60)
        assert case.events(dispute, "escalation_recommended") == []


async def test_a_restart_while_the_model_thinks_about_the_opening(tmp_path: Path) -> None:
    """The attempt is made again, as a retry; at most one take."""
    async with mediation(tmp_path, opens_with(Waits(asks()))) as case:
        async with case.running():
            dispute = await case.dispute()
            await case.until(lambda: case.model.held == 1, "the model thinks")
        case.model.says = cooperative
        async with case.running():
            await case.until_kind(dispute, "outbound_sent", 2, seconds=60)
        triggers = [r["payload"]["trigger"] for r in case.events(dispute, "start_attempt_started")]
        assert triggers == ["detected", "tick_retry"]
        assert len(case.stage.node.desk.received) == 1


async def test_a_restart_while_the_model_evaluates(tmp_path: Path) -> None:
    """What was due is due again: evaluated once, asked once."""
    async with mediation(tmp_path, once_answered(Waits(asks()))) as case:
        async with case.running():
            dispute = await case.begun()
            await case.both_say()
            await case.until(lambda: case.model.held == 1, "the model thinks")
        case.model.says = once_answered(asks())
        async with case.running():
            await case.until_kind(dispute, "outbound_sent", 4, seconds=60)
            assert len(case.events(dispute, "classification_produced")) == 2
            assert case.session(dispute)["consecutive_eval_failures"] == 0


async def test_a_changed_bundle_is_for_new_sessions(tmp_path: Path) -> None:
    """The open one goes on with the bytes it was begun with (101 ended it; decisions, restart)."""
    says = once_answered(asks(rationale="One more detail is missing."))
    async with mediation(tmp_path, says) as case:
        old = bundle_in(tmp_path / "prompts")
        async with case.running(prompts=old):
            first = await case.begun()
        new = bundle_in(tmp_path / "prompts", "\nBe even briefer.\n")
        async with case.running(prompts=new):
            await case.both_say()
            await case.until_kind(first, "outbound_sent", 4, seconds=60)
            second = await case.stage.node.open_order_dispute()
            await case.until_state(second, "awaiting_response")
            hashes = [case.session(each)["policy_hash"] for each in (first, second)]
            assert hashes[0] == packaged().policy_hash != hashes[1]
            asked = [case.model.of(each)[-1] for each in (first, second)]
            assert [each.policy_hash for each in asked] == hashes
            assert asked[0].system == packaged().text("system")
            assert asked[1].system == packaged().text("system") + "\nBe even briefer.\n"
            assert {row["policy_hash"] for row in case.words(first) if row["policy_hash"]} == {
                hashes[0]
            }
            assert case.count("prompt_bundles") == 2


async def test_a_bundle_whose_bytes_are_gone(tmp_path: Path) -> None:
    """`policy_bundle_missing`, with both hashes, a hand-off and its alert (W-10)."""
    async with mediation(tmp_path) as case:
        async with case.running(prompts=bundle_in(tmp_path / "prompts")):
            dispute = await case.begun()
            pinned = case.session(dispute)["policy_hash"]
        case.execute("DELETE FROM prompt_bundles")
        new = bundle_in(tmp_path / "prompts", "\nBe even briefer.\n")
        async with case.running(prompts=new):
            await case.both_say()
            await case.until_state(dispute, "escalation_recommended", seconds=60)
            recommended, _ = case.pair(dispute)
            assert recommended["trigger"] == "policy_bundle_missing"
            assert recommended["pinned_hash"] == pinned != recommended["loaded_hash"]
            await case.until(lambda: case.escalations(dispute), "the solver is told")
            assert case.lifecycle(dispute) == "escalated"


async def test_the_same_bundle_needs_no_stored_bytes(tmp_path: Path) -> None:
    """A database of the reference has none: what is loaded and has the hash will do."""
    async with mediation(tmp_path) as case:
        async with case.running():
            dispute = await case.begun()
        case.execute("DELETE FROM prompt_bundles")
        async with case.running():
            await case.both_say()
            await case.until_state(dispute, "closed", seconds=60)


async def test_a_missing_file_costs_mediation_and_nothing_else(tmp_path: Path) -> None:
    """Said with key and path; disputes are told of; once it is there, it goes on (113, W-31)."""
    prompts = bundle_in(tmp_path / "prompts")
    gone = tmp_path / "prompts" / "escalation.md"
    text = gone.read_bytes()
    gone.unlink()
    async with mediating(tmp_path, prompts=prompts) as case:
        case.expected |= {"mediation_unavailable"}
        dispute = await case.dispute()
        await case.stage.told(dispute)
        [line] = case.stage.logs.named("mediation_unavailable")
        assert "`escalation_policy_path`" in line["reason"]
        assert str(gone) in line["reason"]
        assert case.count("mediation_events") == 0
        gone.write_bytes(text)
        await case.until_kind(dispute, "outbound_sent", 2, seconds=120)
    assert reference_names.PROMPT_BUNDLE_ID == "phase3-default"


async def test_with_mediation_switched_off_open_sessions_do_not_hang(tmp_path: Path) -> None:
    """No model to ask any more: what the parties say still reaches a human."""
    async with mediation(tmp_path) as case:
        async with case.running():
            dispute = await case.begun()
        async with case.running(mediation={"enabled": False}):
            await case.both_say()
            await case.until_state(dispute, "escalation_recommended", seconds=300)
            assert case.pair(dispute)[0]["trigger"] == "reasoning_unavailable"
            await case.until(lambda: case.escalations(dispute), "the solver is told")


async def test_with_another_key_of_ours_only_a_human_can_go_on(tmp_path: Path) -> None:
    """Neither node nor parties know the new one: `authorization_lost`, nothing said in its name."""
    async with mediation(tmp_path) as case:
        async with case.running():
            dispute = await case.begun()
        case.stage.own = Keys.generate()
        case.stage.node.register(case.stage.own.public_key().to_hex(), Category.READ)
        async with case.running():
            await case.until_state(dispute, "escalation_recommended")
            assert case.pair(dispute)[0]["trigger"] == "authorization_lost"
            await case.until(lambda: case.escalations(dispute), "the solver is told")
            await case.stage.elapse(35)
        assert [len(case.heard(party)) for party in Party] == [1, 1]
        assert len(case.stage.node.desk.received) == 1


async def test_two_lives_of_one_question(tmp_path: Path) -> None:
    """A restart between every step of a round: each message at each relay once."""

    def says(asked: Asked) -> Step:
        return cooperative(asked) if len(asked.party_lines) >= 4 or asked.opening else asks()

    async with mediation(tmp_path, says) as case:
        async with case.running():
            dispute = await case.begun()
        for number in range(2):
            async with case.running():
                await case.say(Party.BUYER, f"The buyer's words, part {number}.")
                await case.until_kind(dispute, "inbound_ingested", 2 * number + 1, seconds=60)
            await case.say(Party.SELLER, f"The seller's words, part {number}.")
            async with case.running():
                done = "closed" if number else "awaiting_response"
                await case.until_kind(dispute, "inbound_ingested", 2 * number + 2, seconds=60)
                if number == 0:
                    await case.until_kind(dispute, "outbound_sent", 4, seconds=60)
                await case.until_state(dispute, done, seconds=60)
        assert [len(case.heard(party)) for party in Party] == [2, 2]
        assert case.count("mediation_summaries") == 1
