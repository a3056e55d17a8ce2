"""One dispute in a world: its parties, what they see, and the waiting for it."""

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, Self

from serbero.messages.party import IDENTITY
from serbero.model.mediation import AuditKind, SessionState
from serbero.model.party import Party
from serbero.mostro.message import Action, Message
from serbero.reasoning.calls import Purpose
from serbero.simulator.demo_script import CLIENTS
from serbero.simulator.demo_stage import short
from serbero.simulator.demo_story import Tone
from serbero.simulator.node import Dispute
from serbero.simulator.orders import Order
from serbero.simulator.party import PartyClient
from serbero.simulator.scenario_ladder import NOTHING_WATCHED, Watch
from serbero.simulator.scenario_letters import CAN_WAIT, Letter, kind_of
from serbero.simulator.scenario_prompt import Asked
from serbero.simulator.scenario_script import Script
from serbero.simulator.scenario_teller import Teller
from serbero.simulator.scenario_truth import Case
from serbero.simulator.scenario_verdict import many
from serbero.simulator.scenario_words import model_line
from serbero.simulator.scenario_world import World
from serbero.simulator.solver import SolverInbox

PATIENCE_SECONDS: Final = 60.0
"""How long one thing may take on a busy machine."""
POLL_SECONDS: Final = 0.02
_ANSWER_SECONDS: Final = 15.0


