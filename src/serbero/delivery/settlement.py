"""What settling a message changes beyond the outbox, given by its feature at build time.

The callbacks run inside the transaction that records the outcome, so a dispute and the message
about it cannot disagree after a crash.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from serbero.model.dispute import Moved
from serbero.model.notification import Purpose
from serbero.store.outbox_work import Row

Settle = Callable[[sa.Connection, Row, int], Moved | None]
"""``settle(tx, row, now)``; returns the lifecycle move it made, if any."""


def nothing(_tx: sa.Connection, _row: Row, _now: int) -> None:
    """Change nothing."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What follows the first success and the death of a message.

    A message on two channels has one first success and one death: ``on_sent`` runs for whichever
    row succeeds first, ``on_dead`` for the one that ends last if neither was sent.
    ``once_a_round`` says that ``on_sent`` looks at nothing that differs between the recipients of
    one round, so that of those recorded together one message stands for all.
    """

    on_sent: Settle = nothing
    on_dead: Settle = nothing
    once_a_round: bool = False


Settlements = Mapping[Purpose, Settlement]
