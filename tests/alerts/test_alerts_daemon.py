"""Every event from where it happens to a real service, and a daemon that does not care about it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.alerts.endpoint import Endpoint, Manner, endpoint
from tests.daemon.rig import Daemon, World, world

from serbero.alerts.collecting import LOOK_SECONDS
from serbero.alerts.damping import HOLD_SECONDS
from serbero.model.mediation import Trigger
from serbero.simulator.faults import FAULTS
from serbero.store import standing
from serbero.store.escalations import Handoff, escalate_dispute
from serbero.store.mediation_events import Pins
from serbero.store.standing import Standing, StandingState

SOON = LOOK_SECONDS + 7


def channel(service: Endpoint, name: str = "", events: str = "") -> str:
    lines = ["[[alerts]]", f'url = "{service.url}"']
    if name:
        lines.append(f'name = "{name}"')
    if events:
        lines.append(f"events = [{events}]")
    return "\n".join(lines)


@asynccontextmanager
async def telling(
    folder: Path, sections: str = "", *, manner: Manner = "take", more: str = "", solvers: int = 1
) -> AsyncIterator[tuple[World, Daemon, Endpoint]]:
    """A daemon that hears, with one channel for everything."""
    async with endpoint(manner) as service, world(folder, solvers=solvers) as here:
        here.neighbours.append(service)
        config = here.config(f"{channel(service)}\n{more}", sections=sections)
        async with here.node.serving(), here.hearing(config) as daemon:
            # Without its info a part would be degraded, which is told of.
            await here.node.switch(protocol=2)
            await here.until(
                lambda: daemon.parts.node.watch.info is not None, limit_seconds=60, what="info"
            )
            yield here, daemon, service


async def told(here: World, service: Endpoint, count: int, seconds: float = SOON) -> list[str]:
    await here.until(lambda: len(service.calls) >= count, limit_seconds=seconds, what="an alert")
    await here.settle()
    return service.texts


def lines(text: str) -> list[str]:
    return [re.sub(r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$", "<time>", x) for x in text.split("\n")]


async def test_a_new_dispute_and_the_same_reopened(tmp_path: Path) -> None:
    async with telling(tmp_path) as (here, _, service):
        dispute = await here.node.open_dispute()
        assert lines((await told(here, service, 1))[0]) == [
            f"Serbero: new dispute {dispute.id[:8]}",
            f"A dispute was opened by the {dispute.initiator}.",
            f"dispute {dispute.id}",
            "<time>",
        ]
        await here.revision(dispute.id, "in-progress", at=here.clock.now() + 1)
        await here.elapse(SOON)
        await here.revision(dispute.id, "initiated", at=here.clock.now() + 2)
        assert "opened again" in (await told(here, service, 2))[1]


async def test_nobody_takes_a_dispute_one_alert_a_round(tmp_path: Path) -> None:
    sections = "[timeouts]\nrenotification_seconds = 20\nrenotification_check_interval_seconds = 5"
    async with telling(tmp_path, sections, solvers=2) as (here, _, service):
        dispute = await here.node.open_dispute()
        await told(here, service, 1)
        texts = await told(here, service, 3, 60)
        assert lines(texts[1]) == [
            f"Serbero: nobody has taken a dispute {dispute.id[:8]}",
            "Nobody has taken this dispute. Solvers are reminded (reminder 1).",
            f"dispute {dispute.id}",
            "<time>",
        ]
        assert "(reminder 2)" in texts[2]


async def test_a_dispute_needs_a_human_with_or_without_a_session(tmp_path: Path) -> None:
    async with telling(tmp_path) as (here, daemon, service):
        dispute = await here.node.open_dispute()
        await told(here, service, 1)
        reason = Handoff(Trigger.FRAUD_INDICATOR, reason="planted words of a model")
        made = await daemon.parts.base.store.transact(
            escalate_dispute, dispute.id, reason, Pins("bundle", "hash"), here.clock.now()
        )
        assert made is not None
        assert lines((await told(here, service, 2))[1]) == [
            f"Serbero: a dispute needs a human {dispute.id[:8]}",
            "This dispute needs a human. Solvers are told.",
            f"dispute {dispute.id}",
            "<time>",
        ]


async def test_a_message_that_no_relay_took(tmp_path: Path) -> None:
    more = "[delivery]\ndeadline_seconds = 10"
    async with telling(tmp_path, more=more, solvers=2) as (here, _, service):
        here.proxies[0].add(FAULTS["ok-false:rate-limited"].make())
        dispute = await here.node.open_dispute()
        await told(here, service, 1)
        texts = await told(here, service, 2, 30)
        assert lines(texts[1])[:2] == [
            "Serbero: 2 alerts",
            "A message to a solver was given up: no relay took it until its deadline "
            "(a new dispute).",
        ]
        assert texts[1].count(f"dispute {dispute.id}") == 2
        await here.elapse(SOON)
        assert len(service.calls) == 2


@pytest.mark.soak
async def test_a_part_that_fails_and_works_again(tmp_path: Path) -> None:
    async with telling(tmp_path) as (here, daemon, service):
        outage = here.proxies[0].add(FAULTS["refuse"].make())
        here.proxies[0].cut()
        await here.until(
            lambda: not daemon.parts.base.health.ready, limit_seconds=30, what="degraded"
        )
        await here.elapse(HOLD_SECONDS - 15)
        assert not service.calls, "a blip would not be told"
        assert lines((await told(here, service, 1, 30))[0]) == [
            "Serbero: something does not work",
            "Too few relays deliver dispute events.",
            "`serbero doctor` says what to do.",
            "<time>",
        ]
        here.proxies[0].remove(outage)
        await here.until(
            lambda: daemon.parts.base.health.ready, limit_seconds=60, what="well again"
        )
        texts = await told(here, service, 2, HOLD_SECONDS + SOON)
        assert lines(texts[1])[:2] == [
            "Serbero: works again",
            "Enough relays deliver dispute events again, after 1 minute.",
        ]


async def test_a_database_that_fails_is_told_of_from_memory(tmp_path: Path) -> None:
    async with telling(tmp_path) as (here, daemon, service):
        await pragma(daemon, "query_only = ON")
        dispute = await here.node.open_dispute()
        texts = await told(here, service, 1, HOLD_SECONDS + SOON + 30)
        assert "The database does not take writes." in texts[0]
        await here.elapse(HOLD_SECONDS)
        assert len(service.calls) == 1
        await pragma(daemon, "query_only = OFF")
        texts = await told(here, service, 3, 2 * HOLD_SECONDS)
        assert f"new dispute {dispute.id[:8]}" in texts[1]
        assert "The database takes writes again" in texts[2]
        beliefs = await daemon.rows("SELECT * FROM cursors WHERE name LIKE 'alerts.part.%'")
        assert beliefs == [("alerts.part.store", 0)] or beliefs == []


async def pragma(daemon: Daemon, text: str) -> None:
    """Change the daemon's own connection: a file system that turns read-only looks like that."""

    def change() -> None:
        with daemon.parts.base.store._writer.connect() as connection:
            connection.connection.cursor().execute(f"PRAGMA {text}")

    await asyncio.get_running_loop().run_in_executor(daemon.parts.base.store._write_thread, change)


