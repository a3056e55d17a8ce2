"""Mediations told to a daemon that may be killed: what is said, and what must be left at the end.

The model answers by what it is shown, so it says the same to every life. Each play waits for what
it did to be over before it goes on, so that the number of evaluations is no chance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.crash.household import Options
from tests.daemon.mediation_model import Asked

from serbero.model.mediation import AuditKind as Kind
from serbero.model.notification import Purpose
from serbero.model.party import Party
from serbero.reasoning.calls import Purpose as Call
from serbero.simulator.model_endpoint import Says, Step, summary, verdict

BUYER, SELLER = Party.BUYER, Party.SELLER

QUESTIONS: Final[Sequence[Mapping[Party, str]]] = (
    {BUYER: "When did you send the payment?", SELLER: "Have you looked at your account?"},
    {BUYER: "From which bank did it go?", SELLER: "At which bank did you look?"},
)
ANSWERS: Final[Sequence[Mapping[Party, str]]] = (
    {BUYER: "On Tuesday evening.", SELLER: "No llegó nada hasta ahora."},
    {BUYER: "From the blue bank.", SELLER: "At the green bank; there it is."},
)
SUMMARY: Final = "The buyer paid on Tuesday; the seller found it at another bank."


@dataclass(frozen=True)
class Say:
    """A party answers the question of a round; the evaluation that follows is waited for."""

    party: Party
    round: int


@dataclass(frozen=True)
class Climbed:
    """So many reminders of the hand-off went out, everywhere."""

    steps: int


@dataclass(frozen=True)
class TakeOver:
    """A human takes the dispute; from us, where we have it."""


@dataclass(frozen=True)
class Play:
    """One course of events, from the dispute's opening to its end.

    Attributes:
        name: of the play.
        model: what the model says.
        scene: what happens once both were asked, in order; the end is the dispute's.
        rounds: pairs of questions put; without any, the dispute is not taken.
        told: messages to all solvers, by purpose.
        session: kinds of the session's audit events, in order.
        people: the solvers, name to permission.
        options: more configuration.
    """

    name: str
    model: Callable[[Asked], Step]
    scene: Sequence[Say | Climbed | TakeOver]
    rounds: int
    told: Mapping[Purpose, int]
    session: Sequence[Kind]
    people: Mapping[str, str] = field(default_factory=lambda: {"solver": "write"})
    options: Options = field(default_factory=dict)


def _asks(round_: int, said: int) -> Says:
    return Says(
        verdict(
            buyer_clarification=QUESTIONS[round_][BUYER],
            seller_clarification=QUESTIONS[round_][SELLER],
            rationale=f"More is to be known after {said} answers.",
        )
    )


def _cooperates(asked: Asked) -> Step:
    said = len(asked.party_lines)
    match asked.purpose, said:
        case Call.HEALTH, _:
            return Says("pong")
        case Call.SUMMARIZE, _:
            return Says(summary(summary=SUMMARY, rationale="Both accounts agree in the end."))
        case _, 4:
            action = {"suggested_action": "summarize", "confidence": 0.9}
            return Says(verdict(**action, rationale="Both agree by now."))
        case _:
            return _asks(said // 2, said)


def _suspects(asked: Asked) -> Step:
    if asked.purpose is Call.CLASSIFY and asked.both_spoke:
        return Says(verdict(flags=["fraud_risk"], rationale="The seller's account is odd."))
    return _cooperates(asked)


def _refuses(asked: Asked) -> Step:
    if asked.purpose is Call.HEALTH:
        return Says("pong")
    return Says(verdict(flags=["fraud_risk"], rationale="The buyer's account is odd."))


_ASKED: Final = (Kind.OUTBOUND_SENT, Kind.OUTBOUND_SENT)
_HEARD: Final = (Kind.INBOUND_INGESTED, Kind.CLASSIFICATION_PRODUCED)
_OPENED: Final = (Kind.SESSION_OPENED, Kind.CLASSIFICATION_PRODUCED, *_ASKED)
_ALWAYS: Final = {Purpose.INITIAL: 1, Purpose.ASSIGNMENT: 1, Purpose.RESOLUTION_REPORT: 1}

COOPERATIVE: Final = Play(
    "cooperative",
    _cooperates,
    scene=[Say(BUYER, 0), Say(SELLER, 0), Say(SELLER, 1), Say(BUYER, 1)],
    rounds=2,
    told=_ALWAYS | {Purpose.MEDIATION_SUMMARY: 1},
    session=[
        *_OPENED,
        *(*_HEARD, *_HEARD, *_ASKED),
        *(*_HEARD, *_HEARD),
        *(Kind.STATE_TRANSITION, Kind.STATE_TRANSITION, Kind.SUMMARY_GENERATED),
        *(Kind.STATE_TRANSITION, Kind.SESSION_CLOSED),
        Kind.RESOLVED_EXTERNALLY_REPORTED,
    ],
)
ESCALATED: Final = Play(
    "escalated",
    _suspects,
    scene=[Say(SELLER, 0), Say(BUYER, 0)],
    rounds=1,
    told=_ALWAYS | {Purpose.MEDIATION_ESCALATION: 1},
    session=[
        *(*_OPENED, *_HEARD, *_HEARD),
        *(Kind.ESCALATION_RECOMMENDED, Kind.HANDOFF_PREPARED, Kind.SESSION_CLOSED),
        Kind.RESOLVED_EXTERNALLY_REPORTED,
    ],
)
TAKEN_OVER: Final = Play(
    "taken over",
    _cooperates,
    scene=[Say(BUYER, 0), TakeOver()],
    rounds=1,
    told=_ALWAYS | {Purpose.ASSIGNMENT: 2, Purpose.MEDIATION_BRIEF: 1},
    session=[
        *(*_OPENED, *_HEARD),
        *(Kind.SUPERSEDED_BY_HUMAN, Kind.SESSION_CLOSED),
        Kind.RESOLVED_EXTERNALLY_REPORTED,
    ],
)
PLAYS: Final = (COOPERATIVE, ESCALATED, TAKEN_OVER)

HANDED_OVER: Final = Play(
    "handed over",
    _refuses,
    scene=[Climbed(2), TakeOver()],
    rounds=0,
    told={
        Purpose.INITIAL: 3,
        Purpose.HANDOFF: 2,
        Purpose.MEDIATION_ESCALATION: 1,  # the reader, who gets no hand-off
        Purpose.REMINDER: 2 + 3,
        Purpose.ASSIGNMENT: 3,
        Purpose.RESOLUTION_REPORT: 3,
    },
    session=[],
    people={"first": "write", "second": "write", "reader": "read"},
    options={
        "escalation": {"enabled": True, "acknowledge": True, "dispatch_interval_seconds": 1},
        "escalation.steps": [
            {"after_seconds": 1, "to": "writers"},
            {"after_seconds": 2, "to": "everyone"},
        ],
    },
)
