"""What is left to do at one relay for one message, and what an attempt there changes."""

from dataclasses import dataclass

from serbero.model.notification import TargetSource, TargetState


@dataclass(frozen=True, slots=True)
class Target:
    """One relay a claimed message must reach now.

    ``event_json`` is None when this relay needs a wrap that does not exist yet.
    """

    relay: str
    source: TargetSource
    event_json: str | None
    attempts: int
    unclear_replies: int
    wraps: int
    pow_bits: int
    fresh_time: bool


@dataclass(frozen=True, slots=True)
class TargetUpdate:
    """What one attempt changes in its target."""

    outbox_id: int
    relay: str
    state: TargetState
    next_attempt_at: int | None
    reason: str | None
    round_trip_ms: int | None
    unclear: bool = False
    drop_wrap: bool = False
    pow_bits: int = 0
    fresh_time: bool = False
