"""A play told to a real daemon that mediates, and is killed as often as asked to."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from tests.crash.crashpoint import __file__ as crashpoint
from tests.crash.household import Daemon, Household, Options
from tests.crash.mediation_plays import ANSWERS, Climbed, Play, Say, TakeOver
from tests.daemon.mediation_model import Asked, Model
from tests.keys import MODEL_KEY

from serbero.clock import SystemClock
from serbero.model.mediation import AuditKind, SessionState
from serbero.model.notification import OutboxState, Purpose, TargetState
from serbero.model.party import Party
from serbero.model.taking import TakeState
from serbero.simulator.clock import eventually
from serbero.simulator.model_endpoint import Step, Waits
from serbero.simulator.node import MostroNode
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute
from serbero.simulator.node_rules import Category
from serbero.simulator.party import PartyClient
from serbero.simulator.party_chat import EnvelopeChoice
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox
from serbero.simulator.solver_client import take_as
from serbero.store.escalation_schema import ladder_steps, ladders
from serbero.store.mediation_schema import events, session_facts, sessions
from serbero.store.schema import disputes, inboxes, outbox, outbox_targets, parties, takes

T = TypeVar("T")

RELAYS = 2
APART_SECONDS = 2
"""Between our take and a human's: by their seconds the node's two events are told apart."""
PATIENCE_SECONDS = 240.0
"""For one step: a take that a life left open, and that no answer is found to, is not tried again
at once, and later each time."""
KEY_VARIABLE = "SERBERO_REASONING_API_KEY"
_OPTIONS: Options = {
    # A life may begin after the dispute was opened.
    "mostro": {"cold_start_lookback_seconds": 3600},
    "timeouts": {"renotification_seconds": 86_400},
    "delivery": {"backoff_initial_seconds": 1, "backoff_max_seconds": 1},
    "mediation": {"enabled": True, "settle_seconds": 0, "max_rounds": 3},
    "prompts": {"source": "packaged"},
}


@dataclass
class Scene:
    """Everything around the daemon.

    Attributes:
        home: the daemon's.
        solvers: everybody configured, by name.
        model: what it asks.
        dispute: None before it was opened.
    """

    home: Household
    node: MostroNode
    parties: dict[Party, PartyClient]
    solvers: Mapping[str, SolverInbox]
    model: Model
    dispute: Dispute | None = None

    @property
    def solver(self) -> SolverInbox:
        """The first solver."""
        return next(iter(self.solvers.values()))

    @property
    def opened(self) -> Dispute:
        """The dispute."""
        assert self.dispute is not None
        return self.dispute


class Mediation:
    """The run of a play. On a node of protocol 1 the buyer's client is an old one.

    Args:
        folder: an empty one.
        play: what is told.
        protocol: the node's.
        kills: a crash point for each life that is to be killed; one that is not reached ends
            the killing.

    Attributes:
        reached: the crash points the first life came to, in order.
        killed: at which points lives were killed.
    """

    def __init__(
        self, folder: Path, play: Play, protocol: Protocol = 2, kills: Sequence[str] = ()
    ) -> None:
        self._folder, self._play, self._kills = folder, play, tuple(kills)
        self._protocol: Protocol = protocol
        self._announced = False
        self._lives = 0
        self.killed: list[str] = []

    @property
    def reached(self) -> tuple[str, ...]:
        return self._points(1)

    async def tell(self, look: Callable[[Scene], Awaitable[T]]) -> T:
        """Run it to its end; return what ``look`` makes of what it left.

        Raises:
            AssertionError: a step never happened, or the end is not what it should be.
        """
        async with AsyncExitStack() as stack:
            self.scene = await self._build(stack)
            await self._through()
            return await look(self.scene)

    async def _build(self, stack: AsyncExitStack) -> Scene:
        relays = [await stack.enter_async_context(LoopbackRelay()) for _ in range(RELAYS)]
        urls = [relay.url for relay in relays]
        solvers = {name: SolverInbox(urls, name=name) for name in self._play.people}
        node = await stack.enter_async_context(MostroNode(urls, protocol=self._protocol))
        model = await stack.enter_async_context(Model(self._says, SystemClock()))
        reasoning = {
            "enabled": True,
            "provider": "openai-compatible",
            "model": "scripted",
            "api_base": model.base,
        }
        home = Household(
            self._folder,
            relays=urls,
            node=node.public_key,
            solvers=[
                {"pubkey": solvers[name].public_key, "permission": permission}
                for name, permission in self._play.people.items()
            ],
            options={**_OPTIONS, "reasoning": reasoning, **self._play.options},
        )
        await stack.enter_async_context(home)
        sides = {
            party: await stack.enter_async_context(
                PartyClient(
                    urls,
                    protocol=self._protocol,
                    envelope=envelope(self._protocol, party),
                    name=party.value,
                )
            )
            for party in Party
        }
        await stack.enter_async_context(node.serving())
        node.register(home.keys.public_key().to_hex(), Category.READ)
        await node.publish_info()
        return Scene(home, node, sides, solvers, model)

    def _says(self, asked: Asked) -> Step:
        """As the play has it, but nothing is judged before everybody was told of the dispute.

        A message that says nobody attends to it is withdrawn once somebody does.
        """
        step = self._play.model(asked)
        return Waits(step) if asked.opening and not self._announced else step

    # The play.

    async def _through(self) -> None:
        scene = self.scene
        self._life = await self._begin()
        await self._until(self._serving, "the daemon serves")
        scene.dispute = await scene.node.open_order_dispute(
            scene.parties[Party.BUYER], scene.parties[Party.SELLER]
        )
        told = {Purpose.INITIAL: len(scene.solvers)}
        await self._reach(told, "the solvers are told of the dispute")
        self._announced = True
        scene.model.release()
        classified = 1
        if self._play.rounds:
            await self._asked(1)
        for step in self._play.scene:
            match step:
                case Say(party, number):
                    await self._asked(number + 1)
                    await scene.parties[party].say(ANSWERS[number][party])
                    classified += 1
                    await self._until(
                        partial(self._classified, classified), f"{classified} classifications"
                    )
                case Climbed(steps):
                    await self._climbed(steps)
                case TakeOver():
                    await SystemClock().sleep(APART_SECONDS)
                    await self._take_over()
        open_ends = {each: n for each, n in self._play.told.items() if each not in _REPORTS}
        await self._reach(open_ends, "everything was said and heard")
        await scene.node.resolve(scene.opened)
        await self._reach(self._play.told, "the end is reported")
        over = _over if self._play.rounds else _handed_over
        await self._until(lambda: self._holds(over), "it is over")
        await self._finish()

    async def _asked(self, rounds: int) -> None:
        """Wait until both parties were asked so often, on every relay and on record."""
        sent = len(Party) * rounds
        await self._until(
            lambda: (
                all(len(each.heard) == rounds for each in self.scene.parties.values())
                and self._holds(lambda tx: _count(tx, AuditKind.OUTBOUND_SENT) == sent)
                and self._holds(_settled)
                and self._holds(_known_as_ours)
            ),
            f"{rounds} questions to each party",
        )

    async def _climbed(self, steps: int) -> None:
        """Wait until the hand-off and so many reminders of it are on every relay."""
        open_ends = {each: n for each, n in self._play.told.items() if each not in _AFTER_A_TAKE}
        await self._reach(open_ends, "the hand-off and its reminders")
        query = sa.select(sa.func.count()).select_from(ladder_steps)
        await self._until(
            lambda: self._holds(lambda tx: tx.execute(query).scalar() == steps), f"{steps} steps"
        )

    async def _take_over(self) -> None:
        scene = self.scene
        human = scene.solver.keys
        scene.node.register(human.public_key().to_hex(), Category.READ_WRITE)
        answer = await take_as(
            human,
            scene.opened.id,
            relay_urls=scene.node.relay_urls,
            node=scene.node.public_key,
            protocol=self._protocol,
        )
        assert answer is not None

    def _classified(self, count: int) -> bool:
        return self._holds(
            lambda tx: (
                _count(tx, AuditKind.CLASSIFICATION_PRODUCED) == count
                and tx.execute(sa.select(session_facts.c.evaluate_at)).scalar() is None
            )
        )

    async def _reach(self, purposes: Mapping[Purpose, int], what: str) -> None:
        wanted = Counter({purpose.value: count for purpose, count in purposes.items()})

        def told(tx: sa.Connection) -> bool:
            rows = Counter(
                tx.execute(
                    sa.select(outbox.c.purpose).where(
                        outbox.c.purpose != Purpose.PARTY_MESSAGE.value
                    )
                ).scalars()
            )
            return rows == wanted and _settled(tx)

        await self._until(lambda: self._holds(told), what)

    # The lives.

    async def _begin(self) -> Daemon:
        self._lives += 1
        log = self._log(self._lives)
        log.touch()
        environ = {KEY_VARIABLE: MODEL_KEY, "CRASH_LOG": str(log), "CRASH_HURRY": "1"}
        if self._lives <= len(self._kills):
            environ["CRASH_AT"] = self._kills[self._lives - 1]
        return await self.scene.home.start((crashpoint, "serbero", "run"), **environ)

    def _log(self, life: int) -> Path:
        return self._folder / f"points-{life}"

    def _points(self, life: int) -> tuple[str, ...]:
        return tuple(self._log(life).read_text().split())

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; a life that was killed meanwhile is followed by another."""

        async def holds() -> bool:
            if not self._life.alive:
                await self._died(await self._life.ended())
            return condition()

        try:
            await eventually(holds, seconds=PATIENCE_SECONDS, every=0.05, what=what)
        except AssertionError as error:
            raise AssertionError(f"{self.blame()}\n{error}") from error

    async def _died(self, code: int) -> None:
        """A life ended: at the point it was to be killed at, or that is a fault."""
        assert code == -9, f"exit code {code}\n{self.blame()}"
        assert self._lives <= len(self._kills), self.blame()
        wanted = self._kills[self._lives - 1]
        assert self._points(self._lives)[-1] == wanted, self.blame()
        self.killed.append(wanted)
        self._life = await self._begin()

    async def _finish(self) -> None:
        await self._until(self._serving, "the last life serves")  # before, SIGTERM just ends it
        code = await self._life.stop()
        while code == -9:  # the crash point lay in the shutdown
            await self._died(code)
            await self._until(self._serving, "the daemon serves again")
            code = await self._life.stop()
        assert code == 0, f"exit code {code}\n{self.blame()}"
        for fault in ("part_failed", "start_attempt_failed", "evaluation_failed"):
            assert not self._life.logged(fault), self.blame()

    def _serving(self) -> bool:
        return self._life.logged("ready")

    def _holds(self, look: Callable[[sa.Connection], bool]) -> bool:
        return self.scene.home.holds(look)

    def blame(self) -> str:
        """What a failure's message needs."""
        return (
            f"{self._play.name}, protocol {self._protocol}, killed at {self.killed} of"
            f" {list(self._kills)}\n{self.scene.home.logs()}"
        )


