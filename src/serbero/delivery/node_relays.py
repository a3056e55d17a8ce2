"""The relays of the Mostro node as further roads to everybody: its kind 10002 list, within bounds.

Parties publish and read where their client finds the node, and the node says where that is
(NIP-65). One success anywhere is enough, but a message goes to all of them.
"""

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from serbero.clock import Clock
from serbero.delivery.directory import Directory
from serbero.nostr.addresses import acceptable, loggable, normalise
from serbero.store import outbox_work
from serbero.store.patient import PatientStore

_LOOKED_AT: Final = 50
"""Addresses of one list that are looked at: a list of thousands is no address book."""

_log = structlog.get_logger(__name__)


def fit_to_visit(urls: Iterable[str], *, allow_private: bool) -> tuple[str, ...]:
    """Return the addresses of a published list that may be visited, in one spelling each. Pure.

    Args:
        urls: as the list names them, each a text of anybody's.
        allow_private: whether unencrypted and private addresses may be visited as well.
    """
    named = list(urls)[:_LOOKED_AT]
    fit = (normalise(each) for each in named if acceptable(each, allow_private) is None)
    return tuple(dict.fromkeys(fit))


class NodeRelays:
    """Makes every message go to the node's relays as well."""

    def __init__(
        self,
        *,
        store: PatientStore,
        directory: Directory,
        clock: Clock,
        allow_private: bool,
        on_change: Callable[[], None],
    ) -> None:
        """Connect the parts.

        Args:
            store: where the messages wait.
            directory: what it keeps true.
            clock: where time comes from.
            allow_private: ``[delivery].allow_private_relays``.
            on_change: wakes the worker.
        """
        self._store = store
        self._directory = directory
        self._clock = clock
        self._allow_private = allow_private
        self._on_change = on_change

    async def learn(self, urls: Iterable[str]) -> bool:
        """Take the node's list; True if messages go elsewhere now. Live ones are looked at again.

        Args:
            urls: the relays the list names, unfiltered.
        """
        # Before the transaction: setting them tells of a change only once.
        fit = fit_to_visit(urls, allow_private=self._allow_private)
        if not self._directory.set_node_relays(fit):
            return False
        await self._store.transact(outbox_work.wake_live, self._clock.now())
        _log.info(
            "node_relays_changed", relays=[loggable(each) for each in self._directory.node_relays]
        )
        self._on_change()
        return True