async def test_the_node_refuses_us_and_lets_us_in_again(tmp_path: Path) -> None:
    async with telling(tmp_path) as (here, daemon, service):

        async def now_is(state: StandingState) -> None:
            new = Standing(state, here.clock.now(), own_key=here.own.public_key().to_hex())
            await daemon.parts.base.store.transact(standing.save, here.node.public_key, new)

        await now_is(StandingState.REFUSED)
        assert "does not let Serbero take disputes" in (await told(here, service, 1))[0]
        await now_is(StandingState.TERMINATED)
        await here.elapse(SOON)
        assert len(service.calls) == 1, "nothing new in that"
        await now_is(StandingState.AUTHORIZED)
        assert "lets Serbero take disputes again" in (await told(here, service, 2))[1]


async def test_a_channel_is_told_of_what_it_asked_for_alone(tmp_path: Path) -> None:
    async with (
        endpoint() as all_of_it,
        endpoint() as some,
        world(tmp_path, solvers=1) as here,
    ):
        here.neighbours += [all_of_it, some]
        few = channel(some, "desk", '"escalated", "degraded"')
        both = f"{channel(all_of_it, 'phone')}\n{few}"
        async with here.node.serving(), here.hearing(here.config(both)):
            await here.node.open_dispute()
            await told(here, all_of_it, 1)
            assert not some.calls


@pytest.mark.soak
async def test_the_past_is_not_told_to_a_channel_that_is_new(tmp_path: Path) -> None:
    async with endpoint() as service, endpoint() as later, world(tmp_path, solvers=1) as here:
        here.neighbours += [service, later]
        async with here.hearing() as _:
            await here.told(await here.node.open_dispute())
        phone = channel(service, "phone")
        async with here.hearing(here.config(phone)):
            await here.elapse(SOON)
            assert not service.calls
            second = await here.node.open_dispute()
            await told(here, service, 1)
        async with here.hearing(here.config(f"{phone}\n{channel(later, 'desk')}")):
            await here.elapse(SOON)
            assert not later.calls
            third = await here.node.open_dispute()
            await told(here, later, 1)
            await told(here, service, 2)
        assert [second.id[:8] in service.texts[0], third.id[:8] in later.texts[0]] == [True, True]
        async with here.hearing():  # without any for a while
            await here.told(await here.node.open_dispute())
        async with here.hearing(here.config(phone)):
            await here.elapse(SOON)
            assert len(service.calls) == 2
