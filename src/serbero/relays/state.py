"""What the outside may know of one relay."""

from dataclasses import dataclass

from serbero.relays.canary import Proof


@dataclass(frozen=True, slots=True)
class RelayState:
    """One relay at one moment.

    Attributes:
        url: normalised address.
        configured: whether it is listened to, or only written to on demand.
        connected: whether a connection stands.
        hearing: ``DEAF`` while not connected, before the first EOSE, after a confirmed miss and
            while a subscription is refused.
        since: wall time, Unix seconds, at which ``connected`` or ``hearing`` last changed.
        last_reason: the last loss, refusal or failed attempt, in a few words.
        attempts: connection attempts in this process.
        last_canary_ms: how long the last canary took to come back.
    """

    url: str
    configured: bool
    connected: bool
    hearing: Proof
    since: float
    last_reason: str | None
    attempts: int
    last_canary_ms: float | None

    @property
    def hears(self) -> bool:
        """Whether disputes published there reach us, as far as anybody can tell."""
        return self.hearing is not Proof.DEAF
