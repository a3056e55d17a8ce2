"""A daemon's home: its keys, configuration, database and logs, and its process in many lives."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from nostr_sdk import Keys
from tests.crash.nursery import Forked, Life

from serbero.clock import SystemClock, within
from serbero.simulator.clock import eventually
from serbero.store import sqlite

T = TypeVar("T")
Options = Mapping[str, Mapping[str, object] | Sequence[Mapping[str, object]]]
"""Sections of a configuration, and lists of them."""

PATIENCE_SECONDS = 90.0
"""How long a machine that is busy with other tests may take for one step."""

ORDINARY = ("-m", "serbero")

NURSERY: list[Path] = []
"""The socket of the nursery that begins all lives, if there is one."""


class Daemon:
    """One life of the daemon's process.

    Args:
        process: it.
        log: the file its output goes to.
    """

    def __init__(self, process: Life, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    def logged(self, event: str) -> bool:
        """Whether it logged an event of this name."""
        return any(entry["event"] == event for entry in self._entries())

    def moment(self, event: str) -> float:
        """When it first logged an event of this name, Unix seconds.

        Raises:
            AssertionError: it never did.
        """
        for entry in self._entries():
            if entry["event"] == event:
                return datetime.fromisoformat(entry["timestamp"]).timestamp()
        raise AssertionError(f"{event!r} is not in {self._log}")

    def complaints_since(self, event: str) -> list[str]:
        """What it warned of after it first logged ``event``."""
        entries = iter(self._entries())
        assert any(entry["event"] == event for entry in entries), f"{event!r} was never logged"
        return [entry["event"] for entry in entries if entry["level"] != "info"]

    def _entries(self) -> list[dict[str, Any]]:
        """What it logged so far; a line that is still being written is left out."""
        lines = self._log.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        if self.alive:
            self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        return await within(SystemClock(), PATIENCE_SECONDS, self._process.wait())

    async def ready(self) -> bool:
        """Wait until it serves; False if it ended before."""
        await eventually(
            lambda: not self.alive or self.logged("ready"), seconds=PATIENCE_SECONDS, every=0.02
        )
        return self.alive

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """Ask it to end, as a service manager does; the exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()


async def _begin(arguments: Sequence[str], output: Path, environ: Mapping[str, str]) -> Life:
    for nursery in NURSERY:
        return await Forked.begin(nursery, arguments, output, environ)
    with output.open("wb") as file:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environ,
        )


class Household:
    """Where a daemon lives, as an async context manager that leaves no process behind.

    Args:
        folder: an empty one.
        relays: URLs to configure.
        node: the node's key, hex.
        solvers: the solvers' keys, hex, or all that is configured of each.
        options: more configuration, section to key to value; or to several tables of those.
        solver_options: more of each solver's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        relays: Sequence[str],
        node: str,
        solvers: Sequence[str | Mapping[str, object]],
        options: Options,
        solver_options: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.keys = Keys.generate()
        self.database = folder / "serbero.db"
        self._folder = folder
        self._config = folder / "config.toml"
        self._config.touch(mode=0o600)
        people = [
            {**({"pubkey": each} if isinstance(each, str) else each), **solver_options}
            for each in solvers
        ]
        self._config.write_text(self._toml(relays, node, people, options))
        self._reader = sqlite.connect_reader(self.database)
        self._lives: list[Daemon] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for life in self._lives:
            await life.kill()

    async def start(self, program: Sequence[str] = ORDINARY, **environ: str) -> Daemon:
        """Begin another life."""
        log = self._folder / f"daemon-{len(self._lives)}.log"
        inherited = {key: text for key, text in os.environ.items() if "SERBERO" not in key}
        arguments = [
            *program,
            *(("run",) if program is ORDINARY else ()),
            "--config",
            str(self._config),
        ]
        log.touch()
        process = await _begin(arguments, log, inherited | environ)
        self._lives.append(Daemon(process, log))
        return self._lives[-1]

    def read(self, look: Callable[[sa.Connection], T]) -> T:
        """What ``look`` finds in the database, by a connection that is closed at once.

        One that stayed open would keep SQLite's shared memory alive over a crash, and with it
        what a restart must recover.
        """
        try:
            with self._reader.begin() as tx:
                return look(tx)
        finally:
            self._reader.dispose()

    def holds(self, look: Callable[[sa.Connection], bool]) -> bool:
        """Whether ``look`` is satisfied; not so while there is no database."""
        if not self.database.exists():
            return False
        try:
            return self.read(look)
        except sa.exc.DatabaseError:
            return False  # not migrated yet

    def logs(self) -> str:
        """The last lines of each life, for a failure's message."""
        files = sorted(self._folder.glob("daemon-*.log"), key=lambda each: each.stat().st_mtime)
        return "\n".join(f"--- {each.name}\n{each.read_text()[-3000:]}" for each in files[-2:])

    def _toml(
        self,
        relays: Sequence[str],
        node: str,
        solvers: Sequence[Mapping[str, object]],
        options: Options,
    ) -> str:
        single, several = {}, []
        for name, values in options.items():
            if isinstance(values, Mapping):
                single[name] = values
            else:
                several += [(f"[[{name}]]", each) for each in values]
        sections: list[tuple[str, Mapping[str, Any]]] = [
            (
                "[serbero]",
                {"private_key": self.keys.secret_key().to_hex(), "db_path": str(self.database)},
            ),
            ("[mostro]", {"pubkey": node, **single.get("mostro", {})}),
            ("[observe]", {"log_format": "json", **single.get("observe", {})}),
            *(
                (f"[{name}]", values)
                for name, values in single.items()
                if name not in {"mostro", "observe"}
            ),
            *several,
            *(("[[relays]]", {"url": url}) for url in relays),
            *(("[[solvers]]", each) for each in solvers),
        ]
        return "\n".join(
            "\n".join([header, *(f"{key} = {json.dumps(value)}" for key, value in values.items())])
            for header, values in sections
        )