class SceneFailed(Exception):  # noqa: N818 - named for what it says
    """Something that had to happen did not; the text says what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Call:
    """One answer of the model.

    Attributes:
        asked: what it was asked.
        said: its words; None for none.
    """

    asked: Asked
    said: str | None


class Scene:
    """One dispute, as an async context manager.

    Args:
        world: where it plays.
        script: its words.
        teller: told what happens.
        most: messages to a party; more end the scene.

    Attributes:
        clients: the parties' devices.
        calls: what the model was asked about this dispute.
        down: whether the model refuses.
        refusals: how often it refused.
        written: what the parties wrote, in order.
        commands: what solvers wrote to Serbero, in order.
        when_acked: what the database said when a solver had just said to have it.
    """

    def __init__(self, world: World, script: Script, teller: Teller, most: int) -> None:
        self.world = world
        self.most = most
        self.script = script
        self.teller = teller
        self.clients: dict[Party, PartyClient] = {}
        self.calls: list[Call] = []
        self.down = False
        self.refusals = 0
        self.written: list[tuple[Party, str]] = []
        self.commands: list[str] = []
        self.when_acked: Watch = NOTHING_WATCHED
        self._clock = world.clock
        self._stack = AsyncExitStack()
        self._order: Order | None = None
        self._opened_at = 0.0
        self._told: set[tuple[str, Letter]] = set()
        self._seemed_down: bool | None = None

    async def __aenter__(self) -> Self:
        try:
            for party, envelope in CLIENTS[self.world.protocol].items():
                client = PartyClient(
                    [self.world.relay_url],
                    clock=self._clock,
                    protocol=self.world.protocol,
                    envelope=envelope,
                    name=party.value,
                )
                self.clients[party] = await self._stack.enter_async_context(client)
            self._order = await self.world.node.open_order(*self.clients.values())
            self.world.listen(self._order.id, self)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # What is known.

    @property
    def order(self) -> Order:
        """The order behind it."""
        if self._order is None:
            raise RuntimeError("the scene has not begun")
        return self._order

    @property
    def dispute(self) -> Dispute | None:
        """The dispute once the node has opened it."""
        found = self.world.node.disputes.values()
        return next((each for each in found if each.order_id == self.order.id), None)

    @property
    def dispute_id(self) -> str:
        """Its id; empty before it was opened."""
        dispute = self.dispute
        return "" if dispute is None else dispute.id

    def letters(self, person: SolverInbox, kind: Letter) -> list[str]:
        """Messages of a kind about this dispute that reached a solver's device."""
        return [
            each.text
            for each in person.about(self.dispute_id)
            if each.sender == self.world.serbero and kind_of(each.text) is kind
        ]

    async def case(self) -> Case:
        """What the database says."""
        return await self.world.case(self.dispute_id)

    def proposed(self, party: Party) -> str:
        """What the model said last for a party; empty where it said nothing."""
        said = self.calls[-1].said if self.calls else None
        words = None if said is None else json.loads(said).get(f"{party.value}_clarification")
        return words or ""

    # The model.

    def model_says(self, asked: Asked) -> str | None:
        """Answer for the model; None while it is down."""
        if asked.purpose is Purpose.HEALTH:
            return self._pinged()
        said = None if self.down else self.script.answer(asked)
        self.calls.append(Call(asked, said))
        if said is not None:
            self.say("model", model_line(asked, said), Tone.QUIET)
        return said

    def _pinged(self) -> str | None:
        """Somebody asks whether the model is there."""
        self.refusals += self.down
        if self.down != self._seemed_down:
            self._seemed_down = self.down
            answer = "it answers with an error (503)" if self.down else "it is"
            self.say("model", f"is asked whether it is there: {answer}", Tone.QUIET)
        return None if self.down else ""

    # Telling.

    def say(self, who: str, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Tell what ``who`` does now."""
        self.teller.line(who, text, tone)

    # Acting.

    async def opens(self) -> None:
        """The buyer asks the node for a dispute, and every solver hears of it.

        Raises:
            SceneFailed: the node never opened it, or a solver never heard.
        """
        self._opened_at = self._clock.monotonic()
        await self.clients[Party.BUYER].open_dispute(self.order.id)
        await self.until(lambda: self.dispute is not None, "the node opens the dispute")
        self.say("node", f"the buyer opens dispute {short(self.dispute_id)}")
        await self.tell(Letter.OPENED, "hears of it")

    async def taken(self) -> None:
        """Serbero takes it: solvers and parties are told.

        Raises:
            SceneFailed: it does not.
        """
        await self.tell(Letter.HELD, "is told that Serbero has it; a person may take over")
        clients = self.clients.values()
        await self.until(
            lambda: all(each.solver == self.world.serbero for each in clients),
            "the node sends buyer and seller to Serbero",
        )

    async def asked(self, number: int, *, whole: bool = False) -> None:
        """Each party reads Serbero's message ``number``, from 1.

        Raises:
            SceneFailed: one of them never gets it.
        """
        for party, client in self.clients.items():
            await self.until(
                lambda client=client: len(client.heard) >= number,  # type: ignore[misc]
                f"the {party} reads question {number} of Serbero",
                lambda client=client: f"{len(client.heard)} messages",  # type: ignore[misc]
            )
            text = client.heard[number - 1].text
            self.say(party.value, f'reads: "{_question(text)}"', Tone.HEARD)
            if whole and party is Party.BUYER:
                self.say("serbero", "signs every message like this:", Tone.QUIET)
                self.teller.letter(text.rpartition("\n\n")[2])

    async def writes(self, party: Party, text: str) -> None:
        """Let a party write to whoever is its solver.

        Raises:
            PeerError: a relay refused it or did not answer.
        """
        self.say(party.value, f'writes: "{text}"')
        self.written.append((party, text))
        await self.clients[party].say(text)

    async def answers(self, number: int) -> None:
        """Both parties, or whoever has something to say, write their text ``number``, from 1."""
        for party in Party:
            lines = self.script.lines(party)
            if len(lines) >= number:
                await self.writes(party, lines[number - 1])

    async def taken_over(self) -> None:
        """The solver who may takes it over at the node.

        Raises:
            SceneFailed: the node does otherwise.
        """
        person = self.world.writer
        self.say(person.name, f"takes {short(self.dispute_id)} over at the node")
        answer = await self.world.person.take(self.dispute_id, seconds=_ANSWER_SECONDS)
        self._expect(answer, Action.ADMIN_TOOK_DISPUTE)
        await self.tell(Letter.TAKEN, "is told that a person has it")

    async def settled(self) -> None:
        """The solver who took it over closes it.

        Raises:
            SceneFailed: the node does otherwise.
        """
        person = self.world.writer
        self.say(person.name, f"settles {short(self.dispute_id)}: the buyer is paid")
        answer = await self.world.person.settle(self.order.id, seconds=_ANSWER_SECONDS)
        self._expect(answer, Action.ADMIN_SETTLED)

    # Waiting.

    async def tell(
        self, kind: Letter, words: str, *, show: bool = False, to: SolverInbox | None = None
    ) -> None:
        """Wait until a message has reached its solvers, and tell of each.

        Args:
            kind: of the message.
            words: what a solver does with it.
            show: show the first one whole.
            to: the one who gets it; None for everybody, or everybody who is awake where it can
                wait.

        Raises:
            SceneFailed: one of them never gets it.
        """
        everybody = self.world.awake if kind in CAN_WAIT else self.world.people
        for person in (to,) if to is not None else everybody:
            await self.until(
                lambda person=person: self.letters(person, kind),  # type: ignore[misc]
                f"{person.name} gets {kind.value}",
            )
            self.say(person.name, words, Tone.HEARD)
            if show:
                self.teller.letter(self.letters(person, kind)[0])
                show = False

    async def until_case(self, holds: Callable[[Case], bool], what: str) -> Case:
        """Wait until the database says so.

        Raises:
            SceneFailed: it does not in time.
        """
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        while not holds(case := await self.case()):
            self._check()
            if self._clock.monotonic() > deadline:
                raise SceneFailed(f"expected that {what}, found {_described(case)}")
            await self._clock.sleep(POLL_SECONDS)
        return case

    async def ended(self, state: SessionState) -> Case:
        """Wait until the session has ended like this and nothing is on its way."""
        return await self.until_case(
            lambda case: case.state is state and not case.pending,
            f"the session ends as {state.value} and everything is sent",
        )

    async def until(
        self,
        seen: Callable[[], object],
        what: str,
        found: Callable[[], str] = lambda: "that it does not happen",
    ) -> None:
        """Wait until ``seen`` says so.

        Raises:
            SceneFailed: it does not in time.
            DaemonFailed: the daemon ended meanwhile.
        """
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        while not seen():
            self._check()
            if self._clock.monotonic() > deadline:
                raise SceneFailed(f"expected that {what}, found {found()}")
            await self._clock.sleep(POLL_SECONDS)

    def _check(self) -> None:
        """Do nothing while what is waited for may still come.

        Raises:
            SceneFailed: a party was told something it should not be.
            DaemonFailed: the daemon ended.
        """
        self.world.daemon.check()
        for party, client in self.clients.items():
            if len(client.heard) > self.most:
                raise SceneFailed(
                    f"expected {many(self.most, 'message')} to the {party}, found one more: "
                    f'"{_question(client.heard[-1].text)}"'
                )

    def nothing_was_taken(self) -> None:
        """Look at what the node got.

        Raises:
            SceneFailed: Serbero has asked for the dispute.
        """
        if any(each.subject == self.dispute_id for each in self.world.node.desk.received):
            raise SceneFailed("expected that nothing is taken yet, found a request at the node")

    def _expect(self, answer: Message | None, action: Action) -> None:
        found = "no answer" if answer is None else answer.action
        if found != action:
            raise SceneFailed(f"expected the node to answer {action}, found {found}")


_SIGNED: Final = frozenset(IDENTITY.values())


def _question(text: str) -> str:
    """A message to a party without the paragraph that says who writes."""
    words, _, last = text.rpartition("\n\n")
    return words if last in _SIGNED else text


def _described(case: Case) -> str:
    if case.state is None:
        tried = "it was looked at" if AuditKind.START_ATTEMPT_STARTED in case.kinds else "untouched"
        why = f", handed over for {case.trigger}" if case.trigger else ""
        return f"no session ({tried}{why})"
    why = f" for {case.trigger} ({case.reason})" if case.trigger else ""
    return f"a session in {case.state.value}{why}, {case.pending} messages on their way"
