"""Runs the daemon with the smallest stand-in for a mediator in it.

``python tests/crash/crashpoint.py mediating run --config ...`` is ``serbero run`` with one part
more: it takes the dispute that everybody was told of, asks both parties one question, and its
hook writes what they answer into the journal. Each step asks the database first whether it was
done, so that any number of lives do it once.
"""

import dataclasses
import runpy
from dataclasses import dataclass
from typing import Any, Final, Never, cast

import sqlalchemy as sa

from serbero.chat.channel import AcceptedMessage
from serbero.chat.channels import Chats
from serbero.chat.speaking import say
from serbero.clock import Clock
from serbero.config.settings import Config
from serbero.daemon import build, chat_parts, process
from serbero.delivery.introduction import Introduction
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import TargetState
from serbero.model.party import Party
from serbero.model.taking import Holding
from serbero.store import journal, parties
from serbero.store.schema import disputes, outbox, outbox_targets

QUESTION: Final = {
    Party.BUYER: "Buyer: did you send the payment?",
    Party.SELLER: "Seller: did the payment arrive?",
}
ANCHOR: Final = "round-1"
ANSWERED: Final = "party_answered"
LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Case:
    """The one dispute, as the database knows it."""

    dispute_id: str
    announced: bool
    holding: Holding | None
    trade_keys: dict[Party, str]


class Mediator:
    """The part of the daemon that is put to the test's purposes."""

    def __init__(self, parts: build.Parts) -> None:
        self._parts = parts

    async def run(self) -> Never:
        """Do what is next, until the end."""
        done = False
        while True:
            case = await self._parts.base.store.read(look)
            if case is not None and not done:
                done = await self._act(case)
            await self._parts.base.clock.sleep(LOOK_SECONDS)

    async def _act(self, case: Case) -> bool:
        """Take one step; True once everything was said."""
        parts = self._parts
        if case.holding is None:
            if case.announced:
                await parts.node.taker.take(case.dispute_id)
            return False
        await parts.chats.open(case.dispute_id, case.trade_keys, case.holding.answered_at)
        for party in Party:
            await parts.base.store.transact(
                say,
                parts.speaker,
                case.dispute_id,
                party,
                QUESTION[party],
                anchor=ANCHOR,
                at_ms=int(parts.base.clock.time() * 1000),
            )
            parts.delivery.worker.wake()
        return True


def look(tx: sa.Connection) -> Case | None:
    """Find the dispute; None before it was detected."""
    row = tx.execute(sa.select(disputes.c.dispute_id, disputes.c.lifecycle_state)).first()
    if row is None:
        return None
    held_up = tx.execute(
        sa.select(outbox.c.id)
        .outerjoin(outbox_targets, outbox_targets.c.outbox_id == outbox.c.id)
        .where(outbox_targets.c.state.is_distinct_from(TargetState.ACCEPTED.value))
    ).first()
    return Case(
        row.dispute_id,
        row.lifecycle_state == Lifecycle.NOTIFIED.value and held_up is None,
        parties.holding(tx, row.dispute_id),
        parties.trade_keys(tx, row.dispute_id),
    )


def note(tx: sa.Connection, message: AcceptedMessage) -> None:
    """Record an answer with the transaction that accepts it."""
    payload = {"inner_id": message.message.inner_id, "party": message.party.value}
    about = message.dispute_id
    journal.write(tx, ANSWERED, message.accepted_at, dispute_id=about, payload=payload)


def chats_with_notes(**options: Any) -> Chats:
    """Build the chats with the mediator's hook instead of the daemon's own."""
    return Chats(**options | {"record": note})


async def build_with_mediator(config: Config, clock: Clock) -> build.Parts:
    """Compose the daemon; the mediator runs as an optional part, in a place nobody uses here."""
    parts = await build.build(config, clock)
    mediator = cast("Introduction", Mediator(parts))
    delivery = dataclasses.replace(parts.delivery, introduction=mediator)
    return dataclasses.replace(parts, delivery=delivery)


def main() -> None:
    """Run ``serbero`` with the mediator in it."""
    composition: Any = chat_parts  # its names are exchanged as the crash points' are
    composition.Chats = chats_with_notes
    running: Any = process
    running.build = build_with_mediator
    runpy.run_module("serbero", run_name="__main__")


if __name__ == "__main__":
    main()
