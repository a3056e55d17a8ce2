"""Whether a scenario reached its right end, from what was seen of it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from serbero.messages.party import IDENTITY, Language
from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import AuditKind, EscalationReason, SessionState, Trigger
from serbero.model.party import Party
from serbero.mostro.message import Action
from serbero.simulator.scenario_ladder import NOTHING_WATCHED, Watch
from serbero.simulator.scenario_letters import READER, SLEEPER, WRITER, Letter, kind_of
from serbero.simulator.scenario_script import Scenario
from serbero.simulator.scenario_truth import UNKNOWN, Case

TOOK: Final = "took"
"""What the node does with a take that gives Serbero the dispute."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as somebody's device opened it.

    Attributes:
        id: of what was signed inside, hex.
    """

    id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was seen of one scenario.

    Attributes:
        case: what the database says in the end.
        letters: what each solver got from Serbero about the dispute, by name.
        heard: what each party got from Serbero, every envelope of it.
        on_relay: how many events of each party's chat the relay holds.
        wanted_on_relay: how many there must be, by what was read and written.
        actions: every action Serbero ever asked of the node.
        takes: what the node did with each take of this dispute.
        leaks: what was found where it must not be.
        others: what each solver got from Serbero that is not about the dispute, by name.
        watch: what the database says in the end of the waiting for a person.
        when_acked: likewise, right after somebody said to have it.
    """

    case: Case = UNKNOWN
    letters: Mapping[str, Sequence[Received]] = field(default_factory=dict)
    heard: Mapping[Party, Sequence[Received]] = field(default_factory=dict)
    on_relay: Mapping[Party, int] = field(default_factory=dict)
    wanted_on_relay: Mapping[Party, int] = field(default_factory=dict)
    actions: Sequence[str] = ()
    takes: Sequence[str] = ()
    leaks: Sequence[str] = ()
    others: Mapping[str, Sequence[Received]] = field(default_factory=dict)
    watch: Watch = NOTHING_WATCHED
    when_acked: Watch = NOTHING_WATCHED


@dataclass(frozen=True, slots=True)
class RightEnd:
    """How a scenario must end.

    Attributes:
        lifecycle: of the dispute.
        state: of its one session; None where there must be none.
        trigger: why it went to a human, None where it did not.
        reason: what exactly stood behind that; None where it does not matter.
        questions: messages to each party.
        letters: what each solver gets.
        own: what one solver gets beside that, by name.
        trail: kinds of the audit trail that must stand in it, in this order.
        languages: in which each party is told, in its last message, who writes.
    """

    lifecycle: Lifecycle
    state: SessionState | None
    trail: tuple[AuditKind, ...]
    letters: tuple[Letter, ...]
    questions: int
    trigger: Trigger | None = None
    reason: str | None = None
    own: Mapping[str, tuple[Letter, ...]] = field(default_factory=dict)
    languages: Mapping[Party, Language] = field(default_factory=dict)


_JUDGED: Final = (AuditKind.START_ATTEMPT_STARTED, AuditKind.REASONING_VERDICT)
_ASKED: Final = (
    *_JUDGED,
    AuditKind.TAKE_DISPUTE_ISSUED,
    AuditKind.SESSION_OPENED,
    AuditKind.CLASSIFICATION_PRODUCED,
    AuditKind.OUTBOUND_SENT,
    AuditKind.OUTBOUND_SENT,
)
_ANSWERED: Final = (*_ASKED, AuditKind.INBOUND_INGESTED)
_HANDED_OVER: Final = (AuditKind.ESCALATION_RECOMMENDED, AuditKind.HANDOFF_PREPARED)
_AT_MOST_ONCE: Final = (
    *_HANDED_OVER,
    AuditKind.ESCALATION_DISPATCHED,
    AuditKind.SESSION_OPENED,
    AuditKind.RESOLVED_EXTERNALLY_REPORTED,
)
_SUMMARISED: Final = (
    *_ANSWERED,
    AuditKind.INBOUND_INGESTED,
    AuditKind.CLASSIFICATION_PRODUCED,
    AuditKind.SUMMARY_GENERATED,
    AuditKind.SESSION_CLOSED,
)
_HELD: Final = (Letter.OPENED, Letter.HELD)
_AWAKE: Final = (Letter.HELD, Letter.TAKEN, Letter.REPORT)


def _escalated(trigger: Trigger, reason: EscalationReason | None, *, judged: bool) -> RightEnd:
    """Both parties were asked, and then a human is.

    Args:
        trigger: why.
        reason: what exactly.
        judged: whether it is a verdict of the model that leads to it.
    """
    verdict = (AuditKind.CLASSIFICATION_PRODUCED,) if judged else ()
    return RightEnd(
        Lifecycle.ESCALATED,
        SessionState.ESCALATION_RECOMMENDED,
        (*_ANSWERED, *verdict, *_HANDED_OVER),
        (*_HELD, Letter.ESCALATED),
        questions=1,
        trigger=trigger,
        reason=None if reason is None else reason.value,
    )


