"""Where each recipient reads: the configured relays, the node's, and his own inbox relays."""

from collections.abc import Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final

from serbero.model.notification import TargetSource
from serbero.model.people import Solver

MAX_NODE_RELAYS: Final = 5
"""Relays of the node's list that are used: it is the network's word, and each is a connection."""


class Directory:
    """Recipient to relays. Read from the database thread, so its maps are replaced, not changed."""

    def __init__(self, configured: Iterable[str], solvers: Iterable[Solver]) -> None:
        """Start with what the configuration says.

        Args:
            configured: ``[[relays]]``, normalised.
            solvers: those with relays of their own are never looked up.
        """
        self._configured = dict.fromkeys(configured, TargetSource.CONFIGURED)
        self._node: tuple[str, ...] = ()
        self._inboxes: dict[str, tuple[str, ...]] = {}
        self._base: Mapping[str, TargetSource] = MappingProxyType(self._configured)
        self._known: Mapping[str, Mapping[str, TargetSource]] = {}
        self._to_look_up: list[str] = []
        for solver in solvers:
            if not solver.reachable or solver.hex is None:
                continue
            if solver.relays:
                self.learn(solver.hex, solver.relays)
            else:
                self._to_look_up.append(solver.hex)

    @property
    def to_look_up(self) -> tuple[str, ...]:
        """Keys (hex) whose inbox relays the configuration does not name."""
        return tuple(self._to_look_up)

    @property
    def node_relays(self) -> tuple[str, ...]:
        """The node's relays in use."""
        return self._node

    def learn(self, recipient: str, relays: Iterable[str]) -> bool:
        """Take a recipient's inbox relays; True if that changes where messages go."""
        inbox = tuple(relays)
        merged = self._merged(inbox)
        changed = self.relays_of(recipient) != merged
        self._inboxes[recipient] = inbox
        self._known = {**self._known, recipient: merged}
        return changed

    def set_node_relays(self, urls: Iterable[str]) -> bool:
        """Take the relays the node is on; True if that changes where messages go.

        Everybody's messages go there as well: parties read where the node writes, and so do
        solvers in Mostro's own clients.

        Args:
            urls: normalised, fit to be visited; the first :data:`MAX_NODE_RELAYS` that are not
                configured count.
        """
        foreign = (each for each in dict.fromkeys(urls) if each not in self._configured)
        node = tuple(islice(foreign, MAX_NODE_RELAYS))
        changed = set(node) != set(self._node)
        self._node = node
        self._base = self._merged(())
        self._known = {who: self._merged(inbox) for who, inbox in self._inboxes.items()}
        return changed

    def relays_of(self, recipient: str) -> Mapping[str, TargetSource]:
        """Return every relay a message to this recipient goes to, and why."""
        return self._known.get(recipient, self._base)

    def _merged(self, inbox: Iterable[str]) -> Mapping[str, TargetSource]:
        """Join the three; who names a relay himself wins over the configuration, that over all."""
        own = {**self._configured, **dict.fromkeys(inbox, TargetSource.INBOX)}
        node = dict.fromkeys((x for x in self._node if x not in own), TargetSource.NODE)
        return MappingProxyType({**own, **node})
