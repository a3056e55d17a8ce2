"""Our standing in a life of the daemon: a real database, a clock that is moved, restarts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from tests.store.rig import NODE, audience, dispute_id, revision

from serbero.config.models import MediationSection
from serbero.intake.recording import record_revisions
from serbero.mediation.authority import Authority
from serbero.mediation.standing import Gate, RetryPace
from serbero.model.taking import TakeState
from serbero.mostro.node_info import NodeInfo, Transport
from serbero.nostr.keys import npub
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock, eventually
from serbero.store import standing, takes
from serbero.store.engine import Store
from serbero.store.patient import PatientStore
from serbero.store.standing import Standing, StandingState

OWN = "4f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa"
OTHER = "22" * 32
PACE = RetryPace.of(MediationSection())
STRANGER = "invalid_pubkey"
ONE, TWO = dispute_id(1), dispute_id(2)


def info_event(at: int, serbero: str | None = None, version: str = "0.19.1") -> NodeInfo:
    return NodeInfo(
        node=NODE,
        event_id=f"{at:064x}",
        created_at=at,
        transport=Transport.NIP44,
        protocol_version="2",
        pow=0,
        pow_first_contact=0,
        serbero=serbero,
        version=version,
        name=None,
        cltv_delta=144,
        bond_enabled=None,
        networks=(),
    )


@dataclass
class World:
    """What outlives a life: the file, the clock, the node's word, and what was seen to happen."""

    path: Path
    clock: FakeClock
    info: NodeInfo | None
    lost: list[int] = field(default_factory=list)
    changes: int = 0
    lose: Callable[[sa.Connection], None] | None = None

    def publish(self, serbero: str | None = None, version: str = "0.19.1") -> None:
        """Let the node say something now."""
        self.info = info_event(self.clock.now(), serbero, version)


@dataclass
class Life:
    """One life of an authority."""

    world: World
    store: Store
    health: Health
    authority: Authority

    def state(self) -> StandingState:
        return self.authority.state

    async def advance(self, seconds: float) -> None:
        """Let time pass and what falls due be done."""
        await self.idle()
        await self.world.clock.advance(seconds)
        await self.idle()

    async def idle(self) -> None:
        """Wait until the loop has nothing to do at this time."""
        authority = self.authority
        await eventually(
            lambda: (
                not authority._news.is_set()
                and not authority._inbox
                and authority._until_next() > 0
                and self.world.clock.sleepers == 1
            ),
            what="the loop waits",
        )

    async def tell(self, say: Callable[[], None]) -> None:
        say()
        await self.idle()

    async def refuse(self, dispute: str = ONE, reason: str | None = STRANGER) -> None:
        await self.tell(lambda: self.authority.refused(dispute, reason))

    async def grant(self) -> None:
        await self.tell(self.authority.granted)

    async def news(self, serbero: str | None = None, version: str = "0.19.1") -> None:
        self.world.publish(serbero, version)
        await self.tell(self.authority.info_changed)

    async def lose_standing(self) -> None:
        """Be refused, and let the refusal be decided."""
        await self.refuse()
        await self.advance(30)
        assert self.state() is StandingState.REFUSED

    async def record(self, *revisions: Any) -> None:
        at_ms = self.world.clock.now() * 1000
        await self.store.transact(record_revisions, revisions, audience(1), 0, at_ms)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.store.read(
            lambda tx: [tuple(row) for row in tx.exec_driver_sql(query).fetchall()]
        )

    async def trail(self) -> list[tuple[str, str]]:
        """The audit events of ours, in order."""
        rows = await self.rows("SELECT kind, payload_json FROM mediation_events ORDER BY id")
        return [(kind.removeprefix("auth_retry_"), payload) for kind, payload in rows]

    async def moves(self) -> list[str]:
        rows = await self.rows(
            "SELECT json_extract(payload_json, '$.before') || ' > ' ||"
            " json_extract(payload_json, '$.after') || ': ' ||"
            " json_extract(payload_json, '$.reason')"
            " FROM journal WHERE kind = 'standing_changed' ORDER BY id"
        )
        return [row[0] for row in rows]

    async def kept(self) -> Standing | None:
        return await self.store.read(standing.load, NODE)


