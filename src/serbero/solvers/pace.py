"""How much is looked at and how often somebody is answered. Pure: time is handed in.

Anybody may send us gift wraps, and whose one is shows only after a decryption. So they wait in
queues, one a relay, and are opened by chance and only so many a second: whoever floods us makes
answers slower, in proportion, and can neither keep a solver out nor keep us busy.
"""

import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from nostr_sdk import Event

from serbero.chat.budget import TokenBucket

OPENED_A_MINUTE: Final = 1_200
OPENED_AT_ONCE: Final = 40
"""Gift wraps opened, by all relays together: twenty a second, some 3 % of one core."""
VERIFIED_A_MINUTE: Final = 3_000
VERIFIED_AT_ONCE: Final = 400
"""Gift wraps of one relay whose signature is worth checking."""
DIRECT_A_MINUTE: Final = 60
DIRECT_AT_ONCE: Final = 60
"""Signed messages of one solver by one relay; a relay could send forged ones as well."""
QUEUED: Final = 200
"""Events that wait, a relay or a solver."""
MAX_LANES: Final = 64
REMEMBERED: Final = 20_000
"""Ids of verified events that were taken up; relays send each more than once."""

ANSWERS_A_MINUTE: Final = 20
UNKNOWN_SECONDS: Final = 60.0
"""Between two help lines to one solver: its client may answer by itself."""

_CHANCE: Final = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event whose signature was verified.

    Attributes:
        lane: what it queues with: a relay's gift wraps, or a solver's signed messages.
        id: the event's, hex.
    """

    lane: str
    id: str
    event: Event = field(repr=False)


class Waiting:
    """Events that wait to be opened, fair between lanes, by chance within one."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, list[Arrival]] = OrderedDict()
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def knows(self, event_id: str) -> bool:
        """Whether a verified event of this id was taken up."""
        return bytes.fromhex(event_id) in self._known

    def put(self, arrival: Arrival) -> bool:
        """Queue it; False if another one had to give way, by chance perhaps this one."""
        lane = self._lanes.setdefault(self._name(arrival.lane), [])
        if len(lane) < QUEUED:
            lane.append(arrival)
            self._remember(arrival)
            return True
        place = _CHANCE.randrange(len(lane) + 1)
        if place < len(lane):
            self._known.pop(bytes.fromhex(lane[place].id), None)
            lane[place] = arrival
            self._remember(arrival)
        return False

    def take(self) -> Arrival | None:
        """Take one of the lane whose turn it is."""
        if not self._lanes:
            return None
        name, lane = self._lanes.popitem(last=False)
        place = _CHANCE.randrange(len(lane))
        lane[place], lane[-1] = lane[-1], lane[place]
        arrival = lane.pop()
        if lane:
            self._lanes[name] = lane
        return arrival

    def _name(self, lane: str) -> str:
        return (
            lane if lane in self._lanes or len(self._lanes) < MAX_LANES else next(iter(self._lanes))
        )

    def _remember(self, arrival: Arrival) -> None:
        self._known[bytes.fromhex(arrival.id)] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


class Buckets:
    """One budget a name, for a bounded number of names.

    Args:
        per_minute: tokens that come back a minute.
        burst: the most there are.
    """

    def __init__(self, per_minute: int, burst: int) -> None:
        self._limits = (per_minute, burst)
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, name: str, now: float) -> bool:
        """Take one of a name's if it is there; ``now`` in monotonic seconds."""
        if name not in self._buckets and len(self._buckets) >= MAX_LANES:
            name = ""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = TokenBucket(now, *self._limits)
        return bucket.take(now)


class Verdict(Enum):
    """Whether a solver is answered."""

    ANSWER = 1
    SAY_SO = 2
    """Once: that it was too much."""
    SILENCE = 3


class AnswerPace:
    """How often each solver is answered. There are only as many as are configured."""

    def __init__(self) -> None:
        self._answered: dict[str, deque[float]] = {}
        self._said_so: set[str] = set()
        self._helped: dict[str, float] = {}

    def judge(self, solver: str, now: float, *, understood: bool) -> Verdict:
        """Count one message of a solver (hex); ``now`` in monotonic seconds."""
        times = self._answered.setdefault(solver, deque())
        while times and now - times[0] >= 60:
            times.popleft()
        if not understood:
            helped = self._helped.get(solver)
            if helped is not None and now - helped < UNKNOWN_SECONDS:
                return Verdict.SILENCE
        if len(times) >= ANSWERS_A_MINUTE:
            told = solver in self._said_so
            self._said_so.add(solver)
            return Verdict.SILENCE if told else Verdict.SAY_SO
        self._said_so.discard(solver)
        times.append(now)
        if not understood:
            self._helped[solver] = now
        return Verdict.ANSWER
