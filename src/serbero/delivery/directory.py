"""Where each recipient reads: the configured relays, and his own inbox relays."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from serbero.model.notification import TargetSource
from serbero.model.people import Solver


class Directory:
    """Recipient to relays. Read from the database thread, so its maps are replaced, not changed."""

    def __init__(self, configured: Iterable[str], solvers: Iterable[Solver]) -> None:
        """Start with what the configuration says.

        Args:
            configured: ``[[relays]]``, normalised.
            solvers: those with relays of their own are never looked up.
        """
        self._base = MappingProxyType(dict.fromkeys(configured, TargetSource.CONFIGURED))
        self._known: dict[str, Mapping[str, TargetSource]] = {}
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

    def learn(self, recipient: str, relays: Iterable[str]) -> bool:
        """Take a recipient's inbox relays; True if that changes where messages go."""
        inbox = dict.fromkeys(relays, TargetSource.INBOX)
        merged = MappingProxyType({**self._base, **inbox})
        changed = self.relays_of(recipient) != merged
        self._known[recipient] = merged
        return changed

    def relays_of(self, recipient: str) -> Mapping[str, TargetSource]:
        """Return every relay a message to this recipient goes to, and why."""
        return self._known.get(recipient, self._base)
