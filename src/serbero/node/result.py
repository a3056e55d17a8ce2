"""What became of a take: the three answers a caller has to deal with."""

from dataclasses import dataclass
from typing import Final

from serbero.model.taking import Cause
from serbero.mostro.dispute_info import DisputeInfo

TAKEN_OVER: Final = "taken_over"
"""A reason of ours: the node gave us the dispute, and somebody took it over before we knew."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The dispute is ours.

    Attributes:
        dispute_id: which.
        info: what the node told of its order and parties; no secrets.
        answered_at: the node's own time of the answer, Unix seconds.
        attempts: requests it took.
    """

    dispute_id: str
    info: DisputeInfo
    answered_at: int
    attempts: int

    @property
    def can_mediate(self) -> bool:
        """Whether both parties can be written to."""
        return self.info.buyer is not None and self.info.seller is not None


@dataclass(frozen=True, slots=True)
class Refused:
    """The node said no.

    Attributes:
        dispute_id: which.
        reason: the node's word, such as ``invalid_pubkey``, which means not registered, already
            taken, or closed; None where it gave none.
        attempts: requests it took.
    """

    dispute_id: str
    reason: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The node said nothing within our patience, or could not be asked.

    Attributes:
        dispute_id: which.
        causes: what remains possible, the likeliest first.
        attempts: requests that were published.
    """

    dispute_id: str
    causes: tuple[Cause, ...]
    attempts: int


TakeResult = Taken | Refused | NoAnswer
