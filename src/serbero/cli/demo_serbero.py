"""The daemon's composition inside the demonstration's process, where a script can move it."""

import asyncio
import contextlib
from pathlib import Path
from typing import Final, Self

import structlog

from serbero.chat.channel import AcceptedMessage
from serbero.chat.speaking import CannotSayError, say
from serbero.clock import Clock, now_ms, wait_for_event
from serbero.config.loader import load
from serbero.config.settings import Config
from serbero.daemon.build import Parts, build
from serbero.daemon.process import supervise
from serbero.model.party import Party
from serbero.node.result import Taken, TakeResult
from serbero.observe.logging import configure_logging
from serbero.observe.service_manager import ServiceManager
from serbero.simulator.demo_daemon import START_SECONDS, DaemonFailed, log_tail
from serbero.simulator.demo_serbero import Answer

_log = structlog.get_logger("serbero.cli.demo")

_NO_ENVIRONMENT: Final[dict[str, str]] = {}
"""What an operator may have exported must not change what is on show."""


class _Notices(ServiceManager):
    """A service manager of our own: it hears when the start is over."""

    def __init__(self) -> None:
        super().__init__(_NO_ENVIRONMENT)
        self.up = asyncio.Event()

    def ready(self, status: str = "") -> None:
        """The start is over."""
        super().ready(status)
        self.up.set()


class SerberoHere:
    """Everything that ``serbero run`` connects, run in this process beside its script.

    Args:
        config_path: its configuration; the environment is not read.
        log_path: its log goes to the end of this file.
        clock: where time comes from.
    """

    def __init__(self, config_path: Path, log_path: Path, clock: Clock) -> None:
        self._config: Config = load(config_path, _NO_ENVIRONMENT).config
        self._log_path = log_path
        self._clock = clock
        self._answers: list[Answer] = []
        self._stack = contextlib.AsyncExitStack()
        self._stop = asyncio.Event()
        self._notices = _Notices()
        self._running: asyncio.Task[None] | None = None
        self._parts: Parts | None = None

    @property
    def public_key(self) -> str:
        """Its key, hex."""
        return self._config.public_key

    @property
    def answers(self) -> list[Answer]:
        """What it accepted from parties, in order."""
        return self._answers

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        # The exception that ends the block is the one to show; `check` has told of a failed daemon.
        with contextlib.suppress(DaemonFailed):
            await self.stop()

    async def _start(self) -> None:
        log = self._stack.enter_context(self._log_path.open("a", encoding="utf-8"))
        configure_logging(self._config.log_level, self._config.observe.log_format, log)
        parts = self._parts = await build(self._config, self._clock)
        self._stack.push_async_callback(parts.close)
        self._stack.callback(parts.chats.listen(self._accepted))
        self._running = asyncio.create_task(self._live(parts), name="serbero")
        self._stack.push_async_callback(self._finish)
        await self._until_up()

    async def _live(self, parts: Parts) -> None:
        try:
            await supervise(parts, self._notices, self._stop)
        except Exception:
            # A boundary, as the command that runs the daemon is one: the cause goes to the log.
            _log.exception("serbero terminated with error")
            raise

    async def _until_up(self) -> None:
        """Return once it listens, as `READY=1` says of a daemon."""
        up = asyncio.ensure_future(wait_for_event(self._clock, self._notices.up, START_SECONDS))
        running = self._task()
        try:
            await asyncio.wait((up, running), return_when=asyncio.FIRST_COMPLETED)
            self.check()
            if not up.result():
                raise self._failed(f"expected Serbero to be ready in {START_SECONDS:.0f} s")
        finally:
            up.cancel()
            await asyncio.gather(up, return_exceptions=True)

    async def _finish(self) -> None:
        """Let it end in order, or at once where this is cancelled too; it has ended after this."""
        self._stop.set()
        task = self._task()
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def stop(self) -> None:
        """Stop it in order; a second call does nothing.

        Raises:
            DaemonFailed: a part of it had failed.
        """
        await self._stack.aclose()
        task = self._running
        if task is not None and (task.cancelled() or task.exception() is not None):
            raise self._failed("expected Serbero to stop in order, found that a part had failed")

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            DaemonFailed: it ended.
        """
        if self._running is not None and self._running.done() and not self._stop.is_set():
            raise self._failed("expected Serbero to run, found it ended")

    async def take(self, dispute_id: str) -> TakeResult:
        """Take a dispute; once it is held, the chats with its parties are open."""
        parts = self._built()
        result = await parts.node.taker.take(dispute_id)
        if isinstance(result, Taken):
            keys = {Party.BUYER: result.info.buyer, Party.SELLER: result.info.seller}
            known = {party: key for party, key in keys.items() if key is not None}
            await parts.chats.open(dispute_id, known, since=result.answered_at)
        return result

    async def say(self, dispute_id: str, party: Party, text: str) -> str:
        """Enqueue a message to a party; return the id of its signed inner event, hex.

        Raises:
            CannotSayError: it does not go out.
        """
        parts = self._built()
        inner = await parts.base.patient.transact(
            say,
            parts.speaker,
            dispute_id,
            party,
            text,
            anchor=f"demo:{text}",
            at_ms=now_ms(self._clock),
        )
        if inner is None:
            raise CannotSayError("the script says the same thing twice")
        parts.delivery.worker.wake()
        return inner.id().to_hex()

    def _accepted(self, message: AcceptedMessage) -> None:
        at = self._clock.monotonic()
        inner_id = message.message.inner_id
        self._answers.append(Answer(message.dispute_id, message.party, inner_id, at))

    def _task(self) -> "asyncio.Task[None]":
        if self._running is None:
            raise RuntimeError("not started")
        return self._running

    def _built(self) -> Parts:
        if self._parts is None:
            raise RuntimeError("not started")
        return self._parts

    def _failed(self, problem: str) -> DaemonFailed:
        return DaemonFailed(problem, log_tail(self._log_path))
