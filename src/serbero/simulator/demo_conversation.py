"""Serbero takes a dispute, asks both parties, hears them, and makes way for a person.

Serbero's part is real, from the take to the database; when it speaks and what it says is the
script's, since mediation is off there; :mod:`~serbero.simulator.scenario` shows it at work.
"""

from collections.abc import Callable
from typing import Final

from serbero.clock import Clock
from serbero.model.lifecycle import Lifecycle
from serbero.mostro.dispute_info import DisputeInfo
from serbero.mostro.message import Action, Message
from serbero.node.result import Taken
from serbero.simulator import demo_traces as traces
from serbero.simulator.demo_daemon import DaemonFailed, log_tail
from serbero.simulator.demo_dialogue import Dialogue
from serbero.simulator.demo_ledger import Ledger, Told
from serbero.simulator.demo_record import Record
from serbero.simulator.demo_script import (
    AGES,
    ANSWERS,
    QUESTIONS,
    THANKS,
    TOO_LATE,
    TRANSPORTS,
    everything_said,
)
from serbero.simulator.demo_serbero import Serbero
from serbero.simulator.demo_stage import Stage, short
from serbero.simulator.demo_story import Tone
from serbero.simulator.demo_verdict import milliseconds
from serbero.simulator.demo_watch import Watch, Words
from serbero.simulator.node import Dispute
from serbero.simulator.node_rules import Category
from serbero.simulator.solver_client import SolverClient

_TAKES: Final = Action.ADMIN_TAKE_DISPUTE.value
_ANSWER_SECONDS: Final = 15.0
"""How long the node may take to answer a person on a busy machine."""


