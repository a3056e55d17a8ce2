"""The operator's own channels, where any are configured."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import structlog

from serbero.daemon.base import Base
from serbero.store.alerts import adopt, has_traces

if TYPE_CHECKING:
    from serbero.alerts.collecting import Collector
    from serbero.alerts.sending import Sender
    from serbero.config.alerts import AlertChannel

_EXTRA: Final = 'pip install "serbero[alerts]"'

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AlertParts:
    """What finds out, and one sender a channel."""

    collector: "Collector"
    senders: "tuple[Sender, ...]"

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
    if channels and find_spec("apprise") is not None:
        return await _connected(base, channels)
    if channels:
        _log.warning(
            "alerts_unavailable",
            reason="Apprise is not installed",
            channels=[each.name for each in channels],
            remedy=_EXTRA,
            consequence="the channels of [[alerts]] get nothing; solvers are told anyway",
        )
    if await base.patient.read(has_traces):
        await base.patient.transact(adopt, (), base.clock.now())
    return None


async def _connected(base: Base, channels: "tuple[AlertChannel, ...]") -> AlertParts:
    # Imported here: most daemons have no such channel and need not pay memory for it.
    from serbero.alerts.collecting import Collector, prepare  # noqa: PLC0415
    from serbero.alerts.sending import Sender  # noqa: PLC0415
    from serbero.store.alert_sources import Place  # noqa: PLC0415

    place = Place(base.config.mostro.pubkey_hex, base.config.public_key)
    names = [each.name for each in channels]
    failing = await base.patient.transact(prepare, names, place, base.clock.now())
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
