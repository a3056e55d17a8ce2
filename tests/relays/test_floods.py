"""A relay that floods us is left alone, and what it held up of the others is asked for again."""

import json
from typing import Any

import pytest
from nostr_sdk import Keys
from structlog.testing import capture_logs
from tests.relays.hostile import HostileRelay, Peer
from tests.relays.relay_rig import DISPUTE_KIND, StartPool

from serbero.relays.nuisance import Nuisance
from serbero.relays.settings import RelaySettings
from serbero.simulator.clock import eventually
from serbero.simulator.events import signed


def test_patience_is_spent_regained_and_shorter_each_time() -> None:
    nuisance = Nuisance(RelaySettings(useless_burst=3, useless_per_second=0.5))
    assert [nuisance.useless(10.0) for _ in range(4)] == [False, False, False, True]
    assert not nuisance.useless(14.0)
    assert nuisance.useless(14.0)
    assert [nuisance.pause(at) for at in (100.0, 200.0, 300.0)] == [60.0, 120.0, 240.0]
    assert [nuisance.useless(300.0) for _ in range(4)] == [False, False, False, True]
    assert max(nuisance.pause(400.0) for _ in range(20)) == 3600.0
    assert nuisance.pause(400.0 + 7_201) == 60.0


def _event(number: int, kind: int = DISPUTE_KIND) -> dict[str, Any]:
    event = signed(Keys.generate(), kind, "", [["d", str(number)]], 1_700_000_000)
    found: dict[str, Any] = json.loads(event.as_json())
    return found


@pytest.mark.parametrize("what", ["repeated", "forged", "unasked", "late", "notices", "answers"])
async def test_a_flood_is_ended(start_pool: StartPool, what: str) -> None:
    good = _event(1)

    async def flood(peer: Peer, message: list[Any]) -> None:
        await relay.honest_req(peer, message)
        for number in range(100):
            match what:
                case "repeated":
                    await peer.say("EVENT", message[1], good)
                case "forged":
                    # The library lets forgeries of what it has seen pass, and no others.
                    forged = {**good, "tags": [["d", f"x{number}"]]} if number else good
                    await peer.say("EVENT", message[1], forged)
                case "unasked":
                    await peer.say("EVENT", message[1], _event(number, kind=1))
                case "late":
                    await peer.say("EVENT", "gone:1", good)
                case "notices":
                    await peer.say("NOTICE", f"hello {number}")
                case _:
                    await peer.say("OK", f"{number:064x}", True, "")

    async with HostileRelay() as relay, HostileRelay() as other:
        relay.on_req = flood
        with capture_logs() as logs:
            rig = await start_pool(relay.url, other.url, useless_burst=50, useless_per_second=1.0)
            await eventually(lambda: rig.notes.count("lost", "it floods us") == 1)
            assert rig.notes.count("lost") == 1
        assert [each["relay"] for each in logs if each["event"] == "relay_floods"] == [relay.url]


async def test_answers_that_come_too_late_are_no_flood(start_pool: StartPool) -> None:
    """A process that is slow takes its questions back before it has read what was answered."""

    async def answer(peer: Peer, message: list[Any]) -> None:
        await relay.honest_req(peer, message)
        if message[1].startswith("disputes"):
            for number in range(100):
                await peer.say("EVENT", "ask:1", _event(number))
            await peer.say("EVENT", message[1], _event(1))

    async with HostileRelay() as relay:
        relay.on_req = answer
        rig = await start_pool(relay.url, useless_burst=20, useless_per_second=1.0)
        await eventually(lambda: len(rig.heard) == 1)
        assert rig.notes.count("lost") == 0
