"""Relay, node and solver against one another."""

import asyncio
import json
import sys
import time

import pytest
from nostr_sdk import (
    Event,
    EventBuilder,
    Keys,
    Kind,
    PublicKey,
    Tag,
    Timestamp,
    UnsignedEvent,
    nip59_make_gift_wrap,
)
from websockets.exceptions import ConnectionClosed

from serbero.clock import SystemClock, within
from serbero.simulator.bare import dial, hear, say
from serbero.simulator.clock import FakeClock, eventually
from serbero.simulator.events import KIND_DISPUTE, KIND_INBOX_RELAYS, KIND_INFO, OLDER
from serbero.simulator.faults import FAULTS
from serbero.simulator.malformed import badly_signed, odd_but_valid, wrongly_tagged
from serbero.simulator.node import MostroNode
from serbero.simulator.peer import PeerError, RelayPeer, publish_many
from serbero.simulator.proxy import FaultProxy
from serbero.simulator.relay import LoopbackRelay, RelayProcess
from serbero.simulator.solver import NotReadable, SolverInbox, unwrap


def tags_of(event: Event) -> dict[str, list[str]]:
    """Tags by name."""
    return {tag[0]: tag[1:] for each in event.tags() if (tag := each.to_vec())}


def message(sender: Keys, to: str, text: str) -> UnsignedEvent:
    """A NIP-17 rumor."""
    return (
        EventBuilder(Kind(14), text)
        .tags([Tag.public_key(PublicKey.parse(to)), Tag.custom("subject", ["Dispute 7"])])
        .custom_created_at(Timestamp.from_secs(int(time.time())))
        .finalize_unsigned(sender.public_key())
        .ensure_id()
    )


def wrapped(sender: Keys, to: str, rumor: UnsignedEvent) -> Event:
    """The rumor in a new gift wrap."""
    return nip59_make_gift_wrap(sender, PublicKey.parse(to), rumor)


async def stored(url: str, kind: int) -> list[Event]:
    """What a relay holds of a kind."""
    async with RelayPeer(url) as peer:
        return await peer.fetch_all({"kinds": [kind]})


async def test_a_dispute_runs_its_course(relay: LoopbackRelay) -> None:
    clock = FakeClock()
    async with MostroNode([relay.url], clock=clock) as node:
        dispute = await node.open_dispute("seller")
        first = (await stored(relay.url, KIND_DISPUTE))[0]
        assert first.as_json() == dispute.revisions[0].as_json()
        tags = tags_of(first)
        assert [each.to_vec()[0] for each in first.tags()] == [
            "d", "expiration", "s", "initiator", "created_at", "y", "z",
        ]  # fmt: skip
        assert tags["d"] == [dispute.id]
        assert tags["s"] == ["initiated"]
        assert tags["initiator"] == ["seller"]
        assert tags["created_at"] == [str(clock.now())]
        assert int(tags["expiration"][0]) == clock.now() + 90 * 86_400
        assert tags["y"] == ["mostro", "Simulated Node"]
        assert tags["z"] == ["dispute"]

        taken = await node.take(dispute)  # in the same second: dated one later
        assert taken.created_at().as_secs() == clock.now() + 1
        await clock.advance(60)
        closed = await node.resolve(dispute, "seller-refunded")
        assert closed.created_at().as_secs() == clock.now()
        again = await node.reopen(dispute)
        assert again.created_at().as_secs() == clock.now() + 1
        assert tags_of(again)["created_at"] == tags["created_at"]
        (kept,) = await stored(relay.url, KIND_DISPUTE)
        assert kept.id().to_hex() == again.id().to_hex()


async def test_a_tie_has_one_stamp_and_the_older_style_fewer_tags(relay: LoopbackRelay) -> None:
    async with MostroNode([relay.url], clock=FakeClock(), style=OLDER) as node:
        dispute = await node.open_dispute()
        second = node.sign_revision(dispute, "in-progress", tie=True)
        await node.offer(second)
        assert second.created_at().as_secs() == dispute.revisions[0].created_at().as_secs()
        assert "created_at" not in tags_of(second)
        (kept,) = await stored(relay.url, KIND_DISPUTE)
        assert kept.id().to_hex() == min(each.id().to_hex() for each in dispute.revisions)


