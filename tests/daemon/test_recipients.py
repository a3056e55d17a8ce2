"""Where messages go: configured relays, the solver's own, and what is refused."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.daemon.rig import Daemon, World, firsts, world
from tests.daemon.settling import WatchedProxy

from serbero.delivery.inboxes import MISSING_REFRESH_SECONDS
from serbero.simulator.behaviour import Way
from serbero.simulator.events import inbox_relays_event
from serbero.simulator.faults import FAULTS
from serbero.simulator.peer import RelayPeer
from serbero.simulator.proxy import Link
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox
from serbero.simulator.wire import Frame

Inbox = LoopbackRelay | WatchedProxy
PRIVATE = "[delivery]\nallow_private_relays = true\n"
DAY_SECONDS = 86_400


async def _holds(solver: SolverInbox, relay: Inbox) -> int:
    return len(await solver.all_events(relay.url))


async def _targets(daemon: Daemon, solver: SolverInbox) -> set[str]:
    rows = await daemon.rows(
        "SELECT DISTINCT t.relay FROM outbox_targets t JOIN outbox o ON o.id = t.outbox_id"
        " WHERE o.recipient = :key",
        key=solver.public_key,
    )
    return {row[0] for row in rows}


async def _publish_inboxes(here: World, solver: SolverInbox, urls: Sequence[str]) -> None:
    """The solver's client publishes its list on the configured relay."""
    event = inbox_relays_event(solver.keys, here.clock.now(), urls)
    async with RelayPeer(here.relays[0].url, keys=solver.keys) as peer:
        assert (await peer.publish(event)).accepted


async def _arrives(here: World, solver: SolverInbox, relay: Inbox, count: int) -> None:
    async def there() -> bool:
        return await _holds(solver, relay) == count

    await here.until(there, limit_seconds=30, what=f"{count} messages at the inbox relay")


async def test_a_published_inbox_is_used_beside_the_configured_relays(here: World) -> None:
    async with here.inbox() as inbox:
        first, second = here.solvers
        await _publish_inboxes(here, first, [inbox.url])
        async with here.hearing(here.config(PRIVATE)) as daemon:
            await here.elapse(5)
            dispute = await here.node.open_dispute()
            await here.told(dispute)
            await _arrives(here, first, inbox, 1)
            assert await _holds(first, here.relays[0]) == 1
            assert await _holds(second, inbox) == 0
            [one] = await first.all_events(inbox.url)
            [other] = await first.all_events(here.relays[0].url)
            assert one.outer_id == other.outer_id, "the same bytes to each"
            assert await daemon.one("SELECT count(*) FROM notifications") == 2


async def test_an_inbox_learned_late_gets_what_no_relay_took(here: World) -> None:
    """The targets of a waiting message are resolved again when its recipient names others."""
    solver = here.solvers[0]
    config = here.config(PRIVATE, solvers=[solver.public_key])
    async with here.inbox() as inbox:
        async with here.hearing(config):
            await here.until(
                lambda: here.logs.named("inbox_relays", solver=solver.public_key),
                limit_seconds=30,
                what="the list was looked for, and is missing",
            )
        looked = here.clock.monotonic()
        await here.clock.advance(MISSING_REFRESH_SECONDS - 200)
        async with here.hearing(config) as daemon:
            here.proxies[0].add(FAULTS["ok-false:blocked"].make())
            dispute = await here.node.open_dispute()
            await here.elapse(60)
            assert await daemon.state_of(dispute) == "new"
            await _publish_inboxes(here, solver, [inbox.url])

            async def there() -> bool:
                return await _holds(solver, inbox) == 1

            # Asked for again an hour after the last look, give or take what one sleep lasts.
            await here.until(there, limit_seconds=600, what="the message at the inbox relay")
            assert here.clock.monotonic() - looked >= MISSING_REFRESH_SECONDS - 1
            await here.settle()
            assert await daemon.state_of(dispute) == "notified"


