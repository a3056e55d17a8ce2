"""Keeps track of what the node says of itself: how it is spoken to, and on which relays.

Three ways lead to the newest word, because each fails by itself: a live subscription, a look at
all relays every minute, and one more before each take.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Never, Protocol

import structlog
from nostr_sdk import Event, NostrSdkError

from serbero.clock import Clock, wait_for_event
from serbero.mostro.node_info import INFO_KIND, InfoRejection, NodeInfo, parse_info_event
from serbero.node.announcements import (
    AHEAD_SECONDS,
    changed_fields,
    extra_relays,
    from_the_future,
    listed,
    replaces,
)
from serbero.node.standing import NoWay, NoWayReason, Wanted, Way, decide
from serbero.nostr.relay_list import RELAY_LIST_KIND, RelayList, RelayListRejection, relay_list
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.relays.asking import Answer
from serbero.relays.subscriptions import Filter
from serbero.store import node_info
from serbero.store.patient import PatientStore

ANSWER_SECONDS: Final = 8.0
REFRESH_SECONDS: Final = 45.0
"""Together with the answer's time less than a minute, in which a change must be followed."""
RETRY_SECONDS: Final = 10.0
"""After a look that no relay answered."""
MISSING_SECONDS: Final = 900.0
"""A node publishes every five minutes (Mostro, src/config/types.rs): thrice that without a sight
of what we know, and it is doubtful."""
RELAYS_SECONDS: Final = 60.0
"""The least time between two changes of the relays listened to; the node lists what it is
connected to at the moment."""
SEEN_SECONDS: Final = 300.0
"""How often the time of the last sight is written down."""
MAX_KEPT_CHARACTERS: Final = 65_536
"""A longer info event is used and not kept: its true size is about 2,000."""

_log = structlog.get_logger(__name__)


class Asker(Protocol):
    """What the watch needs of the relays."""

    async def ask_all(
        self,
        filters: Sequence[Filter],
        timeout: float,
        page: int | None = None,
        *,
        extra: bool = False,
    ) -> tuple[Answer, ...]:
        """Ask every relay listened to."""