async def test_a_node_may_publish_to_one_of_its_relays(relay: LoopbackRelay) -> None:
    async with (
        LoopbackRelay() as other,
        MostroNode([relay.url, other.url]) as node,
    ):
        dispute = await node.open_dispute(relays=[other.url])
        assert await stored(relay.url, KIND_DISPUTE) == []
        assert len(await stored(other.url, KIND_DISPUTE)) == 1
        answers = await node.publish(dispute.revisions[0])
        assert answers[other.url].reason.startswith("duplicate:")
        assert len(await stored(relay.url, KIND_DISPUTE)) == 1


async def test_a_node_announces_itself(relay: LoopbackRelay) -> None:
    async with MostroNode([relay.url]) as node:
        await node.announce()
        (info,) = await stored(relay.url, KIND_INFO)
        assert tags_of(info)["protocol_version"] == ["2"]
        assert tags_of(info)["d"] == [node.public_key]
        assert tags_of((await stored(relay.url, 10002))[0])["r"] == [relay.url]
        assert json.loads((await stored(relay.url, 0))[0].content())["name"] == "Simulated Node"
        await node.publish_info(protocol_version=1, omit={"pow_first_contact", "fee"})
        (info,) = await stored(relay.url, KIND_INFO)
        assert tags_of(info)["protocol_version"] == ["1"]
        assert not {"pow_first_contact", "fee"} & tags_of(info).keys()


