"""Chats that run on a real database and real relays, and parties that write to them."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import sqlalchemy as sa
from nostr_sdk import Event, Keys
from tests.migrated import provide

from serbero.chat.channel import AcceptedMessage, OwnMessage
from serbero.chat.channels import Chats
from serbero.chat.envelopes import LegacyChat
from serbero.chat.speaking import Speaker, say
from serbero.clock import Clock
from serbero.model.party import Party
from serbero.mostro import chat, legacy_chat
from serbero.mostro.chat_keys import ChatKeys, derive
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.relays.pool import RelayPool
from serbero.simulator.clock import Condition, FakeClock, run_until
from serbero.simulator.peer import Ok, RelayPeer
from serbero.store.engine import Store, run_once
from serbero.store.patient import PatientStore

SOLVER: Final = Keys.generate()
SOLVER_HEX: Final = SOLVER.public_key().to_hex()


def dispute_id(number: int) -> str:
    return str(uuid5(UUID(int=7), f"chat {number}"))


@dataclass
class Writer:
    """A party, or whoever holds its keys."""

    number: int
    party: Party = Party.BUYER
    keys: Keys = field(default_factory=Keys.generate)

    @property
    def dispute(self) -> str:
        return dispute_id(self.number)

    @property
    def trade_key(self) -> str:
        return self.keys.public_key().to_hex()

    @property
    def channel(self) -> ChatKeys:
        """The same keys as ours, derived from the other end."""
        return derive(self.keys.secret_key().to_hex(), SOLVER_HEX)

    def words(self, text: str, at: int) -> Event:
        return chat.wrap(self.channel, chat.inner_message(self.keys, text, at))

    def old_words(self, text: str, at: int) -> Event:
        inner = chat.inner_message(self.keys, text, at)
        return legacy_chat.wrap(self.channel, inner, expires_at=None)


def _store_text(tx: sa.Connection, accepted: AcceptedMessage) -> None:
    tx.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS said (dispute TEXT, party TEXT, inner_id TEXT, text TEXT)"
    )
    message = accepted.message
    values = (accepted.dispute_id, accepted.party.value, message.inner_id, message.text)
    tx.exec_driver_sql("INSERT INTO said VALUES (?, ?, ?, ?)", values)


class Household:
    """One process of ours: a pool, a store and the chats; it can end and another begin."""

    def __init__(self, path: Path, clock: FakeClock, urls: Sequence[str]) -> None:
        self.path = path
        self.clock = clock
        self.metrics = Metrics()
        self.heard: list[AcceptedMessage] = []
        self.own: list[OwnMessage] = []
        self.on_own: Callable[[], None] | None = None
        provide(path)
        self.raw = Store.open(path, clock.now())
        self.store = PatientStore(self.raw, clock, Health(clock), self.metrics)
        self.pool = RelayPool(keys=SOLVER, clock=clock, urls=urls)
        self.chats = self.build(clock)
        self._tasks: list[asyncio.Task[Any]] = []

    def build(self, clock: Clock) -> Chats:
        chats = Chats(
            keys=SOLVER,
            store=self.store,
            relays=self.pool,
            clock=clock,
            metrics=self.metrics,
            interval_seconds=10,
            record=_store_text,
            on_own=self._came_back,
        )
        chats.listen(self.heard.append)
        return chats

    def _came_back(self, own: OwnMessage) -> None:
        self.own.append(own)
        if self.on_own is not None:
            self.on_own()

    async def say(self, writer: Writer, text: str) -> Event:
        """Put a message to a party into the outbox; nothing sends it."""
        inner = await self.store.transact(
            say,
            Speaker(SOLVER, LegacyChat.AUTO, 3_600, lambda: False),
            writer.dispute,
            writer.party,
            text,
            anchor=text,
            at_ms=self.clock.now() * 1000,
        )
        assert inner is not None
        return inner

    async def start(self, *, connected: bool = True) -> None:
        await self.chats.load()
        self._tasks.append(asyncio.create_task(self.pool.run()))
        self._tasks.append(asyncio.create_task(self.chats.run()))
        if connected:
            await self.until(lambda: all(each.connected for each in self.pool.states()))

    async def stop(self) -> None:
        for task in reversed(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        self.chats.stop()
        await self.pool.close()
        self.raw.close()

    async def open(self, *writers: Writer, since: int | None = None) -> None:
        at = self.clock.now() if since is None else since
        for writer in writers:
            await self.chats.open(writer.dispute, {writer.party: writer.trade_key}, at)

    async def until(self, condition: Condition, limit: float = 120, real: float = 60) -> float:
        return await run_until(
            self.clock, condition, limit_seconds=limit, real_seconds=real, settle=0.05
        )

    async def listens(self) -> None:
        """Until every relay's answer to the live subscriptions came."""
        await self.until(
            lambda: (
                all(each.hears for each in self.pool.states() if each.configured)
                and all(self.pool.heard_on(each) for each in ("chat-0", "chat-old-0"))
            )
        )

    async def heard_all(self, *texts: str, limit: float = 120, real: float = 60) -> None:
        await self.until(lambda: set(texts) <= set(self.texts()), limit=limit, real=real)

    def texts(self) -> list[str]:
        return [each.message.text for each in self.heard]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return run_once(self.path, lambda tx: [tuple(row) for row in tx.exec_driver_sql(query)])

    def stored(self) -> list[str]:
        """The texts in the database, in order."""
        if not self.rows("SELECT 1 FROM sqlite_master WHERE name = 'said'"):
            return []
        return [str(text) for (text,) in self.rows("SELECT text FROM said ORDER BY rowid")]

    def rejected(self, reason: str) -> float:
        name = "serbero_chat_rejected_total"
        return self.metrics.registry.get_sample_value(name, {"reason": reason}) or 0


async def publish(url: str, *events: Event) -> list[Ok]:
    async with RelayPeer(url) as peer:
        return list(await asyncio.gather(*(peer.publish(each) for each in events)))
