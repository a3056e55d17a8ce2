"""``serbero doctor --dm-test`` by each way of ``[[solvers]] via``, with a client of each kind."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import pytest
from nostr_sdk import Event, Keys

from serbero.cli.doctor_checks.dm_test import Address, Correspondence, Exchange, dm_findings
from serbero.cli.doctor_checks.examination import Wishes, examine
from serbero.cli.doctor_checks.findings import Finding, Level
from serbero.clock import SystemClock
from serbero.messages.solver import DM_TEST, DM_TEST_SUBJECT
from serbero.model.notification import Channel
from serbero.mostro.inbound import Inbound
from serbero.mostro.message import Message, canonical, send_dm, take_request
from serbero.mostro.node_info import Transport
from serbero.mostro.transport import MESSAGE_KIND, unwrap, wrap
from serbero.nostr.keys import npub, shortened
from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.nostr.rumor import direct_message
from serbero.nostr.wrap import gift_wrap
from serbero.relays.pool import RelayPool
from serbero.simulator.clock import FakeClock, eventually
from serbero.simulator.node import MostroNode
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox

OURS = Keys.generate()
OWN = OURS.public_key().to_hex()
OK, WARN, BROKEN = Level.OK, Level.WARNING, Level.BROKEN
BOTH = (Channel.NIP17, Channel.MOSTRO)
BY_MOSTRO = (Channel.MOSTRO,)
PATIENT = 60.0


class MostroClient:
    """What Mostro's own clients do with ``send-dm``: show what came, and answer the same way."""

    def __init__(self, relay_url: str, keys: Keys | None = None) -> None:
        self.keys = keys or Keys.generate()
        self.heard: list[tuple[Event, Inbound]] = []
        self._peer = RelayPeer(relay_url, keys=self.keys)

    @property
    def public_key(self) -> str:
        return self.keys.public_key().to_hex()

    async def __aenter__(self) -> Self:
        await self._peer.__aenter__()
        wanted = {"kinds": [MESSAGE_KIND], "#p": [self.public_key]}
        await self._peer.subscribe(self._read, wanted)
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self._peer.__aexit__(*problem)

    def _read(self, event: Event) -> None:
        got = unwrap(event, self.keys, now=SystemClock().now())
        assert isinstance(got, Inbound), got
        self.heard.append((event, got))

    async def say(
        self, message: Message | str, at: int | None = None, to: str = OWN, sign: bool = False
    ) -> Event:
        now = SystemClock().now() if at is None else at
        event = wrap(
            Transport.NIP44, self.keys, to, message, created_at=now, expires_at=None, sign=sign
        )
        await self._peer.publish(event)
        return event


def private_answer(solver: Keys) -> Event:
    now = SystemClock().now()
    rumor = direct_message(
        sender=solver.public_key().to_hex(),
        recipient=OWN,
        text="here",
        created_at=now,
        subject="Re",
        root=None,
    )
    return Event.from_json(gift_wrap(solver, OWN, rumor.json, expires_at=now + 3_600).json)


@dataclass
class Install:
    """An installation with one solver, and its examination."""

    folder: Path
    relay: str
    solver: str
    via: str
    node: str = field(default_factory=lambda: Keys.generate().public_key().to_hex())
    progress: list[str] = field(default_factory=list)

    async def dm_test(self) -> list[tuple[Level, str]]:
        path = self.folder / "config.toml"
        path.write_text(
            f'[serbero]\nprivate_key = "{OURS.secret_key().to_bech32()}"\n'
            f'db_path = "{self.folder / "serbero.db"}"\n'
            f'[mostro]\npubkey = "{self.node}"\n'
            "[delivery]\nallow_private_relays = true\n"
            f'[[relays]]\nurl = "{self.relay}"\n'
            f'[[solvers]]\npubkey = "{self.solver}"\nvia = "{self.via}"\n'
        )
        path.chmod(0o600)
        wishes = Wishes(dm_test_seconds=PATIENT, progress=self.progress.append)
        report = await examine(path, {}, SystemClock(), wishes)
        check = f"dm-test {npub(self.solver)}"
        return [(x.level, x.message) for x in report.findings if x.check == check]


async def test_a_mostro_client_is_asked_its_way_and_answers_it(tmp_path: Path) -> None:
    async with (
        LoopbackRelay() as relay,
        MostroClient(relay.url) as client,
        SolverInbox([relay.url], keys=client.keys) as inbox,
    ):
        install = Install(tmp_path, relay.url, client.public_key, "mostro")
        testing = asyncio.create_task(install.dm_test())
        await eventually(lambda: client.heard)
        ((event, asked),) = client.heard
        await client.say(send_dm("here", None))
        ((level, said),) = await testing
        assert inbox.messages == []
    assert (asked.message, asked.sender, asked.signed) == (send_dm(DM_TEST, None), OWN, False)
    tags = {tag.to_vec()[0]: tag.to_vec()[1] for tag in event.tags()}
    assert tags.keys() == {"p", "expiration"}
    assert int(tags["expiration"]) > asked.created_at
    assert level is OK
    assert said.startswith("send-dm: answered after ")
    assert said.endswith(" s; 1 relay took it")
    name = shortened(npub(client.public_key))
    assert f"asked {name} by send-dm through 1 relay" in install.progress
    assert install.progress[-1] == f"{name} answered by send-dm"


