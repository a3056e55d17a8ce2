"""Whether the node lets us act as a solver: how each piece of news changes it. Pure.

A node cannot be asked for our standing: it shows in how takes are answered, and in the
``serbero`` tag of the node's info event, which names its assistant (Mostro, since 0.19.1). Takes
weigh more: the tag counts when it is news, what a take showed stands until there is other news.

A node that refuses us is probed with the takes of eligible disputes, further and further apart,
and after a bounded number of them no more until something changes at the node or a day passes.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

from serbero.config.models import MediationSection
from serbero.model.backoff import exponential
from serbero.mostro.node_info import NodeInfo
from serbero.mostro.payloads import CantDoReason
from serbero.node.result import TAKEN_OVER
from serbero.nostr.keys import npub
from serbero.store.standing import Standing, StandingState

REST_SECONDS: Final = 86_400
"""After probing ended in vain it begins anew this much later, if not before."""
LONGEST_WAIT_SECONDS: Final = 10 * 366 * 86_400
"""A longer one is for ever, and would not fit the database's integers when added up."""

ANOTHER_NAMED: Final = "another_assistant_named"
"""The ``error`` of a refusal that stands in the node's info event."""
OTHER_WORD: Final = "other"
"""The ``error`` of a refusal in a word that no known node uses."""

_ABOUT_STANDING: Final = frozenset(
    {None, CantDoReason.INVALID_PUBKEY.value, CantDoReason.NOT_AUTHORIZED.value}
)
_KNOWN_WORDS: Final = frozenset(each.value for each in CantDoReason)
_FREE: Final = frozenset({StandingState.UNKNOWN, StandingState.AUTHORIZED})


class Gate(StrEnum):
    """Whether a dispute may be taken now."""

    OPEN = "open"
    """Yes; where the node refused before, it is a probe."""
    PENDING = "pending"
    """No: the node refuses us, and the next probe is not due yet."""
    TERMINATED = "terminated"
    """No: it has refused us for so long that it is left alone."""


class Why(StrEnum):
    """What changed our standing."""

    TAKE_REFUSED = "take_refused"
    TAKE_GRANTED = "take_granted"
    NAMED = "named"
    """The node's info event names us as its assistant."""
    ANOTHER_NAMED = "another_named"
    """It names somebody else."""
    NODE_CHANGED = "node_changed"
    """It says something new of itself, so it may let us in now."""
    TIME_PASSED = "time_passed"


