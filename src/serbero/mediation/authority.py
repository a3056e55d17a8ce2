"""Keeps our standing with the node: what takes and its info event show, written and told.

News comes in without waiting and is worked off in order by one loop, each change in a transaction
of its own with its audit events. What the loop knows is in the database: another life goes on
where this one stopped, also with a refusal that was not decided yet.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, wait_for_event
from serbero.mediation.standing import (
    Change,
    Gate,
    RetryPace,
    about_standing,
    error_of,
    gate,
    gave,
    granted,
    is_refused,
    looked,
    names_another,
    refused,
    registration,
    state_of,
)
from serbero.model.lifecycle import DisputeStatus
from serbero.mostro.node_info import NodeInfo
from serbero.observe.health import Part, Reporter
from serbero.store import disputes, journal, start_events
from serbero.store import standing as kept
from serbero.store.errors import StoreRejected
from serbero.store.inspection import SETTLING_SECONDS
from serbero.store.patient import PatientStore
from serbero.store.standing import LastAnswer, Standing, StandingState

LOOK_SECONDS: Final = 60.0
"""The longest time between two looks at the node's info event, as often as it is asked for."""
RECENT_SECONDS: Final = 3600
"""A refusal of an earlier life is decided now if it is not older; another take tells more."""

STANDING_CHANGED: Final = "standing_changed"
"""The journal's word for another state."""

OnLost = Callable[[sa.Connection, int], None]
"""``on_lost(tx, now)``: what ends when we may not act any more."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A take the node refused.

    Attributes:
        dispute_id: which.
        reason: the node's word.
        at: when, Unix seconds.
        due: when it is decided, monotonic seconds.
    """

    dispute_id: str
    reason: str | None
    at: int
    due: float


@dataclass(frozen=True, slots=True)
class _Grant:
    """A take that succeeded; the dispute is known unless it was lost again."""

    dispute_id: str | None = None


