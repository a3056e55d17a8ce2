"""What waits to be decrypted: bounded, and fair between channels."""

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from serbero.chat.channel import Lane

MAX_QUEUED: Final = 120
"""Events a lane: two bursts."""
MAX_LANE_BYTES: Final = 1_000_000
"""Of content a lane."""
MAX_BYTES: Final = 32_000_000
"""Of content in all."""
BATCH: Final = 64
BATCH_BYTES: Final = 64_000
"""One go of cryptography: some 15 ms, or one message of the largest size."""
MAX_REMEMBERED: Final = 20_000
"""Ids of verified outer events, some 4 MB; inner ids in the database are what decides."""
MAX_JUNK: Final = 50_000
"""Ids of gift wraps that turned out to be no message, some 11 MB: ten floods as deep as one is
read. Kept apart, so that a stranger's flood makes us forget nothing else."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event whose signature was verified.

    Attributes:
        lane: where it belongs.
        url: the relay it came from.
        fields: its NIP-01 object.
        live: whether it was pushed; else we asked for it.
    """

    lane: Lane
    url: str
    fields: Mapping[str, Any] = field(repr=False)
    live: bool = False

    @property
    def size(self) -> int:
        """Characters of its content."""
        return len(self.fields["content"])


class Inbox:
    """Arrivals by lane, taken in turn."""

    def __init__(self) -> None:
        self._turns: deque[Lane] = deque()
        self._waiting: dict[Lane, deque[Arrival]] = {}
        self._lane_bytes: dict[Lane, int] = {}
        self._bytes = 0
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._junk: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def knows(self, event_id: str) -> bool:
        """Whether a verified event of this id was taken before."""
        identifier = bytes.fromhex(event_id)
        return identifier in self._known or identifier in self._junk

    def has_room(self, arrival: Arrival) -> bool:
        """Whether it can be queued."""
        waiting = self._waiting.get(arrival.lane, ())
        held = self._lane_bytes.get(arrival.lane, 0)
        return (
            len(waiting) < MAX_QUEUED
            and (not waiting or held + arrival.size <= MAX_LANE_BYTES)
            and self._bytes + arrival.size <= MAX_BYTES
        )

    def put(self, arrival: Arrival) -> bool:
        """Queue it; False if there is no room, and then it stays unknown."""
        if not self.has_room(arrival):
            return False
        lane, size = arrival.lane, arrival.size
        waiting = self._waiting.setdefault(lane, deque())
        if not waiting:
            self._turns.append(lane)
        waiting.append(arrival)
        self._lane_bytes[lane] = self._lane_bytes.get(lane, 0) + size
        self._bytes += size
        _remember(self._known, bytes.fromhex(arrival.fields["id"]), MAX_REMEMBERED)
        return True

    def forget(self, event_id: str) -> None:
        """It could not be stored: let a relay bring it again."""
        self._known.pop(bytes.fromhex(event_id), None)

    def junk(self, event_id: str) -> None:
        """It was opened and is nothing: never look at it again, nor at any cost of others."""
        identifier = bytes.fromhex(event_id)
        self._known.pop(identifier, None)
        _remember(self._junk, identifier, MAX_JUNK)

    def take(self) -> list[Arrival]:
        """Take a batch: one of each lane in turn, until it is large enough."""
        batch: list[Arrival] = []
        size = 0
        while self._turns and len(batch) < BATCH and size < BATCH_BYTES:
            lane = self._turns.popleft()
            waiting = self._waiting[lane]
            arrival = waiting.popleft()
            batch.append(arrival)
            size += arrival.size
            self._bytes -= arrival.size
            self._lane_bytes[lane] -= arrival.size
            if waiting:
                self._turns.append(lane)
            else:
                del self._waiting[lane], self._lane_bytes[lane]
        return batch


def _remember(memory: OrderedDict[bytes, None], identifier: bytes, limit: int) -> None:
    memory[identifier] = None
    if len(memory) > limit:
        memory.popitem(last=False)
