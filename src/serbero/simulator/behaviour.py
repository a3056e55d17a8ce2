"""What a misbehaviour is: the hooks a proxy calls, and the words for directions and refusals."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from serbero.simulator.wire import Frame

if TYPE_CHECKING:
    from serbero.simulator.proxy import FaultProxy, Link

Way = Literal["up", "down"]
"""``up``: client to relay; ``down``: relay to client."""

Hook = Callable[[Way, str, "Link"], "list[Frame] | None"]
"""A fault as a plain function; see :meth:`Behaviour.frame`."""

Refusal = Literal["", "reset", "http", "stall", "close"]
"""What a new connection meets: nothing unusual, a TCP reset, HTTP 503, a handshake that is
never answered, or a handshake followed by a close frame at once."""


class Behaviour:
    """One way to misbehave; the base class lets everything pass."""

    def started(self, proxy: "FaultProxy") -> None:
        """Called when it is put on; :attr:`FaultProxy.links` are open already."""

    def stopped(self, proxy: "FaultProxy") -> None:
        """Called when it is taken off; it leaves no switch behind."""

    def connected(self, link: "Link") -> None:
        """Called for each connection made while it is on, before any frame."""

    def frame(self, way: Way, text: str, link: "Link") -> list[Frame] | None:  # noqa: ARG002
        """What goes on instead of ``text``; an empty list drops it, None cuts the link."""
        return [text]


class HookBehaviour(Behaviour):
    """A plain function as a behaviour."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def frame(self, way: Way, text: str, link: "Link") -> list[Frame] | None:
        """What the function says."""
        return self._hook(way, text, link)
