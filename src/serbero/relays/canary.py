"""Proof that a relay still tells us what is published there.

Every interval an ephemeral event of our own goes out, and its filter stands in the same REQ as
the disputes: if it comes back, disputes would. A relay that refuses the write, or takes it and
never shows ephemeral events to anyone, is asked for one stored event instead; that proves it
answers, not that it hears, and the state says so. Pure: ``now`` is an argument, monotonic seconds.
"""

from enum import StrEnum

from serbero.nostr.replies import PublishOutcome
from serbero.relays.settings import RelaySettings

NEVER_ECHOED_ROUNDS = 3
"""Missed rounds (a first REQ, a second, one after a new connection) after which a relay that
never echoed is taken for one that shows no ephemeral events."""

BACKLOG_SECONDS = 60.0
"""How long events that still stream in excuse a canary that waits behind them."""

_MAX_OUTSTANDING = 16
"""Canaries whose late echo still counts."""


class Step(StrEnum):
    """What the link must do next."""

    SEND = "send"
    """Publish a new canary."""
    PROBE = "probe"
    """Ask for one stored event."""
    ASK_AGAIN = "ask_again"
    """A confirmed miss: CLOSE and REQ."""
    RECONNECT = "reconnect"
    """Missed again after a new REQ: the connection itself is suspect."""
    FALL_BACK = "fall_back"
    """Never an echo from this relay: from here on probes only."""


class Proof(StrEnum):
    """What is known of the relay's answering."""

    HEARING = "hearing"
    """A canary came back."""
    UNPROVEN = "unproven"
    """It answers, but no canary has come back (yet)."""
    DEAF = "deaf"
    """A confirmed miss, and no proof since."""


class Canary:
    """The proof of hearing on one relay, over all its connections.

    Attributes:
        proof: see :class:`Proof`; meaningful while the proving subscription is asked.
        last_milliseconds: how long the last echo took.
    """

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self.proof = Proof.UNPROVEN
        self.last_milliseconds: float | None = None
        self._ever_echoed = False
        self._never_echoes = False
        self._refused = False
        self._probe_next = False
        self._probe_round = False
        self._misses = 0
        self._answered = False
        self._round_started: float | None = None
        self._sent_in_round = 0
        self._next_round: float | None = None
        self._outstanding: dict[str, float] = {}
        self._last_event: float | None = None
        self._excused_since: float | None = None

    def connected(self) -> None:
        """A new connection: the write may be accepted this time. Doubt stays until disproved."""
        self._refused = False
        if self.proof is Proof.HEARING:
            self.proof = Proof.UNPROVEN
        self.stop()

    def stop(self) -> None:
        """The subscription is not asked any more: nothing can be proved now."""
        self._round_started = None
        self._next_round = None
        self._outstanding.clear()

    def asked(self, now: float) -> None:
        """The proving REQ went out: a canary at its EOSE, or after a while without one.

        After a miss it follows at once: a dead connection gives no EOSE, and time is short.
        """
        self.stop()
        self._answered = False
        self._next_round = now + (0 if self._misses else self._settings.canary_timeout_seconds)

    def heard(self, now: float) -> None:
        """EOSE of the proving REQ."""
        self._answered = True
        if self._round_started is None:
            self._next_round = now

    def next_due(self) -> float | None:
        """When :meth:`tick` has something to do."""
        if self._round_started is None:
            return self._next_round
        timeout = self._settings.canary_timeout_seconds
        return self._round_started + timeout * (0.5 if self._sent_in_round == 1 else 1.0)

    def tick(self, now: float) -> Step | None:
        """The step that is due now, if any. Call again until None."""
        due = self.next_due()
        if due is None or now < due:
            return None
        if self._round_started is None:
            self._round_started, self._sent_in_round = now, 0
            self._probe_round = self._refused or self._never_echoes or self._probe_next
            self._probe_next = False
        elif now >= self._round_started + self._settings.canary_timeout_seconds:
            if not self._behind_a_backlog(now):
                return self._missed(now)
            self._round_started, self._sent_in_round = now, 0
        self._sent_in_round += 1
        return Step.PROBE if self._probe_round else Step.SEND

    def sent(self, event_id: str, now: float) -> None:
        """A canary went out."""
        while len(self._outstanding) >= _MAX_OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]
        self._outstanding[event_id] = now

    def event_seen(self, now: float) -> None:
        """Something we asked for came on the newest REQ."""
        self._last_event = now

    def owns(self, event_id: str) -> bool:
        """Whether this is a canary of ours that is still waited for."""
        return event_id in self._outstanding

    def echo(self, event_id: str, now: float) -> float | None:
        """A canary came back on the newest REQ; returns milliseconds, None if not one of ours."""
        sent = self._outstanding.pop(event_id, None)
        if sent is None:
            return None
        self.last_milliseconds = (now - sent) * 1000
        self._ever_echoed, self._never_echoes = True, False
        self._end_round(now, Proof.HEARING)
        return self.last_milliseconds

    def refused(self, outcome: PublishOutcome, now: float) -> None:
        """The relay refused the canary: probe instead, for good or for this round."""
        transient = (
            PublishOutcome.RETRY,
            PublishOutcome.RATE_LIMITED,
            PublishOutcome.AUTH_REQUIRED,
        )
        if outcome.delivered:
            return
        self._refused = self._refused or outcome not in transient
        if self._round_started is not None and not self._probe_round:
            self._round_started, self._next_round = None, now
            self._probe_next = True

    def probe_answered(self, now: float) -> None:
        """The relay answered the probe: it is alive, hearing stays unproven."""
        if self._probe_round and self._round_started is not None:
            self._end_round(now, Proof.UNPROVEN)

    def _end_round(self, now: float, proof: Proof) -> None:
        self.proof = proof
        self._misses = 0
        self._excused_since = None
        self._round_started = None
        self._next_round = now + self._settings.canary_interval_seconds

    def _behind_a_backlog(self, now: float) -> bool:
        """Whether the canary may just be late: asking again would make a burst worse."""
        recently = self._settings.canary_timeout_seconds / 2
        if self._last_event is None or now - self._last_event > recently:
            return False
        if self._excused_since is None:
            self._excused_since = now
        return now - self._excused_since < BACKLOG_SECONDS

    def _missed(self, now: float) -> Step:
        self._misses += 1
        self._round_started = None
        self.proof = Proof.DEAF
        excusable = self._answered and not (self._ever_echoed or self._probe_round)
        if excusable and self._misses >= NEVER_ECHOED_ROUNDS:
            self._never_echoes, self._misses = True, 0
            self._next_round = now
            return Step.FALL_BACK
        self._next_round = None
        return Step.ASK_AGAIN if self._misses % 2 else Step.RECONNECT
