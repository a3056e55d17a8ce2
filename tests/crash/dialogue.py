"""One dispute from detection to both parties' answers, told by a real daemon that may be killed."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import sqlalchemy as sa
from tests.crash.end_state import EndState, Named, Names, dump
from tests.crash.household import Household
from tests.crash.mediating import ANSWERED, QUESTION
from tests.crash.story import CRASHPOINT, RELAYS, Story, Told

from serbero.clock import SystemClock
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import OutboxState, Purpose, TargetState
from serbero.model.party import Party
from serbero.model.taking import TakeState
from serbero.simulator.node import MostroNode
from serbero.simulator.node_log import Did
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute
from serbero.simulator.node_rules import Category
from serbero.simulator.party import PartyClient
from serbero.simulator.party_chat import EnvelopeChoice
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox
from serbero.store.engine import Store
from serbero.store.schema import (
    chat_seen,
    disputes,
    inboxes,
    journal,
    outbox,
    outbox_targets,
    outbox_wraps,
    parties,
    takes,
)

OPTIONS: dict[str, dict[str, object]] = {
    # A life may begin after the dispute was opened.
    "mostro": {"cold_start_lookback_seconds": 3600},
    "timeouts": {"renotification_seconds": 86_400},
    "delivery": {"backoff_initial_seconds": 1, "backoff_max_seconds": 1},
}
ANSWERS = {Party.BUYER: "Yes, yesterday.", Party.SELLER: "No llegó nada."}
ENVELOPES: Mapping[Protocol, int] = {2: 1, 1: 2}
"""Of a question on a node of each protocol: before a party wrote, it gets both on an old one."""


class Dialogue(Story):
    """The run. The parties answer the question that they hear first, once.

    On a node of protocol 1 the buyer's client is an old one.

    Args:
        folder: an empty one.
        protocol: the node's.
        crash_at: a crash point's name, or "" to live on.
    """

    program = (str(CRASHPOINT), "mediating", "run")

    def __init__(self, folder: Path, protocol: Protocol, crash_at: str = "") -> None:
        super().__init__(folder, crash_at)
        self._protocol: Protocol = protocol

    async def tell(self) -> Told:
        """Run it to its end.

        Raises:
            AssertionError: a step never happened, or somebody got what they must not.
        """
        async with AsyncExitStack() as stack:
            relays = [await stack.enter_async_context(LoopbackRelay()) for _ in range(RELAYS)]
            urls = [relay.url for relay in relays]
            self._solver = SolverInbox(urls, name="solver")
            self._node = await stack.enter_async_context(MostroNode(urls, protocol=self._protocol))
            self._home = await stack.enter_async_context(
                Household(
                    self._folder,
                    relays=urls,
                    node=self._node.public_key,
                    solvers=[self._solver.public_key],
                    options=OPTIONS,
                )
            )
            self._parties = {
                party: await stack.enter_async_context(
                    PartyClient(
                        urls,
                        protocol=self._protocol,
                        envelope=_envelope(self._protocol, party),
                        name=party.value,
                    )
                )
                for party in Party
            }
            await stack.enter_async_context(self._node.serving())
            self._node.register(self._home.keys.public_key().to_hex(), Category.READ)
            await self._node.publish_info()
            answering = [asyncio.create_task(self._answer(party)) for party in Party]
            try:
                return await self._through()
            finally:
                for task in answering:
                    task.cancel()
                await asyncio.gather(*answering, return_exceptions=True)

    async def _answer(self, party: Party) -> None:
        """Answer once what is heard first, whoever lives at that moment."""
        client = self._parties[party]
        while not client.heard:
            await SystemClock().sleep(0.02)
        await client.say(ANSWERS[party])

    async def _through(self) -> Told:
        home = self._home
        self._life = await self._begin()
        await self._until(self._serving, "the daemon serves")
        dispute = await self._node.open_order_dispute(
            self._parties[Party.BUYER], self._parties[Party.SELLER]
        )
        await self._until(lambda: home.holds(self._over), "everything was said and heard")
        await self._until(self._serving, "the last life serves")  # before, SIGTERM just ends it
        code = await self._life.stop()
        if code == -9 and self._lives == 1:  # the crash point lay in the shutdown
            self._life = await self._begin()
            await self._until(self._serving, "the daemon serves again")
            code = await self._life.stop()
        assert code == 0, f"exit code {code}\n{home.logs()}"
        assert not self._life.logged("part_failed"), home.logs()
        reached = tuple(self._log.read_text().split())
        return Told(await self._finish(dispute), reached, self._lives > 1)

    def _over(self, tx: sa.Connection) -> bool:
        """Whether nothing is left to be done."""
        wanted = Counter({Purpose.INITIAL.value: 1, Purpose.ASSIGNMENT.value: 1})
        wanted[Purpose.PARTY_MESSAGE.value] = len(Party) * ENVELOPES[self._protocol]
        rows = tx.execute(sa.select(outbox.c.purpose, outbox.c.state)).all()
        targets = tx.execute(sa.select(outbox_targets.c.state)).scalars().all()
        answers = sa.select(journal.c.id).where(journal.c.kind == ANSWERED)
        return (
            tx.execute(sa.select(disputes.c.lifecycle_state)).scalars().all()
            == [Lifecycle.TAKEN.value]
            and Counter(row.purpose for row in rows) == wanted
            and {row.state for row in rows} == {OutboxState.SENT.value}
            and list(targets) == [TargetState.ACCEPTED.value] * (wanted.total() * RELAYS)
            and len(tx.execute(answers).all()) >= len(Party)
            # Ours come back as well.
            and tx.execute(sa.select(sa.func.count()).select_from(chat_seen)).scalar() == 4
            and tx.execute(sa.select(sa.func.count()).select_from(inboxes)).scalar() == 1
        )

    # The end.

    async def _finish(self, dispute: Dispute) -> EndState:
        # As the next start finds it: what a start takes up belongs to every run's end.
        Store.open(self._home.database, SystemClock().now()).close()
        self._check_node()
        self._check_parties()
        self._home.read(self._check_takes)
        words = self._names(dispute)
        tables = self._home.read(lambda tx: dump(tx, words))
        del tables["takes"]  # how often a life asked is chance; see above
        tables["journal"] = Counter(dict(_but_takes(tables["journal"])))
        return EndState(tables, await self._held(words))

    def _check_node(self) -> None:
        """The node was asked by one that it knows, and once only: its answer was on the relays."""
        assert self._node.desk.outcomes() == [Did.TOOK], self._blame()
        for client in self._parties.values():
            assert len(client.named) == 1, self._blame()

    def _check_parties(self) -> None:
        """Each party heard its question once, in envelopes that are one and the same."""
        for party, client in self._parties.items():
            assert client.texts == [QUESTION[party]], self._blame()
            assert len({each.outer_id for each in client.deliveries}) == 1, self._blame()
            assert not client.rejected, self._blame()

    def _check_takes(self, tx: sa.Connection) -> None:
        states = Counter(tx.execute(sa.select(takes.c.state)).scalars())
        assert states.pop(TakeState.TAKEN.value) == 1, self._blame()
        assert set(states) <= {TakeState.INTERRUPTED.value}, self._blame()
        kinds = Counter(tx.execute(sa.select(journal.c.kind)).scalars())
        assert kinds["take_taken"] == 1, self._blame()
        held = tx.execute(sa.select(parties.c.own_event_id, parties.c.released_at)).one()
        assert held == (self._revision_of_the_take(), None), self._blame()
        # A message that is sent again is the same event again.
        wraps = Counter(tx.execute(sa.select(outbox_wraps.c.outbox_id)).scalars())
        assert set(wraps.values()) == {1}, self._blame()

    def _revision_of_the_take(self) -> str:
        [dispute] = self._node.disputes.values()
        return dispute.revisions[-1].id().to_hex()

    def _names(self, dispute: Dispute) -> Names:
        order = self._node.order_of(dispute)
        names = {dispute.id: "<dispute>", dispute.id[:8]: "<dispute, short>", order.id: "<order>"}
        names |= {f'_at": {order.created_at}': '_at": N', f'_at": {order.taken_at}': '_at": N'}
        names[self._node.public_key] = "<node>"
        names[self._home.keys.public_key().to_hex()] = "<us>"
        names[self._solver.public_key] = "<solver>"
        for party, client in self._parties.items():
            names[client.public_key] = f"<{party.value}>"
            assert client.last_inner is not None
            names[client.last_inner.id().to_hex()] = f"<answer of the {party.value}>"
        for place, revision in enumerate(dispute.revisions):
            names[revision.id().to_hex()] = f"<revision {place}>"
            names[revision.id().to_hex()[:16]] = f"<revision {place}, short>"
            names[f": {revision.created_at().as_secs()}"] = f": <time of revision {place}>"
        return Names(names | {url: f"<relay {n}>" for n, url in enumerate(self._node.relay_urls)})

    async def _held(self, words: Names) -> Counter[tuple[str, str, str, str]]:
        """What each relay holds for the solver."""
        messages: Counter[tuple[str, str, str, str]] = Counter()
        for url in self._node.relay_urls:
            held = await self._solver.all_events(url)
            assert max(Counter(each.rumor_id for each in held).values()) == 1, self._blame()
            for message in held:
                messages[words.of(url), "<solver>", str(message.kind), words.of(message.text)] += 1
        return messages

    def _blame(self) -> str:
        return f"killed at {self._crash_at}\n{self._home.logs()}"


def _envelope(protocol: Protocol, party: Party) -> EnvelopeChoice:
    return "gift-wrap" if (protocol, party) == (1, Party.BUYER) else "kind14"


def _but_takes(rows: Counter[Named]) -> Iterator[tuple[Named, int]]:
    """The journal without what tells how often the node was asked."""
    for row, count in rows.items():
        if not str(dict(row)["kind"]).startswith("take_"):
            yield row, count
