"""Doing what a solver asks for and answering: one transaction a message, never two.

Nothing here can change the configuration or say anything to the node. A solver without write
permission is told what the notifications tell: ids, states, times and who has what.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.escalation import resting
from serbero.escalation.acknowledging import (
    Acknowledged,
    HeldByAnother,
    MayNot,
    NothingToTake,
    acknowledge,
)
from serbero.escalation.deadline import EscrowDeadline
from serbero.intake.announcing import Audience
from serbero.messages import console as words
from serbero.messages.console import Facts, Person, Standing
from serbero.model.duty import display, is_quiet, on_duty
from serbero.model.notification import Purpose, Urgency
from serbero.model.people import Permission, Solver
from serbero.model.texts import Outgoing
from serbero.nostr.rumor import direct_message
from serbero.solvers import commands as asked
from serbero.solvers.pace import ANSWERS_A_MINUTE, Verdict
from serbero.solvers.reading import Question
from serbero.store import commands as records
from serbero.store import journal, ladders, outbox
from serbero.store.commands import Told
from serbero.store.outbox import NewMessage

ANSWER_SECONDS: Final = 3_600
"""An answer no relay took by then is worth nothing."""

Escrow = Callable[[sa.Connection, str], EscrowDeadline | None]


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """What is configured.

    Attributes:
        node: whose disputes are told of, hex.
        acknowledge: ``[escalation].acknowledge``.
        lease_seconds: ``[escalation].acknowledge_lease_seconds``.
        escrow: when the escrow of a dispute ends; None where nobody is told.
    """

    node: str
    acknowledge: bool
    lease_seconds: int
    escrow: Escrow | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What was done about one message.

    Attributes:
        command: its name.
        outcome: a word for the journal.
        changed: whether anything but the answer was written.
        rows: how many messages were enqueued.
    """

    command: str
    outcome: str
    changed: bool
    rows: int


@dataclass(frozen=True, slots=True)
class _Reply:
    """What is said, and what happened."""

    text: Outgoing
    outcome: str = "told"
    dispute_id: str | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class _Ask:
    """Everything one answer needs."""

    tx: sa.Connection
    solver: Solver
    key: str
    at_ms: int

    @property
    def now(self) -> int:
        return self.at_ms // 1000

    @property
    def may_write(self) -> bool:
        return self.solver.permission is Permission.WRITE


