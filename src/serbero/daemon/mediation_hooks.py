"""What the rest of the daemon tells mediation."""

import sqlalchemy as sa

from serbero.mediation.engine import Engine
from serbero.model.taking import TakeState
from serbero.node.result import Taken, TakeResult


class MediationHooks:
    """Hands to mediation what others tell it.

    Those who tell are built before it, because it is made of them: until :meth:`lead_to` nothing
    is handed on.
    """

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def lead_to(self, engine: Engine) -> None:
        """Tell ``engine`` from now on."""
        self._engine = engine

    def on_taken(self, tx: sa.Connection, taken: Taken, now: int) -> None:
        """A dispute is ours, in the transaction that records it."""
        if self._engine is not None and self._engine.starter is not None:
            self._engine.starter.on_taken(tx, taken, now)

    def on_outcome(
        self, tx: sa.Connection, dispute_id: str, state: TakeState, reason: str | None, now: int
    ) -> None:
        """A take ended, in the transaction that records it."""
        if self._engine is not None and self._engine.starter is not None:
            self._engine.starter.on_outcome(tx, dispute_id, state, reason, now)

    def on_concluded(self, result: TakeResult) -> None:
        """The outcome of a take was committed, however late it came."""
        if isinstance(result, Taken) and self._engine is not None:
            self._engine.granted()

    def on_revisions(self) -> None:
        """Something about disputes was written."""
        if self._engine is not None:
            self._engine.wake_starts()

    def on_node_info(self) -> None:
        """The node said something of itself."""
        if self._engine is not None:
            self._engine.node_info_seen()
