"""Whether one subscription is heard on one relay, and when to ask for it again.

A relay's CLOSED ends a subscription for good, without a word from the library: mediators and
nodes have gone deaf that way for hours, connected and silent. So each wish has a stage here,
and only an EOSE or our own canary's echo makes it ``HEARD``. Pure: ``now`` is an argument,
monotonic seconds.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from serbero.model.backoff import exponential
from serbero.nostr.replies import ClosedPolicy, ClosedReason
from serbero.relays.settings import RelaySettings

IMMEDIATE_AFTER_AUTH: Final = 2
"""How many failures in a row may still be followed by an immediate REQ once authenticated; a
relay that closes with ``auth-required`` for ever must not make us storm it."""


class Stage(StrEnum):
    """Where one wish stands on one relay."""

    DOWN = "down"
    """No connection."""
    DUE = "due"
    """To be asked at its due time."""
    ASKED = "asked"
    """REQ sent, no EOSE yet."""
    HEARD = "heard"
    """EOSE or echo seen: what is published reaches us."""
    AUTH = "auth"
    """Closed with ``auth-required``; waits for our AUTH to be accepted."""


class Signal(StrEnum):
    """What can happen to a wish."""

    CONNECTED = "connected"
    LOST = "lost"
    ASKED = "asked"
    EOSE = "eose"
    ECHO = "echo"
    CLOSED = "closed"
    CLOSED_AUTH = "closed_auth"
    AUTHENTICATED = "authenticated"
    SILENT = "silent"
    DEAF = "deaf"


TRANSITIONS: Final[Mapping[Stage, Mapping[Signal, Stage]]] = {
    Stage.DOWN: {Signal.CONNECTED: Stage.DUE},
    Stage.DUE: {
        Signal.LOST: Stage.DOWN,
        Signal.ASKED: Stage.ASKED,
    },
    Stage.ASKED: {
        Signal.LOST: Stage.DOWN,
        Signal.EOSE: Stage.HEARD,
        Signal.ECHO: Stage.HEARD,
        Signal.CLOSED: Stage.DUE,
        Signal.CLOSED_AUTH: Stage.AUTH,
        Signal.SILENT: Stage.DUE,
        Signal.DEAF: Stage.DUE,
    },
    Stage.HEARD: {
        Signal.LOST: Stage.DOWN,
        Signal.CLOSED: Stage.DUE,
        Signal.CLOSED_AUTH: Stage.AUTH,
        Signal.DEAF: Stage.DUE,
    },
    Stage.AUTH: {
        Signal.LOST: Stage.DOWN,
        Signal.AUTHENTICATED: Stage.DUE,
        Signal.SILENT: Stage.DUE,
    },
}
"""The legal moves; a signal without an entry changes nothing (a late or repeated word)."""


class Wish:
    """One subscription on one relay.

    Attributes:
        stage: see :class:`Stage`.
        generation: number of the newest REQ.
        wire_id: the id of the newest REQ, None before the first on a connection; words about
            older ones are not for us. It is sent a CLOSE before the next REQ even where the
            relay closed it: some keep what they closed and count it.
        due: when the stage's time is up: to ask (``DUE``) or to stop waiting (``ASKED``, ``AUTH``).
        reason: the last relay's word or local fault that ended it.
        alerted: whether a person was told that the relay's policy refuses it.

    Args:
        subscription_id: its name.
        settings: times.
        after: a generation number; those of this wish's REQs are higher. Where a name is wanted
            again on one connection, words about its former life must not be taken for new ones.
    """

    def __init__(self, subscription_id: str, settings: RelaySettings, after: int = 0) -> None:
        self.subscription_id = subscription_id
        self.stage = Stage.DOWN
        self.wire_id: str | None = None
        self.due = 0.0
        self.reason: str | None = None
        self._settings = settings
        self.generation = after
        self._failures = 0
        self._policy_refusals = 0
        self.alerted = False
        self._heard_at: float | None = None

    @property
    def troubled(self) -> bool:
        """Whether it was refused or unanswered lately and does not stand again yet."""
        failing = self._failures > 0 or self._policy_refusals > 0
        return failing and self.stage is not Stage.HEARD

    def next_due(self) -> float | None:
        """When :meth:`tick` or a REQ is due; None while only a signal can change anything."""
        return None if self.stage in (Stage.DOWN, Stage.HEARD) else self.due

    def connected(self, now: float) -> None:
        """A new connection: ask afresh, at once."""
        if self._move(Signal.CONNECTED):
            self.due = now

    def lost(self, now: float) -> None:
        """The connection is gone, and every subscription with it."""
        self._settle(now)
        self._move(Signal.LOST)
        self.wire_id = None

    def renew(self, now: float) -> None:
        """What we want has changed, or something may have been missed: ask again at once."""
        if self.stage is not Stage.DOWN:
            self._settle(now)
            self.stage, self.due = Stage.DUE, now

    def asking(self, now: float) -> str:
        """A REQ goes out now; returns its id, new each time."""
        self._move(Signal.ASKED)
        self.generation += 1
        self.wire_id = f"{self.subscription_id}:{self.generation}"
        self.due = now + self._settings.eose_timeout_seconds
        return self.wire_id

    def heard(self, now: float, signal: Signal) -> bool:
        """EOSE or ECHO for the newest REQ; True if it was not heard before."""
        if not self._move(signal):
            return False
        self._heard_at = now
        self._policy_refusals = 0
        self.alerted = False
        self.reason = None
        return True

    def closed(self, now: float, why: ClosedReason) -> bool:
        """The relay closed the newest REQ; True if a person should be told (once)."""
        self._settle(now)
        auth = why.policy is ClosedPolicy.AUTH
        if not self._move(Signal.CLOSED_AUTH if auth else Signal.CLOSED):
            return False
        self.reason = why.text or "closed without a reason"
        if why.policy is ClosedPolicy.POLICY:
            self._policy_refusals += 1
            self.due = now + exponential(
                self._policy_refusals,
                self._settings.policy_wait_seconds,
                self._settings.policy_ceiling_seconds,
            )
            told, self.alerted = self.alerted, True
            return not told
        self._failures += 1
        wait = self._settings.auth_wait_seconds if auth else self._backoff()
        self.due = now + wait
        return False

    def authenticated(self, now: float) -> None:
        """The relay accepted our AUTH."""
        if self._move(Signal.AUTHENTICATED):
            at_once = self._failures <= IMMEDIATE_AFTER_AUTH
            self.due = now if at_once else now + self._backoff()

    def deaf(self, now: float, reason: str) -> None:
        """The canary did not come back: what looks like a subscription is none."""
        self._settle(now)
        self.reason = reason
        if self._move(Signal.DEAF):
            self._failures += 1
            # The first time at once: most often the relay just forgot, and time is short.
            self.due = now if self._failures == 1 else now + self._backoff()

    def tick(self, now: float) -> None:
        """Let time pass: an unanswered REQ or AUTH becomes one to ask again."""
        if self.stage in (Stage.ASKED, Stage.AUTH) and now >= self.due:
            if self.stage is Stage.ASKED:
                self._failures += 1
                self.reason = "no EOSE"
            self._move(Signal.SILENT)
            self.due = now + self._backoff()

    def wants_request(self, now: float) -> bool:
        """Whether a REQ should go out now."""
        return self.stage is Stage.DUE and now >= self.due

    def _backoff(self) -> float:
        return exponential(
            self._failures,
            self._settings.resubscribe_base_seconds,
            self._settings.resubscribe_ceiling_seconds,
        )

    def _settle(self, now: float) -> None:
        if (
            self._heard_at is not None
            and self.stage is Stage.HEARD
            and now - self._heard_at >= self._settings.stable_seconds
        ):
            self._failures = 0
        self._heard_at = None

    def _move(self, signal: Signal) -> bool:
        target = TRANSITIONS[self.stage].get(signal)
        if target is None:
            return False
        self.stage = target
        return True
