"""Before cryptography: which events a relay may bring to be verified at all."""

import json
from typing import Any

import pytest
from nostr_sdk import Event
from tests.chat.chat_rig import SOLVER_HEX, Writer

from serbero.chat.budget import BURST
from serbero.chat.channel import Channel
from serbero.chat.gate import Gate
from serbero.chat.inbox import Inbox
from serbero.chat.tally import Tally
from serbero.mostro.chat import Envelope
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock

FORGER, HONEST = "wss://forger.example", "wss://honest.example"


class Door:
    """A gate with one channel behind it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.writer = Writer(1)
        self.metrics = Metrics()
        self.inbox = Inbox()
        self.channel = Channel(
            dispute_id=self.writer.dispute,
            party=self.writer.party,
            trade_key=self.writer.trade_key,
            keys=self.writer.channel,
            own=SOLVER_HEX,
            cursor=self.clock.now(),
            uses=None,
            opened_at=self.clock.now(),
            closed_at=None,
            now=0.0,
        )
        self.gate = Gate(
            inbox=self.inbox,
            tally=Tally(self.metrics),
            clock=self.clock,
            on_arrival=lambda: None,
        )
        self.gate.admit(self.channel)

    def event(self, text: str = "hello", ago: int = 0) -> Event:
        return self.writer.words(text, self.clock.now() - ago)

    def fields(self, **changes: Any) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.event().as_json())
        return fields | changes

    def live(self, url: str, event: Event) -> bool:
        """What the pool does with a genuine event."""
        if not self.gate.screen(url, json.loads(event.as_json())):
            return False
        self.gate.arrived(url, event)
        return True


@pytest.fixture
def door() -> Door:
    return Door()


def test_forged_events_spend_the_share_of_their_relay_only(door: Door) -> None:
    passed = [door.gate.screen(FORGER, door.fields(id=f"{n:064x}")) for n in range(500)]
    assert sum(passed) == BURST
    assert sum(door.live(HONEST, door.event(f"{n}")) for n in range(BURST)) == BURST
    assert len(door.inbox) == BURST


def test_an_id_is_known_only_once_it_was_genuine(door: Door) -> None:
    event = door.event()
    forged = json.loads(event.as_json()) | {"sig": "0" * 128}
    assert door.gate.screen(FORGER, forged)
    assert door.live(HONEST, event)
    assert not door.gate.screen(FORGER, forged)
    assert not door.live(HONEST, event)
    assert len(door.inbox) == 1


def test_what_the_budget_stops_is_owed_from_then_on(door: Door) -> None:
    lane = door.channel.kind14
    for number in range(BURST):
        door.live(HONEST, door.event(f"{number}"))
    assert not door.live(HONEST, door.event("stopped", ago=0))
    assert lane.missed == {HONEST: door.channel.read_from}
    # Whatever an unverified event says of its time, nothing is older than the channel.
    door.gate.screen(HONEST, door.fields(created_at=5))
    assert lane.missed == {HONEST: door.channel.read_from}
    assert door.channel.gift_wrap.missed == {}


def test_strangers_and_misaddressed_events_get_no_further(door: Door) -> None:
    other = Writer(2)
    assert not door.gate.screen(HONEST, json.loads(other.words("x", 5).as_json()))
    assert not door.gate.screen(HONEST, json.loads(other.old_words("x", 5).as_json()))
    assert not door.gate.screen(HONEST, door.fields(tags=[]))
    assert not door.gate.screen(HONEST, door.fields(kind=1))
    assert not door.gate.screen(HONEST, door.fields(kind=1059, tags=[["p"], []]))
    assert door.channel.kind14.envelope is Envelope.KIND14
    door.gate.dismiss(door.channel)
    assert not door.gate.screen(HONEST, door.fields())
    assert len(door.inbox) == 0


def test_events_fetched_are_taken_in_the_order_they_were_written(door: Door) -> None:
    events = [door.event(f"{ago}", ago) for ago in (5, 50, 0)]
    door.gate.fetched(HONEST, events)
    times = [each.fields["created_at"] for each in door.inbox.take()]
    assert times == sorted(times)
    assert len(times) == 3


def test_gift_wraps_fetched_are_taken_by_chance(door: Door) -> None:
    """A stranger who dates his far back must not come before the party each time."""
    events = [door.writer.old_words(f"{number}", door.clock.now()) for number in range(40)]
    door.gate.fetched(HONEST, events)
    taken = [each.fields["created_at"] for each in door.inbox.take()]
    assert sorted(taken) == sorted(each.created_at().as_secs() for each in events)
    assert taken != sorted(taken)
