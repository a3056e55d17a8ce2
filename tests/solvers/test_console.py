"""Solvers are answered over real relays; strangers are not, however many there are."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.solvers.console_rig import Life, Scene, answers, mostrix
from tests.store.rig import revision

from serbero.intake.announcing import Audience
from serbero.intake.recording import record_revisions
from serbero.model.ladder import Policy, Step
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox
from serbero.solvers.inbound import KEPT_SECONDS
from serbero.solvers.pace import (
    ANSWERS_A_MINUTE,
    DIRECT_AT_ONCE,
    OPENED_A_MINUTE,
    OPENED_AT_ONCE,
    VERIFIED_AT_ONCE,
)
from serbero.store import ladders

NOTHING_OPEN = "No dispute is open."
FLOOD = 100


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with LoopbackRelay() as relay:
        yield Scene(tmp_path / "serbero.db", [relay.url])


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(LoopbackRelay()) for _ in range(3)]
        yield Scene(tmp_path / "serbero.db", [each.url for each in running])


async def handed_over(life: Life, scene: Scene) -> str:
    """A dispute that a person is waited for."""
    opened, now = revision(1, at=scene.clock.now()), scene.clock.now()
    policy = Policy((Step(600, "writers"),))
    nobody = Audience(scene.own, (), 86_400)
    await life.store.transact(record_revisions, [opened], nobody, 0, now * 1000)
    await life.store.transact(ladders.begin, opened.dispute_id, None, 1, policy, now)
    return opened.dispute_id


async def test_a_private_message_is_answered_by_one(scene: Scene) -> None:
    ana = Keys.generate()
    async with scene.life([ana]) as life, SolverInbox(scene.urls, keys=ana) as inbox:
        await inbox.publish(scene.private(ana, "Open, please!"))
        await scene.until(lambda: answers(inbox), "an answer")
        [message] = inbox.messages
        assert (message.text, message.sender) == (NOTHING_OPEN, scene.own)
        assert message.tag("subject") == "Serbero"
        assert life.counted("answered") == 1
        assert not life.changes


async def test_mostros_own_client_is_answered_as_it_asks(scene: Scene) -> None:
    ana = Keys.generate()
    async with (
        scene.life([ana]),
        mostrix(scene.urls[0], ana, scene.own) as shown,
        SolverInbox(scene.urls, keys=ana) as inbox,
    ):
        await inbox.publish(scene.direct(ana, "open"))
        await scene.until(lambda: shown, "an answer")
        assert shown == [NOTHING_OPEN]
        assert not inbox.messages


async def test_ack_tells_the_others_and_wakes_the_ladders(scene: Scene) -> None:
    ana, bob = Keys.generate(), Keys.generate()
    async with (
        scene.life([ana, bob]) as life,
        SolverInbox(scene.urls, keys=ana) as hers,
        SolverInbox(scene.urls, keys=bob) as his,
    ):
        dispute = await handed_over(life, scene)
        await hers.publish(scene.private(ana, "ack " + dispute[:4]))
        await scene.until(lambda: answers(hers) and answers(his), "both are told")
        assert answers(hers)[0].startswith("You have " + dispute[:8])
        assert dispute in answers(his)[0]
        assert life.changes == ["changed"]


async def test_one_command_by_three_relays_is_answered_once(three: Scene) -> None:
    ana = Keys.generate()
    async with three.life([ana]) as life, SolverInbox(three.urls, keys=ana) as inbox:
        await inbox.publish(three.private(ana, "open"))
        await inbox.publish(three.direct(ana, "who"))
        await three.until(lambda: answers(inbox), "an answer")
        # The same words in another wrap, as a client makes for each relay.
        for _ in range(2):
            await inbox.publish(three.private(ana, "status"))
        await three.until(
            lambda: life.counted("answered") + life.counted("seen") == 4, "all were looked at"
        )
        assert life.counted("seen") == 1
        assert three.rows("SELECT count(*) FROM outbox") == [(3,)]


async def test_a_flood_of_a_stranger_keeps_nobody_out(scene: Scene) -> None:
    ana, bob, stranger = (Keys.generate() for _ in range(3))
    flood = [scene.private(stranger, f"open {number}") for number in range(FLOOD)]
    async with (
        scene.life([ana, bob]) as life,
        SolverInbox(scene.urls, keys=ana) as hers,
        mostrix(scene.urls[0], bob, scene.own) as shown,
        RelayPeer(scene.urls[0]) as peer,
    ):
        for number, event in enumerate(flood):
            await peer.publish(event)
            if number == FLOOD // 2:
                await hers.publish(scene.private(ana, "open"))
                await peer.publish(scene.direct(bob, "open"))
        took = await scene.later(lambda: answers(hers) and shown, "both are answered")
        took += await scene.later(lambda: life.counted("stranger") == FLOOD, "all were looked at")
        # No more of the machine than was set aside, however many come at once.
        assert took >= (FLOOD + 1 - OPENED_AT_ONCE) * 60 / OPENED_A_MINUTE
        assert life.counted("over_budget") == 0
    assert scene.rows("SELECT count(*) FROM outbox") == [(2,)]
    assert scene.rows("SELECT count(*) FROM commands_seen") == [(2,)]


async def test_what_was_passed_over_is_asked_for_again(scene: Scene) -> None:
    """A relay whose events are not looked at for a while holds them still."""
    ana, [url] = Keys.generate(), scene.urls
    async with scene.life([ana]) as life, SolverInbox(scene.urls, keys=ana) as inbox:
        forged = {"kind": 1059, "content": "x", "pubkey": "11" * 32}
        for number in range(VERIFIED_AT_ONCE):
            assert life.console.screen(url, forged | {"id": f"{number:064x}"})
        await inbox.publish(scene.private(ana, "open"))
        await scene.until(lambda: life.counted("over_budget") == 1, "it is passed over")
        assert not answers(inbox)
        await scene.later(lambda: answers(inbox), "an answer")
        assert answers(inbox) == [NOTHING_OPEN]


async def test_a_relays_forged_events_cost_no_other_relay_its_budget(scene: Scene) -> None:
    ana = Keys.generate()
    async with scene.life([ana]) as life, SolverInbox(scene.urls, keys=ana) as inbox:
        forged = {"kind": 14, "content": "x", "pubkey": ana.public_key().to_hex()}
        for number in range(200):
            life.console.screen("wss://liar.example", forged | {"id": f"{number:064x}"})
            other = forged | {"kind": 1059, "id": f"{number + 1000:064x}"}
            life.console.screen("wss://liar.example", other)
        assert life.counted("over_budget") == 200 - DIRECT_AT_ONCE
        await inbox.publish(scene.direct(ana, "open"))
        await inbox.publish(scene.private(ana, "open"))
        await scene.until(lambda: life.counted("answered") == 2, "both are answered")


async def test_strangers_get_silence_on_every_road(scene: Scene) -> None:
    ana, stranger = Keys.generate(), Keys.generate()
    async with scene.life([ana]) as life, SolverInbox(scene.urls, keys=stranger) as inbox:
        await inbox.publish(scene.private(stranger, "help"))
        await inbox.publish(scene.direct(stranger, "help"))
        await scene.until(lambda: life.counted("stranger") == 1, "it was looked at")
        await scene.clock.advance(5)
    assert scene.rows("SELECT count(*) FROM outbox") == [(0,)]
    assert scene.rows("SELECT count(*) FROM commands_seen") == [(0,)]


async def test_who_was_removed_is_a_stranger_from_then_on(scene: Scene) -> None:
    ana, bob = Keys.generate(), Keys.generate()
    async with SolverInbox(scene.urls, keys=ana) as inbox:
        async with scene.life([ana, bob]):
            await inbox.publish(scene.private(ana, "open"))
            await scene.until(lambda: len(answers(inbox)) == 1, "an answer")
        async with scene.life([bob]) as life:
            await inbox.publish(scene.private(ana, "mute 8h"))
            await inbox.publish(scene.direct(ana, "mute 8h"))
            await scene.until(lambda: life.counted("stranger") >= 2, "both wraps were looked at")
            await scene.clock.advance(5)
        assert len(answers(inbox)) == 1
    assert scene.rows("SELECT * FROM mutes") == []


async def test_without_a_solver_nothing_is_asked_for(scene: Scene) -> None:
    async with scene.life([Keys.generate()]) as life:
        assert len(life.console.subscriptions()) == 2
    async with scene.life([]) as life:
        assert life.console.subscriptions() == ()


async def test_a_restart_between_commit_and_answer_loses_nothing(scene: Scene) -> None:
    ana = Keys.generate()
    async with SolverInbox(scene.urls, keys=ana) as inbox:
        async with scene.life([ana], delivers=False) as life:
            await inbox.publish(scene.private(ana, "open"))
            await scene.until(lambda: life.counted("answered") == 1, "it is committed")
        assert not answers(inbox)
        async with scene.life([ana]) as life:
            await scene.until(lambda: answers(inbox), "the answer")
            await scene.until(lambda: life.counted("seen") == 1, "the relay sends it again")
            await scene.clock.advance(5)
        assert answers(inbox) == [NOTHING_OPEN]


async def test_history_is_not_answered(scene: Scene) -> None:
    ana = Keys.generate()
    async with SolverInbox(scene.urls, keys=ana) as inbox:
        await inbox.publish(scene.private(ana, "open", at=scene.clock.now() - 700))
        await inbox.publish(scene.private(ana, "who", at=scene.clock.now() - 300))
        async with scene.life([ana]) as life:
            await scene.until(lambda: life.counted("old") and answers(inbox), "both looked at")
            [answer] = answers(inbox)
            assert answer.startswith("Nobody has said ack.")


async def test_more_than_enough_is_said_so_once(scene: Scene) -> None:
    ana = Keys.generate()
    async with scene.life([ana]) as life, SolverInbox(scene.urls, keys=ana) as inbox:
        for number in range(ANSWERS_A_MINUTE + 5):
            await inbox.publish(scene.private(ana, f"show {number:04}"))
        await scene.until(lambda: life.counted("silence") == 4, "all were looked at")
        await scene.until(lambda: len(answers(inbox)) == ANSWERS_A_MINUTE + 1, "the answers")
        assert life.counted("too_many") == 1
        assert [text.startswith("That was 20") for text in answers(inbox)].count(True) == 1


async def test_what_was_answered_long_ago_is_forgotten(scene: Scene) -> None:
    ana = Keys.generate()
    async with scene.life([ana]) as life, SolverInbox(scene.urls, keys=ana) as inbox:
        await inbox.publish(scene.private(ana, "open"))
        await scene.until(lambda: life.counted("answered") == 1, "an answer")
    await scene.clock.advance(KEPT_SECONDS + 1)
    async with scene.life([ana]):
        await scene.until(
            lambda: scene.rows("SELECT count(*) FROM commands_seen") == [(0,)], "forgotten"
        )
