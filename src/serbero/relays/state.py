"""What the outside may know of one relay."""

from dataclasses import dataclass

from serbero.relays.canary import Proof


@dataclass(frozen=True, slots=True)
class RelayState:
    """One relay at one moment.

    Attributes:
        url: normalised address.
        configured: from the configuration: listened to for as long as the process runs.
        extra: listened to as well while somebody's list names it; nothing depends on it. With
            neither it is only written to and asked on demand.
        connected: whether a connection stands.
        hearing: whether the subscription that proves hearing is heard: ``DEAF`` while not
            connected, before its first EOSE, after a confirmed miss and while it is refused.
        closed: subscriptions the relay ended that do not stand again yet, each with its reason.
            Those beside the proving one say nothing about ``hearing``.
        since: wall time, Unix seconds, at which ``connected`` or ``hearing`` last changed.
        last_reason: the last loss, refusal or failed attempt, in a few words.
        attempts: connection attempts in this process.
        last_canary_ms: how long the last canary took to come back.
    """

    url: str
    configured: bool
    extra: bool
    connected: bool
    hearing: Proof
    since: float
    last_reason: str | None
    attempts: int
    last_canary_ms: float | None
    closed: tuple[tuple[str, str], ...] = ()

    @property
    def hears(self) -> bool:
        """Whether disputes published there reach us, as far as anybody can tell."""
        return self.hearing is not Proof.DEAF
