"""Memory the C library keeps after a burst, given back to the system."""

import asyncio
import ctypes
from typing import Final, Never

from serbero.clock import Clock

EVERY_SECONDS: Final = 30.0
"""A call takes a few milliseconds of another thread, and finds next to nothing while idle."""


def give_back() -> bool:
    """Return freed memory to the system; False where the C library has no such call.

    The relay library's threads free what a burst filled, and glibc keeps it for the next one:
    some 12 MB after ten thousand events.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return False
    trim(0)
    return True


async def keep_small(clock: Clock) -> Never:
    """Give back now and then; where that is impossible, rest."""
    while True:
        await clock.sleep(EVERY_SECONDS)
        if not await asyncio.to_thread(give_back):
            await asyncio.get_running_loop().create_future()