@contextlib.asynccontextmanager
async def living(
    world: World, *, own_key: str = OWN, pace: RetryPace = PACE
) -> AsyncIterator[Life]:
    """Begin a life, and end it as a stop of the daemon does."""
    store = Store.open(world.path, world.clock.now())
    health = Health(world.clock)

    def on_lost(tx: sa.Connection, now: int) -> None:
        world.lost.append(now)
        if world.lose is not None:
            world.lose(tx)

    def on_change() -> None:
        world.changes += 1

    authority = Authority(
        node=NODE,
        own_key=own_key,
        info=lambda: world.info,
        store=PatientStore(store, world.clock, health, Metrics()),
        clock=world.clock,
        health=health,
        pace=pace,
        on_lost=on_lost,
        on_change=on_change,
    )
    await authority.load()
    running = asyncio.create_task(authority.run())
    life = Life(world, store, health, authority)
    try:
        await life.idle()
        yield life
    finally:
        running.cancel()
        await asyncio.wait([running])
        store.close()
    assert running.cancelled(), "the loop never ends by itself"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> World:
    """Two disputes that are open since before the test."""
    made = World(tmp_path / "serbero.db", clock, info_event(clock.now() - 300))
    store = Store.open(made.path, clock.now())
    opened = [revision(number, at=clock.now() - 100) for number in (1, 2)]
    await store.transact(record_revisions, opened, audience(1), 0, clock.now() * 1000)
    store.close()
    return made


# --- the first refusal --------------------------------------------------------------------------


async def test_a_refusal_of_a_dispute_that_stays_open_is_our_standing(world: World) -> None:
    async with living(world) as life:
        assert life.authority.gate() is Gate.OPEN
        await life.refuse()
        await life.advance(29)
        assert (life.state(), world.lost) == (StandingState.UNKNOWN, [])
        with capture_logs() as logs:
            await life.advance(1)
        assert life.state() is StandingState.REFUSED
        assert life.authority.gate() is Gate.PENDING
        assert world.lost == [world.clock.now()]
        assert world.changes == 1
        assert await life.trail() == [("attempt", '{"attempt":1,"error":"invalid_pubkey"}')]
        assert await life.moves() == ["unknown > refused: take_refused"]
        part = life.health.parts()[Part.MEDIATION]
        remedy = f"admin-add-solver {npub(OWN)}:read"
        assert not part.ok
        assert remedy in part.reason
        [error] = [each for each in logs if each["log_level"] == "error"]
        assert error["event"] == "solver_standing_refused"
        assert remedy in error["remedy"]


async def test_standing_that_was_known_is_lost_by_the_reference_s_word(world: World) -> None:
    async with living(world) as life:
        await life.grant()
        with capture_logs() as logs:
            await life.lose_standing()
        errors = [each["event"] for each in logs if each["log_level"] == "error"]
        assert errors == ["authorization_lost"]
        assert await life.moves() == [
            "unknown > authorized: take_granted",
            "authorized > refused: take_refused",
        ]


@pytest.mark.parametrize("status", ["in-progress", "settled"])
async def test_a_lost_race_is_no_refusal(world: World, status: str) -> None:
    async with living(world) as life:
        await life.refuse()
        await life.advance(20)
        await life.record(revision(1, status, world.clock.now()))
        await life.advance(60)
        assert life.state() is StandingState.UNKNOWN
        assert (await life.kept(), world.lost, world.changes) == (None, [], 0)
        assert (await life.trail(), await life.moves()) == ([], [])


async def test_a_dispute_that_was_opened_anew_meanwhile_was_a_lost_race(world: World) -> None:
    refused_at = world.clock.now()
    async with living(world) as life:
        await life.store.transact(_finish_take, 1, TakeState.REFUSED, STRANGER, refused_at)
        for minutes, status in ((1, "in-progress"), (10, "initiated")):
            await life.record(revision(1, status, refused_at + minutes * 60))
    await world.clock.advance(1200)
    async with living(world) as life:
        await life.advance(60)
        assert life.state() is StandingState.UNKNOWN


@pytest.mark.parametrize("word", ["not_found", "too_many_requests", "no word we know"])
async def test_other_words_say_nothing_of_us(world: World, word: str) -> None:
    async with living(world) as life:
        await life.refuse(reason=word)
        await life.advance(60)
        assert life.state() is StandingState.UNKNOWN


async def test_a_dispute_nobody_knows_says_nothing(world: World) -> None:
    async with living(world) as life:
        await life.refuse(dispute_id(99))
        await life.advance(60)
        assert life.state() is StandingState.UNKNOWN


