"""Against a real relay."""

from nostr_sdk import Keys
from tests.relays.relay_rig import StartPool, dispute

from serbero.nostr.replies import PublishOutcome
from serbero.relays.canary import Proof
from serbero.simulator.clock import FakeClock, eventually, run_until
from serbero.simulator.relay import LoopbackRelay


async def test_hears_publishes_and_asks(
    relay: LoopbackRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(relay.url)
    await eventually(lambda: rig.pool.states()[0].hearing is Proof.HEARING)
    author = Keys.generate()
    event = dispute(author)
    first = await rig.pool.publish(relay.url, event)
    again = await rig.pool.publish(relay.url + "/", event)
    assert (first.outcome, again.outcome) == (PublishOutcome.ACCEPTED, PublishOutcome.DUPLICATE)
    await eventually(lambda: rig.ids() == [event.id().to_hex()])
    answer = await rig.pool.ask(relay.url, [{"kinds": [38386]}], 5)
    assert answer.complete
    assert [each.id().to_hex() for each in answer.events] == rig.ids()
    await run_until(clock, lambda: rig.notes.count("canary") >= 3, limit_seconds=60)
    state = rig.pool.states()[0]
    assert state.attempts == 1
    assert state.last_canary_ms is not None
    assert rig.pool.hearing_count() == 1
