"""Wraps with proof of work (NIP-13), made beside everything else.

One relay may ask for work that takes half a second a message. It is done on a thread of its own,
one wrap at a time, while other relays are given theirs; a wrap that is done is committed and its
relay is due, like any other. Only memory knows what waits here: a target rests for
:data:`REST_SECONDS` and is claimed again, whatever became of its wrap.
"""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Never

from serbero.clock import Clock
from serbero.delivery import ledger
from serbero.delivery.envelopes import Envelopes, UnsealableError
from serbero.model.target import Target
from serbero.nostr.wrap import Special, Wrap
from serbero.store.outbox_work import NewWrap, Row, lacks_wrap
from serbero.store.patient import PatientStore

REST_SECONDS: Final = 120
"""How long a relay that wants work is not looked at, unless the work is done before."""
MAX_WAITING: Final = 256
"""Wraps that wait to be made, two minutes of work; others are claimed again after their rest."""

OnBroken = Callable[[Row, Target, str], None]
"""``on_broken(row, target, reason)``: no wrap can be made of this message."""


class Miner:
    """Makes the wraps that cost work."""

    def __init__(
        self,
        *,
        store: PatientStore,
        envelopes: Envelopes,
        clock: Clock,
        on_mined: Callable[[], None],
        on_broken: OnBroken,
    ) -> None:
        self._store = store
        self._envelopes = envelopes
        self._clock = clock
        self._on_mined = on_mined
        self._on_broken = on_broken
        self._known: set[tuple[int, str]] = set()
        self._waiting: asyncio.Queue[tuple[Row, Target]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="proof-of-work")

    def take(self, row: Row, target: Target) -> None:
        """Make a wrap of a message for one relay, unless that is under way or too many wait."""
        key = (row.id, target.relay)
        if key in self._known or len(self._known) >= MAX_WAITING:
            return
        self._known.add(key)
        self._waiting.put_nowait((row, target))

    async def run(self) -> Never:
        """Work until cancelled."""
        while True:
            row, target = await self._waiting.get()
            try:
                await self._make(row, target)
            finally:
                self._known.discard((row.id, target.relay))

    def close(self) -> None:
        """Release the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _make(self, row: Row, target: Target) -> None:
        if not await self._store.read(lacks_wrap, row.id, target.relay):
            return
        loop = asyncio.get_running_loop()
        try:
            wrap = await loop.run_in_executor(self._thread, self._mine, row, target)
        except UnsealableError as error:
            self._on_broken(row, target, str(error))
            return
        made = NewWrap(row.id, wrap.id, wrap.json, (target.relay,))
        await self._store.transact(ledger.commit_mined, made, self._clock.now())
        self._on_mined()

    def _mine(self, row: Row, target: Target) -> Wrap:
        """Runs on the thread of this class."""
        now = self._clock.now()
        return self._envelopes.make(row, special_for(target, now), now)


def wants_work(target: Target) -> bool:
    """Whether giving a message to this relay takes work that is not done yet."""
    return bool(target.pow_bits) and target.event_json is None


def special_for(target: Target, now: int) -> Special | None:
    """What this relay wants of a new wrap, or None for the ordinary one."""
    if not target.pow_bits and not target.fresh_time:
        return None
    # Dated up to a minute back: even a fresh wrap does not tell exactly when it was sent.
    return Special(created_at=now - random.randrange(60), pow_bits=target.pow_bits)
