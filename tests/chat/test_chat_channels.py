"""Live chats: what parties write is accepted once, whatever happens around it."""

from tests.chat.chat_rig import Writer, publish
from tests.chat.conftest import StartHousehold

from serbero.mostro.chat import Envelope
from serbero.simulator.clock import FakeClock
from serbero.simulator.relay import LoopbackRelay


async def test_both_envelopes_are_read_live(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    buyer, seller = Writer(1), Writer(2)
    await house.open(buyer, seller)
    await house.listens()
    await publish(relay.url, buyer.words("new", clock.now()))
    await publish(relay.url, seller.old_words("old", clock.now()))
    await house.heard_all("new", "old", limit=5)
    assert {each.message.text: each.message.envelope for each in house.heard} == {
        "new": Envelope.KIND14,
        "old": Envelope.GIFT_WRAP,
    }
    assert sorted(house.stored()) == ["new", "old"]
    rows = house.rows("SELECT dispute_id, envelope FROM chat_cursors")
    assert dict(rows) == {buyer.dispute: "kind14", seller.dispute: "gift-wrap"}
