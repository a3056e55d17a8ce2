"""A signal ends what is played, and everything it started."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def signals_cancel(playing: asyncio.Future[Any]) -> Iterator[None]:
    """Cancel ``playing`` at the first signal; later ones find it stopping, which is bounded."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked:
            asked = True
            playing.cancel()

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
