"""Work in a thread that the end of the process does not wait for."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_background(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``fn`` in a thread of its own and return what it returns.

    The event loop's own threads are joined when it ends; loading a provider's library takes
    seconds on a busy machine, and nobody who stops the daemon shall wait for that.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, fault: BaseException | None) -> None:
        if outcome.done():
            return
        if fault is not None:
            outcome.set_exception(fault)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, fault = None, None
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            fault = error
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(tell, result, fault)

    threading.Thread(target=work, name="background", daemon=True).start()
    return await outcome
