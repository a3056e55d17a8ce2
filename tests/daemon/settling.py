"""When nothing real is under way any more, so that time on trial may move on.

Evidence, not patience: what a relay owes is seen in the proxy before it, jobs of threads are
counted, and a question sent through the whole path (relay, proxy, library, daemon) proves that
whatever was sent before it has arrived. A busy machine makes that slower, not different.
"""

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from serbero.simulator.behaviour import Way
from serbero.simulator.proxy import FaultProxy, Link
from serbero.simulator.wire import Frame, peek

PROOF: Final = "settled:"
"""Begins the ids of questions and the texts of notices that are the rig's own."""
_NOBODY: Final = "0" * 64


class WatchedProxy(FaultProxy):
    """A proxy that knows what its relay owes, and can prove that nothing is on its way."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._owed: set[tuple[Link, str]] = set()
        self._numbers = itertools.count(1)
        self._silent: set[str] = set()

    def through(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """Note what reaches the relay, and what it says before a fault takes it away."""
        if way == "down":
            verb, subject = peek(text)
            if verb in {"OK", "EOSE", "CLOSED"}:
                if subject.startswith(PROOF):
                    if verb == "EOSE":
                        link.send_up(json.dumps(["CLOSE", subject]))
                    link.send_down(json.dumps(["NOTICE", subject]))
                    return []
                self._owed.discard((link, subject))
        frames = super().through(way, text, link)
        if way == "up":
            for frame in frames or []:
                verb, subject = peek(frame) if isinstance(frame, str) else ("", "")
                if verb in {"REQ", "EVENT"}:
                    self._owed.add((link, subject))
        return frames

    def note(self, way: Way, text: str, link: Link) -> None:
        """Count a frame, unless it is the rig's own."""
        if not peek(text)[1].startswith(PROOF):
            super().note(way, text, link)

    def owes(self) -> bool:
        """Whether the relay has yet to answer, and can be heard."""
        self._owed = {each for each in self._owed if self._carries(each[0])}
        return bool(self._owed)

    def question(self) -> list[tuple[Link, str]]:
        """Ask on each link what comes back as a notice to its client; the names to expect."""
        asked = []
        for link in self.links:
            if self._carries(link):
                name = f"{PROOF}{id(self)}:{next(self._numbers)}"
                link.send_up(json.dumps(["REQ", name, {"ids": [_NOBODY], "limit": 1}]))
                asked.append((link, name))
        return asked

    def _carries(self, link: Link) -> bool:
        """Whether what the relay says on a link can reach its client."""
        return link in self.links and not link.muted and self._flowing["down"].is_set()

    def carrying(self, links: list[tuple[Link, str]]) -> set[str]:
        """Of questions asked here, those whose answers can still come."""
        return {name for link, name in links if self._carries(link)}


class Threads:
    """Counts the jobs of all thread pools of this process.

    Attributes:
        begun: jobs handed to threads so far.
    """

    def __init__(self) -> None:
        self.begun = 0
        self._open: set[Future[Any]] = set()

    @property
    def busy(self) -> bool:
        """Whether a thread still has something to do."""
        return bool(self._open)

    @contextmanager
    def watched(self) -> Iterator["Threads"]:
        """Count until left."""
        submit = ThreadPoolExecutor.submit

        def counted(pool: ThreadPoolExecutor, /, *args: Any, **options: Any) -> Future[Any]:
            future = submit(pool, *args, **options)
            self.begun += 1
            self._open.add(future)
            future.add_done_callback(self._open.discard)
            return future

        with patch.object(ThreadPoolExecutor, "submit", counted):
            yield self


class Patience:
    """How long a proof may take: long, until it was in vain; a fault may swallow it for good."""

    LONG: Final = 1.0
    SHORT: Final = 0.05

    def __init__(self) -> None:
        self.seconds = self.LONG

    def deadline(self) -> float:
        """Real time after which a proof is given up."""
        return time.monotonic() + self.seconds

    def learn(self, proved: bool) -> None:
        """Be patient again after a success."""
        self.seconds = self.LONG if proved else self.SHORT
