"""What is looked at before an event's signature is, and what never is."""

import json
from typing import Any

from nostr_sdk import EventBuilder, Keys, Kind
from tests.relays.hostile import HostileRelay
from tests.relays.relay_rig import Rig, StartPool, dispute

from serbero.relays.subscriptions import Fields, Subscription
from serbero.simulator.clock import eventually

KIND = 14


def _wire(event: Any) -> dict[str, Any]:
    return dict(json.loads(event.as_json()))


def _note(keys: Keys, text: str) -> dict[str, Any]:
    builder = EventBuilder(Kind(KIND), text)
    return _wire(keys.sign_event(builder.finalize_unsigned(keys.public_key())))


class Screened:
    """A subscription that keeps what it screened and what it was given."""

    def __init__(self, rig: Rig, author: Keys, *, passes: bool = True) -> None:
        self.screened: list[tuple[str, str]] = []
        self.given: list[str] = []
        self.passes = passes
        wanted = [{"kinds": [KIND], "authors": [author.public_key().to_hex()]}]
        rig.pool.subscribe(
            Subscription(
                "chat",
                lambda: wanted,
                lambda _url, event: self.given.append(event.content()),
                screen=self.screen,
            )
        )

    def screen(self, url: str, fields: Fields) -> bool:
        self.screened.append((url, fields["content"]))
        return self.passes


async def test_the_screen_comes_after_matching_and_before_the_signature(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    author, rig = Keys.generate(), await start_pool(hostile.url)
    chat = Screened(rig, author)
    await eventually(lambda: rig.pool.heard_on("chat") == {hostile.url})
    true = _note(author, "true")
    forged = true | {"content": "forged"}
    for event in (_note(Keys.generate(), "stranger"), true, forged):
        await hostile.peers[0].say("EVENT", "chat:1", event)
    await eventually(lambda: rig.notes.count("rejected") == 2)
    assert rig.notes.count("rejected", "unasked") == 1
    assert rig.notes.count("rejected", "signature") == 1
    assert chat.screened == [(hostile.url, "true"), (hostile.url, "forged")]
    assert chat.given == ["true"]


async def test_what_the_screen_refuses_is_dropped_without_a_word(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    author, rig = Keys.generate(), await start_pool(hostile.url)
    chat = Screened(rig, author, passes=False)
    await eventually(lambda: rig.pool.heard_on("chat") == {hostile.url})
    true = _note(author, "true")
    for event in (true, true | {"content": "forged"}):
        await hostile.peers[0].say("EVENT", "chat:1", event)
    await eventually(lambda: len(chat.screened) == 2)
    chat.passes = True
    await hostile.peers[0].say("EVENT", "chat:1", _note(author, "later"))
    await eventually(lambda: chat.given == ["later"])
    assert rig.notes.count("rejected") == 0, "a flood is not told of event by event"


async def test_a_screen_that_fails_lets_nothing_through_and_deafens_nobody(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    author, rig = Keys.generate(), await start_pool(hostile.url)
    chat = Screened(rig, author)

    def fail(_url: str, _fields: Fields) -> bool:
        raise ValueError("a bug")

    rig.pool.subscribe(
        Subscription(
            "broken",
            lambda: [{"kinds": [KIND]}],
            lambda _url, event: chat.given.append(f"broken {event.content()}"),
            screen=fail,
        )
    )
    await eventually(lambda: rig.pool.heard_on("broken") == {hostile.url})
    await hostile.peers[0].say("EVENT", "broken:1", _note(author, "one"))
    await hostile.peers[0].say("EVENT", "chat:1", _note(author, "two"))
    await hostile.broadcast(_wire(dispute(rig.keys)))
    await eventually(lambda: len(rig.heard) == 1)
    assert chat.given == ["two"]


async def test_a_forged_canary_proves_nothing(hostile: HostileRelay, start_pool: StartPool) -> None:
    """The relay knows the canary's id; only the canary itself, come back, counts."""
    rig = await start_pool(hostile.url)
    hostile.forgetful = True
    await eventually(lambda: hostile.count("EVENT") == 1)
    canary = next(each[1] for each in hostile.got if each[0] == "EVENT")
    await hostile.peers[0].say("EVENT", "disputes:1", canary | {"sig": "00" * 64})
    await hostile.peers[0].say("EVENT", "disputes:1", canary | {"content": "x"})
    await hostile.broadcast(_wire(dispute(rig.keys)))
    await eventually(lambda: len(rig.heard) == 1)
    assert rig.notes.count("canary") == 0
    await hostile.peers[0].say("EVENT", "disputes:1", canary)
    await eventually(lambda: rig.notes.count("canary") == 1)