class Authority:
    """Whether the node lets us act. For the event loop's thread alone.

    Args:
        node: its key in hex.
        own_key: ours in hex.
        info: the node's newest info event; what the database remembers of it must be there when
            :meth:`load` runs, so that old news is not taken for new.
        store: keeps the standing, its events and the disputes.
        clock: time.
        health: told while we may not act.
        pace: how a node that refuses is probed.
        on_lost: called in the transaction in which we lose our standing.
        on_change: called after each commit.
    """

    def __init__(
        self,
        *,
        node: str,
        own_key: str,
        info: Callable[[], NodeInfo | None],
        store: PatientStore,
        clock: Clock,
        health: Reporter,
        pace: RetryPace,
        on_lost: OnLost,
        on_change: Callable[[], None],
    ) -> None:
        self._node, self._own_key, self._info = node, own_key, info
        self._store, self._clock, self._health, self._pace = store, clock, health, pace
        self._on_lost, self._on_change = on_lost, on_change
        self._held: Standing | None = None
        self._seen: NodeInfo | None = None
        self._inbox: deque[_Refusal | _Grant] = deque()
        self._undecided: dict[str, _Refusal] = {}
        self._news = asyncio.Event()

    # --- what others ask -------------------------------------------------------------------

    @property
    def state(self) -> StandingState:
        """What is known of our standing."""
        return state_of(self._held)

    @property
    def trouble(self) -> str | None:
        """Why disputes are not taken and what to do about it; None while we may act."""
        if not is_refused(self._held):
            return None
        if names_another(self._seen, self._own_key):
            return (
                "the node names another assistant and refuses us disputes: "
                "have it name this key (serbero_pubkey), or " + registration(self._own_key)
            )
        return f"the node refuses us disputes: {registration(self._own_key)}"

    def gate(self) -> Gate:
        """Whether a dispute may be taken now."""
        return gate(self._held, self._clock.now(), self._pace)

    # --- what others tell ------------------------------------------------------------------

    def refused(self, dispute_id: str, reason: str | None) -> None:
        """A take of ours was refused, in the node's word or ours (``taken_over``)."""
        self._tell_answer(LastAnswer(dispute_id, gave(reason), reason, self._clock.now()))

    def granted(self) -> None:
        """A take of ours succeeded."""
        self._tell(_Grant())

    def info_changed(self) -> None:
        """The node's info event changed."""
        self._news.set()

    def _tell_answer(self, answer: LastAnswer) -> None:
        if answer.taken:
            self._tell(_Grant(answer.dispute_id))
            return
        due = self._clock.monotonic() + SETTLING_SECONDS
        self._tell(_Refusal(answer.dispute_id, answer.reason, answer.at, due))

    def _tell(self, news: _Refusal | _Grant) -> None:
        self._inbox.append(news)
        self._news.set()

    # --- the loop --------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up what the database remembers."""
        held, last = await self._store.read(_remembered, self._node)
        if held is not None and held.own_key not in (None, self._own_key):
            # A fresh key is the remedy for being refused: it must not inherit the refusal.
            _log.info("standing_of_another_key", before=held.state.value)
            held = last = None
        self._held, self._seen = held, self._info()
        if last is not None:
            self._take_up_last(last)
        self._show()

    def _take_up_last(self, last: LastAnswer) -> None:
        """Deal with an answer that came too late in the last life to be written down here."""
        if self._held is not None and last.at <= self._held.since:
            return
        recent = last.at > self._clock.now() - RECENT_SECONDS
        if last.taken or (recent and not is_refused(self._held)):
            # It is decided in so long from now: what happened meanwhile has yet to reach us.
            self._tell_answer(last)

    async def run(self) -> Never:
        """Work off what comes in, in its order, for ever."""
        while True:
            self._news.clear()
            await self._look()
            while self._inbox:
                await self._take_up(self._inbox.popleft())
            await self._decide_due()
            await wait_for_event(self._clock, self._news, self._until_next())

    def _until_next(self) -> float:
        now = self._clock.monotonic()
        return min([LOOK_SECONDS, *(max(0.0, each.due - now) for each in self._undecided.values())])

    async def _look(self) -> None:
        """See what the node says of itself, and what time it is."""
        now, before, info = self._clock.now(), self._seen, self._info()
        change = looked(
            self._held, now, self._pace, own_key=self._own_key, before=before, info=info
        )
        self._seen = info
        if change is not None and not await self._write(change, now):
            self._seen = before
        self._show()  # whoever else reports this part may have said that all is well

    async def _take_up(self, news: _Refusal | _Grant) -> None:
        now = self._clock.now()
        match news:
            case _Grant(dispute_id=dispute_id):
                # A refusal of before says nothing about now.
                self._undecided.clear()
                change = granted(self._held, now)
            case _Refusal(dispute_id=dispute_id, reason=reason) if is_refused(self._held):
                error = error_of(reason)
                change = refused(self._held, now, self._pace, error=error, info=self._seen)
            case _Refusal():
                if about_standing(news.reason):
                    self._undecided.setdefault(news.dispute_id, news)
                return
        if change is not None:
            await self._write(change, now, dispute_id)

    async def _decide_due(self) -> None:
        """Decide the refusals that a lost race would have explained by now."""
        now = self._clock.monotonic()
        for refusal in [each for each in self._undecided.values() if each.due <= now]:
            if self._undecided.pop(refusal.dispute_id, None) is not None:
                await self._decide(refusal)

    async def _decide(self, refusal: _Refusal) -> None:
        now, error = self._clock.now(), error_of(refusal.reason)
        change = refused(self._held, now, self._pace, error=error, info=self._seen)
        if change is None:
            return  # it was no news
        doubt = None if names_another(self._seen, self._own_key) else refusal
        await self._write(change, now, refusal.dispute_id, doubt)

    # --- what a change does ----------------------------------------------------------------

    async def _write(
        self,
        change: Change,
        now: int,
        dispute_id: str | None = None,
        doubt: _Refusal | None = None,
    ) -> bool:
        """Commit a change with all that follows from it, then tell.

        Returns:
            False if nothing was written: the dispute of ``doubt``, where that is given, is not
            open any more, or the database refused the values.
        """
        try:
            written = await self._store.transact(self._record, change, now, dispute_id, doubt)
        except StoreRejected:
            # The next answer or look shows it again.
            _log.exception("standing_not_recorded", why=change.why.value)
            return False
        if not written:
            _log.info("take_lost_race", dispute_id=dispute_id)
            return False
        self._held = change.standing
        # What was refused until now is explained, or over.
        self._undecided.clear()
        self._log_change(change)
        self._show(recovered=change.recovered is not None)
        self._on_change()
        return True

    def _record(
        self,
        tx: sa.Connection,
        change: Change,
        now: int,
        dispute_id: str | None,
        doubt: _Refusal | None,
    ) -> bool:
        if doubt is not None and not _still_open(tx, doubt):
            return False
        after, attempt = change.standing, change.attempt
        kept.save(tx, self._node, replace(after, own_key=self._own_key))
        if attempt is not None:
            start_events.auth_retry_attempt(tx, attempt.number, attempt.error, now)
        if change.recovered is not None:
            start_events.auth_retry_recovered(tx, change.recovered, now)
        if change.terminated:
            start_events.auth_retry_terminated(tx, after.attempts, after.waited_seconds, now)
        if change.moved:
            states = {"before": change.before.value, "after": after.state.value}
            journal.write(
                tx,
                STANDING_CHANGED,
                now,
                dispute_id=dispute_id,
                payload=states | {"reason": change.why.value, "node": self._node},
            )
        if change.lost:
            self._on_lost(tx, now)
        return True

    def _log_change(self, change: Change) -> None:
        about = {"node": self._node, "why": change.why.value}
        after, attempt = change.standing, change.attempt
        if change.lost:
            _log.error(
                "authorization_lost"
                if change.before is StandingState.AUTHORIZED
                else "solver_standing_refused",
                **about,
                consequence="disputes are notified, none is mediated",
                remedy=self._remedy(),
            )
        if attempt is not None and not change.lost:
            _log.warning("auth_retry_attempt", attempt=attempt.number, error=attempt.error)
        if change.recovered is not None:
            _log.info("auth_retry_recovered", **about, attempt=change.recovered)
        elif after.state is StandingState.AUTHORIZED:
            _log.info("solver_standing_authorized", **about)
        if change.terminated:
            _log.error(
                "auth_retry_terminated",
                attempt=after.attempts,
                cumulative_secs=after.waited_seconds,
                consequence="the node is asked again when it changes, or in a day",
                remedy=self._remedy(),
            )
        elif change.before is StandingState.TERMINATED and is_refused(after):
            _log.info("auth_retry_resumed", **about)

    def _remedy(self) -> str:
        return registration(self._own_key)

    def _show(self, *, recovered: bool = False) -> None:
        """Tell health of our standing where that is what keeps us from mediating, or did."""
        trouble = self.trouble
        if trouble is not None:
            self._health.set(Part.MEDIATION, ok=False, reason=trouble)
        elif recovered:
            self._health.set(Part.MEDIATION, ok=True)


def _remembered(tx: sa.Connection, node: str) -> tuple[Standing | None, LastAnswer | None]:
    return kept.load(tx, node), kept.last_answer(tx, node)


def _still_open(tx: sa.Connection, refusal: _Refusal) -> bool:
    """Whether nobody took the dispute, or closed it, since before its take was refused."""
    newest = disputes.load_known(tx, [refusal.dispute_id]).get(refusal.dispute_id)
    if newest is None or newest.status is not DisputeStatus.INITIATED:
        return False
    # Opened anew later means that it was taken or closed; the node's clock may be ahead of ours.
    return newest.created_at <= refusal.at + SETTLING_SECONDS
