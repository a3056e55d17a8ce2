"""The daemon as a process: start order, signals, supervision, orderly stop."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final

import structlog

from serbero import __version__
from serbero.clock import Clock, SystemClock, wait_for_event
from serbero.config.settings import Config
from serbero.daemon.build import DISPUTES_SUBSCRIPTION, Parts, build
from serbero.daemon.escalation_parts import EscalationParts
from serbero.daemon.memory import keep_one_heap, keep_small
from serbero.daemon.supervise import keep_alive
from serbero.observe.health import Part
from serbero.observe.service_manager import ServiceManager

LISTEN_FIRST_SECONDS: Final = 10.0
"""Nothing else uses the relays before the dispute subscription stands, or this has passed."""
DRAIN_SECONDS: Final = 3.0
"""What is in flight may finish within this; a stop takes less than five seconds in all."""

PartRun = Callable[[], Coroutine[Any, Any, object]]

_log = structlog.get_logger(__name__)


async def run(config: Config, environ: Mapping[str, str], clock: Clock | None = None) -> None:
    """Run the daemon until SIGINT or SIGTERM.

    Args:
        config: a checked configuration.
        environ: for the service manager's variables.
        clock: where time comes from; the machine's where None.

    Raises:
        StoreError: the database cannot be used.
        ExceptionGroup: an essential part failed.
    """
    keep_one_heap()
    manager = ServiceManager(environ)
    stop = asyncio.Event()
    # Before anything that takes time: a stop in the middle of a start is an orderly one too.
    with _signals(stop):
        await _live(config, clock or SystemClock(), manager, stop)
    _log.info("serbero exited cleanly", version=__version__)


async def _live(config: Config, clock: Clock, manager: ServiceManager, stop: asyncio.Event) -> None:
    """Open, run until ``stop`` is set, and close whatever happens."""
    parts = await build(config, clock)
    _log.info("database opened and migrations applied", db_path=str(config.db_path))
    try:
        if not stop.is_set():
            await supervise(parts, manager, stop)
    finally:
        await parts.engine.close()
        await parts.pool.close()
        parts.worker.close()
        parts.chats.stop()
        parts.store.close()


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """The first signal asks for an orderly stop, the second ends the process at once."""
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(1)
        _log.info(f"received {number.name}")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def supervise(parts: Parts, manager: ServiceManager, stop: asyncio.Event) -> None:
    """Run the parts until ``stop`` is set, then let them finish in order.

    Raises:
        ExceptionGroup: an essential part failed.
    """
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[object]] = [
            group.create_task(run(), name=name) for name, run in _essential_parts(parts).items()
        ]
        starter = group.create_task(_start_the_rest(parts, manager, group, tasks), name="start")
        tasks.append(starter)
        tasks.append(group.create_task(_judge_later(parts), name="judge"))
        await stop.wait()
        _log.info("shutdown signal received, stopping daemon")
        manager.stopping()
        await _drain(parts)
        for task in tasks:
            task.cancel()


def _essential_parts(parts: Parts) -> dict[str, PartRun]:
    """What must run for a dispute to be detected; the failure of one ends the process."""
    return {"relays": parts.pool.run, "intake": parts.feed.run}


async def _judge_later(parts: Parts) -> None:
    """Relays need a moment to connect; that too few of them hear until then is no news."""
    await parts.clock.sleep(LISTEN_FIRST_SECONDS)
    parts.observer.begin_judging()


async def _start_the_rest(
    parts: Parts,
    manager: ServiceManager,
    group: asyncio.TaskGroup,
    tasks: list[asyncio.Task[object]],
) -> None:
    """Start what uses the relays or serves people, once the subscription stands."""
    _log.info("entering notification loop", relays=len(parts.config.relay_urls))
    await parts.inboxes.load()
    await parts.watch.load()
    await parts.chats.load()
    if not await wait_for_event(parts.clock, parts.observer.listening, LISTEN_FIRST_SECONDS):
        # The observer reports it as soon as a relay answers.
        parts.health.set(
            Part.INTAKE, ok=False, reason="no relay has answered the dispute subscription yet"
        )
    parts.reconciler.request()
    clock, config = parts.clock, parts.config
    essential: dict[str, PartRun] = {
        "delivery": parts.worker.run,
        "reminders": parts.reminders.run,
        "reconcile": parts.reconciler.run,
        "clock": parts.clock_watch.run,
        "held news": parts.held_news.run,
    }
    optional: dict[str, PartRun] = {
        "inboxes": parts.inboxes.run,
        "node": parts.watch.run,
        "takes": parts.taker.run,
        "node relays": parts.roads.run,
        "chats": parts.chats.run,
        "mediation": parts.engine.run,
        "solvers": parts.console.run,
        "gauges": parts.gauges.run,
        "retention": parts.retention.run,
        "memory": lambda: keep_small(clock),
        "watchdog": lambda: manager.watchdog(clock),
    }
    optional |= _handing_over(parts.escalation)
    if parts.alerts is not None:
        optional |= parts.alerts.runs()
    if parts.introduction is not None:
        optional["introduction"] = parts.introduction.run
    if (address := config.observe.http_address) is not None:
        optional["http"] = lambda: _serve_http(parts, address)
    for name, part in essential.items():
        tasks.append(group.create_task(part(), name=name))
    for name, part in optional.items():
        tasks.append(group.create_task(keep_alive(name, part, clock), name=name))
    manager.ready(f"listening on {parts.pool.hearing_count()} of {len(config.relay_urls)} relays")
    _log.info(
        "ready",
        hearing=parts.pool.hearing_count(),
        relays=len(config.relay_urls),
        solvers=sum(each.reachable for each in config.solvers),
    )


def _handing_over(parts: EscalationParts) -> dict[str, PartRun]:
    found: dict[str, PartRun] = {"digests": parts.digests.run}
    if parts.dispatcher is not None:
        found["hand-offs"] = parts.dispatcher.run
        _log.info("phase4_dispatcher_enabled")
    else:
        _log.info("phase4_dispatcher_disabled")
    if parts.reminding is not None:
        found["reminders of hand-offs"] = parts.reminding.run
    if parts.warnings is not None:
        found["deadlines"] = parts.warnings.run
    if parts.auditor is not None:
        found["auditor"] = parts.auditor.run
    return found


async def _serve_http(parts: Parts, address: tuple[str, int]) -> None:
    # Imported here: most daemons do not serve HTTP, and the server costs memory.
    from serbero.observe.http import HttpServer  # noqa: PLC0415

    await HttpServer(address, parts.metrics, parts.health, parts.clock).keep_serving()


async def _drain(parts: Parts) -> None:
    """Stop taking events, record those that arrived, let what is in flight be answered."""
    deadline = parts.clock.monotonic() + DRAIN_SECONDS
    parts.pool.unsubscribe(DISPUTES_SUBSCRIPTION)
    while not parts.feed.idle and parts.clock.monotonic() < deadline:
        await parts.clock.sleep(0.02)
    await parts.worker.drain(max(0.0, deadline - parts.clock.monotonic()))
