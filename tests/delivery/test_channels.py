"""Every channel through real relays: what its reader finds there, what a relay's wishes do."""

import json

import sqlalchemy as sa
from nostr_sdk import Event, Keys
from tests.delivery.delivery_rig import ACCEPTED, MESSAGES, Rig, Start, hex_of
from tests.store.rig import revision

from serbero.delivery.directory import Directory
from serbero.delivery.node_relays import NodeRelays
from serbero.delivery.settlement import Settlement
from serbero.model.notification import CHAT_CHANNELS, Channel, Purpose, Urgency
from serbero.model.people import Solver, Via
from serbero.mostro import chat, legacy_chat, transport
from serbero.mostro.chat import ChatMessage, inner_message
from serbero.mostro.chat_keys import ChatKeys, derive
from serbero.mostro.inbound import Inbound
from serbero.mostro.payloads import TextMessage
from serbero.nostr.work import leading_zero_bits
from serbero.simulator.behaviour import Behaviour, Way
from serbero.simulator.fault_replies import packed
from serbero.simulator.peer import RelayPeer
from serbero.simulator.proxy import FaultProxy, Link
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.wire import Frame, peek
from serbero.store import outbox
from serbero.store.outbox_work import Row

DISPUTE = revision(1).dispute_id
TEXT = "Did the money arrive?"


class RefuseKind(Behaviour):
    """Says no to events of one kind and passes on the others."""

    def __init__(self, kind: int, reason: str) -> None:
        self.kind, self.reason = kind, reason
        self.refused: list[str] = []

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        verb, subject = peek(text)
        if way == "up" and verb == "EVENT" and json.loads(text)[1]["kind"] == self.kind:
            self.refused.append(subject)
            link.send_down(packed("OK", subject, False, self.reason))
            return []
        return [text]


async def held(url: str, *, kind: int, to: str) -> list[Event]:
    """What a relay holds of one kind for one address."""
    async with RelayPeer(url) as peer:
        return await peer.fetch({"kinds": [kind], "#p": [to]})


async def say(rig: Rig, party: Keys, text: str = TEXT, *, to: str | None = None) -> str:
    """Enqueue a message to a party on both chat channels; return the inner event's id."""
    now = rig.clock.now()
    inner = inner_message(rig.keys, text, now)
    messages = [
        outbox.NewMessage(
            purpose=Purpose.PARTY_MESSAGE,
            dispute_id=DISPUTE,
            anchor=inner.id().to_hex(),
            recipient=to or hex_of(party),
            recipient_typed=to or hex_of(party),
            notif_type=None,
            rumor_id=inner.id().to_hex(),
            rumor_json=inner.as_json(),
            urgency=Urgency.ALERT,
            enqueued_ms=now * 1000,
            deadline_at=now + 86_400,
            channel=channel,
        )
        for channel in CHAT_CHANNELS
    ]
    await rig.store.transact(outbox.enqueue, messages)
    rig.worker.wake()
    return inner.id().to_hex()


def keys_of(rig: Rig, party: Keys) -> ChatKeys:
    """The party's own derivation of the channel."""
    return derive(party.secret_key().to_hex(), hex_of(rig.keys))


async def read(rig: Rig, url: str, party: Keys) -> list[ChatMessage]:
    """What the party's clients, new and old, find on a relay."""
    keys, ours, now = keys_of(rig, party), frozenset({hex_of(rig.keys)}), rig.clock.now()
    new = await held(url, kind=14, to=keys.address)
    old = await held(url, kind=1059, to=keys.legacy_address)
    found = [
        *(chat.unwrap(event, keys, ours, now) for event in new),
        *(legacy_chat.unwrap(event, keys, ours, now) for event in old),
    ]
    assert all(isinstance(each, ChatMessage) for each in found), found
    return [each for each in found if isinstance(each, ChatMessage)]


async def test_a_solver_reads_either_way(start: Start) -> None:
    async with LoopbackRelay() as one, LoopbackRelay() as two:
        rig = await start(one.url, two.url, people=1)
        reader, plain = Keys.generate(), Keys.generate()
        both = Solver(typed=hex_of(reader), hex=hex_of(reader), via=Via.BOTH)
        own = Solver(typed=hex_of(plain), hex=hex_of(plain), via=Via.MOSTRO)
        await rig.announce(both, own)
        await rig.until(ACCEPTED, [("accepted", 8)])
        await rig.until(MESSAGES, [("sent", 4)])
        for who in (reader, plain):
            [here], [there] = [
                await held(url, kind=14, to=hex_of(who)) for url in (one.url, two.url)
            ]
            assert here.id() == there.id()
            got = transport.unwrap(here, who, now=rig.clock.now())
            assert isinstance(got, Inbound)
            assert (got.sender, got.message.id) == (hex_of(rig.keys), DISPUTE)
            rumors = {
                json.loads(each)["content"] for (each,) in rig.rows("SELECT rumor_json FROM outbox")
            }
            assert isinstance(got.message.payload, TextMessage)
            assert {got.message.payload.text} == rumors
        assert len(await rig.held_by(one.url, reader)) == 1
        assert await rig.held_by(one.url, plain) == []
        # One row a solver, however many channels.
        assert rig.rows("SELECT status, count(*) FROM notifications GROUP BY 1") == [("sent", 3)]


