"""The operator's own channels, where any are configured."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from serbero.alerts.collecting import Collector, prepare
from serbero.alerts.courier import EXTRA, installed
from serbero.alerts.sending import Sender
from serbero.daemon.base import Base
from serbero.store.alert_sources import Place
from serbero.store.alerts import has_traces

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AlertParts:
    """What finds out, and one sender a channel."""

    collector: Collector
    senders: tuple[Sender, ...]

    def runs(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, object]]]:
        """The parts to run, by name; each can fail by itself."""
        found: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {"alerts": self.collector.run}
        for each in self.senders:
            found[f"alerts to {each.channel.name}"] = each.run
        return found


async def build_alerts(base: Base) -> AlertParts | None:
    """Make the marks true to the channels of today, before anything else is recorded.

    Returns:
        None where no channel is configured, or Apprise is missing.
    """
    channels = base.config.alerts
    if channels and not installed():
        _log.warning(
            "alerts_unavailable",
            reason="Apprise is not installed",
            channels=[each.name for each in channels],
            remedy=EXTRA,
            consequence="the channels of [[alerts]] get nothing; solvers are told anyway",
        )
        channels = ()
    if not channels and not await base.patient.read(has_traces):
        return None
    place = Place(base.config.mostro.pubkey_hex, base.config.public_key)
    names = [each.name for each in channels]
    failing = await base.patient.transact(prepare, names, place, base.clock.now())
    if not channels:
        return None
    senders = tuple(
        Sender(
            channel=each,
            store=base.store,
            health=base.health,
            metrics=base.metrics,
            clock=base.clock,
        )
        for each in channels
    )
    collector = Collector(
        senders=senders,
        store=base.store,
        health=base.health,
        place=place,
        failing=failing,
        clock=base.clock,
    )
    return AlertParts(collector, senders)