async def test_what_we_lost_again_at_once_was_given_to_us(world: World) -> None:
    async with living(world) as life:
        await life.refuse(reason="taken_over")
        assert life.state() is StandingState.AUTHORIZED


async def test_a_grant_in_between_explains_the_refusal(world: World) -> None:
    """Else the sessions of a solver who was registered just now would be ended."""
    async with living(world) as life:
        await life.refuse()
        await life.advance(10)
        await life.grant()
        await life.advance(60)
        assert life.state() is StandingState.AUTHORIZED
        assert world.lost == []


@pytest.mark.parametrize("by", ["take", "name"])
async def test_so_does_one_where_we_could_act_before(world: World, by: str) -> None:
    async with living(world) as life:
        if by == "take":
            await life.grant()
        await life.refuse()
        await life.advance(10)
        await (life.grant() if by == "take" else life.news(OWN))
        await life.advance(60)
        assert life.state() is StandingState.AUTHORIZED
        assert world.lost == []


async def test_many_refusals_at_once_are_one(world: World) -> None:
    async with living(world) as life:
        await life.refuse(ONE)
        await life.refuse(TWO)
        await life.refuse(ONE)
        await life.advance(10)
        await life.refuse(TWO)
        await life.advance(49)
        assert [kind for kind, _ in await life.trail()] == ["attempt"]
        assert len(world.lost) == 1


# --- probing ------------------------------------------------------------------------------------


async def test_two_probes_and_a_recovery(world: World) -> None:
    """Scenario 44, with the takes of eligible disputes as the check."""
    async with living(world) as life:
        await life.lose_standing()
        await life.advance(59)
        assert life.authority.gate() is Gate.PENDING
        await life.advance(1)
        assert life.authority.gate() is Gate.OPEN
        await life.refuse(TWO)
        assert life.authority.gate() is Gate.PENDING
        await life.advance(120)
        assert life.authority.gate() is Gate.OPEN
        with capture_logs() as logs:
            await life.grant()
        assert life.state() is StandingState.AUTHORIZED
        assert await life.trail() == [
            ("attempt", '{"attempt":1,"error":"invalid_pubkey"}'),
            ("attempt", '{"attempt":2,"error":"invalid_pubkey"}'),
            ("recovered", '{"attempt":3}'),
        ]
        assert (await life.moves())[1:] == ["refused > authorized: take_granted"]
        assert life.health.parts()[Part.MEDIATION].ok
        assert "auth_retry_recovered" in [each["event"] for each in logs]
        assert (len(world.lost), world.changes) == (1, 3)
        await life.grant()
        assert world.changes == 3, "nothing new"


async def exhaust(life: Life) -> None:
    """Be refused until the node is given up."""
    await life.lose_standing()
    while life.state() is StandingState.REFUSED:
        kept = await life.kept()
        assert kept is not None
        assert kept.next_probe_at is not None
        await life.advance(kept.next_probe_at - life.world.clock.now())
        await life.refuse(TWO)


async def test_a_node_that_goes_on_refusing_is_given_up_once(world: World) -> None:
    """Scenario 43."""
    async with living(world) as life:
        with capture_logs() as logs:
            await exhaust(life)
        trail = await life.trail()
        assert [kind for kind, _ in trail] == ["attempt"] * 24 + ["terminated"]
        assert trail[-1][1] == '{"attempt":24,"cumulative_secs":64980}'
        assert life.authority.gate() is Gate.TERMINATED
        assert len(world.lost) == 1
        assert [each["event"] for each in logs].count("auth_retry_terminated") == 1
        # A node that publishes the same again and again stays given up.
        for _ in range(3):
            await life.advance(300)
            await life.news()
        await life.refuse(TWO)
        assert life.authority.gate() is Gate.TERMINATED
        assert len(await life.trail()) == 25


SHORT = replace(PACE, max_attempts=2)


@pytest.mark.parametrize("restart", [False, True])
async def test_news_of_the_node_wakes_the_probing(world: World, restart: bool) -> None:
    async with living(world, pace=SHORT) as life:
        await exhaust(life)
        await life.advance(600)
        if not restart:
            await life.news(version="0.19.2")
            assert life.authority.gate() is Gate.OPEN
    async with living(world, pace=SHORT) as life:
        if restart:
            assert life.authority.gate() is Gate.TERMINATED
            await life.advance(10)
            await life.news(version="0.19.2")
        assert life.state() is StandingState.REFUSED
        assert life.authority.gate() is Gate.OPEN
        assert (await life.moves())[-1] == "terminated > refused: node_changed"
        await life.advance(5)
        await life.refuse(TWO)
        assert (await life.trail())[-1] == ("attempt", '{"attempt":1,"error":"invalid_pubkey"}')
        assert len(world.lost) == 1, "nothing is left to lose"


