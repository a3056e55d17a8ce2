"""The brief: what was asked and answered, for the person who took a dispute over from us.

He cannot read the chat that we had with its parties, so it is quoted to him. To quote takes long:
every word is looked at, and there may be megabytes of them. The transaction that applies the
takeover therefore only notes that a brief is owed (:func:`owe`); :class:`Briefs` writes it
afterwards, once, a message at a time, so that nothing else has to wait for it.
"""

import asyncio
from collections.abc import Callable, Generator
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, now_ms, wait_for_event
from serbero.intake.announcing import Audience, Kind, Message
from serbero.mediation.policy import quote
from serbero.mediation.telling import tell
from serbero.messages import handover as texts
from serbero.messages.party import IDENTITY
from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.model.party import Party
from serbero.model.people import Permission
from serbero.model.texts import Outgoing
from serbero.mostro import attachments
from serbero.store import briefs, outbox, sessions, transcripts
from serbero.store.briefs import OwedBrief
from serbero.store.errors import StoreRejected
from serbero.store.patient import PatientStore
from serbero.store.transcripts import Excerpt, Line

LOOK_SECONDS: Final = 5.0
"""The longest time between two looks for what is owed, as often as it is asked for."""
AT_ONCE: Final = 20
"""Briefs looked up together."""

_BRIEF: Final = Kind(
    Purpose.MEDIATION_BRIEF,
    NotificationType.MEDIATION_ESCALATION_RECOMMENDED,
    Urgency.NOTICE,
)

_log = structlog.get_logger(__name__)


def owe(tx: sa.Connection, session_id: str, at_ms: int) -> bool:
    """Note that the solvers who may decide are owed a session's chat, as it stands now.

    Args:
        tx: the transaction that ends our part.
        session_id: which session; one in which nobody was asked anything has no brief.
        at_ms: Unix milliseconds.

    Returns:
        Whether it is owed from now on.
    """
    session = sessions.load(tx, session_id)
    if session is None or not transcripts.asked(tx, session_id):
        return False
    upto = transcripts.newest_id(tx, session_id) or 0
    return briefs.owe(tx, OwedBrief(session_id, session.dispute_id, at_ms, upto))


class Briefs:
    """Writes what is owed.

    Args:
        store: where it stands.
        audience: everybody configured; solvers who may only read are not told.
        clock: time.
        on_enqueued: called when something was written, so that there is something to send.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        audience: Audience,
        clock: Clock,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._audience, self._clock = store, audience, clock
        self._on_enqueued = on_enqueued
        self._woken = asyncio.Event()
        self._refused: set[str] = set()

    def wake(self) -> None:
        """Somebody may have taken a dispute over."""
        self._woken.set()

    async def run(self) -> Never:
        """Write what is owed, for ever."""
        while True:
            self._woken.clear()
            await self.write_owed()
            await wait_for_event(self._clock, self._woken, LOOK_SECONDS)

    async def write_owed(self) -> int:
        """Write every brief that is owed; return how many rows were enqueued."""
        told = 0
        most = AT_ONCE + len(self._refused)
        while found := [
            each
            for each in await self._store.read(briefs.owed, most)
            if each.session_id not in self._refused
        ]:
            for each in found:
                told += await self._write(each)
        return told

    async def _write(self, owed: OwedBrief) -> int:
        said = await self._store.read(
            transcripts.excerpt, owed.session_id, upto=owed.upto, each=texts.MOST_OF_EACH
        )
        text = await self._compose(owed, said)
        at_ms = now_ms(self._clock)
        try:
            told = await self._store.transact(enqueue, self._audience, owed, text, at_ms)
        except StoreRejected as error:
            # It stays owed, and the next start tries again; the others must not wait for it.
            self._refused.add(owed.session_id)
            about = {"dispute_id": owed.dispute_id, "session_id": owed.session_id}
            _log.error("brief_not_recorded", **about, reason=str(error))
            return 0
        if told:
            self._on_enqueued()
        return told

    async def _compose(self, owed: OwedBrief, said: Excerpt) -> Outgoing:
        steps = composing(owed, said)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                text: Outgoing = done.value
                return text
            await self._clock.sleep(0)


def enqueue(
    tx: sa.Connection, audience: Audience, owed: OwedBrief, text: Outgoing, at_ms: int
) -> int:
    """Enqueue a brief to whoever may decide, if it is still owed; return how many rows.

    Args:
        tx: a transaction of its own.
        audience: everybody configured.
        owed: which brief.
        text: its words.
        at_ms: Unix milliseconds.
    """
    if not briefs.is_owed(tx, owed.session_id):
        return 0
    told = 0
    if not outbox.recipients_of(tx, owed.dispute_id, _BRIEF.purpose, owed.session_id):
        writers = [each for each in audience.solvers if each.permission is Permission.WRITE]
        message = Message(_BRIEF, owed.dispute_id, owed.session_id, text, owed.session_id)
        told = tell(tx, audience, writers, message, at_ms)
    briefs.settle(tx, owed.session_id, at_ms // 1000, told)
    return told


def composing(owed: OwedBrief, said: Excerpt) -> Generator[None, None, Outgoing]:
    """Compose a brief, and pause after each message that was quoted; return it in the end."""
    chosen = yield from _choosing(said.lines)
    shown = [chosen[line.id] for line in said.lines if line.id in chosen]
    speakers = [_speaker(line) for line in said.lines if line.id in chosen]
    left_out = texts.LeftOut(
        ours=said.ours - speakers.count(None),
        buyer=said.buyer - speakers.count(Party.BUYER),
        seller=said.seller - speakers.count(Party.SELLER),
    )
    return texts.brief(owed.dispute_id, owed.session_id, shown, left_out)


def _choosing(lines: tuple[Line, ...]) -> Generator[None, None, dict[int, texts.Entry]]:
    """Choose what a brief quotes, by id: the newest of each speaker, in equal shares of the room.

    One who writes much must not crowd out what the other said. A message is quoted, which takes
    a while, only when it is its turn.
    """
    waiting: dict[Party | None, list[Line]] = {}
    for line in lines:
        waiting.setdefault(_speaker(line), []).append(line)
    used = dict.fromkeys(waiting, 0)
    chosen: dict[int, texts.Entry] = {}
    while waiting:
        speaker = min(waiting, key=lambda each: used[each])
        line = waiting[speaker].pop()
        entry = _entry(line)
        added = texts.size(entry)
        fits = sum(used.values()) + added <= texts.MOST_BYTES
        if fits:
            chosen[line.id] = entry
            used[speaker] += added
        if not fits or not waiting[speaker]:
            del waiting[speaker]
        yield
    return chosen


def _speaker(line: Line) -> Party | None:
    """Return who wrote a line, None for ourselves."""
    return None if line.ours else line.party


def _entry(line: Line) -> texts.Entry:
    return texts.Entry(
        party=line.party,
        ours=line.ours,
        at=line.at,
        received_at=line.stored_at,
        words=quote(_asked(line.text) if line.ours else _said(line.text)),
        unsure=not line.sent if line.ours else line.stale,
    )


def _said(text: str) -> str:
    """Return a party's words; of an attachment what it is, never where it lies or its key."""
    attachment = attachments.recognise(text)
    return text if attachment is None else attachment.description


def _asked(text: str) -> str:
    """Return a question of ours without its last paragraph, which is in every one of them."""
    for line in IDENTITY.values():
        text = text.removesuffix(f"\n\n{line}")
    return text
