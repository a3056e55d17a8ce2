"""A store that waits out a database that is locked, read-only or full.

The parts that must not lose anything go through this: a transaction that could not happen is
tried again until it can, while health, metrics and the log say so. Nothing is notified meanwhile,
because what was not committed must not be sent.
"""

from collections.abc import Awaitable, Callable
from typing import Concatenate, Final, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog

from serbero.clock import Clock
from serbero.model.backoff import exponential
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.store.engine import Store
from serbero.store.errors import StoreRejected, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")

FIRST_WAIT_SECONDS: Final = 0.2
LONGEST_WAIT_SECONDS: Final = 5.0
"""A database comes back at once (a lock) or after a person acts: five seconds lose nothing."""

_log = structlog.get_logger(__name__)


class PatientStore:
    """:class:`serbero.store.engine.Store` for callers that would only retry."""

    def __init__(self, store: Store, clock: Clock, health: Health, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._health = health
        self._metrics = metrics
        self._stuck = 0
        self._down = False

    async def transact(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``fn`` in one writing transaction, however long the database takes to allow it.

        Raises:
            StoreRejected: the values are at fault; waiting would not help.
        """
        return await self._patiently(lambda: self._store.transact(fn, *args, **kwargs))

    async def read(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``fn`` in one reading transaction, however long the database takes to allow it."""
        return await self._patiently(lambda: self._store.read(fn, *args, **kwargs))

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works; the database counts as away while anybody still tries.

        Another's success proves little: a full database takes small changes, a locked one reads.
        """
        tries = 0
        try:
            while True:
                try:
                    result = await attempt()
                except StoreUnavailable as error:
                    tries += 1
                    self._stuck += tries == 1
                    self._unavailable(error)
                else:
                    break
                await self._clock.sleep(
                    exponential(tries, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
                )
        except StoreRejected:
            self._metrics.database_errors.labels("rejected").inc()
            self._answered(tries)
            raise
        except BaseException:
            self._stuck -= tries > 0
            raise
        self._answered(tries)
        return result

    def _unavailable(self, error: StoreUnavailable) -> None:
        self._metrics.database_errors.labels(error.trouble.value).inc()
        self._health.set(Part.STORE, ok=False, reason=str(error))
        if not self._down:
            self._down = True
            _log.error(
                "database_unavailable",
                trouble=error.trouble.value,
                reason=error.detail,
                remedy=error.remedy,
                consequence="nothing is notified until the database can be written again",
            )

    def _answered(self, tries: int) -> None:
        """The database did what it was asked, after ``tries`` failures."""
        self._stuck -= tries > 0
        if self._stuck:
            return
        if self._down:
            self._down = False
            _log.warning("database_restored")
        self._health.set(Part.STORE, ok=True)