@pytest.mark.parametrize("restart", [False, True])
async def test_a_day_wakes_the_probing(world: World, restart: bool) -> None:
    async with living(world, pace=SHORT) as life:
        await exhaust(life)
        await life.advance(86_399 if not restart else 10)
        assert life.authority.gate() is Gate.TERMINATED
        if not restart:
            await life.advance(61)
            assert life.state() is StandingState.REFUSED
            assert life.authority.gate() is Gate.OPEN
    if restart:
        await world.clock.advance(86_400)
        async with living(world, pace=SHORT) as life:
            assert life.authority.gate() is Gate.OPEN
            await life.grant()
            assert (await life.trail())[-1] == ("recovered", '{"attempt":1}')


# --- the node's info event ----------------------------------------------------------------------


async def test_a_node_that_names_us_needs_no_take(world: World) -> None:
    world.publish(OWN)
    async with living(world) as life:
        assert life.state() is StandingState.AUTHORIZED
        assert await life.moves() == ["unknown > authorized: named"]
        await life.news(OTHER)
        assert life.state() is StandingState.REFUSED
        assert len(world.lost) == 1
        assert await life.trail() == [
            ("attempt", '{"attempt":1,"error":"another_assistant_named"}')
        ]
        assert "names another assistant" in (life.authority.trouble or "")
        await life.advance(1)
        await life.news(OWN)
        assert life.state() is StandingState.AUTHORIZED
        assert (await life.trail())[-1] == ("recovered", '{"attempt":2}')
        assert life.authority.trouble is None


async def test_being_named_ends_the_rest(world: World) -> None:
    async with living(world, pace=SHORT) as life:
        await exhaust(life)
        await life.advance(600)
        await life.news(OWN)
        assert (await life.moves())[-1] == "terminated > authorized: named"
        assert (await life.trail())[-1] == ("recovered", '{"attempt":3}')


async def test_the_info_event_is_looked_at_even_if_nobody_says_so(world: World) -> None:
    async with living(world) as life:
        world.publish(OWN)
        await life.advance(60)
        assert life.state() is StandingState.AUTHORIZED


async def test_a_refusal_outweighs_the_name_and_a_grant_the_other_s(world: World) -> None:
    """A node names a key that traded, and refuses it; or names one and registered two."""
    world.publish(OWN)
    async with living(world) as life:
        await life.lose_standing()
        for _ in range(2):
            await life.advance(20)
            await life.news(OWN)
            assert life.state() is StandingState.REFUSED
        await life.news(OTHER)
        await life.grant()
        for _ in range(2):
            await life.advance(300)
            await life.news(OTHER)
            assert life.state() is StandingState.AUTHORIZED
        assert len(world.lost) == 1


async def test_where_another_is_named_a_refusal_needs_no_second_look(world: World) -> None:
    world.publish(OTHER)
    async with living(world) as life:
        await life.grant()
        await life.refuse()
        await life.record(revision(1, "in-progress", world.clock.now()))
        await life.advance(30)
        assert life.state() is StandingState.REFUSED


# --- restarts -----------------------------------------------------------------------------------


async def test_a_restart_goes_on_at_the_same_pace(world: World) -> None:
    async with living(world) as life:
        await life.lose_standing()
        await life.advance(60)
        await life.refuse(TWO)
        await life.advance(100)
    async with living(world) as life:
        assert life.authority.gate() is Gate.PENDING
        assert not life.health.parts()[Part.MEDIATION].ok
        await life.advance(20)
        assert life.authority.gate() is Gate.OPEN
        await life.refuse()
        assert (await life.trail())[-1] == ("attempt", '{"attempt":3,"error":"invalid_pubkey"}')
        kept = await life.kept()
        assert kept is not None
        assert kept.waited_seconds == 180
        assert len(world.lost) == 1


def _finish_take(
    tx: sa.Connection, number: int, state: TakeState, reason: str | None, at: int
) -> None:
    take = takes.begin(tx, dispute_id(number), None, now=at - 1, deadline_at=at + 30)
    takes.finish(tx, take, state, reason, at)


