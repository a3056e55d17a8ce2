"""Finds where solvers read: kind 10050, looked up on the configured relays, kept in the database.

NIP-17: ``["relay", "wss://..."]`` tags name the relays a person reads private messages from. Many
clients never publish the list, so its absence is normal, asked for again every hour, and shown
by ``serbero doctor``.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Never, Protocol

import sqlalchemy as sa
import structlog
from nostr_sdk import Event

from serbero.clock import Clock
from serbero.delivery.directory import Directory
from serbero.nostr.identity import INBOX_RELAYS_KIND
from serbero.nostr.inbox_list import inbox_list
from serbero.relays.asking import Answer
from serbero.store import inboxes, outbox_work
from serbero.store.inboxes import Inbox
from serbero.store.patient import PatientStore

REFRESH_SECONDS: Final = 86_400
"""A list that was found is looked up again daily."""
MISSING_REFRESH_SECONDS: Final = 3600
"""A list that was not found, hourly: its owner may just have been told to publish one."""
RETRY_SECONDS: Final = 30
"""After a look-up that no relay answered."""
ANSWER_SECONDS: Final = 10.0

_log = structlog.get_logger(__name__)


class Asker(Protocol):
    """What the look-up needs of the relays."""

    async def ask_all(
        self, filters: Sequence[dict[str, object]], timeout: float
    ) -> tuple[Answer, ...]:
        """Ask every configured relay."""


class InboxLookup:
    """Keeps a :class:`Directory` true."""

    def __init__(
        self,
        *,
        store: PatientStore,
        asker: Asker,
        directory: Directory,
        clock: Clock,
        allow_private: bool,
        on_change: Callable[[], None],
    ) -> None:
        self._store = store
        self._asker = asker
        self._directory = directory
        self._clock = clock
        self._allow_private = allow_private
        self._on_change = on_change

    async def load(self) -> None:
        """Take what the database remembers, so that the first message needs no look-up."""
        known = await self._store.read(inboxes.load, self._directory.to_look_up)
        for inbox in known.values():
            self._directory.learn(inbox.pubkey, inbox.relays)

    async def run(self) -> Never:
        """Look up what is due, for ever."""
        while True:
            known = await self._store.read(inboxes.load, self._directory.to_look_up)
            now = self._clock.now()
            due = [key for key in self._directory.to_look_up if _due(known.get(key), now)]
            answered = await self.look_up(due) if due else True
            await self._clock.sleep(MISSING_REFRESH_SECONDS / 12 if answered else RETRY_SECONDS)

    async def look_up(self, pubkeys: Sequence[str]) -> bool:
        """Ask for the lists of some recipients; True if at least one relay answered fully."""
        wanted: dict[str, object] = {"kinds": [INBOX_RELAYS_KIND], "authors": list(pubkeys)}
        answers = await self._asker.ask_all([wanted], timeout=ANSWER_SECONDS)
        if not any(answer.complete for answer in answers):
            return False
        events = [event for answer in answers for event in answer.events]
        now = self._clock.now()
        known = await self._store.read(inboxes.load, pubkeys)
        found = [
            choose_inbox(key, events, known.get(key), now, allow_private=self._allow_private)
            for key in pubkeys
        ]
        # Before the transaction, which may run twice: `learn` tells of a change only once.
        moved = [each.pubkey for each in found if self._directory.learn(each.pubkey, each.relays)]
        await self._store.transact(_save, found, moved, now)
        for inbox in found:
            _log.debug("inbox_relays", solver=inbox.pubkey, relays=list(inbox.relays))
        self._on_change()
        return True


def _save(tx: sa.Connection, found: Sequence[Inbox], moved: Sequence[str], now: int) -> None:
    """Store the lists and look again at messages whose recipient reads elsewhere now."""
    inboxes.save(tx, found)
    for pubkey in moved:
        outbox_work.wake_recipient(tx, pubkey, now)


def _due(inbox: Inbox | None, now: int) -> bool:
    if inbox is None:
        return True
    every = REFRESH_SECONDS if inbox.relays else MISSING_REFRESH_SECONDS
    return inbox.checked_at + every <= now


def choose_inbox(
    pubkey: str, events: Iterable[Event], known: Inbox | None, now: int, *, allow_private: bool
) -> Inbox:
    """Return a recipient's list from verified events: the newest, or what was known. Pure.

    Addresses that are not public ``wss`` are dropped (unless allowed), and at most three kept.
    """
    found = inbox_list(pubkey, events, allow_private=allow_private)
    if known is not None and (found is None or found.published_at < (known.published_at or 0)):
        return Inbox(pubkey, known.relays, known.published_at, now)
    if found is None:
        return Inbox(pubkey, (), None, now)
    return Inbox(pubkey, found.usable, found.published_at, now)
