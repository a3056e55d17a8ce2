"""The relays as a part of the composition: connections, and who is told how they fare."""

from collections.abc import Callable
from typing import Final

from nostr_sdk import Event

from serbero.daemon.base import Base
from serbero.daemon.observer import DaemonObserver
from serbero.mostro.dispute_event import DISPUTE_KIND
from serbero.relays.pool import RelayPool
from serbero.relays.settings import RelaySettings
from serbero.relays.subscriptions import Filter, Subscription

DISPUTES_SUBSCRIPTION: Final = "disputes"


def build_relays(base: Base, settings: RelaySettings | None) -> tuple[RelayPool, DaemonObserver]:
    """Be ready to connect to the configured relays.

    Args:
        base: what every part stands on.
        settings: times of the pool; from the configuration where None.
    """
    config = base.config
    observer = DaemonObserver(
        metrics=base.metrics,
        health=base.health,
        wanted=config.observe.min_hearing_relays,
        configured=len(config.relay_urls),
    )
    seconds = config.delivery.publish_timeout_seconds
    pool = RelayPool(
        keys=config.keys,
        clock=base.clock,
        urls=config.relay_urls,
        observer=observer,
        settings=settings or RelaySettings(publish_timeout_seconds=seconds),
    )
    observer.hearing_count = pool.hearing_count
    return pool, observer


def subscribe_to_disputes(
    pool: RelayPool,
    node: str,
    cursor: Callable[[], int],
    on_event: Callable[[str, Event], None],
) -> None:
    """Listen for the node's dispute events, by author and kind only: every status is wanted.

    Args:
        pool: the relays.
        node: the node's key in hex.
        cursor: returns the Unix second to ask from, each time a relay is asked.
        on_event: given the address of the relay and the event.
    """

    def filters() -> list[Filter]:
        return [{"kinds": [DISPUTE_KIND], "authors": [node], "since": max(0, cursor())}]

    pool.subscribe(
        Subscription(DISPUTES_SUBSCRIPTION, filters=filters, on_event=on_event, proves_hearing=True)
    )