async def test_a_list_is_read_again_each_day(here: World) -> None:
    async with here.inbox() as old, here.inbox() as new:
        solver = here.solvers[0]
        config = here.config(PRIVATE, solvers=[solver.public_key])
        await _publish_inboxes(here, solver, [old.url])
        async with here.hearing(config):
            await here.elapse(5)
        await here.clock.advance(60)
        await _publish_inboxes(here, solver, [new.url])
        async with here.hearing(config):
            await here.elapse(5)
            await here.told(await here.node.open_dispute(), solvers=[solver])
            await _arrives(here, solver, old, 1)
            assert await _holds(solver, new) == 0, "what is remembered is less than a day old"
        await here.clock.advance(DAY_SECONDS)
        async with here.hearing(config):
            await here.elapse(5)
            await here.told(await here.node.open_dispute(), solvers=[solver])
            await _arrives(here, solver, new, 1)
            assert await _holds(solver, old) == 1


async def test_configured_inboxes_override_published_ones(here: World) -> None:
    async with here.inbox() as published, here.inbox() as configured:
        solver = here.solvers[0]
        await _publish_inboxes(here, solver, [published.url])
        extra = (
            f'{PRIVATE}[[solvers]]\npubkey = "{solver.public_key}"\nrelays = ["{configured.url}"]\n'
        )
        async with here.hearing(here.config(extra, solvers=[])) as daemon:
            await here.elapse(5)
            dispute = await here.node.open_dispute()
            await here.told(dispute, solvers=[solver])
            await _arrives(here, solver, configured, 1)
            assert await _holds(solver, published) == 0
            assert await _targets(daemon, solver) == {here.proxies[0].url, configured.url}


async def test_insecure_and_private_addresses_are_refused_by_default(here: World) -> None:
    """A stranger's list must not make us connect into our own network, or in the clear."""
    async with here.inbox() as inbox:
        solver = here.solvers[0]
        listed = [inbox.url, "wss://127.0.0.1:1", "wss://10.0.0.7", "ws://relay.example.com"]
        await _publish_inboxes(here, solver, listed)
        async with here.hearing() as daemon:
            await here.elapse(5)
            dispute = await here.node.open_dispute()
            await here.told(dispute)
            await here.elapse(30)
            assert await _targets(daemon, solver) == {here.proxies[0].url}
            assert await _holds(solver, inbox) == 0


async def test_a_forged_list_is_not_used(here: World) -> None:
    """A relay cannot redirect messages: the list's author and signature are checked."""
    async with here.inbox() as trap:
        solver = here.solvers[0]
        mallory = inbox_relays_event(Keys.generate(), here.clock.now(), [trap.url])
        forged = json.loads(mallory.as_json()) | {"pubkey": solver.public_key}

        def lie(way: Way, text: str, _link: Link) -> list[Frame] | None:
            message = json.loads(text)
            if way == "down" and message[0] == "EOSE" and message[1].startswith("ask:"):
                return [json.dumps(["EVENT", message[1], forged]), text]
            return [text]

        here.proxies[0].add(lie)
        async with here.hearing(here.config(PRIVATE)) as daemon:
            await here.elapse(5)
            dispute = await here.node.open_dispute()
            await here.told(dispute)
            assert await _targets(daemon, solver) == {here.proxies[0].url}


@pytest.mark.parametrize("auth", ["read", "write", "both"])
async def test_a_relay_that_demands_authentication(tmp_path: Path, auth: str) -> None:
    """Really NIP-42, without a proxy: the answer names the relay that was dialled."""
    async with world(tmp_path, relay={"auth": auth}) as here:
        config = here.config(urls=[here.relays[0].url])
        async with here.run(config) as daemon:
            await here.until(lambda: daemon.hearing, limit_seconds=30, what="hearing")
            here.quiet = 0.05
            dispute = await here.node.open_dispute()
            await here.told(dispute)
            await here.node.take(dispute)
            await here.until(
                lambda: all(len(each.messages) == 2 for each in here.solvers),
                limit_seconds=10,
                what="the take is told",
            )
            assert [len(firsts(each, dispute)) for each in here.solvers] == [1, 1]


