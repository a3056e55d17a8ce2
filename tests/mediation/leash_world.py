"""The world around the engine: a node, its parties, relays, time, and a process that may end.

Everything in ``memory`` is what a process forgets. Every transaction is followed by the checks.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

import sqlalchemy as sa
from nostr_sdk import Keys
from tests.mediation.leash_checks import Checks
from tests.mediation.leash_file import LeashFile
from tests.mediation.leash_words import saying
from tests.store.rig import T0, dispute_id, fake_wraps, key, revision, said

from serbero.chat.channel import AcceptedMessage
from serbero.chat.envelopes import LegacyChat
from serbero.chat.speaking import Speaker
from serbero.clock import Clock
from serbero.daemon.base import let_go_of_another_keys
from serbero.delivery import ledger
from serbero.delivery.dismissal import dismiss
from serbero.delivery.settlement import Settlement
from serbero.intake.announcing import Audience
from serbero.intake.custody import tell_long_held
from serbero.intake.recording import Follow, record_revisions
from serbero.intake.settlement import initial_sent, reminder_sent
from serbero.mediation.ending import Endings
from serbero.mediation.engine import Recorder
from serbero.mediation.evaluation import Acting, View
from serbero.mediation.opening import Opener, Prepared
from serbero.mediation.settlement import question_sent
from serbero.mediation.start_records import Begun
from serbero.mediation.starting import Starter
from serbero.mediation.summarising import SummarySettlement
from serbero.messages.party import Language
from serbero.model.mediation import LIVE
from serbero.model.notification import Purpose, TargetSource
from serbero.model.party import Party
from serbero.model.people import Permission, Solver, Via
from serbero.mostro.chat import ChatMessage, Envelope
from serbero.mostro.dispute_event import Revision
from serbero.mostro.dispute_info import DisputeInfo
from serbero.node.result import Taken
from serbero.store import corrected_clock, cursors
from serbero.store.catch_up import catch_up
from serbero.store.new_key import reauthor, withdraw_party_messages

P = ParamSpec("P")
T = TypeVar("T")

DISPUTES: Final = 5
SETTLE_SECONDS: Final = 5
MAX_ROUNDS: Final = 2
START_DEADLINE: Final = 600
OURS: Final = (Keys.parse("11" * 32), Keys.parse("12" * 32))
"""Our key, and the one an operator may change it to."""
TRADE: Final = {
    (number, party): Keys.parse(f"{number + 1:02x}{index + 1:02x}" * 16).public_key().to_hex()
    for number in range(DISPUTES)
    for index, party in enumerate(Party)
}
_LIVE: Final = frozenset(each.value for each in LIVE)
_CHANNEL: Final = "SELECT trade_key, closed_at FROM chat_cursors WHERE dispute_id = ? AND party = ?"
_RELAYS: Final = dict.fromkeys(("wss://one.example", "wss://two.example"), TargetSource.CONFIGURED)


class WorldClock(Clock):
    """Time that stands until it is told otherwise."""

    def __init__(self) -> None:
        self.at = T0 + 100_000

    def time(self) -> float:
        return float(self.at)

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return float(self.at)

    async def sleep(self, seconds: float) -> None:
        del seconds
        raise AssertionError("nothing waits here")


@dataclass
class Case:
    """A dispute as the node has it.

    Attributes:
        published: its revisions, oldest first.
        holder: ``us``, ``them`` or nobody.
    """

    number: int
    published: list[Revision] = field(default_factory=list)
    holder: str | None = None

    @property
    def id(self) -> str:
        return dispute_id(self.number)

    @property
    def status(self) -> str:
        return self.published[-1].status.value

    def publish(self, status: str, at: int) -> Revision:
        """Say something new; a second holds one revision of a status."""
        after = self.published[-1].created_at if self.published else 0
        at = max(at, after)
        while any((each.created_at, each.status.value) == (at, status) for each in self.published):
            at += 1
        roles = ("buyer", "seller", "buyer")
        made = revision(self.number, status, at, initiator=roles[self.number % 3])
        self.published.append(made)
        return made


@dataclass
class Exchange:
    """A take under way; ``answer`` is what the node gave to it, seen by us or not."""

    take_id: int
    answer: Taken | None = None
    refusal: str | None = None


@dataclass
class Attempt:
    """A start under way."""

    begun: Begun
    prepared: Prepared | None = None
    asking: bool = False


@dataclass
class Memory:
    """What a restart loses."""

    attempts: dict[str, Attempt] = field(default_factory=dict)
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    summaries: dict[str, View] = field(default_factory=dict)
    overdue: list[str] = field(default_factory=list)
    claimed: ledger.Claim | None = None


class World:
    """Everything but the engine's own steps."""

    def __init__(self, file: LeashFile, *, writers: int = 1) -> None:
        self.file = file
        self.file.begin_anew()
        self.clock = WorldClock()
        self.cases = [Case(number) for number in range(DISPUTES)]
        self.memory = Memory()
        self.late: list[tuple[int, Taken]] = []
        self.counter = itertools.count()
        self.checks = Checks(file)
        self.people = tuple(
            Solver(
                typed=key(number).upper(),
                hex=key(number),
                permission=Permission.WRITE if number <= writers else Permission.READ,
                via=Via.BOTH if number == 2 else Via.NIP17,
            )
            for number in range(1, writers + 2)
        )
        self.key_number = 0
        self._live_as(OURS[0])

    # --- one process -------------------------------------------------------------------------

    def _live_as(self, keys: Keys) -> None:
        own = keys.public_key().to_hex()
        self.audience = Audience(own, self.people, deadline_seconds=4_000)
        self.speaker = Speaker(keys, LegacyChat.AUTO, 4_000, speaks_v1=lambda: False)
        self.acting = Acting(self.audience, self.speaker, Language.ENGLISH, MAX_ROUNDS)
        self.endings = Endings(self.audience)
        self.recorder = Recorder(SETTLE_SECONDS)
        opener = Opener(keys, self.audience, self.speaker, Language.ENGLISH)
        nobody = cast("Any", None)  # the hooks ask none of them
        self.starter = Starter(
            store=nobody,
            mind=nobody,
            bundles=nobody,
            authority=nobody,
            opener=opener,
            take=nobody,
            clock=self.clock,
            metrics=nobody,
            settings=nobody,
            on_enqueued=lambda: None,
        )
        summary = SummarySettlement(self.audience)
        self.settlements = {
            Purpose.INITIAL: Settlement(on_sent=initial_sent, once_a_round=True),
            Purpose.RENOTIFICATION: Settlement(on_sent=reminder_sent, once_a_round=True),
            Purpose.PARTY_MESSAGE: Settlement(on_sent=question_sent),
            Purpose.MEDIATION_SUMMARY: Settlement(on_sent=summary.sent, on_dead=summary.dead),
        }

    def run(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """One transaction of the engine's, and a look at what it wrote."""
        value = self.file.run(fn, *args, **kwargs)
        self.checks.after_a_transaction()
        return value

    def read(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """One that only looks."""
        return self.file.run(fn, *args, **kwargs)

    def restart(self, *, another_key: bool) -> None:
        """End the process wherever it is, and begin the next as the daemon does."""
        self.memory = Memory()
        self.file.close()
        if another_key:
            self.key_number = 1 - self.key_number
        self._live_as(OURS[self.key_number])
        now, own = self.now, self.audience.sender
        self.run(catch_up, now)
        self.run(cursors.open_stream, now, 0, now)
        self.run(corrected_clock.correct, now)
        self.run(reauthor, own)
        self.run(withdraw_party_messages, own, now)
        self.run(let_go_of_another_keys, self.audience, self.at_ms)
        self.run(dismiss, self.audience.reachable, now)

    @property
    def now(self) -> int:
        return self.clock.at

    @property
    def at_ms(self) -> int:
        return self.clock.at * 1000

    # --- the node ----------------------------------------------------------------------------

    def hear(self, *batch: Revision) -> None:
        """Some revisions reach us, whichever."""
        follow = Follow(self.endings.released, self.endings.applied)
        self.run(record_revisions, batch, self.audience, 0, self.at_ms, follow)

    def tell_held_news(self) -> None:
        """Look for news that waits too long."""
        self.run(tell_long_held, self.audience, self.at_ms, self.endings.released)

    def node_gets_request(self, case: Case, exchange: Exchange, refuse: str | None) -> None:
        """Answer a take as the node does, or refuse it for a reason of its own."""
        may = case.status == "initiated" or (case.status == "in-progress" and case.holder == "us")
        if refuse is not None or not may:
            exchange.refusal = refuse or "invalid_pubkey"
            return
        at = case.publish("in-progress", self.now).created_at
        case.holder = "us"
        exchange.answer = Taken(case.id, self.info(case), at, 1)

    def info(self, case: Case) -> DisputeInfo:
        """What the node tells of a dispute; of the third, one trade key for both parties."""
        buyer, seller = (TRADE[case.number, party] for party in Party)
        if case.number == 2 and len(case.published) % 3 == 0:
            seller = buyer
        values: dict[str, Any] = dict.fromkeys(DisputeInfo.__dataclass_fields__)
        values |= {"order_id": "order", "buyer": buyer, "seller": seller, "initiator": "buyer"}
        return DisputeInfo(**values)

    # --- parties -----------------------------------------------------------------------------

    def is_led(self, case: Case) -> bool:
        """Whether a session of it is ours to lead."""
        states = self.checks.states
        return any(
            of == case.id and states[each] in _LIVE for each, of in self.checks.disputes.items()
        )

    def says(self, case: Case, party: Party, words: int, dated: int) -> bool:
        """A party writes, if there is a channel that we read."""
        channel = self.file.rows(_CHANNEL, case.id, party.value)
        if not channel or (channel[0][1] or self.now) < self.now - 86_400:
            return False
        number = next(self.counter)
        message = ChatMessage(
            inner_id=f"{number:064x}",
            author=channel[0][0],
            text=saying(words),
            created_at=self.now + dated,
            outer_id=f"{number + 2**64:064x}",
            outer_created_at=self.now,
            attachment=None,
            envelope=Envelope.KIND14,
        )
        accepted = AcceptedMessage(case.id, party, message, self.now)
        self.run(self.recorder.record, accepted)
        return True

    # --- relays ------------------------------------------------------------------------------

    def claim(self, limit: int) -> None:
        """Begin to deliver what is due."""
        claimed = self.run(
            ledger.claim, self.now, limit, (), lambda _who: _RELAYS, self.settlements
        )
        self.checks.claimed([each.id for each in claimed.rows])
        self.memory.claimed = claimed

    def answer(self, taken_by: int) -> None:
        """Wrap what was claimed, give it to the relays, and record that so many of two took it."""
        claimed = self.memory.claimed
        self.memory.claimed = None
        if claimed is None or not claimed.rows:
            return
        wraps = fake_wraps(claimed, f"{next(self.counter)}")
        over = self.run(ledger.commit_wraps, wraps, self.now, [each.id for each in claimed.rows])
        out = [each for each in claimed.rows if each.id not in over]
        self.checks.going_out([each.id for each in out])
        batch = ledger.Batch()
        for row in out:
            targets = claimed.targets[row.id]
            for place, target in enumerate(targets):
                delivered = place < taken_by
                update = said(row.id, target, delivered=delivered, now=self.now, again=30)
                batch.attempts.append(ledger.Attempt(row, update, delivered=delivered))
            if not taken_by:
                reasons = frozenset({"timeout"})
                batch.failed_rounds.append(ledger.FailedRound(row, reasons, "timeout"))
            batch.finished.append(row.id)
        self.run(ledger.record, batch, self.at_ms, self.settlements)
