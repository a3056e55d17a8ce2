# ruff: noqa: ARG002
"""A running pool, what it told its observer, and the events to try it with."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from nostr_sdk import Event, EventBuilder, Keys, Kind, Tag

from serbero.clock import Clock
from serbero.nostr.replies import ReplyPrefix
from serbero.relays.observer import RelayObserver
from serbero.relays.pool import RelayPool
from serbero.relays.subscriptions import Filter, Subscription
from serbero.simulator.clock import Condition, FakeClock, run_until

DISPUTE_KIND = 38386


@dataclass
class Notes(RelayObserver):
    """Everything an observer is told, in order."""

    told: list[tuple[object, ...]] = field(default_factory=list)

    def connect_attempt(self, url: str, ok: bool) -> None:
        self.told.append(("attempt", ok))

    def relay_connected(self, url: str) -> None:
        self.told.append(("connected",))

    def relay_lost(self, url: str, reason: str) -> None:
        self.told.append(("lost", reason))

    def relay_hearing(self, url: str, regained: bool) -> None:
        self.told.append(("hearing", regained))

    def relay_deaf(self, url: str, reason: str) -> None:
        self.told.append(("deaf", reason))

    def closed(self, url: str, subscription_id: str, prefix: ReplyPrefix) -> None:
        self.told.append(("closed", subscription_id, prefix))

    def canary(self, url: str, milliseconds: float) -> None:
        self.told.append(("canary", milliseconds))

    def event_rejected(self, url: str, reason: str) -> None:
        self.told.append(("rejected", reason))

    def relay_policy_alert(self, url: str, reason: str) -> None:
        self.told.append(("alert", reason))

    def relay_answers(self, url: str) -> None:
        self.told.append(("answers",))

    def relay_forgotten(self, url: str) -> None:
        self.told.append(("forgotten",))

    def stream_lagged(self) -> None:
        self.told.append(("lagged",))

    def count(self, *what: object) -> int:
        return sum(each[: len(what)] == what for each in self.told)


@dataclass
class Rig:
    """A running pool and what came of it."""

    pool: RelayPool
    clock: Clock
    keys: Keys
    notes: Notes
    heard: list[Event] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [each.id().to_hex() for each in self.heard]


StartPool = Callable[..., Awaitable[Rig]]


def disputes(rig_heard: list[Event], filters: Sequence[Filter] | None = None) -> Subscription:
    wanted = filters or [{"kinds": [DISPUTE_KIND]}]
    return Subscription(
        "disputes", lambda: wanted, lambda _url, event: rig_heard.append(event), proves_hearing=True
    )


def dispute(keys: Keys, number: int = 0, content: str = "") -> Event:
    builder = EventBuilder(Kind(DISPUTE_KIND), content).tags([Tag.identifier(f"d{number}")])
    return keys.sign_event(builder.finalize_unsigned(keys.public_key()))


async def until(clock: FakeClock, condition: Condition, limit: float) -> float:
    """Step the clock until ``condition`` holds; returns how far it moved.

    A step waits 50 real ms for the sockets: where it did not, a busy machine would look to the
    pool like a relay that answers seconds late.
    """
    return await run_until(clock, condition, limit_seconds=limit, settle=0.05)
