"""A process that has imported everything, and begins a daemon's life by forking.

Importing is most of what a start costs, and touches nothing a crash could spoil. A life that
begins here is a process of its own like any other: it reads its configuration, opens its database
and its connections, and dies by its own signals.

``python tests/crash/nursery.py SOCKET [MODULE ...]`` listens on a Unix socket until its standard
input is closed. Each connection is a life: a line of JSON asks for it, then come its process id
and, once it ended, its exit code, a line each. The id stays taken until the asker hangs up, so
that a late signal can reach nobody else.
"""

import asyncio
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, Self

PRELOADED: Final = (
    "serbero.cli.app",
    "serbero.cli.run",
    "serbero.daemon.mediation_parts",
    "serbero.observe.http",
    "alembic.command",
    "alembic.runtime.migration",
    "alembic.script",
    "cryptography.hazmat.primitives.hashes",
    "cryptography.hazmat.primitives.kdf.hkdf",
)
"""Imported before the first life; what they leave out, each life imports itself."""


class Life(Protocol):
    """What a daemon's process is to its household, however it began."""

    @property
    def returncode(self) -> int | None:
        """None while it lives; negative for a signal."""

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal."""

    async def wait(self) -> int:
        """Wait for its end."""


class Forked:
    """A life that a nursery began."""

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._reader, self._writer = reader, writer
        self._end = asyncio.create_task(self._watch())

    @classmethod
    async def begin(
        cls, nursery: Path, arguments: Sequence[str], output: Path, environ: Mapping[str, str]
    ) -> Self:
        """Ask the nursery that listens on a socket.

        Args:
            nursery: the socket.
            arguments: of the Python interpreter, ``-m module ...`` or a script and its own.
            output: the file its output goes to.
            environ: all of its environment.
        """
        reader, writer = await asyncio.open_unix_connection(nursery)
        wish = {"arguments": list(arguments), "output": str(output), "environ": dict(environ)}
        writer.write(json.dumps(wish).encode() + b"\n")
        return cls(int(await reader.readline()), reader, writer)

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal; it must not have ended."""
        os.kill(self.pid, signal)

    async def wait(self) -> int:
        """Wait for its end."""
        return await asyncio.shield(self._end)

    async def _watch(self) -> int:
        self.returncode = int(await self._reader.readline())
        self._writer.close()
        await self._writer.wait_closed()
        return self.returncode


@contextlib.contextmanager
def running(*more: str) -> Iterator[Path]:
    """A nursery; the socket it listens on.

    Args:
        more: modules to import besides, of packages or of this folder.
    """
    with tempfile.TemporaryDirectory(prefix="nursery-") as folder:
        place = Path(folder) / "socket"
        with subprocess.Popen(
            [sys.executable, __file__, str(place), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"listening\n"
            yield place
            process.communicate()


# The nursery's own process.


def main(place: str, *more: str) -> None:
    """Serve until standard input is closed; in a forked process, live the life asked for."""
    for name in (*PRELOADED, *more):
        importlib.import_module(name)
    assert os.listdir("/proc/self/task") == [str(os.getpid())], "a thread is not forked"  # noqa: PTH208
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the end of the tests is ours
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        os.write(1, b"listening\n")
        wish = _serve(listener)
    if wish:
        _live(wish)


def _serve(listener: socket.socket) -> str:
    """What was wished, in each life; "" at the nursery's end."""
    keepers: set[int] = set()
    door = listener.fileno()
    while select.select([door, 0], [], [])[0] == [door]:
        with listener.accept()[0] as connection:
            if (keeper := os.fork()) == 0:
                return _keep(connection)
        keepers.add(keeper)
        keepers -= {each for each in keepers if os.waitpid(each, os.WNOHANG)[0] == each}
    return ""


def _keep(connection: socket.socket) -> str:
    """Fork once more: the life returns, its keeper stays and tells of its end."""
    with connection.makefile("rw") as stream:
        wish = stream.readline()
        if (pid := os.fork()) == 0:
            return wish
        with contextlib.suppress(OSError):  # the asker may be gone
            print(pid, file=stream, flush=True)
            end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            assert end is not None
            code = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
            print(code, file=stream, flush=True)
            stream.readline()
    os.waitpid(pid, 0)
    os._exit(0)


def _live(text: str) -> None:
    """Be the interpreter that was asked for."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wish = json.loads(text)
    os.environ.clear()
    os.environ.update(wish["environ"])
    output = os.open(wish["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(output)
    os.close(nothing)
    first, *rest = wish["arguments"]
    if first == "-m":
        sys.path[0], sys.argv = str(Path.cwd()), list(rest)
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv = str(Path(first).parent), [first, *rest]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