class Conversation:
    """The scenes in which Serbero speaks, in the order of their methods.

    Args:
        stage: everything around it; the daemon's process has ended.
        serbero: running.
        watch: tells, and waits.
        ledger: what solvers must hear goes there.
        record: everything else that was seen goes there.
        clock: where time comes from.

    Attributes:
        dialogue: Serbero and the parties.
        opened_at: when the dispute was asked for, monotonic seconds.
    """

    def __init__(
        self,
        stage: Stage,
        serbero: Serbero,
        watch: Watch,
        ledger: Ledger,
        record: Record,
        clock: Clock,
    ) -> None:
        self._stage = stage
        self._serbero = serbero
        self._watch = watch
        self._ledger = ledger
        self._record = record
        self._clock = clock
        self.dialogue = Dialogue(stage.relay_urls[0], serbero, watch, record, clock)
        self.opened_at = 0.0
        record.serbero = serbero.public_key

    async def open(self) -> Dispute:
        """The buyer opens a dispute over the wire, and every solver hears of it.

        Raises:
            DaemonFailed: the node never opened it.
            PeerError: a relay did not answer.
        """
        node, clients = self._stage.node, self.dialogue.clients
        protocol = self._record.protocol
        self._watch.say("node", f"speaks protocol {protocol}: {TRANSPORTS[protocol]}")
        for party, client in clients.items():
            self._watch.say(party, f"has {AGES[client.envelope]}")
        buyer, seller = clients.values()
        order = await node.open_order(buyer, seller)
        self.opened_at = self._clock.monotonic()
        self._watch.say("buyer", "sends the node a request: a dispute, please")
        await buyer.open_dispute(order.id)
        await self._must(lambda: buyer.dispute_id is not None, "the node opens the dispute")
        dispute = node.disputes[buyer.dispute_id or ""]
        self._watch.say("node", f"opens dispute {short(dispute.id)}")
        words = Words("hears of it", "all hear of it", "it was asked for")
        await self._all_hear(dispute, Told.OPENED, words)
        await self._watch.until_known([dispute.id], Lifecycle.NOTIFIED)
        return dispute

    async def take(self, dispute: Dispute) -> None:
        """Serbero takes it at the node; the parties and every solver learn of that.

        Raises:
            DaemonFailed: the take did not succeed, or a party never learned of it.
        """
        before = self._clock.monotonic()
        self._watch.say("serbero", f"asks the node for {short(dispute.id)}, as the script says")
        result = await self._serbero.take(dispute.id)
        self._record.outcomes = self._outcomes()
        if not isinstance(result, Taken):
            raise self._failed(f"expected the node to give Serbero the dispute, found {result}")
        took = self._record.take_seconds = self._clock.monotonic() - before
        self._watch.say("serbero", f"has it {milliseconds(took)} later: {_known(result.info)}")
        words = Words("knows that Serbero has it", "all know that Serbero has it", "that")
        await self._all_hear(dispute, Told.HELD, words, since=before)
        await self._watch.until_known([dispute.id], Lifecycle.TAKEN)
        await self._parties_meet(self._serbero.public_key, "Serbero")

    async def ask(self, dispute: Dispute) -> None:
        """Serbero asks both parties."""
        if self._record.protocol == 1:
            text = "cannot know what they read: the first message goes out in both forms"
            self._watch.say("serbero", text, Tone.QUIET)
        for party, text in QUESTIONS.items():
            await self.dialogue.say(dispute.id, party, text, f"asks the {party}:")
        for party in QUESTIONS:
            await self.dialogue.until_read(party)

    async def answer(self, dispute: Dispute) -> None:
        """Both answer; Serbero hears them and says thank you.

        Raises:
            PeerError: a relay did not answer.
        """
        for party, texts in ANSWERS.items():
            for text in texts:
                await self.dialogue.write(party, text)
        for party in ANSWERS:
            await self.dialogue.until_heard(party)
        if self._record.protocol == 1:
            text = "has seen what each one writes, and writes like that from now on"
            self._watch.say("serbero", text, Tone.QUIET)
        for party, text in THANKS.items():
            await self.dialogue.say(dispute.id, party, text, f"to the {party}:")
        for party in THANKS:
            await self.dialogue.until_read(party)

    async def take_over(self, dispute: Dispute) -> None:
        """A person takes the dispute over, and Serbero, told to go on, does not.

        Raises:
            DaemonFailed: the node did otherwise, or a party never learned of it.
            PeerError: a relay did not answer.
        """
        person = self._stage.people[0]
        self._stage.node.register(person.public_key, Category.READ_WRITE)
        self.dialogue.note_what_was_read()
        before = self._clock.monotonic()
        self._watch.say(person.name, f"takes {short(dispute.id)} over at the node")
        async with self._solver() as solver:
            self._expect(
                await solver.take(dispute.id, seconds=_ANSWER_SECONDS), Action.ADMIN_TOOK_DISPUTE
            )
        words = Words("knows that a person has it", "all know that a person has it", "that")
        await self._all_hear(dispute, Told.TAKEN, words, since=before)
        await self._watch.until_known([dispute.id], Lifecycle.TAKEN)
        await self._parties_meet(person.public_key, person.name)
        for party, side in self._record.sides.items():
            side.on_relay = await self.dialogue.on_relay(party)
        if await self.dialogue.refuses(dispute.id, TOO_LATE):
            self._watch.say("serbero", "is told to ask once more and refuses: not its dispute now")
        else:  # what it agreed to may arrive, for the verdict to find it
            await self._watch.until_known([dispute.id], Lifecycle.TAKEN)

    async def close(self, dispute: Dispute) -> None:
        """The person settles it; everything is looked at, as long as Serbero runs.

        Raises:
            DaemonFailed: the node did otherwise.
            PeerError: a relay did not answer.
            StoreError: the database cannot be read.
            OSError: a file cannot be read.
        """
        person, order = self._stage.people[0], self._stage.node.order_of(dispute)
        at = self._clock.monotonic()
        self._watch.say(person.name, f"settles {short(dispute.id)}: the buyer is paid")
        async with self._solver() as solver:
            self._expect(
                await solver.settle(order.id, seconds=_ANSWER_SECONDS), Action.ADMIN_SETTLED
            )
        await self._watch.until_known([dispute.id], Lifecycle.RESOLVED)
        took = milliseconds(self._clock.monotonic() - at)
        self._watch.say("serbero", f"closes it {took} later and bothers nobody", Tone.QUIET)
        await self._look_for_leaks(dispute)

    async def look_back(self, dispute: Dispute) -> None:
        """Enter what is left once Serbero has stopped.

        Raises:
            PeerError: a relay did not answer.
            StoreError: the database cannot be read.
            OSError: a file cannot be read.
        """
        record = self._record
        kept = await traces.kept_messages(self._stage.database_path, dispute.id)
        self.dialogue.note_what_was_heard()
        for party, side in record.sides.items():
            side.kept = kept[party]
            side.at_end = await self.dialogue.on_relay(party)
        record.outcomes = self._outcomes()
        await self._look_for_leaks(dispute)
        record.complete = True

    # What they are made of.

    async def _all_hear(
        self, dispute: Dispute, told: Told, words: Words, *, since: float | None = None
    ) -> None:
        notes = self._ledger.expect([dispute.id], told, self._stage.names)
        await self._watch.heard(notes, words, since=self.opened_at if since is None else since)

    async def _parties_meet(self, solver: str, name: str) -> None:
        clients = self.dialogue.clients.values()
        await self._must(
            lambda: all(each.solver == solver for each in clients),
            f"the node sends buyer and seller to {name}",
        )
        self._watch.say("node", f"tells buyer and seller to talk to {name}", Tone.QUIET)

    async def _look_for_leaks(self, dispute: Dispute) -> None:
        found = await traces.leaks(
            self._stage.database_path,
            self._stage.log_path,
            traces.secrets_of(self._stage.node.order_of(dispute)),
            everything_said(),
        )
        self._record.leaks += [each for each in found if each not in self._record.leaks]

    def _outcomes(self) -> list[str]:
        """What the node did with each take that came from Serbero."""
        return [
            "nothing yet" if each.outcome is None else each.outcome.value
            for each in self._stage.node.desk.received
            if each.action == _TAKES and each.identity == self._serbero.public_key
        ]

    def _solver(self) -> SolverClient:
        """The client with which the first solver takes and closes disputes."""
        return SolverClient(
            [self._stage.relay_urls[0]],
            self._stage.node.public_key,
            clock=self._clock,
            protocol=self._record.protocol,
            keys=self._stage.people[0].keys,
        )

    def _expect(self, answer: Message | None, action: Action) -> None:
        found = "no answer" if answer is None else answer.action
        if found != action:
            raise self._failed(f"expected the node to answer {action}, found {found}")

    async def _must(self, seen: Callable[[], bool], what: str) -> None:
        if not await self._watch.until(seen):
            raise self._failed(f"expected that {what}, found that it does not")

    def _failed(self, problem: str) -> DaemonFailed:
        return DaemonFailed(problem, log_tail(self._stage.log_path))


def _known(info: DisputeInfo) -> str:
    """What a mediator may know, in a line; the rest was dropped while it was read."""
    sats = "an unknown sum" if info.amount is None else f"{info.amount:,} sats"
    return f"{sats} against {info.payment_method}; the escrow's secrets were dropped unread"
