"""What one relay's reply means for the message it was given. Pure.

The prefixes of `OK` are those of NIP-01 and NIP-42. What follows each is ours: wait, change the
bytes, or stop asking that relay.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

from serbero.model.backoff import exponential, full_jitter, jittered
from serbero.model.notification import TargetSource, TargetState
from serbero.model.target import Target, TargetUpdate
from serbero.nostr.replies import (
    PublishOutcome,
    PublishReply,
    ReplyPrefix,
    is_about_expiration,
    is_about_time,
    prefix_of,
)

MAX_UNCLEAR_REPLIES: Final = 3
"""Refusals in words of no known meaning after which a relay is given up for a message."""
MAX_WRAPS: Final = 4
"""Wraps made for one relay: the ordinary one and three that answer to what it refused."""
MAX_POW_BITS: Final = 16
"""Half a second of one core a message (measured: 0.88 s of it for 17 bits, 7 s for 20)."""
DEFAULT_POW_BITS: Final = 8
"""Tried when a relay wants proof of work and does not say how much; doubled if refused again."""
RATE_LIMIT_SECONDS: Final = 5.0
"""First wait after ``rate-limited:``."""


_CONNECTED_FOR_US: Final = (TargetSource.CONFIGURED, TargetSource.NODE)


@dataclass(frozen=True, slots=True)
class Pace:
    """``[delivery]``: seconds before the second attempt, and the longest wait."""

    initial: float
    longest: float


def judge(
    outbox_id: int,
    target: Target,
    reply: PublishReply,
    *,
    now: int,
    pace: Pace,
    draw: float,
    round_trip_ms: int | None = None,
    fixed_time: bool = False,
) -> TargetUpdate:
    """Return what the reply changes.

    Args:
        outbox_id: the message.
        target: the relay and its history with this message.
        reply: what it said.
        now: Unix seconds.
        pace: how attempts spread.
        draw: a random number in [0, 1).
        round_trip_ms: publish to ``OK``, in milliseconds.
        fixed_time: whether the event's time cannot be another, as in the dispute chat.
    """

    def update(state: TargetState, due: int | None, **changes: Any) -> TargetUpdate:
        reason = None if reply.outcome.delivered else reason_of(reply)
        trip = round_trip_ms if reply.outcome.delivered else None
        return TargetUpdate(outbox_id, target.relay, state, due, reason, trip, **changes)

    def later(wait: float, **changes: Any) -> TargetUpdate:
        return update(TargetState.OPEN, now + max(1, math.ceil(wait)), **changes)

    refused = update(TargetState.REFUSED, None)
    backoff = _wait(target, reply.outcome, pace, draw)
    match reply.outcome:
        case PublishOutcome.ACCEPTED | PublishOutcome.DUPLICATE:
            return update(TargetState.ACCEPTED, None)
        case PublishOutcome.RESTRICTED:
            return refused
        case PublishOutcome.BLOCKED | PublishOutcome.INVALID:
            if not fixed_time and _another_time_may_help(target, reply):
                return update(TargetState.OPEN, now, drop_wrap=True, fresh_time=True)
            return refused
        case PublishOutcome.POW:
            bits = reply.pow_bits or max(DEFAULT_POW_BITS, target.pow_bits * 2)
            if bits > MAX_POW_BITS or target.wraps >= MAX_WRAPS:
                return refused
            return update(TargetState.OPEN, now, drop_wrap=True, pow_bits=bits)
        case PublishOutcome.RETRY if _unclear(reply):
            if target.unclear_replies + 1 >= MAX_UNCLEAR_REPLIES:
                return refused
            return later(backoff, unclear=True)
        case _:
            return later(backoff)


def _wait(target: Target, outcome: PublishOutcome, pace: Pace, draw: float) -> float:
    """Seconds before the same bytes are given to this relay again."""
    attempt = target.attempts + 1
    if outcome is PublishOutcome.RATE_LIMITED:
        return jittered(exponential(attempt, RATE_LIMIT_SECONDS, pace.longest), 0.5, draw)
    if outcome is PublishOutcome.NOT_CONNECTED and target.source in _CONNECTED_FOR_US:
        # The pool keeps trying to connect, and its return makes this due: no need to hurry.
        return jittered(pace.longest, 0.2, draw)
    return full_jitter(exponential(attempt, pace.initial, pace.longest), draw)


def reason_of(reply: PublishReply) -> str:
    """The relay's words, or what happened instead of words."""
    return reply.text or reply.outcome.value


def _unclear(reply: PublishReply) -> bool:
    return prefix_of(reply.text) not in (ReplyPrefix.ERROR, ReplyPrefix.MUTE)


def _another_time_may_help(target: Target, reply: PublishReply) -> bool:
    blocked = reply.outcome is PublishOutcome.BLOCKED
    about = is_about_expiration(reply.text) or (not blocked and is_about_time(reply.text))
    return target.wraps < MAX_WRAPS and about
