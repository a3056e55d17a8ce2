"""From facts about this machine to findings: configuration, key, database, outbox. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from serbero.cli.doctor_checks.findings import Finding, broken, counted, duration, fine, warning
from serbero.config.problems import Problem
from serbero.nostr.keys import npub

OUTBOX_WINDOW_SECONDS: Final = 7 * 86_400
"""How far back messages count that went wrong: an old fault must not warn for ever."""

WAITING_SECONDS: Final = 3_600
"""A message that waited this long is worth a look; the usual wait is below a second."""

SQLITE_BUG_FIRST: Final = (3, 7, 0)
SQLITE_BUG_LAST: Final = (3, 51, 2)
"""Versions whose reset of the write-ahead log may corrupt a database under load."""


def config_findings(problems: Sequence[Problem], *, stops: bool) -> list[Finding]:
    """Findings of the configuration; ``stops`` if these problems keep the daemon from running."""
    if not problems:
        return [fine("config", "read, nothing to mend")]
    level = broken if stops else warning
    return [
        level("config", f"{each.where}: {each.message}" if each.where else each.message,
              each.remedy or "see config.sample.toml")
        for each in problems
    ]  # fmt: skip


def key_findings(own: str, node: str) -> list[Finding]:
    """Whose key we run with; ``own`` and ``node`` in hex. The secret half is not looked at."""
    if own == node:
        return [
            broken(
                "key",
                f"Serbero runs with the node's own key, {npub(own)}",
                "make a key of its own with `serbero init` and register it at the node",
            )
        ]
    return [fine("key", f"{npub(own)} ({own})")]


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What the file says.

    Attributes:
        mode: permission bits.
        fault: SQLite's first complaint in ``PRAGMA quick_check``, None where it has none.
        reference_version: newest row of ``schema_version``; 0 if there is none.
        own_revision: our own schema's revision; empty where Serbero never opened it.
        holder: pid of the running daemon, None if none runs.
        locked: whether a daemon holds the file, with or without a known pid.
    """

    mode: int
    fault: str | None
    reference_version: int
    own_revision: str
    holder: int | None
    locked: bool


def database_findings(path: str, facts: DatabaseFacts) -> list[Finding]:
    """Findings of a database that exists and could be opened."""
    if facts.fault is not None:
        return [
            broken(
                "database",
                f"{path} is damaged: {facts.fault}",
                "stop Serbero, keep a copy of the file and of its -wal, restore the last backup",
            )
        ]
    by = ""
    if facts.locked:
        by = f", daemon running{'' if facts.holder is None else f' (pid {facts.holder})'}"
    schema = f"schema {facts.reference_version}"
    if facts.own_revision:
        schema += f" + {facts.own_revision}"
    found = [fine("database", f"{path} is sound, {schema}{by}")]
    if facts.mode & 0o077:
        found.append(
            warning(
                "database",
                f"{path} has mode {facts.mode:04o}: other users can read who is told what",
                f"chmod 600 {path}",
            )
        )
    return found


def sqlite_findings(version: tuple[int, int, int], driver: str) -> list[Finding]:
    """Findings of the SQLite library in use."""
    shown = f"SQLite {'.'.join(map(str, version))} through {driver}"
    if SQLITE_BUG_FIRST <= version <= SQLITE_BUG_LAST:
        return [
            warning(
                "sqlite",
                f"{shown} can corrupt a database when its write-ahead log is reset",
                "install the pysqlite3 wheel, or a Python linked with SQLite 3.51.3 or newer",
            )
        ]
    return [fine("sqlite", shown)]


@dataclass(frozen=True, slots=True)
class OutboxFacts:
    """What became of messages lately.

    Attributes:
        pending: messages no relay has taken yet.
        oldest_seconds: age of the oldest of them, 0 if none.
        dead: messages given up within :data:`OUTBOX_WINDOW_SECONDS`.
        unreached: sent within it, and no inbox relay of the recipient took them.
    """

    pending: int
    oldest_seconds: int
    dead: int
    unreached: int


def outbox_findings(facts: OutboxFacts) -> list[Finding]:
    """Findings of messages that did not get where they should."""
    found = []
    if facts.dead:
        found.append(
            warning(
                "outbox",
                f"{counted(facts.dead, 'message')} given up in the last week: no relay took "
                "them before their deadline",
                "mend the relays below; table `notifications` names the solvers to tell yourself",
            )
        )
    if facts.oldest_seconds > WAITING_SECONDS:
        found.append(
            warning(
                "outbox",
                f"{counted(facts.pending, 'message')} waiting, the oldest for "
                f"{duration(facts.oldest_seconds)}",
                "start the daemon if it does not run, and mend the relays below",
            )
        )
    if facts.unreached:
        found.append(
            warning(
                "outbox",
                f"{counted(facts.unreached, 'message')} of the last week reached no inbox "
                "relay of the solver, only other relays",
                "ask the solvers which relays they read, and write them into [[solvers]] relays",
            )
        )
    return found or [fine("outbox", f"{facts.pending} waiting, none given up in the last week")]