class Desk:
    """Answers.

    Args:
        audience: everybody configured.
        settings: what is configured.
        since: Unix seconds at which this life of the daemon began.
    """

    def __init__(self, audience: Audience, settings: DeskSettings, since: int) -> None:
        self._audience, self._settings, self._since = audience, settings, since
        self._solvers = {
            each.hex: each for each in audience.solvers if each.reachable and each.hex is not None
        }

    @property
    def solvers(self) -> frozenset[str]:
        """Who (hex) is answered."""
        return frozenset(self._solvers)

    def answer(
        self, tx: sa.Connection, question: Question, verdict: Verdict, at_ms: int
    ) -> Answered | None:
        """Do what a message asks for, and enqueue the answer.

        Args:
            tx: the transaction.
            question: of a configured solver.
            verdict: whether this one is answered.
            at_ms: Unix milliseconds.

        Returns:
            None for a message that was taken up before: nothing was written.
        """
        if not records.first_time(tx, question.id, question.solver, at_ms // 1000):
            return None
        if verdict is Verdict.SILENCE:
            return Answered("none", "silence", changed=False, rows=0)
        ask = _Ask(tx, self._solvers[question.solver], question.solver, at_ms)
        if verdict is Verdict.SAY_SO:
            name, reply = "none", _Reply(words.slow_down(ANSWERS_A_MINUTE), "too_many")
        else:
            command = asked.parse(question.text)
            name, reply = command.name, self._obey(ask, command)
        self._journal(ask, question, name, reply)
        rows = self._enqueue(ask, question, reply.text)
        return Answered(name, reply.outcome, reply.changed, rows)

    def _obey(self, ask: _Ask, command: asked.Command) -> _Reply:
        match command:
            case asked.Open():
                return self._open(ask)
            case asked.Show(which):
                return self._about(ask, "show", which, self._show)
            case asked.Ack(which):
                return self._ack(ask, which)
            case asked.Snooze(which, seconds):
                return self._snooze(ask, which, seconds)
            case asked.Mute(seconds):
                return self._mute(ask, seconds)
            case asked.Who():
                return self._who(ask)
            case asked.Status():
                return self._status(ask)
            case _:
                return self._explain(ask, command)

    def _explain(self, ask: _Ask, command: asked.Command) -> _Reply:
        match command:
            case asked.Help():
                return _Reply(
                    words.help_text(may_write=ask.may_write, acknowledge=self._settings.acknowledge)
                )
            case asked.BadTime(of):
                return _Reply(words.bad_time(of), "no_time")
            case asked.Elsewhere():
                return _Reply(words.elsewhere(), "elsewhere")
            case _:
                return _Reply(words.unknown(), "unknown")

    # What there is.

    def _open(self, ask: _Ask) -> _Reply:
        node = self._settings.node
        ids = records.open_ids(ask.tx, node, words.MOST)
        count = sum(records.count_open(ask.tx, node).values())
        facts = self._facts(ask, records.told(ask.tx, ids))
        return _Reply(words.open_disputes(facts, count, ask.now))

    def _show(self, ask: _Ask, dispute_id: str) -> _Reply:
        [facts] = self._facts(ask, records.told(ask.tx, [dispute_id]))
        return _Reply(words.show(facts, ask.now), dispute_id=dispute_id)

    def _who(self, ask: _Ask) -> _Reply:
        held = [
            (each.dispute_id, self._name(each.solver), each.until)
            for each in records.holders(ask.tx, ask.now)
        ]
        return _Reply(words.who(held, self._people(ask) if ask.may_write else [], ask.now))

    def _people(self, ask: _Ask) -> list[Person]:
        """Who is on call; the notifications do not say that, so only writers are told."""
        muted = ladders.muted(ask.tx, ask.now)
        return [
            Person(display(each), each.permission.value, is_quiet(each, ask.now), each.hex in muted)
            for each in on_duty(self._solvers.values(), ask.now)
        ]

    def _status(self, ask: _Ask) -> _Reply:
        states = records.count_open(ask.tx, self._settings.node)
        waiting = len(records.waiting_ids(ask.tx, ask.now)) if self._settings.acknowledge else None
        return _Reply(
            words.status(
                Standing(
                    since=min(self._since, ask.now),
                    states={state.value: count for state, count in states.items()},
                    waiting=waiting,
                    name=display(ask.solver),
                    permission=ask.solver.permission.value,
                    muted_until=ladders.muted(ask.tx, ask.now).get(ask.key),
                ),
                ask.now,
            )
        )

    def _facts(self, ask: _Ask, disputes: Sequence[Told]) -> list[Facts]:
        held = {
            each.dispute_id: (self._name(each.solver), each.until)
            for each in records.holders(ask.tx, ask.now)
        }
        return [
            Facts(
                dispute_id=each.dispute_id,
                state=each.state.value,
                initiator=each.initiator,
                opened_at=each.opened_at,
                ours=each.ours,
                handed_over_at=each.handed_over_at,
                holder=held.get(each.dispute_id),
                escrow=self._escrow(ask, each),
            )
            for each in disputes
        ]

    def _escrow(self, ask: _Ask, told: Told) -> tuple[int, bool] | None:
        """When it ends: told to writers, as warnings of it are."""
        if self._settings.escrow is None or not ask.may_write or told.closed:
            return None
        ends = self._settings.escrow(ask.tx, told.dispute_id)
        return None if ends is None else (ends.at, ends.known)

    # What somebody wants.

    def _ack(self, ask: _Ask, which: str | None) -> _Reply:
        if not self._settings.acknowledge:
            return _Reply(words.switched_off("ack"), "switched_off")
        if not ask.may_write:
            return _Reply(words.readers_ack(), "may_not")
        return self._about(ask, "ack", which, self._acknowledge)

    def _acknowledge(self, ask: _Ask, dispute_id: str) -> _Reply:
        lease = self._settings.lease_seconds
        result = acknowledge(ask.tx, self._audience, ask.solver, dispute_id, ask.at_ms, lease)
        match result:
            case Acknowledged(until, again):
                text = words.acknowledged(dispute_id, until, ask.now, again=again)
                return _Reply(text, "acknowledged", dispute_id, changed=True)
            case HeldByAnother(name, until):
                text = words.held(dispute_id, name, until, ask.now)
                return _Reply(text, "held_by_another", dispute_id)
            case NothingToTake(why):
                return _Reply(words.nothing_to_take(dispute_id, why), why, dispute_id)
            case MayNot():
                return _Reply(words.readers_ack(), "may_not", dispute_id)

    def _snooze(self, ask: _Ask, which: str | None, seconds: int) -> _Reply:
        if not self._settings.acknowledge:
            return _Reply(words.switched_off("snooze"), "switched_off")

        def put_off(ask: _Ask, dispute_id: str) -> _Reply:
            until = resting.snooze(ask.tx, ask.key, dispute_id, seconds, ask.now)
            if until is None:
                return _Reply(words.nothing_to_snooze(dispute_id), "nothing", dispute_id)
            text = words.snoozed(dispute_id, until, ask.now)
            return _Reply(text, "snoozed", dispute_id, changed=True)

        return self._about(ask, "snooze", which, put_off)

    def _mute(self, ask: _Ask, seconds: int) -> _Reply:
        until = resting.mute(ask.tx, ask.key, seconds, ask.now)
        return _Reply(words.muted(until, ask.now), "muted", changed=True)

    # Which dispute.

    def _about(
        self, ask: _Ask, command: str, which: str | None, do: Callable[[_Ask, str], _Reply]
    ) -> _Reply:
        """Find the one dispute that is meant, or say why none is."""
        if which is None:
            return _Reply(words.which_one(command, self._candidates(ask, command)), "which")
        if len(asked.hexadecimal(which)) < asked.SHORTEST_ID:
            return _Reply(words.too_short(which, asked.SHORTEST_ID), "too_short")
        found = self._beginning_with(ask, asked.hyphenated(which))
        if not found:
            return _Reply(words.not_found(which), "not_found")
        if len(found) > 1:
            return _Reply(words.ambiguous(which, found), "ambiguous")
        return do(ask, found[0])

    def _beginning_with(self, ask: _Ask, beginning: str) -> list[str]:
        """Open disputes first: somebody who types an id most often means one of these."""
        most = words.MOST + 1
        node = self._settings.node
        found = records.beginning_with(ask.tx, node, beginning, most, only_open=True)
        return found or records.beginning_with(ask.tx, node, beginning, most, only_open=False)

    def _candidates(self, ask: _Ask, command: str) -> list[str]:
        if command == "show":
            return records.open_ids(ask.tx, self._settings.node, words.MOST + 1)
        return records.waiting_ids(ask.tx, ask.now)

    # What is written.

    def _name(self, key: str) -> str:
        solver = self._solvers.get(key)
        return "somebody" if solver is None else display(solver)

    def _journal(self, ask: _Ask, question: Question, name: str, reply: _Reply) -> None:
        payload = {
            "solver": question.solver,
            "command": name,
            "outcome": reply.outcome,
            "channel": question.channel.value,
            "message_id": question.id,
        }
        journal.write(
            ask.tx, "solver_command", ask.now, dispute_id=reply.dispute_id, payload=payload
        )

    def _enqueue(self, ask: _Ask, question: Question, text: Outgoing) -> int:
        rumor = direct_message(
            sender=self._audience.sender,
            recipient=ask.key,
            text=text.text,
            created_at=ask.now,
            subject=words.SUBJECT,
            root=question.id,
        )
        message = NewMessage(
            purpose=Purpose.ANSWER,
            # None even where the answer is about a dispute: it belongs to its question, and as a
            # message of the dispute it would begin its thread or hold up its reminders.
            dispute_id=None,
            anchor=question.id,
            recipient=ask.key,
            recipient_typed=ask.solver.typed,
            notif_type=None,
            rumor_id=rumor.id,
            rumor_json=rumor.json,
            urgency=Urgency.NOTICE,
            enqueued_ms=ask.at_ms,
            deadline_at=ask.now + min(ANSWER_SECONDS, self._audience.deadline_seconds),
            channel=question.channel,
        )
        return outbox.enqueue(ask.tx, [message])
