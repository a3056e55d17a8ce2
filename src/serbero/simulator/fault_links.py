"""Faults of the connection: slow, cut, refused, silent, closed, oddly framed."""

from serbero.simulator.behaviour import Behaviour, Refusal, Way
from serbero.simulator.proxy import FaultProxy, Link
from serbero.simulator.wire import Frame, Split


class Slow(Behaviour):
    """Latency and jitter while it is on.

    Args:
        latency: seconds a frame takes each way.
        jitter: up to so many seconds more.
        reordering: whether frames overtake one another.
    """

    def __init__(
        self, latency: float = 0.0, jitter: float = 0.0, *, reordering: bool = False
    ) -> None:
        self._wanted = (latency, jitter, reordering)
        self._before = (0.0, 0.0, False)

    def started(self, proxy: FaultProxy) -> None:
        """Remember the proxy's own values and set these."""
        self._before = (proxy.latency, proxy.jitter, proxy.reordering)
        proxy.latency, proxy.jitter, proxy.reordering = self._wanted

    def stopped(self, proxy: FaultProxy) -> None:
        """Set the proxy's own values again."""
        proxy.latency, proxy.jitter, proxy.reordering = self._before


class Cut(Behaviour):
    """Ends TCP connections: all that are open, and later ones after some frames.

    Args:
        frames: how many frames down a later connection lives; None spares later ones.
        middle: whether the cut falls into the middle of a frame.
    """

    def __init__(self, frames: int | None = None, *, middle: bool = False) -> None:
        self._frames = frames
        self._middle = middle
        self._seen: dict[Link, int] = {}

    def started(self, proxy: FaultProxy) -> None:
        """Cut what is open."""
        for link in list(proxy.links):
            self._end(link, '["NOTICE","' + "x" * 400 + '"]')

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """Count frames down, and cut at the last one allowed."""
        if way == "down" and self._frames is not None:
            self._seen[link] = self._seen.get(link, 0) + 1
            if self._seen[link] > self._frames:
                self._end(link, text)
                return []
        return [text]

    def _end(self, link: Link, text: str) -> None:
        if self._middle:
            link.cut_mid_frame(text)
        else:
            link.cut()


class Refuse(Behaviour):
    """Cuts what is open and refuses new connections while it is on."""

    def __init__(self, how: Refusal) -> None:
        self._how: Refusal = how

    def started(self, proxy: FaultProxy) -> None:
        """Close the door."""
        proxy.refusal = self._how
        proxy.cut()

    def stopped(self, proxy: FaultProxy) -> None:
        """Open it."""
        proxy.refusal = ""


class HalfOpen(Behaviour):
    """Takes everything and answers nothing; links caught by it never come back."""

    def started(self, proxy: FaultProxy) -> None:
        """Silence every link."""
        proxy.half_open(True)

    def stopped(self, proxy: FaultProxy) -> None:
        """Let new links live."""
        proxy.half_open(False)


class Freeze(Behaviour):
    """Reads nothing in the given directions; afterwards all that waited is delivered."""

    def __init__(self, *ways: Way) -> None:
        self._ways = ways

    def started(self, proxy: FaultProxy) -> None:
        """Stop reading."""
        for way in self._ways:
            proxy.pause(way)

    def stopped(self, proxy: FaultProxy) -> None:
        """Read on."""
        for way in self._ways:
            proxy.resume(way)


class SlowReader(Behaviour):
    """Reads one frame of the client at a time, with a pause between."""

    def __init__(self, pause_seconds: float) -> None:
        self._pause = pause_seconds

    def started(self, proxy: FaultProxy) -> None:
        """Slow down."""
        proxy.frame_pause = self._pause

    def stopped(self, proxy: FaultProxy) -> None:
        """Read as fast as one can."""
        proxy.frame_pause = 0.0


class NoPong(Behaviour):
    """Frames pass, pings stay unanswered."""

    def started(self, proxy: FaultProxy) -> None:
        """Stop answering."""
        for link in proxy.links:
            link.ignore_pings(True)

    def stopped(self, proxy: FaultProxy) -> None:
        """Answer again."""
        for link in proxy.links:
            link.ignore_pings(False)

    def connected(self, link: Link) -> None:
        """New links too."""
        link.ignore_pings(True)


class Swallow(Behaviour):
    """Loses every frame in one direction while the other works."""

    def __init__(self, way: Way) -> None:
        self._way = way

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Drop or pass."""
        return [] if way == self._way else [text]


class Close(Behaviour):
    """Closes open links properly, with a close frame; new ones are welcome."""

    def __init__(self, code: int, reason: str = "") -> None:
        self._code = code
        self._reason = reason

    def started(self, proxy: FaultProxy) -> None:
        """Close what is open."""
        for link in list(proxy.links):
            link.close(self._code, self._reason)


class Fragment(Behaviour):
    """Sends each message down in WebSocket fragments."""

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Split or pass."""
        return [Split(text, self._pieces)] if way == "down" else [text]


class Noise(Behaviour):
    """Sends frames of its own: at its start, to new links, and after every frame down.

    Args:
        frames: what is sent each time.
        each: whether also after each frame down, not only once a link.
    """

    def __init__(self, *frames: Frame, each: bool = True) -> None:
        self._frames = frames
        self._each = each

    def started(self, proxy: FaultProxy) -> None:
        """Begin with the links that are open."""
        for link in list(proxy.links):
            self.connected(link)

    def connected(self, link: Link) -> None:
        """Say it once."""
        for frame in self._frames:
            link.send_down(frame)

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Say it after each frame down, too."""
        return [text, *self._frames] if way == "down" and self._each else [text]
