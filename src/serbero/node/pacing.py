"""How hard and how long to ask the node. Pure."""

from typing import Final

from serbero.model.backoff import exponential, jittered
from serbero.node.standing import Way

ANSWER_SECONDS: Final = 15.0
"""How long an answer may take before we look for it; Mostrix waits as long."""
RISING_ANSWER_SECONDS: Final = 6.0
"""The same while the difficulty is being found out: there are several steps to go."""
PAUSE_SECONDS: Final = 5.0
"""Before the second request; doubles from there."""
LONGEST_PAUSE_SECONDS: Final = 30.0
RISING_PAUSE_SECONDS: Final = 1.0

RISING_BITS: Final = (8, 12, 16, 20, 24)
"""Proof of work to try, one after another, on a node that wants more of strangers and does not
say how much (protocol: src/transport_migration.md; nodes of version 0.18.0)."""


def is_rising(way: Way) -> bool:
    """Whether the work this node wants of a stranger has to be found out."""
    return not way.first_contact_known


def bits_for(way: Way, attempt: int, ceiling: int, learned: int = 0) -> int:
    """Return the leading zero bits for a request.

    Args:
        way: what the node advertises.
        attempt: 0 for the first request of an exchange.
        ceiling: the most we are ready to do; a node that advertises more is asked in vain.
        learned: bits that were enough for this node before.
    """
    least = max(way.bits, learned if is_rising(way) else 0)
    if attempt == 0 or not is_rising(way):
        return least
    harder = [bits for bits in RISING_BITS if least < bits <= ceiling]
    return harder[min(attempt, len(harder)) - 1] if harder else least


def answer_seconds(way: Way, attempt: int) -> float:
    """How long to wait for the answer to a request."""
    return RISING_ANSWER_SECONDS if is_rising(way) and attempt else ANSWER_SECONDS


def pause_seconds(way: Way, attempt: int, draw: float) -> float:
    """How long to rest after ``attempt`` + 1 requests without answer; ``draw`` is in [0, 1)."""
    if is_rising(way):
        return RISING_PAUSE_SECONDS
    return jittered(exponential(attempt + 1, PAUSE_SECONDS, LONGEST_PAUSE_SECONDS), 0.2, draw)
