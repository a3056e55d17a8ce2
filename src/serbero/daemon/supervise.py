"""How a part that fails is treated: optional parts are restarted, the others end the process."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, Never

import structlog

from serbero.clock import Clock
from serbero.model.backoff import exponential

FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 300.0
STEADY_SECONDS: Final = 600.0
"""A part that ran this long before it failed starts over with the first wait."""

_log = structlog.get_logger(__name__)


async def keep_alive(
    name: str, part: Callable[[], Coroutine[Any, Any, object]], clock: Clock
) -> Never:
    """Run an optional part, and again with backoff whenever it ends or fails."""
    failures = 0
    while True:
        started = clock.monotonic()
        try:
            await part()
            _log.error("part_ended", part=name)
        except Exception:  # noqa: BLE001
            # The supervision boundary: whatever a part raises must not take the others along.
            _log.exception("part_failed", part=name)
        failures = 1 if clock.monotonic() - started > STEADY_SECONDS else failures + 1
        await clock.sleep(exponential(failures, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS))
