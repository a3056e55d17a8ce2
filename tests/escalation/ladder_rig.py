"""Disputes that wait for a human, on a clock of plain numbers and a real database.

Every change goes through the transactions the daemon runs, at the moments at which its loops
would run them: a step when it is due, a digest within :data:`SWEEP` of a quiet time's end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from tests.store.mediation_rig import PINS, open_in, take
from tests.store.rig import SENDER, Database, key, revision

from serbero.daemon.clock_watch import turn_back
from serbero.daemon.consequences import Consequences
from serbero.escalation import digest, ladder_records, resting
from serbero.escalation.acknowledging import AckResult, acknowledge
from serbero.escalation.dispatching import DispatchRules, dispatch
from serbero.escalation.ladder_records import Climbing, take_step
from serbero.escalation.warning import Escrow, Warnings, warn
from serbero.intake.announcing import Audience
from serbero.intake.recording import Follow, RecordedRevision, record_revisions
from serbero.intake.reminders import ReminderPace, find_due, remind_due
from serbero.mediation.ending import Endings
from serbero.mediation.escalating import escalate, escalate_unstarted
from serbero.model.duty import is_quiet
from serbero.model.ladder import DEFAULT_POLICY, Policy
from serbero.model.mediation import Trigger
from serbero.model.people import Permission, Quiet, Solver
from serbero.mostro.dispute_event import Revision
from serbero.store import corrected_clock, handoffs
from serbero.store.escalations import Handoff, handoff_prepared

SWEEP: Final = 60
LEASE: Final = 900
NODE: Final = "aa" * 32
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def person(letter: str, *, write: bool = False, quiet: str = "", **more: Any) -> Solver:
    """A solver who is called by a letter."""
    hexed = key(_LETTERS.index(letter) + 17)
    permission = Permission.WRITE if write else Permission.READ
    span = Quiet.of(quiet) if quiet else None
    return Solver(hexed, hexed, permission=permission, name=letter, quiet=span, **more)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that arrived: when (seconds of real time since the beginning), what, to whom."""

    at: int
    purpose: str
    dispute: str
    letter: str
    anchor: str
    text: str = field(repr=False)