_REPORTS = {Purpose.RESOLUTION_REPORT}
_AFTER_A_TAKE = _REPORTS | {Purpose.ASSIGNMENT}


def envelope(protocol: Protocol, party: Party) -> EnvelopeChoice:
    """What a party's client reads and writes."""
    return "gift-wrap" if (protocol, party) == (1, Party.BUYER) else "kind14"


def _count(tx: sa.Connection, kind: AuditKind) -> int:
    query = sa.select(sa.func.count()).where(events.c.kind == kind.value)
    return tx.execute(query).scalar() or 0


def _settled(tx: sa.Connection) -> bool:
    """Whether every message is on every relay, and no take is open."""
    rows = set(tx.execute(sa.select(outbox.c.state)).scalars())
    targets = set(tx.execute(sa.select(outbox_targets.c.state)).scalars())
    asked = set(tx.execute(sa.select(takes.c.state)).scalars())
    return (
        rows <= {OutboxState.SENT.value}
        and targets <= {TargetState.ACCEPTED.value}
        and TakeState.OPEN.value not in asked
    )


def _known_as_ours(tx: sa.Connection) -> bool:
    """Whether the event of our own take was seen."""
    return tx.execute(sa.select(parties.c.own_event_id)).scalar() is not None


def _over(tx: sa.Connection) -> bool:
    """Whether dispute and session are at their end, and nothing else is to be looked up."""
    states = tx.execute(sa.select(sessions.c.state)).scalars().all()
    return (
        states == [SessionState.CLOSED.value]
        and tx.execute(sa.select(disputes.c.lifecycle_state)).scalars().all() == ["resolved"]
        and tx.execute(sa.select(sa.func.count()).select_from(inboxes)).scalar() == 1
    )


def _handed_over(tx: sa.Connection) -> bool:
    """Whether the dispute is at its end, and nobody is reminded of it."""
    return (
        tx.execute(sa.select(disputes.c.lifecycle_state)).scalars().all() == ["resolved"]
        and None not in tx.execute(sa.select(ladders.c.ended_at)).scalars().all()
    )
