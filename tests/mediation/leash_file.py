"""A real database file that begins anew in a millisecond, and guards what must never change.

Triggers refuse every write that shrinks or changes what is append-only, in the transaction that
tries it: whoever does it fails at once.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import sqlalchemy as sa
from tests.store.rig import T0

from serbero.mediation.bundles import pins_of
from serbero.reasoning.bundle import PromptBundle
from serbero.store import prompt_bundles, sqlite
from serbero.store.catch_up import catch_up
from serbero.store.migrate import migrate

P = ParamSpec("P")
T = TypeVar("T")

BUNDLE: Final = PromptBundle(b"be fair", b"classify", b"escalate", b"be kind", b"none")
PINS: Final = pins_of(BUNDLE)

_APPEND_ONLY: Final = (
    "mediation_events",
    "mediation_summaries",
    "dispute_events",
    "dispute_state_transitions",
    "journal",
    "notifications",
    "prompt_bundles",
    "reasoning_calls",
    "chat_seen",
)
_NEVER_SHRINKS: Final = (
    *_APPEND_ONLY,
    "mediation_messages",
    "mediation_sessions",
    "session_facts",
    "session_sides",
    "reasoning_rationales",
    "outbox",
    "takes",
    "parties",
    "disputes",
    "revisions",
)
_KEPT: Final = {
    "mediation_messages": (
        "id session_id direction party inner_event_id inner_event_created_at content policy_hash"
        " persisted_at stale"
    ),
    "reasoning_rationales": "rationale_id provider model policy_hash rationale_text generated_at",
    "mediation_sessions": "session_id dispute_id prompt_bundle_id policy_hash started_at",
    "outbox": "id purpose dispute_id session_id anchor recipient enqueued_ms",
}
"""Columns that keep their values for ever."""
_ONCE: Final = {
    "mediation_messages": "outer_event_id",
    "reasoning_rationales": "session_id",
}
"""Columns that are filled at most once."""


def _triggers() -> list[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, 'leash: {} of {}'); END"
    made = [
        f"CREATE TRIGGER leash_d_{name} BEFORE DELETE ON {name} " + refuse.format("delete", name)
        for name in _NEVER_SHRINKS
    ]
    made += [
        f"CREATE TRIGGER leash_u_{name} BEFORE UPDATE ON {name} " + refuse.format("update", name)
        for name in _APPEND_ONLY
    ]
    for name, columns in _KEPT.items():
        changed = [f"old.{each} IS NOT new.{each}" for each in columns.split()]
        if (once := _ONCE.get(name)) is not None:
            changed.append(f"(old.{once} IS NOT NULL AND old.{once} IS NOT new.{once})")
        when = " OR ".join(changed)
        made.append(
            f"CREATE TRIGGER leash_u_{name} BEFORE UPDATE ON {name} WHEN {when} "
            + refuse.format("change", name)
        )
    words = (
        "json_extract(old.rumor_json, '$.content') IS NOT json_extract(new.rumor_json, '$.content')"
    )
    made.append(
        f"CREATE TRIGGER leash_w_outbox BEFORE UPDATE OF rumor_json ON outbox WHEN {words} "
        + refuse.format("words", "outbox")
    )
    made.append(
        "CREATE TRIGGER leash_s_closed BEFORE UPDATE OF state ON mediation_sessions "
        "WHEN old.state = 'closed' AND new.state <> 'closed' "
        + refuse.format("life after closing", "mediation_sessions")
    )
    return made


class LeashFile:
    """One file and one connection; every call is one committed transaction."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="serbero-leash-"))
        self.path, self._pristine = self.folder / "serbero.db", self.folder / "pristine.db"
        self._raw: Any = None
        sqlite.create_file(self._pristine)
        self._fill(sqlite.connect_writer(self._pristine))
        sqlite.create_file(self.path)
        # One engine for all examples: what it compiled once it need not compile again.
        self.engine = sqlite.connect_writer(self.path)

        @sa.event.listens_for(self.engine, "connect")
        def _on_connect(connection: Any, _record: object) -> None:
            # Nobody pulls the plug here.
            connection.execute("PRAGMA synchronous=OFF").close()

    def _fill(self, engine: sa.Engine) -> None:
        with engine.begin() as tx:
            migrate(tx, self._pristine)
        with engine.begin() as tx:
            catch_up(tx, T0)
            parts = dict(BUNDLE.parts())
            prompt_bundles.save(tx, BUNDLE.policy_hash, BUNDLE.bundle_id, parts, T0)
            for trigger in _triggers():
                tx.exec_driver_sql(trigger)
        engine.dispose()

    def begin_anew(self) -> None:
        """Forget everything."""
        self.close()
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self._pristine, self.path)

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        self._raw = None
        self.engine.dispose()

    def remove(self) -> None:
        """Leave nothing behind."""
        self.close()
        shutil.rmtree(self.folder)

    def run(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``fn`` as the store does."""
        with self.engine.begin() as tx:
            return fn(tx, *args, **kwargs)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read, past SQLAlchemy: this runs some ten times after every transaction."""
        if self._raw is None:
            with self.engine.connect() as connection:
                self._raw = connection.connection.driver_connection
        found: list[tuple[Any, ...]] = self._raw.execute(query, values).fetchall()
        return found

    def one(self, query: str, *values: object) -> Any:
        """The only value of the only row."""
        [[value]] = self.rows(query, *values)
        return value