@dataclass
class Stage:
    """A database, the people, and what the daemon does with time.

    Attributes:
        start: Unix seconds at which everything begins.
        elapsed: real seconds since then.
        skew: what the wall clock is ahead of real time, seconds.
    """

    path: Path
    people: tuple[Solver, ...]
    start: int
    policy: Policy = DEFAULT_POLICY
    pace: ReminderPace | None = None
    cltv_delta: int | None = None
    warns: bool = False
    sweep: int = SWEEP
    elapsed: int = 0
    skew: int = 0
    on: bool = True
    relays: bool = True
    sent: list[Sent] = field(default_factory=list)
    missed: list[Revision] = field(default_factory=list)
    looks: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = Database(self.path, self.start)
        self._connect()

    def _connect(self) -> None:
        """Look at the database without the cost of a transaction; nobody pulls a plug here."""
        borrowed = self.database.engine.raw_connection()
        assert borrowed.driver_connection is not None
        self.plain = borrowed.driver_connection
        borrowed.close()
        self.plain.execute("PRAGMA synchronous = OFF")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query finds."""
        return [tuple(each) for each in self.plain.execute(query, values)]

    # --- who and when --------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """By the wall clock."""
        return self.start + self.elapsed + self.skew

    @property
    def audience(self) -> Audience:
        return Audience(SENDER, self.people, 86_400, handoffs_fall_back=True)

    @property
    def escrow(self) -> Escrow:
        return Escrow(lambda: self.cltv_delta, 24, NODE)

    @property
    def climbing(self) -> Climbing:
        return Climbing(
            self.audience, lambda tx, of: None if (e := self.escrow.of(tx, of)) is None else e.line
        )

    @property
    def follow(self) -> Follow:
        following = Consequences(Endings(self.audience))
        return Follow(following.released, following.applied)

    def solver(self, letter: str) -> Solver:
        return next(each for each in self.people if each.name == letter)

    def letter(self, hexed: str) -> str:
        return _LETTERS[int(hexed[:2], 16) - 17]

    # --- what happens --------------------------------------------------------------------------

    def happens(self, dispute: str | int, status: str) -> list[RecordedRevision]:
        """The node publishes a revision; a daemon that is off hears of it later."""
        told = revision(dispute, status, self.start + self.elapsed)
        if not self.on:
            self.missed.append(told)
            return []
        return self._record(told)

    def _record(self, told: Revision) -> list[RecordedRevision]:
        done = self.database.run(
            record_revisions, [told], self.audience, 0, self.now * 1000, self.follow
        )
        self.deliver()
        return done

    def hand_over(self, number: int, *, session: bool = False, again: bool = False) -> str:
        """A dispute is handed over: by a mediation of ours, before any, or once more."""
        dispute = revision(number).dispute_id
        if again:
            why = Handoff(Trigger.NOTIFICATION_FAILED)
            self.database.run(handoff_prepared, dispute, why, self.now, pins=PINS)
            self.database.run(handoffs.take_up)
        elif session:
            self.database.run(take, dispute, self.now)
            session_id = self.database.run(open_in, dispute, number, self.now)
            why = Handoff(Trigger.CONFLICTING_CLAIMS)
            self.database.run(escalate, self.audience, session_id, why, self.now * 1000)
        else:
            why = Handoff(Trigger.REASONING_UNAVAILABLE)
            about = (dispute, why, PINS, self.now * 1000)
            self.database.run(escalate_unstarted, self.audience, *about)
        self.dispatch()
        return dispute

    def dispatch(self) -> None:
        """What the dispatcher does as soon as a hand-off is written."""

        def begin(tx: Any, pending: Any, package: Any, now: int) -> None:
            about = (package.dispute_id, pending.session_id, pending.event_id)
            ladder_records.begin(tx, *about, self.policy, now)

        rules = DispatchRules(self.audience, fallback_to_all=True, on_dispatched=begin)
        for event_id in self.database.run(handoffs.due, 128):
            self.database.run(dispatch, rules, event_id, self.now * 1000)
        self.deliver()

    def acknowledges(self, letter: str, dispute: str, lease: int = LEASE) -> AckResult:
        about = (self.solver(letter), dispute, self.now * 1000, lease)
        result = self.database.run(acknowledge, self.audience, *about)
        self.deliver()
        return result

    def snoozes(self, letter: str, dispute: str, seconds: int) -> int | None:
        of = self.solver(letter).hex or ""
        return self.database.run(resting.snooze, of, dispute, seconds, self.now)

    def mutes(self, letter: str, seconds: int) -> int:
        return self.database.run(resting.mute, self.solver(letter).hex or "", seconds, self.now)

    def stops(self) -> None:
        """The process ends."""
        self.on = False
        self.database.close()

    def starts(self) -> None:
        """It starts again, and hears first what it missed."""
        self.on = True
        self.database.reopen(self.now)
        self._connect()
        self.database.run(corrected_clock.correct, self.now)
        missed, self.missed = self.missed, []
        for each in missed:
            self._record(each)

    def restarts(self) -> None:
        self.stops()
        self.starts()

    def sets_clock(self, by: int) -> None:
        """The wall clock is set; a running daemon notices if it goes back."""
        self.skew += by
        if self.on and by < -30:
            self.database.run(turn_back, self.now, -by)

    # --- time ----------------------------------------------------------------------------------

    def goes_on(self, until: int) -> None:
        """Let time pass, in real seconds since the beginning."""
        while self.on and (at := self._next(until)) is not None and at <= until:
            self.elapsed = max(at, self.elapsed)
            self._look()
        self.elapsed = max(until, self.elapsed)

    def _next(self, until: int) -> int | None:
        """When some loop has something to do, in real seconds since the beginning."""
        waits: list[int] = []
        [(due, last, held)] = self.rows(
            "SELECT (SELECT min(next_at) FROM ladders WHERE next_at IS NOT NULL),"
            " (SELECT min(coalesce(last_notified_at, detected_at)) FROM disputes"
            " WHERE lifecycle_state IN ('new', 'notified')),"
            " EXISTS (SELECT 1 FROM held_messages WHERE settled_at IS NULL)"
        )
        if due is not None:
            waits.append(due - self.start - self.skew)
        if self.pace is not None and last is not None:
            waits.append(last + self.pace.interval + 1 - self.start - self.skew)
        if self.warns or held:
            waits.append(self.next_sweep(min(waits, default=until)))
        return max(min(waits), self.elapsed) if waits else None

    def next_sweep(self, until: int) -> int:
        """When it is looked again who is awake; nobody has to be before ``until``."""
        del until
        return self.elapsed - self.elapsed % self.sweep + self.sweep

    def _look(self) -> None:
        at_ms = self.now * 1000
        for (ladder_id,) in self.rows(
            "SELECT id FROM ladders WHERE next_at <= ? ORDER BY next_at, id", self.now
        ):
            self.database.run(take_step, self.climbing, ladder_id, at_ms)
        if self.pace is not None and (due := self.database.run(find_due, self.pace, self.now)):
            self.database.run(remind_due, due, self.audience, self.pace, at_ms)
        if self.elapsed % self.sweep == 0:
            self._digests()
            if self.warns:
                self._warn()
        self.deliver()
        for each in self.looks:
            each()

    def _digests(self) -> None:
        keys, muted = self.database.run(digest.waiting_for, self.now)
        for solver in self.people:
            if solver.hex in keys and solver.hex not in muted and not is_quiet(solver, self.now):
                self.database.run(digest.tell, self.audience, solver, self.now * 1000)

    def _warn(self) -> None:
        watch = Warnings(
            store=None,  # type: ignore[arg-type]
            audience=self.audience,
            escrow=self.escrow,
            clock=None,  # type: ignore[arg-type]
            on_enqueued=lambda: None,
        )
        for dispute in self.database.run(watch.due, self.now):
            self.database.run(warn, self.audience, self.escrow, dispute, self.now * 1000)

    def deliver(self) -> None:
        """Relays take everything that is due, at once, while there are any."""
        if not self.relays:
            return
        rows = self.rows(
            "SELECT id, purpose, dispute_id, recipient, anchor,"
            " json_extract(rumor_json, '$.content'), created_at FROM outbox"
            " WHERE state = 'pending' ORDER BY id"
        )
        if not rows:
            return
        for _, purpose, dispute, recipient, anchor, text, _ in rows:
            letter = self.letter(recipient)
            self.sent.append(Sent(self.elapsed, purpose, dispute, letter, anchor, text))
        self.plain.execute(
            "UPDATE outbox SET state = 'sent', next_attempt_at = NULL, settled_at = ?"
            " WHERE state = 'pending'",
            (self.now,),
        )
        initial = {
            (dispute, created_at)
            for _, purpose, dispute, _, _, _, created_at in rows
            if purpose in ("initial", "re-notification")
        }
        for dispute, created_at in initial:
            self.plain.execute(
                "UPDATE disputes SET last_notified_at = max(coalesce(last_notified_at, 0), ?),"
                " lifecycle_state = replace(lifecycle_state, 'new', 'notified')"
                " WHERE dispute_id = ? AND lifecycle_state IN ('new', 'notified')",
                (created_at, dispute),
            )

    # --- what was seen -------------------------------------------------------------------------

    def held(self) -> list[tuple[str, str, str]]:
        """Letter, purpose and anchor of what waits for a digest."""
        rows = self.rows(
            "SELECT solver, purpose, anchor FROM held_messages WHERE settled_at IS NULL ORDER BY id"
        )
        return [(self.letter(solver), purpose, anchor) for solver, purpose, anchor in rows]

    def story(self, wanted: Sequence[str], dispute: str | None = None) -> str:
        """What arrived, as ``minute:LETTERS`` or ``minute:purpose(LETTERS)``, in order."""
        chosen = [
            each for each in self.sent if each.purpose in wanted and dispute in (None, each.dispute)
        ]
        told = []
        for (at, purpose), group in groupby(chosen, key=lambda each: (each.at, each.purpose)):
            letters = "".join(sorted(each.letter for each in group))
            minute = f"{at // 60}" if at % 60 == 0 else f"{at / 60:.1f}"
            short = {
                "escalation_reminder": f"{minute}:{letters}",
                "escalation_acknowledged": f"{minute}:ack({letters})",
            }
            told.append(short.get(purpose, f"{minute}:{purpose}({letters})"))
        return " ".join(told)