async def test_a_party_reads_the_same_message_in_both_envelopes(start: Start) -> None:
    async with LoopbackRelay() as one, LoopbackRelay() as two:
        rig = await start(one.url, two.url, people=0)
        party = Keys.generate()
        inner_id = await say(rig, party)
        await rig.until(ACCEPTED, [("accepted", 4)])
        for url in (one.url, two.url):
            messages = await read(rig, url, party)
            assert [each.envelope for each in messages] == ["kind14", "gift-wrap"]
            assert {(each.inner_id, each.text) for each in messages} == {(inner_id, TEXT)}
        await rig.until("SELECT count(*) FROM outbox WHERE next_attempt_at IS NULL", [(2,)])
        assert rig.rows("SELECT count(*) FROM outbox_wraps") == [(2,)]


async def test_work_for_every_channel(start: Start) -> None:
    """A relay that asks for work gets it in all four envelopes; all stay readable."""
    async with LoopbackRelay(min_pow=6) as picky:
        rig = await start(picky.url, people=0)
        reader, party = Keys.generate(), Keys.generate()
        await rig.announce(Solver(typed="x", hex=hex_of(reader), via=Via.BOTH))
        await say(rig, party)
        await rig.until(ACCEPTED, [("accepted", 4)], seconds=3000)
        assert len(await read(rig, picky.url, party)) == 2
        assert len(await rig.held_by(picky.url, reader)) == 1
        [direct] = await held(picky.url, kind=14, to=hex_of(reader))
        assert leading_zero_bits(direct.id().to_hex()) >= 6


async def test_a_relay_that_takes_one_envelope_only(start: Start) -> None:
    """The solver was told: no failure is noted, nothing waits, and the row ends quietly."""
    refusal = RefuseKind(14, "blocked: no such kind here")
    async with LoopbackRelay() as relay, FaultProxy(relay.url, refusal) as proxy:
        rig = await start(proxy.url, people=0)
        reader = Keys.generate()
        await rig.announce(Solver(typed="x", hex=hex_of(reader), via=Via.BOTH))
        await rig.until(
            "SELECT channel, state FROM outbox ORDER BY 1",
            [("mostro", "pending"), ("nip17", "sent")],
        )
        await rig.until("SELECT count(*) FROM outbox_targets WHERE state = 'refused'", [(1,)])
        assert ("sent", 1) in rig.rows("SELECT status, count(*) FROM notifications GROUP BY 1")
        assert await rig.store.read(outbox.depth) == outbox.Depth(0, None)
        assert await rig.store.read(outbox.recipients_with_pending, DISPUTE) == set()


async def test_a_chat_messages_time_is_not_negotiable(start: Start) -> None:
    """A relay that wants a younger event is asked once; the older envelope has its own time."""
    refusal = RefuseKind(14, "invalid: created_at is too old")
    async with LoopbackRelay() as relay, FaultProxy(relay.url, refusal) as proxy:
        rig = await start(proxy.url, people=0)
        party = Keys.generate()
        await say(rig, party)
        await rig.until(
            "SELECT o.channel, t.state, t.wraps FROM outbox_targets t"
            " JOIN outbox o ON o.id = t.outbox_id ORDER BY 1",
            [("chat", "refused", 1), ("chat_legacy", "accepted", 1)],
        )
        assert len(refusal.refused) == 1


async def test_a_party_key_that_is_none_is_said_and_not_tried_for_ever(start: Start) -> None:
    """64 hex digits that are no point of the curve; who can be reached is."""
    async with LoopbackRelay() as relay:
        rig = await start(relay.url, people=0)
        party = Keys.generate()
        await say(rig, party)
        await say(rig, party, "to nobody", to="f" * 64)
        await rig.until(MESSAGES, [("pending", 2), ("sent", 2)])
        refused = "SELECT reason, count(*) FROM outbox_targets WHERE state = 'refused' GROUP BY 1"
        await rig.until(refused, [("cannot be encrypted: BadChatKeyError", 2)])
        assert len(await read(rig, relay.url, party)) == 2


async def test_the_nodes_relay_list_reaches_what_waits(start: Start) -> None:
    """A message to a party waits for the only relay we know; the node names another."""
    away = LoopbackRelay()
    await away.start()
    await away.stop()
    async with LoopbackRelay() as named:
        rig = await start(away.url, people=0)
        directory = Directory([away.url], [])
        rig.relays_of = directory.relays_of
        calls: list[Channel] = []

        def note(_tx: sa.Connection, row: Row, _now: int) -> None:
            calls.append(row.channel)

        rig.settlements[Purpose.PARTY_MESSAGE] = Settlement(on_sent=note)
        node_relays = NodeRelays(
            store=rig.store,
            directory=directory,
            clock=rig.clock,
            allow_private=True,
            on_change=lambda: use(rig, directory),
        )
        party = Keys.generate()
        await say(rig, party)
        tried = "SELECT count(*) FROM outbox_targets WHERE attempts > 0"
        await rig.until(tried, [(2,)])
        assert await node_relays.learn(["ws://user@nowhere", named.url])
        assert not await node_relays.learn([named.url])
        await rig.until(MESSAGES, [("sent", 2)])
        assert len(await read(rig, named.url, party)) == 2
        assert len(calls) == 1
        sources = "SELECT source, state FROM outbox_targets ORDER BY 1, 2"
        await rig.until(sources, [("configured", "open")] * 2 + [("node", "accepted")] * 2)


def use(rig: Rig, directory: Directory) -> None:
    """What the daemon does when the list changed."""
    rig.pool.listen_also(directory.node_relays)
    rig.worker.wake()