async def test_announcements_repeat_on_the_nodes_clock(relay: LoopbackRelay) -> None:
    clock = FakeClock()
    async with MostroNode([relay.url], clock=clock) as node:
        first = await node.publish_info()
        task = asyncio.create_task(node.announce_every(300))
        await eventually(lambda: clock.sleepers == 1)
        await clock.advance(300)
        await eventually(lambda: clock.sleepers == 1)
        (info,) = await stored(relay.url, KIND_INFO)
        assert info.created_at().as_secs() == first.created_at().as_secs() + 300
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_node_survives_cut_connections(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy, MostroNode([proxy.url]) as node:
        await node.open_dispute()
        proxy.cut()
        await node.open_dispute()
        never = proxy.add(FAULTS["ok-never"].make())
        waiting = asyncio.create_task(node.open_dispute())
        await eventually(lambda: proxy.counts["EVENT"] >= 3)
        assert not waiting.done()
        proxy.remove(never)
        proxy.cut()  # the node repeats what was not answered
        await waiting
        assert len(await stored(relay.url, KIND_DISPUTE)) == 3


async def test_a_refusal_is_an_error(relay: LoopbackRelay) -> None:
    fault = FAULTS["ok-false:blocked"].make()
    async with FaultProxy(relay.url, fault) as proxy, MostroNode([proxy.url]) as node:
        with pytest.raises(PeerError, match="blocked: you are banned"):
            await node.open_dispute()


async def test_bulk_goes_past_a_connections_and_a_filters_limits(relay: LoopbackRelay) -> None:
    async with MostroNode([relay.url]) as node:
        opened = await node.open_many(1_200, connections=3)
        kept = {event.id().to_hex() for event in await _paged(relay.url, node)}
        assert kept == {each.revisions[0].id().to_hex() for each in opened}


async def _paged(url: str, node: MostroNode) -> list[Event]:
    """Stored disputes, asked by id: many share one second, where paging by time must fail."""
    ids = [each.revisions[0].id().to_hex() for each in node.disputes.values()]
    found: list[Event] = []
    async with RelayPeer(url) as peer:
        for at in range(0, len(ids), 200):
            found += await peer.fetch({"ids": ids[at : at + 200]})
        with pytest.raises(PeerError, match="in one second"):
            await peer.fetch_all({"kinds": [KIND_DISPUTE]})
    return found


async def test_a_solver_reads_what_was_sent(relay: LoopbackRelay) -> None:
    sender = Keys.generate()
    async with SolverInbox([relay.url]) as solver, RelayPeer(relay.url) as peer:
        rumor = message(sender, solver.public_key, "Dispute 7 needs you")
        wrap = wrapped(sender, solver.public_key, rumor)
        assert (await peer.publish(wrap)).accepted
        await eventually(lambda: len(solver.received) == 1)
        (got,) = solver.received
        rumor_id = rumor.id()
        assert rumor_id is not None
        assert got.relay == relay.url
        assert got.message.outer_id == wrap.id().to_hex()
        assert got.message.rumor_id == rumor_id.to_hex()
        assert got.message.sender == sender.public_key().to_hex()
        assert got.message.text == "Dispute 7 needs you"
        assert got.message.kind == 14
        assert got.message.tag("subject") == "Dispute 7"
        assert abs(got.at - time.time()) < 5
        assert solver.about("Dispute 7") == solver.messages
        assert await solver.all_events(relay.url) == solver.messages
        assert solver.repeated_rumors() == {}
        assert solver.repeated_texts() == {}


async def test_a_solver_tells_duplicates_apart(relay: LoopbackRelay) -> None:
    sender = Keys.generate()
    async with (
        LoopbackRelay() as other,
        SolverInbox([relay.url, other.url]) as solver,
        RelayPeer(relay.url) as here,
        RelayPeer(other.url) as there,
    ):
        rumor = message(sender, solver.public_key, "one")
        wrap = wrapped(sender, solver.public_key, rumor)
        await here.publish(wrap)
        await there.publish(wrap)
        await eventually(lambda: len(solver.received) == 2)
        assert len(solver.messages) == 1
        assert solver.repeated_rumors() == {}  # one event on two relays is no repetition

        second = wrapped(sender, solver.public_key, rumor)
        await here.publish(second)
        await eventually(lambda: len(solver.messages) == 2)
        rumor_id = solver.messages[0].rumor_id
        assert solver.repeated_rumors() == {rumor_id: [wrap.id().to_hex(), second.id().to_hex()]}
        assert solver.repeated_texts() == {}

        changed = json.loads(rumor.as_json())
        changed["tags"] = []
        del changed["id"]
        twin = UnsignedEvent.from_json(json.dumps(changed)).ensure_id()
        await here.publish(wrapped(sender, solver.public_key, twin))
        await eventually(lambda: len(solver.messages) == 3)
        assert list(solver.repeated_texts()) == ["one"]


async def test_a_solver_refuses_forged_wraps(relay: LoopbackRelay) -> None:
    sender, solver = Keys.generate(), SolverInbox([relay.url])
    rumor = message(sender, solver.public_key, "true")
    claimed = json.loads(rumor.as_json()) | {"id": "0" * 64}
    lying = UnsignedEvent.from_json(json.dumps(claimed))
    with pytest.raises(NotReadable, match="another id"):
        unwrap(solver.keys, wrapped(sender, solver.public_key, lying))
    with pytest.raises(NotReadable):
        unwrap(Keys.generate(), wrapped(sender, solver.public_key, rumor))
    broken = json.loads(wrapped(sender, solver.public_key, rumor).as_json())
    broken["created_at"] += 1
    with pytest.raises(NotReadable, match="bad id or signature"):
        unwrap(solver.keys, Event.from_json(json.dumps(broken)))
    with pytest.raises(NotReadable):
        unwrap(solver.keys, wrapped(Keys.generate(), solver.public_key, rumor))  # seal != rumor


async def test_all_events_pages_past_what_one_filter_serves(relay: LoopbackRelay) -> None:
    sender, solver = Keys.generate(), SolverInbox([relay.url])
    rumors = [message(sender, solver.public_key, f"message {number}") for number in range(620)]
    wraps = [wrapped(sender, solver.public_key, rumor) for rumor in rumors]
    answers = await publish_many(relay.url, wraps)
    assert all(answer.accepted for answer in answers)
    held = await solver.all_events(relay.url)
    assert len(held) == 620
    assert {each.text for each in held} == {f"message {number}" for number in range(620)}


async def test_a_solver_publishes_inbox_relays(relay: LoopbackRelay) -> None:
    async with SolverInbox([relay.url]) as solver:
        await solver.publish_inbox_relays(["wss://inbox.example", relay.url])
        (event,) = await stored(relay.url, KIND_INBOX_RELAYS)
        assert event.author().to_hex() == solver.public_key
        assert [each.to_vec() for each in event.tags()] == [
            ["relay", "wss://inbox.example"],
            ["relay", relay.url],
        ]


async def test_a_solver_hears_again_after_a_cut_and_authenticates() -> None:
    sender = Keys.generate()
    async with (
        LoopbackRelay() as relay,
        FaultProxy(relay.url, FAULTS["auth-at-once"].make()) as proxy,
        SolverInbox([proxy.url]) as solver,
        RelayPeer(relay.url) as peer,
    ):
        proxy.cut()
        rumor = message(sender, solver.public_key, "after the cut")
        await peer.publish(wrapped(sender, solver.public_key, rumor))
        await eventually(lambda: len(solver.received) == 1)
        assert solver.unreadable == []


@pytest.mark.parametrize("mode", ["read", "write", "both"])
async def test_relay_with_auth(mode: str) -> None:
    async with LoopbackRelay(auth=mode) as relay:
        async with MostroNode([relay.url]) as node:
            dispute = await node.open_dispute()
        async with RelayPeer(relay.url, keys=Keys.generate()) as peer:
            (event,) = await peer.fetch({"kinds": [KIND_DISPUTE]})
        assert event.id().to_hex() == dispute.revisions[0].id().to_hex()


async def test_relay_serves_wraps_only_to_their_receiver() -> None:
    sender = Keys.generate()
    async with LoopbackRelay(auth="read", auth_dm=True) as relay:
        solver = SolverInbox([relay.url])
        rumor = message(sender, solver.public_key, "for you alone")
        async with RelayPeer(relay.url, keys=sender) as peer:
            await peer.publish(wrapped(sender, solver.public_key, rumor))
            with pytest.raises(PeerError, match="gift wrap"):
                await peer.fetch({"kinds": [1059], "#p": [solver.public_key]})
        assert [each.text for each in await solver.all_events(relay.url)] == ["for you alone"]


async def test_relay_restarts_on_its_port(relay: LoopbackRelay) -> None:
    url = relay.url
    async with MostroNode([url]) as node:
        await node.open_dispute()
        await relay.restart()
        assert relay.url == url
        assert await stored(url, KIND_DISPUTE) == []
        await node.open_dispute()
        assert len(await stored(url, KIND_DISPUTE)) == 1


async def test_relay_takes_more_than_the_default_rate(relay: LoopbackRelay) -> None:
    client = await dial(relay.url)
    async with MostroNode([relay.url]) as node:
        for number in range(150):
            (dispute,) = node.sign_many(1)
            event = dispute.revisions[0]
            await say(client, "EVENT", json.loads(event.as_json()))
            assert (await hear(client))[2] is True, number
    await client.close()


async def test_relay_in_a_process_of_its_own() -> None:
    async with RelayProcess() as process:
        url = process.url
        async with MostroNode([url]) as node:
            await node.open_dispute()
        client = await dial(url)
        process.kill()
        with pytest.raises(ConnectionClosed):
            await hear(client)
        await process.stop()
        await process.start()
        assert process.url == url
        assert await stored(url, KIND_DISPUTE) == []


async def test_the_relay_process_ends_with_its_standard_input() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "serbero.simulator.relay",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"ws://127.0.0.1:")
    assert process.stdin is not None
    process.stdin.close()
    out, _ = await within(SystemClock(), 20, process.communicate())
    assert out == b""
    assert process.returncode == 0


async def test_relay_demands_work() -> None:
    async with LoopbackRelay(min_pow=16) as relay, MostroNode([relay.url]) as node:
        with pytest.raises(PeerError, match="pow: "):
            await node.open_dispute()


async def test_malformed_shapes_are_what_they_say(relay: LoopbackRelay) -> None:
    keys, now = Keys.generate(), int(time.time())
    wrong, bad, odd = (make(keys, now) for make in (wrongly_tagged, badly_signed, odd_but_valid))
    assert len(wrong) + len(bad) >= 60
    assert all(Event.from_json(text).verify() for text in (wrong | odd).values())
    client = await dial(relay.url)
    async with RelayPeer(relay.url) as peer:
        for name, text in odd.items():
            answer = await peer.publish(Event.from_json(text))
            assert answer.accepted, name
    for name, text in bad.items():  # the relay refuses, cuts off or ignores each of them
        await client.send(f'["EVENT",{text}]')
        reply = await hear(client)
        assert reply[0] == "NOTICE" or reply[2] is False, name
    await client.close()
