"""Mediation as the daemon connects it: bring-up in the background, loops, and hooks for others.

Nothing here is waited for by detection or delivery. The hooks run inside the transactions of the
rooms they are given to.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.chat.channel import AcceptedMessage
from serbero.clock import Clock
from serbero.config.models import PromptsSection
from serbero.mediation.authority import Authority
from serbero.mediation.briefing import Briefs
from serbero.mediation.bundles import Bundles
from serbero.mediation.clocks import Clocks
from serbero.mediation.conversing import Conversation
from serbero.mediation.mind import Mind
from serbero.mediation.policy import prepare
from serbero.mediation.starting import Starter
from serbero.model.backoff import exponential
from serbero.observe.health import Part, Reporter
from serbero.reasoning import bundle as bundles
from serbero.reasoning.background import in_background
from serbero.reasoning.bundle import BundleProblem
from serbero.store import session_messages, sessions
from serbero.store.session_messages import Arrived

FIRST_WAIT_SECONDS: Final = 5.0
LONGEST_WAIT_SECONDS: Final = 300.0
"""Between two attempts to bring mediation up: a provider comes back, or a person mends a file."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Stores what parties write, in the transaction in which the chat accepts it.

    Attributes:
        settle_seconds: quiet after a message before the model is asked.
    """

    settle_seconds: int

    def record(self, tx: sa.Connection, accepted: AcceptedMessage) -> None:
        """Store one message in the newest session of its dispute."""
        newest = next(iter(sessions.of_dispute(tx, accepted.dispute_id)), None)
        if newest is None:
            return
        message = accepted.message
        arrived = Arrived(
            session_id=newest.session_id,
            party=accepted.party,
            address=newest.side(accepted.party).address or "",
            inner_id=message.inner_id,
            created_at=message.created_at,
            outer_id=message.outer_id,
            text=message.text,
        )
        session_messages.take_in(tx, arrived, accepted.accepted_at, self.settle_seconds)


class BringUp:
    """Makes ready what mediation needs: the bundle, the model, the policy's word lists.

    Args:
        section: where the bundle is.
        mind: the model.
        bundles: takes the bundle.
        health: told how it goes.
        clock: ours.
    """

    def __init__(
        self,
        section: PromptsSection,
        mind: Mind,
        bundles: Bundles,
        health: Reporter,
        clock: Clock,
    ) -> None:
        self._section, self._mind, self._bundles = section, mind, bundles
        self._health, self._clock = health, clock
        self._told: str | None = None

    async def run(self) -> None:
        """Try until everything is there."""
        attempt = 0
        while (problem := await self._try_safely()) is not None:
            attempt += 1
            if problem != self._told:
                self._told = problem
                _log.error(
                    "mediation_unavailable",
                    reason=problem,
                    consequence="disputes are notified and not mediated; tried again",
                )
            self._health.set(Part.MEDIATION, ok=False, reason=problem)
            await self._clock.sleep(exponential(attempt, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS))
        _log.info("Phase 3 mediation is fully configured; engine task will be spawned")
        self._health.set(Part.MEDIATION, ok=True)

    async def _try_safely(self) -> str | None:
        """Try once; a fault nobody foresaw is a problem like any other.

        Open sessions are led, and their time is watched, whether or not anything can begin.
        """
        try:
            return await self._try()
        except Exception as error:  # noqa: BLE001 - a boundary: a broken library, a full disk
            reason = f"a fault nobody foresaw ({type(error).__name__})"
            if reason != self._told:
                _log.exception("mediation_bring_up_failed")
            return reason

    async def _try(self) -> str | None:
        """Try once; return what is wrong, None when all is well."""
        await in_background(prepare)
        try:
            bundle = await in_background(bundles.load, self._section)
        except BundleProblem as problem:
            return str(problem)
        if problems := await self._mind.prepare():
            # A model that cannot be used is passed over; without any, the ping says so.
            _log.warning("reasoning_misconfigured", problems=list(problems))
        if (failed := await self._mind.health()) is not None:
            return str(failed)
        _log.info("reasoning provider health check ok")
        await self._bundles.take(bundle, self._clock.now())
        _log.info("Phase 3 prompt bundle loaded", policy_hash=bundle.policy_hash)
        return None


class Engine:
    """Everything of mediation that runs.

    Args:
        conversation: leads open sessions, with or without a model.
        clocks: looks at the time.
        briefs: writes down chats for who took a dispute over.
        starter: begins sessions; None where mediation is off.
        authority: whether the node lets us act; None where mediation is off.
        bring_up: makes ready what beginning needs; None where mediation is off.
        mind: the model, closed in the end; None where mediation is off.
    """

    def __init__(
        self,
        *,
        conversation: Conversation,
        clocks: Clocks,
        briefs: Briefs,
        starter: Starter | None = None,
        authority: Authority | None = None,
        bring_up: BringUp | None = None,
        mind: Mind | None = None,
    ) -> None:
        self.conversation, self.clocks, self.briefs = conversation, clocks, briefs
        self.starter, self.authority = starter, authority
        self._bring_up, self._mind = bring_up, mind

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self.conversation.idle and (self.starter is None or self.starter.idle)

    def wake_starts(self) -> None:
        """A dispute may have become one to mediate, or one that a person took over."""
        self.briefs.wake()
        if self.starter is not None:
            self.starter.wake()

    def granted(self) -> None:
        """The node gave us a dispute; a session may wait to be opened."""
        if self.authority is not None:
            self.authority.granted()
        self.wake_starts()

    def on_accepted(self, _message: AcceptedMessage) -> None:
        """A party wrote; it is stored."""
        self.conversation.wake()

    def node_info_seen(self) -> None:
        """The node said something about itself."""
        if self.authority is not None:
            self.authority.info_changed()

    async def run(self) -> Never:
        """Run until cancelled."""
        if self.authority is not None:
            await self.authority.load()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.conversation.run(), name="mediation-converse")
            tasks.create_task(self.clocks.run(), name="mediation-clocks")
            tasks.create_task(self.briefs.run(), name="mediation-briefs")
            if self.authority is not None:
                tasks.create_task(self.authority.run(), name="mediation-authority")
            if self.starter is not None and self._bring_up is not None:
                tasks.create_task(self._start(self.starter, self._bring_up), name="mediation-start")
        raise AssertionError("mediation's tasks end only by cancellation")

    async def close(self) -> None:
        """Close the connections to the models. Call it after :meth:`run` ended."""
        if self._mind is not None:
            await self._mind.close()

    @staticmethod
    async def _start(starter: Starter, bring_up: BringUp) -> Never:
        await bring_up.run()
        await starter.run()
