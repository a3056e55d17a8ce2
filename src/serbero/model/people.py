"""Solvers as values."""

from dataclasses import dataclass
from enum import StrEnum

from serbero.model.notification import Channel


class Permission(StrEnum):
    """What a solver may do at the node (``[[solvers]] permission``)."""

    READ = "read"
    WRITE = "write"


class Via(StrEnum):
    """How messages reach a solver (``[[solvers]] via``)."""

    NIP17 = "nip17"
    """As private messages: any Nostr client that knows them."""
    MOSTRO = "mostro"
    """As ``send-dm``: Mostro's own clients."""
    BOTH = "both"
    """Both ways; whichever arrives first counts."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels a message to such a solver travels in, one outbox row each."""
        match self:
            case Via.NIP17:
                return (Channel.NIP17,)
            case Via.MOSTRO:
                return (Channel.MOSTRO,)
            case Via.BOTH:
                return (Channel.NIP17, Channel.MOSTRO)


@dataclass(frozen=True, slots=True)
class Solver:
    """One configured solver.

    Attributes:
        typed: the key exactly as the operator typed it; what the reference's tables hold.
        hex: the same key as 64 lower-case hex digits, or None if it cannot be one.
        problem: why ``hex`` is None or the solver is skipped (``None`` when usable); the text
            after ``invalid pubkey: `` in a ``failed`` row.
        permission: what the node allows this solver to do.
        relays: the solver's own inbox relays from the configuration; when empty, kind 10050
            is looked up.
        via: in which envelopes messages to this solver travel.
    """

    typed: str
    hex: str | None
    problem: str | None = None
    permission: Permission = Permission.READ
    relays: tuple[str, ...] = ()
    via: Via = Via.NIP17

    @property
    def reachable(self) -> bool:
        """Whether messages can be addressed to this solver at all."""
        return self.hex is not None and self.problem is None
