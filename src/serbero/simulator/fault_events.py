"""Faults of the events a relay sends: forged, repeated, out of order, unasked, oversized."""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from nostr_sdk import Keys

from serbero.simulator.behaviour import Behaviour, Way
from serbero.simulator.events import KIND_DISPUTE, dispute_event, signed
from serbero.simulator.fault_replies import packed
from serbero.simulator.proxy import FaultProxy, Link
from serbero.simulator.wire import Frame, peek

Change = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes another event object of a true one."""


class Beside(Behaviour):
    """Sends a changed copy beside each event that goes down.

    Args:
        change: what makes the copy.
        first: whether the copy goes first. Otherwise it follows, and has an id the client
            knows already, which some libraries take for a reason not to verify it.
    """

    def __init__(self, change: Change, *, first: bool = False) -> None:
        self._change = change
        self._first = first

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Add the copy."""
        if way != "down" or peek(text)[0] != "EVENT":
            return [text]
        verb, name, event = json.loads(text)
        copy = packed(verb, name, self._change(event))
        return [copy, text] if self._first else [text, copy]


class Reorder(Behaviour):
    """Holds each live or stored event back until the next frame of another sort passed it.

    Args:
        hold: how many events are collected before they go down, the last first.
    """

    def __init__(self, hold: int = 3) -> None:
        self._hold = hold
        self._held: dict[Link, list[str]] = {}

    def stopped(self, proxy: FaultProxy) -> None:
        """Let out what is still held."""
        for link, held in self._held.items():
            if link in proxy.links:
                for text in reversed(held):
                    link.send_down(text)
        self._held.clear()

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """Collect events; any other frame, or a full hand, lets them out in reverse."""
        if way != "down":
            return [text]
        held = self._held.setdefault(link, [])
        if peek(text)[0] == "EVENT":
            held.append(text)
            if len(held) < self._hold:
                return []
            out: list[Frame] = [*reversed(held)]
        else:
            out = [*reversed(held), text]
        held.clear()
        return out


class ReplayStale(Behaviour):
    """After each event, sends the older revisions of the same address again."""

    def __init__(self) -> None:
        self._known: dict[str, list[dict[str, Any]]] = {}

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Remember and replay."""
        if way != "down" or peek(text)[0] != "EVENT":
            return [text]
        verb, name, event = json.loads(text)
        address = next((tag[1] for tag in event["tags"] if tag[:1] == ["d"]), event["id"])
        earlier = self._known.setdefault(address, [])
        replayed = [packed(verb, name, old) for old in earlier if old["id"] != event["id"]]
        if all(old["id"] != event["id"] for old in earlier):
            earlier.append(event)
        return [text, *replayed]


class Intrude(Behaviour):
    """Sends events nobody asked for, on each open subscription, after every EOSE and event.

    Args:
        make: builds an event as JSON text.
        stray: whether it goes to a subscription id that does not exist.
    """

    def __init__(self, make: Callable[[], str], *, stray: bool = False) -> None:
        self._make = make
        self._stray = stray

    def started(self, proxy: FaultProxy) -> None:
        """Begin with what is open."""
        for link in proxy.links:
            for name in list(link.requests):
                link.send_down(self._event(name))

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Add one after each EOSE and EVENT."""
        verb, name = peek(text)
        if way == "down" and verb in {"EOSE", "EVENT"}:
            return [text, self._event(name)]
        return [text]

    def _event(self, name: str) -> str:
        return packed("EVENT", "nobody-asked" if self._stray else name, json.loads(self._make()))


class LoseFirstSight(Behaviour):
    """Loses the first sight of each event: it comes down only when it is sent again."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Drop an id's first appearance."""
        if way != "down" or peek(text)[0] != "EVENT":
            return [text]
        event_id = str(json.loads(text)[2].get("id", ""))
        if event_id in self._seen:
            return [text]
        self._seen.add(event_id)
        return []


def same(event: dict[str, Any]) -> dict[str, Any]:
    """The same event again."""
    return event


def shifted(seconds: int) -> Change:
    """Another ``created_at``, under the old id and signature."""

    def change(event: dict[str, Any]) -> dict[str, Any]:
        return event | {"created_at": event["created_at"] + seconds}

    return change


def settled_copy(event: dict[str, Any]) -> dict[str, Any]:
    """Says ``settled``, under the old id and signature."""
    tags = [["s", "settled"] if tag[:1] == ["s"] else tag for tag in event["tags"]]
    return event | {"tags": tags, "content": "changed on the way"}


def unsigned_copy(event: dict[str, Any]) -> dict[str, Any]:
    """Has a signature of zeros."""
    return event | {"sig": "0" * 128}


def resigned_copy(event: dict[str, Any]) -> dict[str, Any]:
    """Says the same, newer and ``settled``, rightly signed by somebody else."""
    tags = settled_copy(event)["tags"]
    made = signed(Keys.generate(), event["kind"], "", tags, event["created_at"] + 1)
    copy: dict[str, Any] = json.loads(made.as_json())
    return copy


def stranger_note() -> str:
    """A text note (kind 1) of somebody."""
    return signed(Keys.generate(), 1, "hello", [], int(time.time())).as_json()


def stranger_dispute() -> str:
    """A dispute of another node: kind and tags as asked, author not."""
    return dispute_event(Keys.generate(), str(uuid4()), "initiated", int(time.time())).as_json()


def oversized_dispute(size: int = 1_000_000) -> str:
    """A dispute of another node with ``size`` bytes of content."""
    tags = [["d", str(uuid4())], ["s", "initiated"], ["y", "mostro"], ["z", "dispute"]]
    made = signed(Keys.generate(), KIND_DISPUTE, "x" * size, tags, int(time.time()))
    return made.as_json()
