"""The real daemon as a process of its own, as an operator would run it."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from serbero.clock import Clock, within

START_SECONDS: Final = 30.0
"""How long the daemon may take until it says that it listens; a loaded machine is slow."""
STOP_SECONDS: Final = 8.0
"""How long it may take to stop; it promises five."""
POLL_SECONDS: Final = 0.02
TAIL_LINES: Final = 8


class DaemonFailed(Exception):  # noqa: N818 - named for what it says
    """The daemon ended by itself, or did not do what it must; the text says which.

    Attributes:
        tail: the last lines of its log, for people.
    """

    def __init__(self, problem: str, tail: list[str]) -> None:
        super().__init__(problem)
        self.tail = tail


class DaemonProcess:
    """``serbero run``, as an async context manager that never leaves a process behind.

    Args:
        config: its configuration.
        log: the file that takes what it writes; what it held is kept.
        clock: where time comes from.
        extra: variables of its environment beside what is left of ours.
    """

    def __init__(
        self, config: Path, log: Path, clock: Clock, extra: Mapping[str, str] | None = None
    ) -> None:
        self._config = config
        self._log = log
        self._clock = clock
        self._extra = dict(extra or {})
        self._began_at = 0
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Its process id once started."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._began_at = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "serbero",
                "run",
                "--config",
                str(self._config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=clean_environment(dict(os.environ)) | self._extra,
                # A session of its own: Ctrl-C in the terminal is ours alone to answer.
                start_new_session=True,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            DaemonFailed: it ended.
        """
        code = None if self._process is None else self._process.returncode
        if code is not None and not self._stopping:
            raise DaemonFailed(
                f"expected a running daemon, found it ended with {code}", self.tail()
            )

    async def until_ready(self) -> None:
        """Return once it says that it listens.

        Raises:
            DaemonFailed: it ended, or did not say so in time.
        """
        deadline = self._clock.monotonic() + START_SECONDS
        while not any(entry.get("event") == "ready" for entry in self._entries()):
            self.check()
            if self._clock.monotonic() > deadline:
                raise DaemonFailed(
                    f"the daemon was not ready in {START_SECONDS:.0f} s", self.tail()
                )
            await self._clock.sleep(POLL_SECONDS)

    async def stop(self, seconds: float = STOP_SECONDS) -> int | None:
        """Ask it to stop (SIGTERM), insist if it does not in time; return its exit code.

        Negative: it had to be killed, or a signal ended it. None: it was never started.
        """
        process = self._process
        if process is None:
            return None
        self._stopping = True
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await within(self._clock, seconds, process.wait())
            except TimeoutError:
                pass
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
        return await process.wait()

    async def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would; it has ended after this."""
        process = self._process
        if process is None:
            return
        self._stopping = True
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()

    def tail(self) -> list[str]:
        """Return the last lines of the log, JSON entries made readable."""
        return log_tail(self._log)

    def _entries(self) -> list[dict[str, Any]]:
        try:
            lines = self._log.read_bytes()[self._began_at :].decode(errors="replace").splitlines()
        except OSError:
            return []
        return [entry for entry in map(_entry, lines) if entry is not None]


def log_tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last lines of a log, JSON entries made readable."""
    try:
        text = log.read_text(errors="replace")
    except OSError as error:
        return [f"{log}: {error.strerror}"]
    return [_readable(line) for line in text.splitlines()[-lines:]]


def clean_environment(environ: dict[str, str]) -> dict[str, str]:
    """Return ``environ`` without what would change the daemon on show or notify a supervisor."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith("SERBERO_") and name not in {"NOTIFY_SOCKET", "WATCHDOG_USEC"}
    }


def _entry(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _readable(line: str) -> str:
    entry = _entry(line)
    if entry is None:
        return line
    level, event = entry.pop("level", ""), entry.pop("event", "")
    entry.pop("timestamp", None)
    entry.pop("logger", None)
    if "exception" in entry:
        entry["exception"] = _cause(str(entry["exception"]))
    fields = " ".join(f"{name}={value}" for name, value in entry.items())
    return f"{level:<7} {event} {fields}".rstrip()


def _cause(traceback: str) -> str:
    """The last words of a traceback, of a group of exceptions too; the log has all of it."""
    lines = [line.strip(" |+-") for line in traceback.splitlines()]
    return next((line for line in reversed(lines) if line), "")