async def test_a_refusal_before_a_crash_is_decided_after_it(world: World) -> None:
    now = world.clock.now()
    async with living(world) as life:
        await life.store.transact(_finish_take, 1, TakeState.REFUSED, STRANGER, now)
        await life.refuse()
        await life.advance(20)
    await world.clock.advance(600)
    async with living(world) as life:
        await life.advance(29)
        assert life.state() is StandingState.UNKNOWN, "news has yet to come in"
        await life.advance(1)
        assert life.state() is StandingState.REFUSED
        assert len(world.lost) == 1


async def test_a_refusal_that_was_overcome_is_not_decided_again(world: World) -> None:
    async with living(world) as life:
        now = world.clock.now()
        await life.store.transact(_finish_take, 1, TakeState.REFUSED, STRANGER, now)
        await life.lose_standing()
        await life.news(OWN)
    async with living(world) as life:
        await life.advance(60)
        assert life.state() is StandingState.AUTHORIZED
        assert len(world.lost) == 1


async def test_a_refusal_of_yesterday_is_left_to_the_next_take(world: World) -> None:
    now = world.clock.now()
    async with living(world) as life:
        await life.store.transact(_finish_take, 1, TakeState.REFUSED, STRANGER, now)
    await world.clock.advance(86_400)
    async with living(world) as life:
        await life.advance(60)
        assert life.state() is StandingState.UNKNOWN


async def test_a_grant_before_a_crash_counts_after_it(world: World) -> None:
    async with living(world) as life:
        await life.lose_standing()
        await life.advance(60)
        at = world.clock.now()
        await life.store.transact(_finish_take, 2, TakeState.TAKEN, None, at)
    async with living(world) as life:
        assert life.state() is StandingState.AUTHORIZED
        assert (await life.trail())[-1] == ("recovered", '{"attempt":2}')


async def test_a_fresh_key_does_not_inherit_the_refusal(world: World) -> None:
    """A fresh key is what a refused operator is told to make."""
    async with living(world, pace=SHORT) as life:
        await exhaust(life)
    async with living(world, own_key=OTHER) as life:
        assert life.authority.gate() is Gate.OPEN
        assert Part.MEDIATION not in life.health.parts()
        await life.grant()
        kept = await life.kept()
        assert kept is not None
        assert (kept.state, kept.own_key) == (StandingState.AUTHORIZED, OTHER)
        assert len(await life.moves()) == 3


# --- the database -------------------------------------------------------------------------------


async def test_what_ends_with_our_standing_ends_in_its_transaction(world: World) -> None:
    """Where that cannot be written, nothing is; the loop goes on and the next refusal tells."""

    def impossible(tx: sa.Connection) -> None:
        tx.exec_driver_sql("INSERT INTO standing (node) VALUES ('half a row')")

    async with living(world) as life:
        world.lose = impossible
        with capture_logs() as logs:
            await life.refuse()
            await life.advance(30)
        assert "standing_not_recorded" in [each["event"] for each in logs]
        assert (await life.kept(), await life.trail(), await life.moves()) == (None, [], [])
        assert (life.state(), world.changes) == (StandingState.UNKNOWN, 0)
        world.lose = lambda tx: tx.exec_driver_sql(
            "INSERT INTO journal (at, kind, payload_json) VALUES (1, 'ended', '{}')"
        ).close()
        await life.lose_standing()
        assert await life.rows("SELECT kind FROM journal WHERE kind = 'ended'") == [("ended",)]


async def test_a_database_that_is_away_is_waited_for(world: World) -> None:
    async with living(world) as life:
        raw: Any = life.store._writer.raw_connection()
        raw.driver_connection.execute("PRAGMA query_only = ON").close()
        await life.refuse()
        await world.clock.advance(30)
        await eventually(lambda: not life.health.parts()[Part.STORE].ok)
        assert life.state() is StandingState.UNKNOWN
        raw.driver_connection.execute("PRAGMA query_only = OFF").close()
        raw.close()
        await world.clock.advance(10)
        await eventually(lambda: life.state() is StandingState.REFUSED)
        assert world.changes == 1


async def test_what_another_reports_does_not_hide_a_refusal(world: World) -> None:
    async with living(world) as life:
        await life.lose_standing()
        life.health.set(Part.MEDIATION, ok=True)
        await life.advance(60)
        assert not life.health.parts()[Part.MEDIATION].ok