def _settled(questions: int, languages: Mapping[Party, Language] | None = None) -> RightEnd:
    """A summary, and later a person who settles."""
    return RightEnd(
        Lifecycle.RESOLVED,
        SessionState.CLOSED,
        (*_SUMMARISED, AuditKind.RESOLVED_EXTERNALLY_REPORTED),
        (*_HELD, Letter.SUMMARY, Letter.TAKEN, Letter.REPORT),
        questions=questions,
        languages=languages or {},
    )


RIGHT_ENDS: Final[Mapping[Scenario, RightEnd]] = {
    Scenario.COOPERATIVE: _settled(
        2, {Party.BUYER: Language.SPANISH, Party.SELLER: Language.GERMAN}
    ),
    Scenario.UNRESPONSIVE: _escalated(Trigger.PARTY_UNRESPONSIVE, None, judged=False),
    Scenario.CONFLICTING: _escalated(
        Trigger.CONFLICTING_CLAIMS, EscalationReason.CONFLICT_FLAG, judged=True
    ),
    Scenario.FRAUD: RightEnd(
        Lifecycle.NOTIFIED,
        None,
        (*_JUDGED, AuditKind.START_ATTEMPT_STOPPED, *_HANDED_OVER),
        (Letter.OPENED, Letter.ESCALATED_UNTAKEN),
        questions=0,
        trigger=Trigger.FRAUD_INDICATOR,
        reason=EscalationReason.FRAUD_FLAG.value,
    ),
    Scenario.INJECTION: _escalated(
        Trigger.AUTHORITY_BOUNDARY_ATTEMPT, EscalationReason.TEXT_STOPPED, judged=True
    ),
    Scenario.HUMAN_PLEASE: _escalated(
        Trigger.LOW_CONFIDENCE, EscalationReason.HUMAN_REQUESTED, judged=False
    ),
    Scenario.TAKEOVER: RightEnd(
        Lifecycle.TAKEN,
        SessionState.CLOSED,
        (*_ANSWERED, AuditKind.SUPERSEDED_BY_HUMAN, AuditKind.SESSION_CLOSED),
        (*_HELD, Letter.TAKEN),
        questions=1,
        own={WRITER: (Letter.BRIEF,)},
    ),
    Scenario.PROVIDER_DOWN: RightEnd(
        Lifecycle.TAKEN,
        SessionState.CLOSED,
        _SUMMARISED,
        (*_HELD, Letter.SUMMARY),
        questions=1,
    ),
    Scenario.RESTART: _settled(1),
    Scenario.ESCALATION: RightEnd(
        Lifecycle.RESOLVED,
        SessionState.CLOSED,
        (
            *_ANSWERED,
            AuditKind.CLASSIFICATION_PRODUCED,
            *_HANDED_OVER,
            AuditKind.ESCALATION_DISPATCHED,
            AuditKind.SESSION_CLOSED,
            AuditKind.RESOLVED_EXTERNALLY_REPORTED,
        ),
        (Letter.OPENED,),
        questions=1,
        trigger=Trigger.CONFLICTING_CLAIMS,
        reason=EscalationReason.CONFLICT_FLAG.value,
        own={
            SLEEPER: (Letter.HANDOFF, Letter.WHO, Letter.BRIEF),
            WRITER: (Letter.HANDOFF, Letter.CALL, Letter.BRIEF, *_AWAKE),
            READER: (Letter.ESCALATED, Letter.WHO, *_AWAKE),
        },
    ),
}


def many(number: int, what: str) -> str:
    """Return a number and what it counts."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def broken_promises(seen: Evidence, forbidden: Iterable[str]) -> list[str]:
    """Say what was found that must never be, however a scenario ends.

    Args:
        seen: what was seen.
        forbidden: pieces of words that must reach nobody.
    """
    found = []
    if others := sorted(set(seen.actions) - {Action.ADMIN_TAKE_DISPUTE.value}):
        found.append(f"expected no action but admin-take-dispute, found {', '.join(others)}")
    for name, letters in seen.letters.items():
        if (twice := _twice(letters, "\n")) is not None:
            found.append(f"expected each message to {name} once, found one more copy of {twice}")
    for party, heard in seen.heard.items():
        if (twice := _twice(heard, "\n\n")) is not None:
            found.append(f"expected each message to the {party} once, found one more of {twice}")
        if unsigned := [each for each in heard if _last(each) not in IDENTITY.values()]:
            found.append(
                f"expected every message to the {party} to say who writes, found "
                f"{many(len(unsigned), 'message')} without that"
            )
    for party, wanted in seen.wanted_on_relay.items():
        if (held := seen.on_relay.get(party, 0)) != wanted:
            found.append(
                f"expected {many(wanted, 'event')} of the {party}'s chat on the relay, found {held}"
            )
    everything = [each.text for own in seen.letters.values() for each in own]
    everything += [each.text for own in seen.heard.values() for each in own]
    everything += seen.case.rumors
    found += [
        f'expected that "{piece}" reaches nobody, found it sent'
        for piece in forbidden
        if any(piece.lower() in text.lower() for text in everything)
    ]
    if seen.leaks:
        found.append(f"expected nothing of it on disk, found {'; '.join(seen.leaks)}")
    return found


def differences(seen: Evidence, right: RightEnd) -> list[str]:
    """Say where a scenario's end is not the right one; empty when it is."""
    return [*_of_case(seen.case, right), *_of_people(seen, right)]


