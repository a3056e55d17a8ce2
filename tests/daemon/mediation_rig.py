"""A whole daemon that mediates: relay, node, parties, solvers, and a model behind real HTTP.

Whatever a test does, leaving :func:`mediation` checks what must hold
of every mediation; see :meth:`Case.check`.
"""

import asyncio
import importlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.daemon.mediation_ledger import Ledger
from tests.daemon.mediation_model import Brain, Model, cooperative
from tests.daemon.rig import Daemon, World, world
from tests.keys import MODEL_KEY

from serbero.mediation.policy import prepare
from serbero.model.party import Party
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute
from serbero.simulator.node_rules import Category
from serbero.simulator.party import PartyClient
from serbero.simulator.party_chat import EnvelopeChoice
from serbero.simulator.solver_client import SolverClient

KEY_VARIABLE: Final = "SERBERO_REASONING_API_KEY"
BUNDLE_ID: Final = "phase3-default"

BUYER_ANSWER: Final = "I paid by SEPA on Tuesday evening."
SELLER_ANSWER: Final = "It arrived this morning, I had not looked."

_QUIET_SECONDS: Final = 86_400
"""Of habits that are not on trial here."""
_TELLING: Final = 12
"""A text of fewer characters may stand in a log by chance."""


@dataclass
class Case(Ledger):
    """One world in which disputes are mediated.

    Attributes:
        permissions: of the world's solvers, in their order.
        expected: names of ERROR lines that this case provokes.
        says_it_again: whether a party may hear the same question in another session.
    """

    stage: World
    model: Model
    parties: dict[Party, PartyClient]
    protocol: Protocol
    permissions: Sequence[str]
    settings: dict[str, Any]
    expected: set[str] = field(default_factory=set)
    chatter: list[str] = field(default_factory=list)
    says_it_again: bool = False

    @property
    def buyer(self) -> PartyClient:
        """The buyer of every dispute that names no other."""
        return self.parties[Party.BUYER]

    @property
    def seller(self) -> PartyClient:
        """The seller of every dispute that names no other."""
        return self.parties[Party.SELLER]

    @property
    def daemon(self) -> Daemon:
        """The running daemon."""
        assert self.stage.daemon is not None, "no daemon runs"
        return self.stage.daemon

    @property
    def path(self) -> Path:
        """The database."""
        return self.stage.folder / "serbero.db"

    # Running.

    def config(self, **changes: Any) -> Any:
        """The configuration; ``changes`` as :func:`mediation` takes them."""
        settings = self.settings | changes
        sections = {
            "mediation": {"enabled": True, "settle_seconds": 1} | settings.get("mediation", {}),
            "reasoning": {
                "enabled": True,
                "provider": "openai-compatible",
                "model": "scripted",
                "api_base": self.model.base,
                "followup_retry_count": 0,
            }
            | settings.get("reasoning", {}),
            "prompts": {"source": "packaged"} | settings.get("prompts", {}),
            "chat": {"inbound_fetch_interval_seconds": 600} | settings.get("chat", {}),
            "mostro": {
                "pubkey": self.stage.node.public_key,
                "reconcile_interval_seconds": _QUIET_SECONDS,
            }
            | settings.get("mostro", {}),
        }
        keys = settings.get("solver_keys") or [each.public_key for each in self.stage.solvers]
        people = [
            f'[[solvers]]\npubkey = "{key}"\npermission = "{permission}"'
            for key, permission in zip(keys, self.permissions, strict=True)
        ]
        tables = [_table(*each) for each in sections.items()]
        return self.stage.config(
            "\n".join([*tables, settings.get("extra", ""), *people]),
            solvers=[],
            sections=settings.get("timeouts", ""),
            environ=settings.get("environ", {KEY_VARIABLE: MODEL_KEY}),
        )

    @asynccontextmanager
    async def running(self, **changes: Any) -> AsyncIterator[Daemon]:
        """Run the daemon until left, which is like a crash."""
        async with self.stage.hearing(self.config(**changes)) as daemon:
            try:
                await self.until(
                    lambda: daemon.parts.node.watch.info is not None, "the node's ways"
                )
                yield daemon
            finally:
                await daemon.parts.engine.close()

    async def until(self, condition: Any, what: str, seconds: float = 20) -> float:
        """Step the clock until something holds."""
        return await self.stage.until(condition, limit_seconds=seconds, what=what)

    # The node.

    async def dispute(self, **facts: Any) -> Dispute:
        """Open a dispute between the two parties."""
        return await self.stage.node.open_order_dispute(self.buyer, self.seller, **facts)

    async def begun(self, **facts: Any) -> Dispute:
        """Open a dispute and wait until both parties heard the first question."""
        before = {party: len(client.heard) for party, client in self.parties.items()}
        dispute = await self.dispute(**facts)
        for party, count in before.items():
            await self.until_heard(party, count + 1)
        await self.until_kind(dispute, "outbound_sent", 2)
        return dispute

    @asynccontextmanager
    async def human(self, category: Category = Category.READ_WRITE) -> AsyncIterator[SolverClient]:
        """A solver that the node knows, with a client."""
        stage = self.stage
        urls = [each.url for each in stage.relays]
        client = SolverClient(
            urls, stage.node.public_key, clock=stage.clock, protocol=self.protocol
        )
        stage.node.register(client.public_key, category)
        async with client:
            yield client

    async def taken_over(self, dispute: Dispute) -> None:
        """Let a human take the dispute over, as soon as that can be told from our own take."""
        await self.stage.elapse(2)
        async with self.human() as client:
            await client.take(dispute.id)
            await self.stage.settle()

    # The parties.

    async def say(self, party: Party, text: str, envelope: EnvelopeChoice | None = None) -> str:
        """Let a party write; returns the inner event's id."""
        client = self.parties[party]
        await self.until(lambda: client.solver is not None, f"{party} knows the solver")
        self.chatter.append(text)
        event = await client.say(text, envelope=envelope)
        return event.id().to_hex()

    async def both_say(self, buyer: str = BUYER_ANSWER, seller: str = SELLER_ANSWER) -> None:
        """Let both parties write."""
        await self.say(Party.BUYER, buyer)
        await self.say(Party.SELLER, seller)

    def heard(self, party: Party) -> list[str]:
        """What a party heard, in order."""
        return self.parties[party].texts

    async def until_heard(self, party: Party, count: int, seconds: float = 20) -> None:
        """Wait until a party heard so much."""
        await self.until(lambda: len(self.heard(party)) >= count, f"{party} hears {count}", seconds)

    async def until_state(self, dispute: Dispute, state: str, seconds: float = 20) -> None:
        """Wait until the newest session of a dispute is in a state."""
        await self.until(lambda: self.state(dispute) == state, f"the session is {state}", seconds)

    async def until_kind(
        self, dispute: Dispute, kind: str, count: int = 1, seconds: float = 20
    ) -> None:
        """Wait until so many audit events of a kind are there."""
        await self.until(
            lambda: len(self.events(dispute, kind)) >= count, f"{count} {kind}", seconds
        )

    # The solvers.

    def told(self, dispute: Dispute, solver: int = 0, begins: str = "") -> list[str]:
        """What a solver was told about a dispute, of what begins so."""
        found = [each.text for each in self.stage.solvers[solver].about(dispute.id)]
        return [text for text in found if text.startswith(begins)]

    def escalations(self, dispute: Dispute, solver: int = 0) -> list[str]:
        """The escalation messages a solver got about a dispute."""
        return [text for text in self.told(dispute, solver) if "escalated" in text]

    async def until_told(
        self, dispute: Dispute, begins: str, solver: int = 0, seconds: float = 20
    ) -> str:
        """Wait until a solver was told something that begins so; return it."""
        await self.until(
            lambda: bool(self.told(dispute, solver, begins)), f"told: {begins}", seconds
        )
        return self.told(dispute, solver, begins)[0]

    # What must hold of every mediation.

    def check(self) -> None:
        """Hold the whole case against what no mediation may do."""
        self._check_node()
        self._check_logs()
        self._check_words()

    def _check_node(self) -> None:
        """INV-1: the only action we ever send the node is a take."""
        own = self.stage.own.public_key().to_hex()
        ours = [
            each for each in self.stage.node.desk.received if own in (each.identity, each.sender)
        ]
        assert {each.action for each in ours} <= {"admin-take-dispute"}
        assert all(each.action or each.outcome for each in self.stage.node.desk.received)

    def _check_logs(self) -> None:
        """No fault, and none of what was said, reasoned or kept secret (INV-26, W-45)."""
        faults = self.stage.logs.faults(self.expected)
        assert faults == [], faults
        everything = repr(self.stage.logs.lines)
        for secret in (*self._unsaid(), *self._keys()):
            assert secret not in everything, f"in the log: {secret}"

    def _check_words(self) -> None:
        """What stands in audit rows, and what solvers and parties read."""
        audit = repr(self.rows("SELECT payload_json FROM mediation_events"))
        audit += repr(self.rows("SELECT payload_json FROM journal"))
        audit += repr(self.rows("SELECT * FROM notifications"))
        for secret in (*self._unsaid(), *self._keys()):
            assert secret not in audit, f"in the audit trail: {secret}"
        read_by_solvers = "\n".join(m.text for each in self.stage.solvers for m in each.messages)
        for secret in (*self._rationales(), *self._keys()):
            assert secret not in read_by_solvers, f"in a message to solvers: {secret}"
        for solver in self.stage.solvers:
            assert solver.repeated_rumors() == {}
        for client in self.parties.values():
            assert self.says_it_again or client.repeated() == {}

    def _keys(self) -> list[str]:
        own = self.stage.own.secret_key()
        trade = [client.public_key for client in self.parties.values()]
        return [MODEL_KEY, own.to_hex(), own.to_bech32(), *trade]

    def _unsaid(self) -> set[str]:
        said = {text for text in self.chatter if len(text) >= _TELLING}
        return said | self._members(
            "buyer_clarification",
            "seller_clarification",
            "summary",
            "suggested_next_step",
            "suggested_action_detail",
            "rationale",
        )

    def _rationales(self) -> set[str]:
        return self._members("rationale")

    def _members(self, *names: str) -> set[str]:
        found = set()
        for text in self.model.answers:
            try:
                answer = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(answer, dict):
                found |= {each for name in names if isinstance(each := answer.get(name), str)}
        return {each for each in found if len(each) >= _TELLING}


