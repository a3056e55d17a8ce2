"""The numbers that bound how relays are used. All times are seconds on the injected clock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """Times and sizes of the relay pool."""

    reconnect_seconds: float = 10.0
    """The least time between two connection attempts on one relay, whatever asks for them."""
    reconnect_jitter: float = 0.2
    """Random share added to a wait, so that a fleet does not return to a relay as one."""
    reconnect_ceiling_seconds: float = 25.0
    """The longest wait between attempts; with ``connect_timeout`` about half a minute."""
    connect_timeout_seconds: float = 8.0
    """One attempt, DNS and TLS included. Real seconds: it is the library that counts them."""

    canary_interval_seconds: float = 20.0
    """Between two proofs of hearing on one relay."""
    canary_timeout_seconds: float = 4.0
    """A round: a canary at its start and at its half; neither heard is a confirmed miss. A dead
    connection takes two rounds, so ``canary_interval`` plus twice this stays under the 30 s in
    which hearing must be back, with two seconds left to connect."""

    publish_timeout_seconds: float = 10.0
    """From sending an event to its OK."""
    auth_wait_seconds: float = 5.0
    """How long a refused event waits for our AUTH to be accepted."""
    in_flight: int = 256
    """Events a relay may owe us an OK for. Beyond 2,048 the library fails sends falsely."""

    backlog_seconds: float = 3.0
    """How long an event waits for its turn before it is given back unsent: whoever has it may be
    holding up what other relays wait for, and will try again."""
    mute_backlog_seconds: float = 1.0
    """The same while the relay gives no answers."""
    rate_limit_seconds: float = 5.0
    """First pause after ``rate-limited``; doubles until an event is taken, up to half longer."""
    rate_limit_ceiling_seconds: float = 300.0
    """The longest such pause, before the random half."""

    resubscribe_base_seconds: float = 1.0
    """First wait after a transient CLOSED; doubles."""
    resubscribe_ceiling_seconds: float = 25.0
    """The longest wait between two REQs after transient faults."""
    policy_wait_seconds: float = 300.0
    """First wait after a CLOSED that names a policy; doubles."""
    policy_ceiling_seconds: float = 3600.0
    """The longest wait after such a CLOSED."""
    stable_seconds: float = 60.0
    """Hearing (or connected) this long, earlier failures are forgotten. Less would let a relay
    that answers and closes at once reset our backoff each time."""
    eose_timeout_seconds: float = 10.0
    """A REQ that neither ends nor is closed within this is asked again."""

    useless_burst: int = 5_000
    """Messages in a row of no use (repeated, forged, not asked for) that a relay may send: what
    is on its way when a question is taken back is some thousands at most."""
    useless_per_second: float = 100.0
    """How many of them are forgiven a second."""
    repeats_remembered: int = 8_192
    """Events of a relay remembered to know a repeated one by; some 0.5 MB."""
    flood_pause_seconds: float = 60.0
    """How long a relay is left alone that sent more than that; doubles."""
    flood_pause_ceiling_seconds: float = 3600.0
    """The longest such pause."""

    compare_seconds: float = 2.0
    """How often what is wanted is compared with what is: connection status, due times."""
    idle_seconds: float = 300.0
    """A relay that is not listened to is left after this long without use."""
    forget_seconds: float = 3600.0
    """And forgotten after this long, tasks and all: no sooner than alerts about it may repeat."""
    notification_channel_size: int = 16_384
    """Items in the library's channel; its default of 4,096 loses events in a burst. Each takes some
    140 bytes from the start, used or not: 65,536 are 9 MB. What a relay that floods us can hold up
    of the others is what fits in it."""
