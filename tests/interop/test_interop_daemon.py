"""The whole daemon takes disputes and tells solvers, beside a node and people on nostr-tools."""

import pytest
from nostr_sdk import Keys
from tests.interop.house import VIAS, House, nothing_left, rows

from serbero.mostro.node_info import Transport
from serbero.node.result import Refused, Taken
from serbero.node.standing import Way
from serbero.simulator.clock import eventually

SECRETS = ("2b" * 32, "1a" * 32, "lnbcrt1secretinvoice")


async def test_each_solver_is_told_on_the_channel_wanted(house: House) -> None:
    async with house.daemon() as parts:
        trade = await house.open()
        for solver, channels in VIAS.items():
            for via in channels:
                told = await house.peer.heard("dm", solver, via=via)
                assert told["sender"] == house.public_key
                assert told["text"].startswith("New Mostro dispute requires attention.\n")
                assert trade.dispute in told["text"]
                assert via == "nip17" or told["dispute"] == trade.dispute
        await eventually(lambda: nothing_left(parts), what="the outbox is done")
        sent = "SELECT solver_pubkey FROM notifications WHERE status = 'sent'"
        assert len(await rows(parts, sent)) == len(VIAS), "one row a solver, whatever the channels"
    for solver, channels in VIAS.items():
        assert sorted(each["via"] for each in house.peer.all("dm", solver)) == sorted(channels)


@pytest.mark.parametrize("transport", list(Transport))
async def test_dispute_is_taken(house: House, transport: Transport) -> None:
    await house.peer.do("configure", "the node", transport=transport, pow=4, pow_first_contact=8)
    async with house.daemon() as parts:
        trade = await house.open()
        await house.peer.heard("dm", "by nip17")
        taken = await parts.node.taker.take(trade.dispute)
        assert isinstance(taken, Taken), taken
        assert taken.attempts == 1
        assert (taken.info.buyer, taken.info.seller) == (trade.buyer, trade.seller)
        heard = await house.peer.heard("request", "the node")
        assert heard["canonical"]
        assert heard["sender"] == heard["identity"] == house.public_key
        assert heard["asked"]["version"] == transport.message_version
        assert heard["bits"] >= 8 if transport is Transport.NIP44 else heard["bits"] >= 4
        for party in ("buyer", "seller"):
            notice = await house.peer.heard("notice", party, action="admin-took-dispute")
            assert notice["payload"]["peer"]["pubkey"] == house.public_key
        wanted = f"assigned_solver: {house.public_key}\n"
        await eventually(
            lambda: any(wanted in each["text"] for each in house.peer.all("dm", "by mostro")),
            what="solvers are told that we hold it",
        )
        kept = repr(
            [
                await rows(parts, sql)
                for sql in ("SELECT * FROM takes", "SELECT * FROM parties", "SELECT * FROM journal")
            ]
        )
        assert trade.buyer in kept
        assert not any(secret in kept + repr(taken) for secret in SECRETS)


async def test_switch_of_transport_is_followed(house: House) -> None:
    async with house.daemon() as parts:
        first, second = await house.open("one "), await house.open("two ")
        assert isinstance(await parts.node.taker.take(first.dispute), Taken)
        await house.peer.do("configure", "the node", transport="gift-wrap")
        await eventually(
            lambda: (
                isinstance(parts.node.watch.way, Way)
                and parts.node.watch.way.transport is Transport.GIFT_WRAP
            ),
            what="the switch is noticed",
        )
        assert isinstance(await parts.node.taker.take(second.dispute), Taken)
    kinds = [each["kind"] for each in house.peer.all("request", "the node")]
    assert kinds == [14, 1059]


async def test_refusal_ends_a_take(house: House) -> None:
    async with house.daemon() as parts:
        trade = await house.open()
        await house.peer.heard("dm", "by nip17")
        other = Keys.generate().public_key().to_hex()
        await house.peer.do("take_over", "the node", dispute=trade.dispute, solver=other)
        result = await parts.node.taker.take(trade.dispute)
        assert isinstance(result, Refused)
        assert result.reason == "invalid_pubkey"