@asynccontextmanager
async def mediation(
    folder: Path,
    says: Brain = cooperative,
    *,
    protocol: Protocol = 2,
    solvers: Sequence[str] = ("write",),
    registered: bool = True,
    envelope: EnvelopeChoice = "kind14",
    **settings: Any,
) -> AsyncIterator[Case]:
    """Build a world for mediation, without a daemon.

    Args:
        folder: for the database.
        says: what the model answers.
        protocol: the node's transport.
        solvers: their permissions.
        registered: whether the node knows us.
        envelope: what the buyer's client reads and writes.
        settings: keys of sections that differ, such as ``mediation={"max_rounds": 1}``;
            ``timeouts`` and ``extra`` as TOML; ``solver_keys`` as typed; ``environ``.
    """
    await asyncio.to_thread(_warm_up)
    async with (
        world(folder, solvers=len(solvers)) as stage,
        stage.node.serving(),
        Model(says, stage.clock) as model,
    ):
        stage.neighbours.append(model)
        if registered:
            stage.node.register(stage.own.public_key().to_hex(), Category.READ)
        await stage.node.switch(protocol=protocol)
        urls = [each.url for each in stage.relays]
        buyer = PartyClient(
            urls, clock=stage.clock, protocol=protocol, envelope=envelope, name="buyer"
        )
        seller = PartyClient(urls, clock=stage.clock, protocol=protocol, name="seller")
        async with buyer, seller:
            parties = {Party.BUYER: buyer, Party.SELLER: seller}
            case = Case(stage, model, parties, protocol, solvers, settings)
            yield case
            case.check()


@asynccontextmanager
async def mediating(
    folder: Path, says: Brain = cooperative, **settings: Any
) -> AsyncIterator[Case]:
    """A world for mediation with a running daemon; see :func:`mediation`."""
    async with mediation(folder, says, **settings) as case, case.running():
        yield case


def _warm_up() -> None:
    """Load once what the daemon loads in threads: that takes seconds on a busy machine."""
    importlib.import_module("serbero.reasoning.backends")
    prepare()


def _table(name: str, keys: Mapping[str, Any]) -> str:
    return "\n".join(
        [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    )