def _of_case(case: Case, right: RightEnd) -> list[str]:
    found = []
    if case.lifecycle is not right.lifecycle:
        found.append(f"expected the dispute to be {right.lifecycle}, found {case.lifecycle}")
    wanted = [] if right.state is None else [right.state]
    states = [state for _, state in case.sessions]
    if states != wanted:
        shown = ", ".join(states) or "none"
        found.append(f"expected {_one(right.state)}, found {shown}")
    if case.trigger != right.trigger:
        found.append(f"expected the trigger {right.trigger}, found {case.trigger}")
    if right.reason is not None and case.reason != right.reason:
        found.append(f"expected the reason {right.reason}, found {case.reason}")
    for kind in _AT_MOST_ONCE:
        count, most = case.kinds.count(kind), right.trail.count(kind)
        if count > most:
            found.append(f"expected {most} {kind} in the audit trail, found {count}")
    if (absent := _absent(right.trail, case.kinds)) is not None:
        found.append(f"expected {absent} in its place in the audit trail, found {_some(case)}")
    for each in case.events:
        judged = {AuditKind.REASONING_VERDICT, AuditKind.CLASSIFICATION_PRODUCED}
        if each.kind in judged and each.rationale_id is None:
            found.append(f"expected a rationale behind every {each.kind}, found one without")
    if case.pending:
        found.append(f"expected an empty outbox, found {case.pending} messages in it")
    return found


def _of_people(seen: Evidence, right: RightEnd) -> list[str]:
    found = []
    takes = [] if right.state is None else [TOOK]
    if list(seen.takes) != takes:
        shown = ", ".join(seen.takes) or "none"
        found.append(f"expected {many(len(takes), 'take')} at the node, found {shown}")
    for name, letters in seen.letters.items():
        own = Counter(right.letters) + Counter(right.own.get(name, ()))
        got = Counter(kind_of(each.text) for each in letters)
        if got != own:
            found.append(f"expected {name} to get {_listed(own)}, found {_listed(got)}")
    for party, heard in seen.heard.items():
        if len(heard) != right.questions:
            found.append(
                f"expected {many(right.questions, 'message')} to the {party}, found {len(heard)}"
            )
        language = right.languages.get(party)
        if language is not None and heard and _last(heard[-1]) != IDENTITY[language]:
            found.append(f"expected the {party} to be written to in {language}, found otherwise")
        if (stored := seen.case.asked.get(party, 0)) != right.questions:
            found.append(
                f"expected {many(right.questions, 'message')} to the {party} in the database, "
                f"found {stored}"
            )
    return found


def _last(received: Received) -> str:
    """The last paragraph of a message."""
    return received.text.rpartition("\n\n")[2]


def _twice(received: Sequence[Received], until: str) -> str | None:
    """The beginning of a message that came more than once; None when none did."""
    ids = Counter(each.id for each in received)
    texts = Counter(each.text for each in received)
    for each in received:
        if ids[each.id] > 1 or texts[each.text] > 1:
            return f'"{each.text.partition(until)[0]}"'
    return None


def _absent(trail: Sequence[AuditKind], kinds: Sequence[str]) -> AuditKind | None:
    """The first kind that does not come where it must; None when all do."""
    left = iter(kinds)
    return next((kind for kind in trail if kind not in left), None)


def _some(case: Case) -> str:
    return ", ".join(case.kinds) or "nothing"


def _one(state: SessionState | None) -> str:
    return "no session" if state is None else f"one session, {state}"


def _listed(letters: Counter[Letter]) -> str:
    ordered = [kind for kind in Letter if letters[kind]]
    return (
        ", ".join(
            kind.value if letters[kind] == 1 else f"{kind.value} {letters[kind]} times"
            for kind in ordered
        )
        or "nothing"
    )
