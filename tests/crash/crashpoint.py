"""Runs a Python module with numbered places at which it can be made to die.

``python tests/crash/crashpoint.py serbero run --config ...`` runs ``serbero`` unchanged, except
that each of these is counted:

=================  =================================================================
``commit:before``  a transaction that changed rows is about to be committed
``commit:after``   it has been
``publish:before`` a gift wrap is about to be handed to the relay library
``publish:after``  it has been; whether the relay got it is open
``publish:acked``  the relay's ``OK`` for one has arrived, and nothing was done with it yet
=================  =================================================================

``CRASH_AT=commit:after:3`` kills the process with SIGKILL at the third of those. ``CRASH_LOG``
names a file that gets a line for each place the run came to.

Transactions that changed nothing are not counted: they come with timers, so their number is
chance, and dying in one is dying between two others.

``CRASH_HURRY`` shortens the waits that are there for people, see :data:`WAITS`.
"""

import importlib
import json
import os
import runpy
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import nostr_sdk
from sqlalchemy.engine.default import DefaultDialect

from serbero.mostro.transport import MESSAGE_KIND
from serbero.nostr.wrap import GIFT_WRAP_KIND
from serbero.relays.outgoing import Outgoing

MESSAGES = (GIFT_WRAP_KIND, MESSAGE_KIND)
"""Kinds of events that carry messages: to solvers, to the node, to parties."""

KINDS = ("commit:before", "commit:after", "publish:before", "publish:after", "publish:acked")

WAITS = {
    ("serbero.model.ladder", "SHORTEST_WAIT_SECONDS"): 1,
    ("serbero.escalation.reminding", "HEAR_FIRST_SECONDS"): 0.5,
}
"""Seconds between two reminders and before the first look of a life, for the hurried."""


class CrashPoints:
    """Counts the places of this process and ends it at the wanted one."""

    def __init__(self, wanted: str, log: str) -> None:
        self._wanted, self._log = wanted, log
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()  # commits happen on the database's thread

    def reach(self, kind: str) -> None:
        with self._lock:
            self._counts[kind] += 1
            name = f"{kind}:{self._counts[kind]}"
            if self._log:
                with open(self._log, "a") as log:  # noqa: PTH123 - the cheapest append
                    log.write(f"{name}\n")
            if name == self._wanted:
                os.kill(os.getpid(), signal.SIGKILL)


def count_commits(points: CrashPoints) -> None:
    """Wrap the one road every transaction takes to its COMMIT."""
    commit: Callable[[DefaultDialect, Any], None] = DefaultDialect.do_commit
    changes: dict[int, int] = {}

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        total = connection.total_changes
        changed = total != changes.get(id(connection.driver_connection), 0)
        changes[id(connection.driver_connection)] = total
        if changed:
            points.reach("commit:before")
        commit(self, connection)
        if changed:
            points.reach("commit:after")

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def count_publishes(points: CrashPoints) -> None:
    """Wrap what goes out to relays and what they answer, as far as it is about messages."""
    send, answered = nostr_sdk.Relay.send_msg, Outgoing.answered
    published: set[str] = set()

    async def send_msg(self: nostr_sdk.Relay, msg: nostr_sdk.ClientMessage) -> None:
        match json.loads(msg.as_json()):
            case ["EVENT", {"kind": kind, "id": event_id}] if kind in MESSAGES:
                published.add(event_id)
                points.reach("publish:before")
                await send(self, msg)
                points.reach("publish:after")
            case _:
                await send(self, msg)

    def on_answer(self: Outgoing, event_id: str, accepted: bool, message: str) -> bool:
        if event_id in published:
            points.reach("publish:acked")
        return answered(self, event_id, accepted, message)

    nostr_sdk.Relay.send_msg = send_msg  # type: ignore[method-assign]
    Outgoing.answered = on_answer  # type: ignore[method-assign]


def hurry() -> None:
    """Shorten waits that nobody can configure away, so that no run lasts minutes for them."""
    for (module, name), seconds in WAITS.items():
        changed = importlib.import_module(module)
        assert hasattr(changed, name), name
        setattr(changed, name, seconds)


def main() -> None:
    """Run the module named by the first argument with the arguments after it."""
    points = CrashPoints(os.environ.get("CRASH_AT", ""), os.environ.get("CRASH_LOG", ""))
    count_commits(points)
    count_publishes(points)
    if os.environ.get("CRASH_HURRY"):
        hurry()
    module, sys.argv = sys.argv[1], sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