@dataclass(frozen=True, slots=True)
class RetryPace:
    """How a node that refuses us is probed.

    Attributes:
        initial_seconds: from the refusal to the first probe; each further wait is twice the last.
        max_interval_seconds: the longest wait.
        max_total_seconds: probing ends when the waits add up to this.
        max_attempts: it ends after so many, the refusal being the first.
    """

    initial_seconds: int
    max_interval_seconds: int
    max_total_seconds: int
    max_attempts: int

    @classmethod
    def of(cls, section: MediationSection) -> Self:
        """Return what ``[mediation]`` says."""
        return cls(
            section.solver_auth_retry_initial_seconds,
            section.solver_auth_retry_max_interval_seconds,
            section.solver_auth_retry_max_total_seconds,
            section.solver_auth_retry_max_attempts,
        )

    def wait(self, attempt: int) -> int:
        """Seconds from an attempt (1 is the refusal) to the next; at least one."""
        wait = exponential(attempt, self.initial_seconds, self.max_interval_seconds)
        return max(1, int(min(wait, LONGEST_WAIT_SECONDS)))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A refusal that counts.

    Attributes:
        number: 1 for the first.
        error: how the node refused: one of its known words, or a fixed one of ours.
    """

    number: int
    error: str


@dataclass(frozen=True, slots=True)
class Change:
    """Our standing from now on, and what is written with it.

    Attributes:
        before: the state until now.
        standing: what is kept from now on.
        why: what changed it.
        attempt: the refusal, where it was one.
        recovered: the number of the attempt that succeeded, where it had been refused.
    """

    before: StandingState
    standing: Standing
    why: Why
    attempt: Attempt | None = None
    recovered: int | None = None

    @property
    def moved(self) -> bool:
        """Whether the state is another one."""
        return self.standing.state is not self.before

    @property
    def lost(self) -> bool:
        """Whether we could act, as far as we knew, and cannot any more."""
        return self.before in _FREE and self.standing.state not in _FREE

    @property
    def terminated(self) -> bool:
        """Whether the node is left alone from now on."""
        return self.moved and self.standing.state is StandingState.TERMINATED


def state_of(held: Standing | None) -> StandingState:
    """The state of a standing; ``None`` is unknown."""
    return StandingState.UNKNOWN if held is None else held.state


def is_refused(held: Standing | None) -> bool:
    """Whether the node, as far as we know, refuses us."""
    return state_of(held) not in _FREE


def gate(held: Standing | None, now: int, pace: RetryPace) -> Gate:
    """Return whether a dispute may be taken at ``now`` (Unix seconds)."""
    match held:
        case Standing(state=StandingState.REFUSED):
            return Gate.OPEN if probe_due(held, now, pace) else Gate.PENDING
        case Standing(state=StandingState.TERMINATED):
            return Gate.OPEN if rested(held, now) else Gate.TERMINATED
    return Gate.OPEN


def probe_due(held: Standing, now: int, pace: RetryPace) -> bool:
    """Whether a node that refuses us may be probed.

    A time that lies further ahead than any wait was written by a clock that was wrong, or at
    another pace.
    """
    due = held.next_probe_at
    return due is None or not now < due <= now + pace.wait(held.attempts)


def rested(held: Standing, now: int) -> bool:
    """Whether a node that was given up has been left alone long enough."""
    return not held.since <= now < held.since + REST_SECONDS


def about_standing(reason: str | None) -> bool:
    """Whether a refusal in this word may mean that we are no solver.

    ``invalid_pubkey`` does, or that the dispute is taken or closed (mostro:
    src/app/admin_take_dispute.rs); a node may give no reason. The other words are about the
    request, the order or the node.
    """
    return reason in _ABOUT_STANDING


def gave(reason: str | None) -> bool:
    """Whether the node, for all that the take failed, had given us the dispute."""
    return reason == TAKEN_OVER


def error_of(reason: str | None) -> str:
    """Return a fixed word for the node's word, which may be anything."""
    if reason is None:
        return "none"
    return reason if reason in _KNOWN_WORDS else OTHER_WORD


def refused(
    held: Standing | None,
    now: int,
    pace: RetryPace,
    *,
    error: str,
    info: NodeInfo | None,
    why: Why = Why.TAKE_REFUSED,
) -> Change | None:
    """Return what a refusal makes of our standing.

    Where the node refuses us already it was a probe, and counts if one was due: several disputes
    may be asked for at once, and only the first answer says something new.

    Args:
        held: our standing.
        now: Unix seconds.
        pace: of the probes.
        error: how it refused, a fixed word.
        info: what the node says of itself.
        why: where the refusal was read.
    """
    before = state_of(held)
    if held is None or not is_refused(held):
        return _attempt(before, Standing(StandingState.REFUSED, now), now, pace, error, info, why)
    if gate(held, now, pace) is not Gate.OPEN:
        return None
    if held.state is StandingState.TERMINATED:
        held = _due(now)
    return _attempt(before, held, now, pace, error, info, why)