async def test_a_relay_that_refuses_back_dated_wraps(here: World) -> None:
    """NIP-01's own example of ``invalid:``; a wrap of the present is what helps."""
    reason = "invalid: event creation date is too far off from the current time"

    def refuse(way: Way, text: str, link: Link) -> list[Frame] | None:
        if way == "up" and text.startswith('["EVENT"'):
            event = json.loads(text)[1]
            if event["created_at"] < here.clock.now() - 3600:
                link.send_down(json.dumps(["OK", event["id"], False, reason]))
                return []
        return [text]

    here.proxies[0].add(refuse)
    async with here.hearing() as daemon:
        dispute = await here.node.open_dispute()
        await here.told(dispute)
        await here.settle()
        assert await daemon.state_of(dispute) == "notified"
        for solver in here.solvers:
            assert len(await solver.all_events(here.relays[0].url)) == 1


@pytest.mark.parametrize("publish", [True, False])
async def test_who_we_are_is_published_on_request_only(here: World, publish: bool) -> None:
    extra = f'[identity]\npublish = {str(publish).lower()}\nname = "Our bot"\nabout = "Hello"\n'
    extra += "[delivery]\nallow_private_relays = true\n"
    async with here.hearing(here.config(extra)):
        await here.elapse(10)
    own = here.own.public_key().to_hex()
    async with RelayPeer(here.relays[0].url) as peer:
        found = await peer.fetch({"kinds": [0, 10050], "authors": [own]})
    by_kind = {each.kind().as_u16(): each for each in found}
    if not publish:
        assert by_kind == {}
        return
    profile = json.loads(by_kind[0].content())
    assert (profile["name"], profile["about"], profile["bot"]) == ("Our bot", "Hello", True)
    tags = [tag.to_vec() for tag in by_kind[10050].tags()]
    assert tags == [["relay", here.proxies[0].url]]


async def test_no_private_address_is_published(here: World) -> None:
    """The profile is; a list of inbox relays that nobody else can reach is not."""
    async with here.hearing(here.config("[identity]\npublish = true\n")):
        await here.elapse(10)
    own = here.own.public_key().to_hex()
    async with RelayPeer(here.relays[0].url) as peer:
        found = await peer.fetch({"kinds": [0, 10050], "authors": [own]})
    assert [each.kind().as_u16() for each in found] == [0]


async def test_a_token_in_an_address_is_told_to_nobody(here: World) -> None:
    """The relay is asked by its whole address; metrics and rows show it without the query."""
    config = here.config(urls=[f"{here.proxies[0].url}?token=hush"])
    async with here.hearing(config) as daemon:
        here.proxies[0].add(FAULTS["ok-false:error"].make())
        await here.node.open_dispute()
        await here.until(
            lambda: here.logs.named("notification_failed"), limit_seconds=30, what="refused"
        )
        rows = await daemon.rows("SELECT error_message FROM notifications")
        assert rows
        assert all("?…" in text and "hush" not in text for (text,) in rows)
        rendered = daemon.parts.base.metrics.render().decode()
        assert 'relay="' in rendered
        assert "hush" not in rendered


async def test_a_removed_solver_hears_of_nothing_more(here: World) -> None:
    """What no relay took before the restart is not sent to somebody who is no longer configured."""
    stays, leaves = here.solvers
    async with here.hearing() as daemon:
        refusal = here.proxies[0].add(FAULTS["ok-false:error"].make())
        dispute = await here.node.open_dispute()
        await here.until(
            lambda: len(here.logs.named("notification_failed")) == 2,
            limit_seconds=30,
            what="nobody could be told",
        )
    here.proxies[0].remove(refusal)
    async with here.hearing(here.config(solvers=[stays.public_key])) as daemon:
        await here.told(dispute, solvers=[stays])
        await here.elapse(400)
        assert await _holds(leaves, here.relays[0]) == 0
        assert await daemon.rows("SELECT kind, dispute_id FROM journal") == [
            ("message_withdrawn", dispute.id)
        ]
    [line] = here.logs.named("message_withdrawn")
    assert (line["solver"], line["reason"]) == (leaves.public_key, "recipient_removed")