async def test_one_who_is_asked_by_mostro_may_answer_by_private_message(tmp_path: Path) -> None:
    async with (
        LoopbackRelay() as relay,
        MostroClient(relay.url) as client,
        SolverInbox([relay.url], keys=client.keys) as inbox,
    ):
        install = Install(tmp_path, relay.url, client.public_key, "mostro")
        testing = asyncio.create_task(install.dm_test())
        await eventually(lambda: client.heard)
        await inbox.publish(private_answer(client.keys))
        ((level, said),) = await testing
    assert level is OK
    assert said.startswith("send-dm: answered after ")
    assert said.endswith(" s by private message; 1 relay took it")


async def test_one_who_is_asked_privately_may_answer_by_mostro(tmp_path: Path) -> None:
    async with (
        LoopbackRelay() as relay,
        SolverInbox([relay.url]) as inbox,
        MostroClient(relay.url, inbox.keys) as client,
    ):
        install = Install(tmp_path, relay.url, client.public_key, "nip17")
        testing = asyncio.create_task(install.dm_test())
        await eventually(lambda: inbox.messages)
        await client.say(send_dm("here", None), sign=True)
        ((level, said),) = await testing
        assert client.heard == []
    assert level is OK
    assert said.startswith("answered after ")
    assert said.endswith(" s by send-dm; 1 relay took it")


async def test_both_ways_are_tried_and_told_of(tmp_path: Path) -> None:
    async with (
        LoopbackRelay() as relay,
        SolverInbox([relay.url]) as inbox,
        MostroClient(relay.url, inbox.keys) as client,
    ):
        install = Install(tmp_path, relay.url, client.public_key, "both")
        testing = asyncio.create_task(install.dm_test())
        await eventually(lambda: inbox.messages and client.heard)
        (message,) = inbox.messages
        await client.say(send_dm("here", None))
        await eventually(lambda: any("answered by send-dm" in each for each in install.progress))
        assert not testing.done()
        await inbox.publish(private_answer(client.keys))
        privately, directly = await testing
        assert len(client.heard) == 1
    assert (message.text, message.tag("subject")) == (DM_TEST, DM_TEST_SUBJECT)
    assert [privately[0], directly[0]] == [OK, OK]
    assert privately[1].startswith("private message: answered after ")
    assert directly[1].startswith("send-dm: answered after ")
    assert " by " not in privately[1] + directly[1]


async def test_the_nodes_relays_carry_question_and_answer(tmp_path: Path) -> None:
    """A Mostro client is where the node is; ours may be elsewhere as well."""
    async with (
        LoopbackRelay() as ours,
        LoopbackRelay() as theirs,
        MostroNode([ours.url, theirs.url]) as node,
        MostroClient(theirs.url) as client,
    ):
        await node.publish_relay_list()
        install = Install(tmp_path, ours.url, client.public_key, "mostro", node.public_key)
        testing = asyncio.create_task(install.dm_test())
        await eventually(lambda: client.heard)
        await client.say(send_dm("here", None))
        ((level, said),) = await testing
    assert level is OK
    assert said.endswith(" s; 2 relays took it")


# --- what is no answer -----------------------------------------------------------------------


@asynccontextmanager
async def corresponding(
    relay: str, address: Address, clock: FakeClock, seen: set[str]
) -> AsyncIterator[tuple[Correspondence, "asyncio.Task[None]"]]:
    """Test messages under way, on a clock the test moves; ``seen`` gets each answer's id."""
    pool = RelayPool(keys=OURS, clock=clock, urls=[relay])
    letters = Correspondence(OURS, [address], clock)
    wanted, progress = letters.subscription(), list[str]()

    def saw(url: str, event: Event) -> None:
        wanted.on_event(url, event)
        seen.add(event.id().to_hex())

    pool.subscribe(replace(wanted, on_event=saw))
    driving: asyncio.Task[None] = asyncio.create_task(pool.run())
    await eventually(lambda: pool.hearing_count() == 1)
    exchange = asyncio.create_task(letters.run(pool, [relay], 120.0, progress.append))
    try:
        await eventually(lambda: any(each.startswith("waiting") for each in progress))
        yield letters, exchange
    finally:
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        await pool.close()


