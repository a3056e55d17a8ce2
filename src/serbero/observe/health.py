"""Whether the daemon does its work, and where it does not.

Parts report; readers (HTTP, the service manager, the daemon) look. A change is logged once,
as ``degraded`` or ``recovered``, however often it is reported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import structlog

from serbero.clock import Clock

_log = structlog.get_logger(__name__)

NOT_REPORTED: Final = "not reported yet"


class Part(StrEnum):
    """What can fail by itself."""

    STORE = "store"
    """The database takes writes."""
    RELAYS = "relays"
    """Enough relays hear dispute events."""
    INTAKE = "intake"
    """The dispute subscription has been asked for, and what it brings is decided."""
    DELIVERY = "delivery"
    """Messages leave the outbox."""
    NODE = "node"
    """The node says how to speak to it, so disputes can be taken."""
    MEDIATION = "mediation"
    """Disputes are mediated."""
    ESCALATION = "escalation"
    """The people of every open dispute are told as they should be."""


NEEDED: Final = frozenset({Part.STORE, Part.RELAYS, Part.INTAKE})
"""Without one of these no dispute is detected; the rest degrades only."""

ON_REQUEST: Final = frozenset({Part.MEDIATION, Part.ESCALATION})
"""What not every configuration has: it is no part of the whole until it reports."""


@dataclass(frozen=True, slots=True)
class PartState:
    """What a part last said.

    Attributes:
        ok: whether it works.
        reason: why not, for a person; empty while it works.
        since: Unix seconds of the last change between working and not.
    """

    ok: bool
    reason: str
    since: int


Listener = Callable[[Part, PartState], None]
"""Told of a part and its new state."""


class Health:
    """The state of every part. For the event loop's thread alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parts: dict[Part, PartState] = {}
        self._listener: Listener | None = None

    def tell(self, listener: Listener) -> None:
        """Call ``listener`` whenever a part begins or ceases to work; it notes that, and no more.

        Whoever reports waits for it, so it must neither wait nor raise.
        """
        self._listener = listener

    def set(self, part: Part, ok: bool, reason: str = "") -> None:
        """Report ``part``; ``reason`` says why it is not ok and never holds a secret."""
        now = self._clock.now()
        before = self._parts.get(part)
        changed = before is None or before.ok != ok
        since = now if before is None or changed else before.since
        after = PartState(ok, "" if ok else reason or "no reason given", since)
        self._parts[part] = after
        if not ok and (before is None or before.reason != after.reason):
            _log.warning("degraded", part=part.value, reason=after.reason)
        elif ok and before is not None and not before.ok:
            _log.info("recovered", part=part.value, after_seconds=now - before.since)
        if changed and self._listener is not None:
            self._listener(part, after)

    @property
    def ready(self) -> bool:
        """Whether disputes are detected now: subscribed, store writable, enough relays hear."""
        return all(part in self._parts and self._parts[part].ok for part in NEEDED)

    @property
    def degraded(self) -> tuple[str, ...]:
        """What is not as it should be, one ``part: reason`` each; empty when all is well."""
        faults: list[str] = []
        for part, state in self.parts().items():
            if not state.ok and (part in self._parts or part in NEEDED):
                faults.append(f"{part}: {state.reason}")
        return tuple(faults)

    def parts(self) -> dict[Part, PartState]:
        """Every part there is, in a fixed order; one that never reported counts as not ok."""
        silent = PartState(ok=False, reason=NOT_REPORTED, since=0)
        return {
            part: self._parts.get(part, silent)
            for part in Part
            if part in self._parts or part not in ON_REQUEST
        }


class Reporter(Protocol):
    """Whoever takes reports about parts."""

    def set(self, part: Part, ok: bool, reason: str = "") -> None:
        """Report ``part``."""


class Voice:
    """One of several that speak of the same part: it works while none of them complains.

    Args:
        health: where the parts are.
        others: what each of them said last, by name; shared by all of them.
        name: this one's.
    """

    def __init__(self, health: Health, others: dict[str, str], name: str) -> None:
        self._health = health
        self._said = others
        self._name = name

    def set(self, part: Part, ok: bool, reason: str = "") -> None:
        """Report ``part`` as this one sees it."""
        if ok:
            self._said.pop(self._name, None)
        else:
            self._said[self._name] = reason
        complaints = "; ".join(self._said.values())
        self._health.set(part, ok=not self._said, reason=complaints)
