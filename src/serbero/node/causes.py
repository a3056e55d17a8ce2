"""Why the node may have said nothing, as far as the evidence leaves it open. Pure.

Every request the node does not like is dropped without a word (mostro: src/app.rs), so silence
has many causes; what we know of the node and the relays rules some of them out.
"""

from dataclasses import dataclass
from typing import Final

from serbero.model.taking import Cause

MAX_SKEW_SECONDS: Final = 8
"""The node drops requests older than ten seconds; two of them are on the way."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an unanswered exchange knows.

    Attributes:
        attempts: requests published.
        heard: whether some relay would have brought us the answer; None: never looked at.
        accepted: relays that took at least one request.
        node_seen: whether the node published anything since the first request.
        shared: whether something of the node came live from a relay that took a request.
        skew_seconds: the node's clock minus ours, by what it published meanwhile; None unknown.
        forced: whether the configuration forces another transport than the node advertises.
        work_known: whether the work the node wants is advertised and was done.
        dispute_known: whether we hold a dispute event of the node itself.
        changed_hands: whether the dispute became ``in-progress`` after we asked.
        closed: whether it was closed meanwhile.
    """

    attempts: int
    heard: bool | None
    accepted: frozenset[str]
    node_seen: bool
    shared: bool
    skew_seconds: int | None
    forced: bool
    work_known: bool
    dispute_known: bool
    changed_hands: bool
    closed: bool


def remaining(evidence: Evidence) -> tuple[Cause, ...]:
    """Return the causes that remain possible, the likeliest first."""
    if evidence.closed:
        return (Cause.DISPUTE_CLOSED,)
    if not evidence.attempts:
        return (Cause.NOT_HEARING if evidence.heard is False else Cause.OUT_OF_TIME,)
    if not evidence.accepted:
        return (Cause.NO_RELAY_TOOK_IT,)
    if evidence.changed_hands:
        return (Cause.ANSWER_LOST, Cause.NODE_ERROR)
    skew = evidence.skew_seconds
    possible = {
        Cause.WRONG_TRANSPORT: evidence.forced,
        Cause.CLOCK_SKEW: skew is None or skew > MAX_SKEW_SECONDS,
        Cause.TOO_LITTLE_WORK: not evidence.work_known,
        Cause.NODE_OFFLINE: not evidence.node_seen,
        Cause.RELAY_NOT_SHARED: not evidence.shared,
        Cause.UNKNOWN_DISPUTE: not evidence.dispute_known,
        Cause.NODE_ERROR: True,
    }
    return tuple(cause for cause, still in possible.items() if still)
