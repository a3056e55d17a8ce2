"""Serbero inside the demonstration's own process, as far as the script can move it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from serbero.clock import Clock
from serbero.model.party import Party
from serbero.node.result import TakeResult


@dataclass(frozen=True, slots=True)
class Answer:
    """A party's message as Serbero accepted it.

    Attributes:
        dispute_id: about which dispute.
        party: who wrote.
        inner_id: id of the signed event inside, hex.
        at: seconds on the demonstration's monotonic clock.
    """

    dispute_id: str
    party: Party
    inner_id: str
    at: float


class Serbero(Protocol):
    """The daemon's own composition on the demonstration's configuration and database.

    An async context manager: entering returns once it listens, leaving stops it in order.
    """

    @property
    def public_key(self) -> str:
        """Its key, hex."""

    @property
    def answers(self) -> Sequence[Answer]:
        """What it accepted from parties, in order."""

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            DaemonFailed: it did not come up.
            StoreError: the database cannot be used.
        """

    async def __aexit__(self, *_: object) -> None:
        """Stop it, whatever happened."""

    async def stop(self) -> None:
        """Stop it in order; a second call does nothing.

        Raises:
            DaemonFailed: a part of it had failed.
        """

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            DaemonFailed: it ended.
        """

    async def take(self, dispute_id: str) -> TakeResult:
        """Take a dispute; once it is held, the chats with its parties are open."""

    async def say(self, dispute_id: str, party: Party, text: str) -> str:
        """Enqueue a message to a party; return the id of its signed inner event, hex.

        Raises:
            CannotSayError: it does not go out.
        """


RunSerbero = Callable[[Path, Path, Clock], Serbero]
"""``run(configuration, log, clock)``: makes one that is not started yet."""