@dataclass(slots=True)
class _Look:
    """One question to all relays that is under way."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    answered: bool | None = None


class NodeWatch:
    """The node as it presents itself.

    Args:
        node: its key in hex.
        own_key: ours in hex.
        wanted: ``[mostro].transport``.
        store: remembers what was seen.
        asker: the relays.
        clock: time.
        metrics: shows what the node speaks.
        health: told where disputes cannot be taken.
        allow_private: whether the node's list may lead to unencrypted and private addresses.
        configured: relays that are listened to anyway.
        on_relays: given the relays to listen to besides, whenever these change.
        on_change: given the new standing, whenever it changes.
    """

    def __init__(
        self,
        *,
        node: str,
        own_key: str,
        wanted: Wanted,
        store: PatientStore,
        asker: Asker,
        clock: Clock,
        metrics: Metrics,
        health: Health,
        allow_private: bool,
        configured: Sequence[str],
        on_relays: Callable[[tuple[str, ...]], None],
        on_change: Callable[[Way | NoWay], None],
    ) -> None:
        self._node, self._own_key, self._wanted = node, own_key, wanted
        self._store, self._asker, self._clock = store, asker, clock
        self._metrics, self._health = metrics, health
        self._allow_private, self._configured = allow_private, frozenset(configured)
        self._on_relays, self._on_change = on_relays, on_change
        self._info: NodeInfo | None = None
        self._way: Way | NoWay = NoWay(NoWayReason.NO_INFO)
        self._relays: RelayList | None = None
        self._extra: tuple[str, ...] = ()
        self._extra_since: float | None = None
        self._began = clock.monotonic()
        self._confirmed_at: float | None = None
        self._look: _Look | None = None
        self._told_missing = self._told_future = False
        self._unsaved_info: str | None = None
        self._unsaved_relays = False
        self._seen_saved = float("-inf")
        self._news = asyncio.Event()

    @property
    def way(self) -> Way | NoWay:
        """How to speak to the node, as far as is known now."""
        return self._way

    @property
    def info(self) -> NodeInfo | None:
        """Its newest info event; None before any was seen."""
        return self._info

    @property
    def confirmed_at(self) -> float | None:
        """Monotonic seconds at which a relay last showed :attr:`info`; None if none has yet."""
        return self._confirmed_at

    async def load(self) -> None:
        """Take what the database remembers, so that nothing depends on the first answer."""
        kept = await self._store.read(node_info.load, self._node)
        info = None if kept.info_event is None else self._read_kept(kept.info_event)
        if info is not None:
            self._info = info
            self._redecide()
        if kept.relays_created_at is not None:
            self._relays = RelayList("", kept.relays_created_at, kept.relays, kept.relays)
            self._choose_relays()

    def filters(self) -> list[Filter]:
        """What the live subscription asks for; relays answer with the newest they hold."""
        return [
            {"kinds": [INFO_KIND], "authors": [self._node], "#d": [self._node]},
            {"kinds": [RELAY_LIST_KIND], "authors": [self._node]},
        ]

    def on_event(self, url: str, event: Event) -> None:
        """Take what a live subscription brings; anything may come."""
        self._take(url, event)
        self._choose_relays()

    async def run(self) -> Never:
        """Look at the relays again and again, and keep what is new."""
        async with asyncio.TaskGroup() as tasks:
            # Two tasks: while the database cannot be written, the node is followed all the same.
            tasks.create_task(self._save_forever(), name="node-save")
            tasks.create_task(self._look_forever(), name="node-look")
        raise AssertionError("the watch's tasks end only by cancellation")

    async def _look_forever(self) -> Never:
        while True:
            answered = await self._ask(ANSWER_SECONDS)
            self._choose_relays()
            self._judge(answered)
            self._news.set()
            await self._clock.sleep(REFRESH_SECONDS if answered else RETRY_SECONDS)

    async def _save_forever(self) -> Never:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._save()

    async def reread(self, timeout: float) -> Way | NoWay:
        """Ask all relays now and return the standing, after ``timeout`` seconds at most.

        Callers that come while a question is under way share its answer.
        """
        deadline = self._clock.monotonic() + timeout
        look = self._look
        if look is not None:
            await wait_for_event(self._clock, look.over, timeout)
        left = deadline - self._clock.monotonic()
        if left > 0 and (look is None or not look.answered):
            await self._ask(left)
        return self._way

    async def _ask(self, seconds: float) -> bool:
        """Ask every relay; True if one at least answered fully."""
        look = self._look = _Look()
        try:
            answers = await self._asker.ask_all(self.filters(), seconds, extra=True)
            for answer in answers:
                self._take_all(answer.url, answer.events)
            look.answered = any(answer.complete for answer in answers)
        finally:
            look.over.set()
            if self._look is look:
                self._look = None
        return look.answered

    def _take_all(self, url: str, events: Iterable[Event]) -> None:
        for event in events:
            self._take(url, event)

    def _take(self, url: str, event: Event) -> None:
        found: NodeInfo | InfoRejection | RelayList | RelayListRejection
        if event.kind().as_u16() == INFO_KIND:
            found = parse_info_event(event, self._node)
        else:
            found = relay_list(event, self._node)
        match found:
            case NodeInfo():
                self._take_info(url, found, event)
            case RelayList():
                self._take_relays(found)
            case _:
                _log.debug("node_announcement_rejected", relay=url, reason=found.value)

    def _take_info(self, url: str, info: NodeInfo, event: Event) -> None:
        now = self._clock.now()
        if from_the_future(info, now):
            self._refuse_future(url, info.created_at - now)
            return
        if replaces(info, self._info, now):
            self._info = info
            text = event.as_json()
            self._unsaved_info = text if len(text) <= MAX_KEPT_CHARACTERS else None
            self._news.set()
            self._redecide()
        if self._info is not None and info.event_id == self._info.event_id:
            self._confirmed_at = self._clock.monotonic()
            self._metrics.node_info_seen.set(now)
            self._judge(answered=True)

    def _take_relays(self, relays: RelayList) -> None:
        if replaces(relays, self._relays, self._clock.now()):
            self._relays = relays
            self._unsaved_relays = True
            self._news.set()

    def _refuse_future(self, url: str, ahead: int) -> None:
        # One warning: a relay that holds such an event shows it at every look, for years.
        level = _log.debug if self._told_future else _log.warning
        level(
            "node_info_from_the_future",
            relay=url,
            ahead_seconds=ahead,
            remedy="check the clock of this machine, then ask the node's operator about theirs",
        )
        self._told_future = True

    def _redecide(self) -> None:
        before, after = self._way, decide(self._info, self._wanted, self._own_key)
        if before == after or self._info is None:
            return
        self._way = after
        version = self._info.protocol_version
        if isinstance(after, Way):
            _log.info(
                "node_info_changed",
                changed=changed_fields(before, after),
                transport=after.transport.value,
                before=before.transport.value if isinstance(before, Way) else None,
                bits=after.bits,
                first_contact_known=after.first_contact_known,
                protocol_version=version,
            )
            if after.rival is not None:
                _log.warning(
                    "node_names_another_assistant",
                    assistant=after.rival,
                    consequence="it may refuse us disputes",
                )
        else:
            _log.error(
                "node_unsupported",
                protocol_version=version,
                consequence="disputes are notified, none is taken",
                remedy="update Serbero; [mostro].transport can force one that the node accepts",
            )
        self._metrics.set_node_transport(
            after.transport.value if isinstance(after, Way) else None, version
        )
        self._on_change(after)

    def _judge(self, answered: bool) -> None:
        """Tell log and health whether disputes can be taken as far as the node goes."""
        known = self._began if self._confirmed_at is None else self._confirmed_at
        doubtful = self._clock.monotonic() - known > MISSING_SECONDS
        missing = self._info is None or doubtful
        self._health.set(
            Part.NODE, ok=not missing and isinstance(self._way, Way), reason=self._trouble()
        )
        if missing and answered and not self._told_missing:
            self._told_missing = True
            _log.warning(
                "node_info_missing",
                consequence="disputes are notified, none is taken"
                if self._info is None
                else "what it said before is used",
                remedy="check that the node runs and shares a relay with Serbero",
            )
        elif self._told_missing and not missing:
            self._told_missing = False
            _log.info("node_info_returned")

    def _trouble(self) -> str:
        if self._info is None:
            return "no info event of the node found: disputes are not taken"
        if isinstance(self._way, NoWay):
            return "the node's protocol version is not supported: disputes are not taken"
        return "no relay has shown the node's info event lately"

    def _choose_relays(self) -> None:
        """Listen where the node is, unless that was changed just now."""
        if self._relays is None or from_the_future(self._relays, self._clock.now()):
            return
        wanted = extra_relays(
            listed(self._relays), self._configured, self._extra, allow_private=self._allow_private
        )
        now = self._clock.monotonic()
        soon = self._extra_since is not None and now - self._extra_since < RELAYS_SECONDS
        if wanted == self._extra or soon:
            return
        self._extra, self._extra_since = wanted, now
        _log.info("node_relays_changed", relays=list(wanted))
        self._on_relays(wanted)

    async def _save(self) -> None:
        """Write down what is new, and now and then that nothing is."""
        ceiling = self._clock.now() + AHEAD_SECONDS
        info, text = self._info, self._unsaved_info
        if info is not None and text is not None:
            self._unsaved_info = None
            await self._store.transact(
                node_info.save_info, self._node, text, info.created_at, ceiling
            )
        relays = self._relays
        if relays is not None and self._unsaved_relays:
            self._unsaved_relays = False
            await self._store.transact(
                node_info.save_relays, self._node, listed(relays), relays.created_at, ceiling
            )
        seen = self._confirmed_at
        if seen is not None and seen - self._seen_saved >= SEEN_SECONDS:
            self._seen_saved = seen
            at = self._clock.now() - round(self._clock.monotonic() - seen)
            await self._store.transact(node_info.save_seen, self._node, at)

    def _read_kept(self, text: str) -> NodeInfo | None:
        try:
            found = parse_info_event(Event.from_json(text), self._node)
        except NostrSdkError:
            return None
        return found if isinstance(found, NodeInfo) else None
