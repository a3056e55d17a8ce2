"""A migrated database under test, driven by plain transactions, and values to put in it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from uuid import UUID, uuid5

import sqlalchemy as sa
from tests.migrated import provide

from serbero.delivery import ledger
from serbero.delivery.settlement import Settlement
from serbero.intake.announcing import Audience
from serbero.intake.recording import RecordedRevision, record_revisions
from serbero.intake.settlement import initial_sent, reminder_sent
from serbero.model.lifecycle import DisputeStatus
from serbero.model.notification import Purpose, TargetSource, TargetState
from serbero.model.people import Solver
from serbero.model.target import Target, TargetUpdate
from serbero.mostro.dispute_event import Revision
from serbero.store import sqlite
from serbero.store.catch_up import catch_up
from serbero.store.migrate import migrate
from serbero.store.outbox_work import NewWrap

P = ParamSpec("P")
T = TypeVar("T")

NODE: Final = "aa" * 32
SENDER: Final = "bb" * 32
T0: Final = 1_767_225_600
"""2026-01-01T00:00:00Z."""
RELAY: Final = "wss://one.example"
OTHER: Final = "wss://two.example"

SETTLEMENTS: Final = {
    Purpose.INITIAL: Settlement(on_sent=initial_sent, once_a_round=True),
    Purpose.RENOTIFICATION: Settlement(on_sent=reminder_sent, once_a_round=True),
}
"""What the daemon is built with."""


class Database:
    """A database file with one connection; every call is one committed transaction."""

    def __init__(self, path: Path, now: int = T0) -> None:
        self.path = path
        provide(path)
        self.engine = sqlite.connect_writer(path)
        self.run(migrate, path)
        self.run(catch_up, now)

    def run(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with self.engine.begin() as tx:
            return fn(tx, *args, **kwargs)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.engine.begin() as tx:
            return [tuple(row) for row in tx.exec_driver_sql(query, values)]

    def one(self, query: str, *values: object) -> Any:
        """The only value of the only row."""
        [[value]] = self.rows(query, *values)
        return value

    def reopen(self, now: int = T0) -> None:
        """What a restart of the daemon does to the file."""
        self.close()
        self.__init__(self.path, now)  # type: ignore[misc]

    def close(self) -> None:
        self.engine.dispose()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        names = self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return {name: sorted(self.rows(f"SELECT * FROM {name}"), key=repr) for (name,) in names}  # noqa: S608

    # --- shortcuts for what most tests do -----------------------------------------------------

    def record(
        self, *batch: Revision, audience: Audience, horizon: int = 0, now: int = T0
    ) -> list[RecordedRevision]:
        return self.run(record_revisions, batch, audience, horizon, now * 1000)

    def claim(
        self,
        now: int = T0,
        *,
        limit: int = 1000,
        held: frozenset[int] = frozenset(),
        relays: Iterable[str] = (RELAY,),
        relays_of: ledger.RelaysOf | None = None,
        settlements: Mapping[Purpose, Settlement] = SETTLEMENTS,
        wraps_since: int = 0,
    ) -> ledger.Claim:
        known = dict.fromkeys(relays, TargetSource.CONFIGURED)
        return self.run(
            ledger.claim,
            now,
            limit,
            held,
            relays_of or (lambda _recipient: known),
            settlements,
            wraps_since=wraps_since,
        )

    def answer(
        self,
        claimed: ledger.Claim,
        *,
        delivered: bool,
        now: int = T0,
        reason: str = "timeout",
        outcomes: frozenset[str] = frozenset(),
        again: int = 60,
        settlements: Mapping[Purpose, Settlement] = SETTLEMENTS,
    ) -> ledger.RecordedBatch:
        """Record the same answer of every relay to every claimed message."""
        batch = ledger.Batch()
        for row in claimed.rows:
            for target in claimed.targets[row.id]:
                update = said(
                    row.id, target, delivered=delivered, now=now, again=again, reason=reason
                )
                batch.attempts.append(ledger.Attempt(row, update, delivered=delivered))
            if not delivered:
                batch.failed_rounds.append(
                    ledger.FailedRound(row, outcomes or frozenset({reason}), reason)
                )
            batch.finished.append(row.id)
        return self.run(ledger.record, batch, now * 1000, settlements)

    def state(self, dispute: str) -> str:
        return str(self.one("SELECT lifecycle_state FROM disputes WHERE dispute_id = ?", dispute))

    def outbox(self, dispute: str) -> list[tuple[str, str, str]]:
        """Purpose, recipient and state of every message about a dispute."""
        return [
            (str(purpose), str(recipient), str(state))
            for purpose, recipient, state in self.rows(
                "SELECT purpose, recipient, state FROM outbox WHERE dispute_id = ? ORDER BY id",
                dispute,
            )
        ]


def said(
    row_id: int,
    target: Target,
    *,
    delivered: bool,
    now: int = T0,
    again: int = 60,
    reason: str = "timeout",
) -> TargetUpdate:
    if delivered:
        return TargetUpdate(row_id, target.relay, TargetState.ACCEPTED, None, None, 12)
    return TargetUpdate(row_id, target.relay, TargetState.OPEN, now + again, reason, None)


def fake_wraps(claimed: ledger.Claim, mark: str = "") -> list[NewWrap]:
    """Bytes for every claimed target that has none; not encrypted, only distinct."""
    made = []
    for row in claimed.rows:
        relays = tuple(each.relay for each in claimed.targets[row.id] if each.event_json is None)
        if relays:
            name = f"wrap{mark}-{row.id}"
            made.append(NewWrap(row.id, name, json.dumps({"id": name}), relays))
    return made


def dispute_id(number: int) -> str:
    return str(uuid5(UUID(int=0), f"dispute {number}"))


def revision(
    dispute: str | int,
    status: str = "initiated",
    at: int = T0,
    *,
    event_id: str | None = None,
    initiator: str = "buyer",
    solver: str | None = None,
) -> Revision:
    identifier = dispute_id(dispute) if isinstance(dispute, int) else dispute
    return Revision(
        dispute_id=identifier,
        event_id=event_id or _digest(f"{identifier}{status}{at}"),
        created_at=at,
        status=DisputeStatus(status),
        initiator=initiator,
        opened_at=None,
        node=NODE,
        assigned_solver=solver,
    )


def _digest(text: str) -> str:
    return uuid5(UUID(int=1), text).hex + uuid5(UUID(int=2), text).hex


def key(number: int) -> str:
    return f"{number:02x}" * 32


def audience(solvers: Sequence[Solver] | int = 2, *, deadline_seconds: int = 86_400) -> Audience:
    """Some solvers, by number or as given."""
    people = (
        tuple(Solver(typed=key(each).upper(), hex=key(each)) for each in range(1, solvers + 1))
        if isinstance(solvers, int)
        else tuple(solvers)
    )
    return Audience(sender=SENDER, solvers=people, deadline_seconds=deadline_seconds)
