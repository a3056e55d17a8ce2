"""Which refusals of one relay a person should hear of. Pure: ``now`` is an argument.

A message that a relay refuses for good only closes that relay for that message. That it refuses
all of them, or that our clock is wrong, is for the operator to mend.
"""

from typing import Final

from serbero.nostr.replies import PublishOutcome, PublishReply, is_about_expiration, is_about_time

LEAST_BETWEEN_ALERTS_SECONDS: Final = 3600.0
"""A relay that takes some events and refuses others would alert at each turn."""

FRESH_SECONDS: Final = 600
"""An event this young has the time of our clock; a wrap's time is back-dated by up to two days,
and a relay that refuses it says nothing about our clock."""

_ADMIT: Final = "ask the relay's operator to admit Serbero's key, or use another relay"
_CLOCK: Final = "check the clock of this machine"


class Refusals:
    """What one relay refused since it last took something."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._told_at: dict[str, float] = {}

    def remedy(self, reply: PublishReply, age: float, now: float) -> str | None:
        """What a person can do about a reply, said once; None if nothing, or said already.

        Args:
            reply: the relay's answer to an event.
            age: seconds from the event's ``created_at`` to our clock.
            now: monotonic seconds.
        """
        if reply.outcome.delivered:
            self._open.clear()
        found = _remedy(reply, age)
        if found is None:
            return None
        about = reply.outcome.value
        quiet = now < self._told_at.get(about, float("-inf")) + LEAST_BETWEEN_ALERTS_SECONDS
        if about in self._open or quiet:
            return None
        self._open.add(about)
        self._told_at[about] = now
        return found


def _remedy(reply: PublishReply, age: float) -> str | None:
    if is_about_expiration(reply.text):
        return None  # the next wrap has another expiration: nobody needs to act
    match reply.outcome:
        case PublishOutcome.RESTRICTED | PublishOutcome.BLOCKED:
            return _ADMIT
        case PublishOutcome.INVALID if is_about_time(reply.text) and abs(age) <= FRESH_SECONDS:
            return _CLOCK
        case _:
            return None