async def all_seen(seen: set[str], events: Collection[Event]) -> None:
    wanted = {each.id().to_hex() for each in events}
    await eventually(lambda: wanted <= seen)


async def test_what_is_no_answer() -> None:
    clock, seen = FakeClock(SystemClock().time()), set[str]()
    dispute = "0d9c6f4a-54a1-4c2e-8f5d-0a5a1f5a7c11"
    async with (
        LoopbackRelay() as relay,
        MostroClient(relay.url) as client,
        MostroClient(relay.url) as stranger,
    ):
        address = Address(client.public_key, channels=BY_MOSTRO)
        async with corresponding(relay.url, address, clock, seen) as (letters, exchange):
            others = [
                await client.say(send_dm("yesterday", None), at=clock.now() - 86_400),
                await client.say(take_request(dispute, 1, 2)),
                await client.say(replace(send_dm("x", None), action="send-something")),
                await client.say("[]"),
                await client.say(canonical(send_dm("x", None)).replace("text_message", "other")),
            ]
            unheard = await stranger.say(send_dm("me, me", None))
            await all_seen(seen, others[1:])
            # A relay that does not look at `since` sends it all the same.
            letters.subscription().on_event(relay.url, others[0])
            await clock.advance(120)
            await exchange
    assert unheard.id().to_hex() not in seen
    (exchanged,) = letters.exchanges
    assert said_of(exchanged) == [
        (WARN, "send-dm: 1 relay took the message; no answer within 120 s")
    ]


@pytest.mark.parametrize("answered", BOTH)
async def test_one_answer_proves_one_way(answered: Channel) -> None:
    clock, seen = FakeClock(SystemClock().time()), set[str]()
    async with (
        LoopbackRelay() as relay,
        SolverInbox([relay.url]) as inbox,
        MostroClient(relay.url, inbox.keys) as client,
    ):
        address = Address(client.public_key, channels=BOTH)
        async with corresponding(relay.url, address, clock, seen) as (letters, exchange):
            if answered is Channel.NIP17:
                answer = private_answer(client.keys)
                await inbox.publish(answer)
            else:
                answer = await client.say(send_dm("here", None))
            await all_seen(seen, [answer])
            await clock.advance(119)
            assert not exchange.done()
            await clock.advance(1)
            await exchange
    found = {each.channel: dm_findings(each, 120.0)[0] for each in letters.exchanges}
    other = Channel.MOSTRO if answered is Channel.NIP17 else Channel.NIP17
    words = {Channel.NIP17: "private message", Channel.MOSTRO: "send-dm"}
    assert found[answered].level is OK
    assert (found[other].level, found[other].message) == (
        WARN,
        f"{words[other]}: 1 relay took the message; no answer within 120 s, though one by "
        f"{words[answered]}",
    )
    assert found[other].remedy.endswith(f'set [[solvers]] via = "{answered}"')


# --- from what happened to findings ----------------------------------------------------------

TAKEN = PublishReply(PublishOutcome.ACCEPTED)
REFUSED = PublishReply(PublishOutcome.BLOCKED, "blocked: no")


def said_of(exchange: Exchange) -> list[tuple[Level, str]]:
    findings: list[Finding] = dm_findings(exchange, 120.0)
    return [(each.level, each.message) for each in findings]


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (
            Exchange(Address(OWN, channels=BY_MOSTRO), {"a": REFUSED}, channel=Channel.MOSTRO),
            (BROKEN, "send-dm: no relay took the test message (a: blocked: no)"),
        ),
        # Refused in one envelope only: the solver is told in the other.
        (
            Exchange(
                Address(OWN, channels=BOTH),
                {"a": REFUSED},
                channel=Channel.MOSTRO,
                answered_beside=True,
            ),
            (WARN, "send-dm: no relay took the test message (a: blocked: no)"),
        ),
        (
            Exchange(
                Address(OWN, ("b",), BY_MOSTRO), {"a": TAKEN, "b": REFUSED}, channel=Channel.MOSTRO
            ),
            (
                WARN,
                "send-dm: 1 relay took the message, none of the solver's own; no answer within "
                "120 s",
            ),
        ),
    ],
)
def test_findings(exchange: Exchange, expected: tuple[Level, str]) -> None:
    assert said_of(exchange) == [expected]


def test_silence_of_a_mostro_client_may_be_mistrust() -> None:
    exchange = Exchange(Address(OWN, channels=BY_MOSTRO), {"a": TAKEN}, channel=Channel.MOSTRO)
    (finding,) = dm_findings(exchange, 120.0)
    assert "trusted_dm_senders" in finding.remedy
    (finding,) = dm_findings(Exchange(Address(OWN), {"a": TAKEN}), 120.0)
    assert "trusted_dm_senders" not in finding.remedy
