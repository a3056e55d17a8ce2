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
from serbero.daemon.base import Base
from serbero.daemon.build import Parts, build
from serbero.daemon.escalation_parts import EscalationParts
from serbero.daemon.memory import keep_one_heap, keep_small
from serbero.daemon.relay_parts import DISPUTES_SUBSCRIPTION
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
        await parts.close()


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
    return {"relays": parts.pool.run, "intake": parts.intake.feed.run}


async def _judge_later(parts: Parts) -> None:
    """Relays need a moment to connect; that too few of them hear until then is no news."""
    await parts.base.clock.sleep(LISTEN_FIRST_SECONDS)
    parts.observer.begin_judging()


async def _start_the_rest(
    parts: Parts,
    manager: ServiceManager,
    group: asyncio.TaskGroup,
    tasks: list[asyncio.Task[object]],
) -> None:
    """Start what uses the relays or serves people, once the subscription stands."""
    config, clock = parts.base.config, parts.base.clock
    _log.info("entering notification loop", relays=len(config.relay_urls))
    await parts.delivery.inboxes.load()
    await parts.node.watch.load()
    await parts.chats.load()
    if not await wait_for_event(clock, parts.observer.listening, LISTEN_FIRST_SECONDS):
        # The observer reports it as soon as a relay answers.
        reason = "no relay has answered the dispute subscription yet"
        parts.base.health.set(Part.INTAKE, ok=False, reason=reason)
    parts.intake.reconciler.request()
    for name, run in _later_essential_parts(parts).items():
        tasks.append(group.create_task(run(), name=name))
    for name, run in _optional_parts(parts, manager).items():
        tasks.append(group.create_task(keep_alive(name, run, clock), name=name))
    hearing = parts.pool.hearing_count()
    manager.ready(f"listening on {hearing} of {len(config.relay_urls)} relays")
    _log.info(
        "ready",
        hearing=hearing,
        relays=len(config.relay_urls),
        solvers=sum(each.reachable for each in config.solvers),
    )


def _later_essential_parts(parts: Parts) -> dict[str, PartRun]:
    """What must run for solvers to be told; the failure of one ends the process, too."""
    return {
        "delivery": parts.delivery.worker.run,
        "reminders": parts.intake.reminders.run,
        "reconcile": parts.intake.reconciler.run,
        "clock": parts.upkeep.clock_watch.run,
        "held news": parts.intake.held_news.run,
    }


def _optional_parts(parts: Parts, manager: ServiceManager) -> dict[str, PartRun]:
    """What may fail and be started again, while disputes go on being told of."""
    clock = parts.base.clock
    found: dict[str, PartRun] = {
        "inboxes": parts.delivery.inboxes.run,
        "node": parts.node.watch.run,
        "takes": parts.node.taker.run,
        "node relays": parts.delivery.further_relays.run,
        "chats": parts.chats.run,
        "mediation": parts.engine.run,
        "solvers": parts.console.run,
        "gauges": parts.upkeep.gauges.run,
        "retention": parts.upkeep.retention.run,
        "memory": lambda: keep_small(clock),
        "watchdog": lambda: manager.watchdog(clock),
    }
    found |= _handing_over(parts.escalation)
    if parts.alerts is not None:
        found |= parts.alerts.runs()
    if parts.delivery.introduction is not None:
        found["introduction"] = parts.delivery.introduction.run
    if (address := parts.base.config.observe.http_address) is not None:
        found["http"] = lambda: _serve_http(parts.base, address)
    return found


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


async def _serve_http(base: Base, address: tuple[str, int]) -> None:
    # Imported here: most daemons do not serve HTTP, and the server costs memory.
    from serbero.observe.http import HttpServer  # noqa: PLC0415

    await HttpServer(address, base.metrics, base.health, base.clock).keep_serving()


async def _drain(parts: Parts) -> None:
    """Stop taking events, record those that arrived, let what is in flight be answered."""
    deadline = parts.base.clock.monotonic() + DRAIN_SECONDS
    parts.pool.unsubscribe(DISPUTES_SUBSCRIPTION)
    while not parts.intake.feed.idle and parts.base.clock.monotonic() < deadline:
        await parts.base.clock.sleep(0.02)
    await parts.delivery.worker.drain(max(0.0, deadline - parts.base.clock.monotonic()))