def _attempt(
    before: StandingState,
    refusing: Standing,
    now: int,
    pace: RetryPace,
    error: str,
    info: NodeInfo | None,
    why: Why,
) -> Change:
    """Count a refusal: the next probe is later, or there is none."""
    made = refusing.attempts
    waited = refusing.waited_seconds + (pace.wait(made) if made else 0)
    counted = replace(refusing, attempts=made + 1, waited_seconds=waited)
    if counted.attempts >= pace.max_attempts or waited >= pace.max_total_seconds:
        after = replace(
            counted,
            state=StandingState.TERMINATED,
            since=now,
            next_probe_at=None,
            info_created_at=None if info is None else info.created_at,
        )
    else:
        after = replace(counted, next_probe_at=now + pace.wait(counted.attempts))
    return Change(before, after, why, attempt=Attempt(counted.attempts, error))


def granted(held: Standing | None, now: int, why: Why = Why.TAKE_GRANTED) -> Change | None:
    """Return what it means that the node lets us act; None if that was known."""
    before = state_of(held)
    if before is StandingState.AUTHORIZED:
        return None
    after = Standing(StandingState.AUTHORIZED, now)
    number = held.attempts + 1 if held is not None and is_refused(held) else None
    return Change(before, after, why, recovered=number)


def names_another(info: NodeInfo | None, own_key: str) -> bool:
    """Whether the node's info event names an assistant who is not us."""
    return info is not None and info.serbero is not None and info.serbero != own_key


def looked(
    held: Standing | None,
    now: int,
    pace: RetryPace,
    *,
    own_key: str,
    before: NodeInfo | None,
    info: NodeInfo | None,
) -> Change | None:
    """Return what a look at the node's info event, and at the time, makes of our standing.

    Its tag is obeyed where nothing is known, and when it is another than at the last look. It is
    not obeyed again and again: a node may name us and refuse us all the same (it does not register
    a key that traded), or name another and let us act (its operator registered both).

    Args:
        held: our standing.
        now: Unix seconds.
        pace: of the probes.
        own_key: ours, in hex.
        before: the info event at the last look, None if there was none.
        info: the info event now, None if none was ever seen.
    """
    change = None if info is None else _tag(held, now, pace, own_key, before, info)
    if change is not None:
        return change
    if held is None or held.state is not StandingState.TERMINATED:
        return None
    if info is not None and _is_news(held, before, info):
        return Change(held.state, _due(now), Why.NODE_CHANGED)
    return Change(held.state, _due(now), Why.TIME_PASSED) if rested(held, now) else None


def _tag(
    held: Standing | None,
    now: int,
    pace: RetryPace,
    own_key: str,
    before: NodeInfo | None,
    info: NodeInfo,
) -> Change | None:
    renamed = before is not None and info.serbero != before.serbero
    if info.serbero is None or not (renamed or state_of(held) is StandingState.UNKNOWN):
        return None
    if info.serbero == own_key:
        return granted(held, now, Why.NAMED)
    if is_refused(held):
        return None
    return refused(held, now, pace, error=ANOTHER_NAMED, info=info, why=Why.ANOTHER_NAMED)


def _is_news(held: Standing, before: NodeInfo | None, info: NodeInfo) -> bool:
    """Whether the node says something else than when it was given up.

    It says the same every five minutes with a new stamp (Mostro, src/config/types.rs).
    """
    if held.info_created_at is None:
        return True
    if before is None or info.created_at <= held.info_created_at:
        return False
    return info != replace(before, event_id=info.event_id, created_at=info.created_at)


def _due(now: int) -> Standing:
    """Refused, with a probe due at once: the attempts are counted anew."""
    return Standing(StandingState.REFUSED, now, next_probe_at=now)


def registration(own_key: str) -> str:
    """Return what the node's operator has to do so that it lets us act.

    Source: Mostro, src/app/admin_add_solver.rs: an insert, so a key it knows stays what it is; the
    setting is in nodes from 0.19.1 on.

    Args:
        own_key: ours, in hex.
    """
    own = npub(own_key)
    return (
        "ask the node's operator to register this key as a solver that may only read: "
        f'admin-add-solver {own}:read (or, from version 0.19.1, serbero_pubkey = "{own}" in its '
        "settings); a key that traded there cannot be registered: make a fresh one"
    )
