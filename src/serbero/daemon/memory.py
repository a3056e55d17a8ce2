"""The C library's memory: kept in one heap, and given back after a burst.

The relay library's threads allocate what a burst brings and free it again. glibc would give each
thread a heap of its own and keep what was freed for the next time: some 25 MB after ten thousand
events.
"""

import asyncio
import ctypes
from typing import Final, Never

from serbero.clock import Clock

EVERY_SECONDS: Final = 30.0
"""A call takes a few milliseconds of another thread, and finds next to nothing while idle."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""Names of ``mallopt`` parameters (glibc's ``malloc.h``)."""
_THRESHOLD_BYTES: Final = 65_536
"""Larger blocks are mapped by themselves and unmapped when freed; glibc's own threshold grows."""


def keep_one_heap() -> bool:
    """Set the allocator up; call it before other threads start. False where there is no such call.

    Calls from several threads then wait for one another, for far less than a relay takes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = (
        (_M_ARENA_MAX, 1),
        (_M_MMAP_THRESHOLD, _THRESHOLD_BYTES),
        (_M_TRIM_THRESHOLD, _THRESHOLD_BYTES),
    )
    accepted = [mallopt(name, value) == 1 for name, value in settings]
    return all(accepted)


def give_back() -> bool:
    """Return freed memory to the system; False where the C library has no such call."""
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
