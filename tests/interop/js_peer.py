"""The JavaScript peer as a process: commands down, reports up, nothing left behind.

The peer plays a Mostro node, parties of a dispute and human solvers over real relays. It was
written from the protocol's description and shares no line with the program on trial.
"""

import asyncio
import contextlib
import functools
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final, Self

from serbero.clock import SystemClock, within
from serbero.simulator.clock import eventually

HERE: Final = Path(__file__).parent
REQUIRED: Final = "SERBERO_REQUIRE_INTEROP"
"""Set in an environment where a missing peer is a failure, not a reason to skip."""

OLDEST_NODE: Final = (20, 19)
PATIENCE_SECONDS: Final = 30.0
"""How long a machine that is busy with other tests may take for one step."""

_LONGEST_LINE_BYTES: Final = 1 << 20
_GOODBYE_SECONDS: Final = 5.0

Report = dict[str, Any]


class PeerError(AssertionError):
    """The peer could not do what a test told it, or ended."""


@functools.cache
def missing() -> str:
    """Say what keeps the peer from running here; empty where nothing does."""
    node = shutil.which("node")
    if node is None:
        return "node is not installed"
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in found.strip().lstrip("v").split("-")[0].split("."))
    if version < OLDEST_NODE:
        wanted = ".".join(str(part) for part in OLDEST_NODE)
        return f"node {found.strip()} is older than {wanted}"
    if not (HERE / "node_modules" / "nostr-tools").is_dir():
        return "its packages are not installed (make test does it where npm is present)"
    return ""


def required() -> bool:
    """Whether a missing peer is a failure."""
    return bool(os.environ.get(REQUIRED))


class JsPeer:
    """One process of the peer, as an async context manager.

    Attributes:
        reports: everything it said by itself, in order.
        tolerated: reasons of refusals that a test provokes; any other one fails the test.
    """

    def __init__(self, relay_url: str) -> None:
        self.reports: list[Report] = []
        self.tolerated: set[str] = set()
        self._relay_url = relay_url
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Report]] = {}
        self._complaints: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._process = process = await asyncio.create_subprocess_exec(
            "node",
            str(HERE / "peer.mjs"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE_BYTES,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        self._tasks = [
            asyncio.create_task(self._read(process.stdout)),
            asyncio.create_task(self._read_complaints(process.stderr)),
        ]
        try:
            await self.heard("ready")
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()
        if self._faults() or self._complaints:
            raise PeerError(f"the peer met {self._faults()} {self._complaints}")

    # Commands.

    async def do(self, command: str, role: str, **fields: object) -> Report:
        """Let a role do something; return what it answers.

        Raises:
            PeerError: it could not.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        line = json.dumps({"re": number, "do": command, "as": role, "with": fields})
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.write(line.encode() + b"\n")
        await process.stdin.drain()
        try:
            result = await within(SystemClock(), PATIENCE_SECONDS, answer)
        except TimeoutError:
            raise PeerError(f"no answer to {command}; it said {self._complaints}") from None
        if result["report"] == "failed":
            raise PeerError(f"{command}: {result['what']}")
        return result

    async def start(self, kind: str, role: str, **settings: object) -> str:
        """Let it play one role more; return that role's public key."""
        answer = await self.do(kind, role, relays=[self._relay_url], **settings)
        return str(answer["pubkey"])

    # Reports.

    def all(self, report: str, role: str = "", **fields: object) -> list[Report]:
        """What it reported under a name, by one role, with these fields."""
        wanted = {"report": report, **({"as": role} if role else {}), **fields}
        return [each for each in self.reports if wanted.items() <= _flat(each).items()]

    async def heard(self, report: str, role: str = "", **fields: object) -> Report:
        """Wait for such a report and return the first.

        Raises:
            AssertionError: none came, the process ended, or something else is wrong already.
        """
        await eventually(
            lambda: self.all(report, role, **fields) or self._ended() or self._faults(),
            seconds=PATIENCE_SECONDS,
            what=f"{report} by {role or 'the peer'} with {fields}",
        )
        found = self.all(report, role, **fields)
        if not found:
            raise PeerError(f"no {report}: {self._faults()} {self._complaints}")
        return found[0]

    def _faults(self) -> list[Report]:
        """Faults of its own, and refusals that no test provoked."""
        return [
            each
            for each in self.reports
            if each["report"] == "error"
            or (each["report"] == "refused" and each["reason"] not in self.tolerated)
        ]

    # The process.

    def _ended(self) -> bool:
        return all(task.done() for task in self._tasks)

    async def _read(self, pipe: asyncio.StreamReader) -> None:
        async for line in pipe:
            report: Report = json.loads(line)
            answer = self._answers.pop(report.get("re", 0), None)
            if answer is None:
                self.reports.append(report)
            elif not answer.done():
                answer.set_result(report)

    async def _read_complaints(self, pipe: asyncio.StreamReader) -> None:
        async for line in pipe:
            self._complaints.append(line.decode(errors="replace"))

    async def _end(self) -> None:
        """Close its input, which ends it; kill it if it does not. Nothing outlives this."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        try:
            await within(SystemClock(), _GOODBYE_SECONDS, process.wait())
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _flat(report: Report) -> Report:
    """The fields of a report that a test can ask for by value."""
    return {name: value for name, value in report.items() if not isinstance(value, dict | list)}
