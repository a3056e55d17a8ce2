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


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event whose signature was verified."""

    lane: Lane
    url: str
    fields: Mapping[str, Any] = field(repr=False)

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

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def knows(self, event_id: str) -> bool:
        """Whether a verified event of this id was taken before."""
        return bytes.fromhex(event_id) in self._known

    def put(self, arrival: Arrival) -> bool:
        """Queue it; False if there is no room, and then it stays unknown."""
        lane, size = arrival.lane, arrival.size
        waiting = self._waiting.setdefault(lane, deque())
        held = self._lane_bytes.get(lane, 0)
        if (
            len(waiting) >= MAX_QUEUED
            or (waiting and held + size > MAX_LANE_BYTES)
            or self._bytes + size > MAX_BYTES
        ):
            return False
        if not waiting:
            self._turns.append(lane)
        waiting.append(arrival)
        self._lane_bytes[lane] = held + size
        self._bytes += size
        self._known[bytes.fromhex(arrival.fields["id"])] = None
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return True

    def forget(self, event_id: str) -> None:
        """It could not be stored: let a relay bring it again."""
        self._known.pop(bytes.fromhex(event_id), None)

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
