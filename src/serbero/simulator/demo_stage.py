"""The stage of the demonstration: relays, a node, solvers' devices, the daemon's configuration."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import sqlalchemy as sa
from nostr_sdk import Keys

from serbero.clock import Clock
from serbero.config.files import write_private
from serbero.config.models import DEFAULT_DATABASE
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import NotificationType
from serbero.model.reference_names import NOTIFICATION_SENT
from serbero.simulator.demo_daemon import DaemonProcess
from serbero.simulator.demo_ledger import Ledger
from serbero.simulator.demo_serbero import RunSerbero, Serbero
from serbero.simulator.events import inbox_relays_event
from serbero.simulator.node import Category, MostroNode
from serbero.simulator.node_messages import Protocol
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox
from serbero.store import outbox
from serbero.store.engine import run_once
from serbero.store.schema import disputes, notifications
from serbero.store.sqlite import LOCK_SUFFIX

CONFIG_NAME: Final = "config.toml"
DATABASE_NAME: Final = DEFAULT_DATABASE
LOG_NAME: Final = "serbero.log"
MARK: Final = "# Written by `serbero demo`; its relays and keys lived as long as the demo."
"""First line of the configuration: tells a folder of ours from a foreign one."""
LEFTOVERS: Final = frozenset(
    {CONFIG_NAME, LOG_NAME} | {DATABASE_NAME + end for end in ("", "-wal", "-shm", LOCK_SUFFIX)}
)
"""What a demonstration leaves in a folder that is kept."""

_NAMES: Final = [
    "Alice",
    "Bruno",
    "Chiara",
    "Diego",
    "Esther",
    "Fatima",
    "Goran",
    "Hana",
    "Imani",
    "Jonas",
    "Kenji",
    "Leila",
    "Mateo",
    "Nadia",
    "Oscar",
    "Priya",
    "Quinn",
    "Rosa",
    "Samir",
    "Tove",
    "Uma",
    "Viktor",
    "Wanda",
    "Ximena",
    "Yusuf",
    "Zofia",
]


def is_ours(folder: Path) -> bool:
    """Whether the configuration in ``folder`` was written by an earlier demonstration.

    Raises:
        OSError: it cannot be read.
    """
    config = folder / CONFIG_NAME
    return config.is_file() and config.read_text(errors="replace").startswith(MARK)


def solver_names(count: int) -> list[str]:
    """Return ``count`` different names that fit a column of eight characters."""
    rounds = range(count // len(_NAMES) + 1)
    return [name if n == 0 else f"{name[:6]}{n + 1}" for n in rounds for name in _NAMES][:count]


@dataclass(frozen=True, slots=True)
class Truth:
    """What the daemon's database says.

    Attributes:
        states: the lifecycle state of each dispute.
        sent: rows of sent messages by type, as the reference's table counts them.
        pending: messages that no relay has yet.
    """

    states: dict[str, Lifecycle]
    sent: dict[NotificationType, int]
    pending: int


class Stage:
    """Everything around the daemon, as an async context manager.

    Args:
        folder: where configuration, database and log go; it exists.
        solvers: how many.
        reminder_seconds: after how long an unattended dispute is told again.
        protocol: what the node speaks.
        clock: where time comes from.

    Attributes:
        node: the Mostro node; Serbero is registered there, read-only.
        people: the solvers' devices. The second reads on a relay of their own (kind 10050).
        daemon: the process, once :meth:`raise_daemon` was called.
        serbero: the same in this process, once :meth:`raise_serbero` was called.
    """

    def __init__(
        self,
        folder: Path,
        solvers: int,
        reminder_seconds: int,
        protocol: Protocol,
        clock: Clock,
    ) -> None:
        self.config_path = folder / CONFIG_NAME
        self.database_path = folder / DATABASE_NAME
        self.log_path = folder / LOG_NAME
        self._keys = Keys.generate()
        self._protocol = protocol
        self._reminder_seconds = reminder_seconds
        self._clock = clock
        self._home = LoopbackRelay()
        self._inbox = LoopbackRelay() if solvers > 1 else None
        self._stack = AsyncExitStack()
        self._read: dict[str, int] = {}
        self.names = solver_names(solvers)
        self.node: MostroNode
        self.people: list[SolverInbox] = []
        self.daemon: DaemonProcess | None = None
        self.serbero: Serbero | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._build()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def relay_urls(self) -> list[str]:
        """The relays that run: the configured one, then the one for inboxes."""
        return [self._home.url] + ([self._inbox.url] if self._inbox else [])

    def own_relay(self, person: SolverInbox) -> bool:
        """Whether a solver reads on a relay of their own alone."""
        return self._inbox is not None and person.relay_urls == (self._inbox.url,)

    async def _build(self) -> None:
        enter = self._stack.enter_async_context
        await enter(self._home)
        if self._inbox is not None:
            await enter(self._inbox)
        self.node = await enter(
            MostroNode([self._home.url], clock=self._clock, protocol=self._protocol)
        )
        await self.node.announce()
        self.node.register(self._keys.public_key().to_hex(), Category.READ)
        await enter(self.node.serving())
        for index, name in enumerate(self.names):
            url = self._inbox.url if self._inbox is not None and index == 1 else self._home.url
            person = SolverInbox([url], clock=self._clock, name=name)
            self.people.append(await enter(person))
            if url != self._home.url:
                await self._publish_inbox(person)

    async def _publish_inbox(self, person: SolverInbox) -> None:
        """Say where a solver reads, on the relay where Serbero looks it up."""
        event = inbox_relays_event(person.keys, self._clock.now(), person.relay_urls)
        async with RelayPeer(self._home.url) as peer:
            await peer.publish(event)

    async def raise_daemon(self) -> DaemonProcess:
        """Write the configuration and start the daemon.

        Raises:
            DaemonFailed: it does not come up.
            OSError: the configuration cannot be written.
        """
        self.write_config()
        process = DaemonProcess(self.config_path, self.log_path, self._clock)
        self.daemon = await self._stack.enter_async_context(process)
        await self.daemon.until_ready()
        return self.daemon

    def write_config(self) -> None:
        """Write the configuration.

        Raises:
            OSError: it cannot be written, or is there already.
        """
        write_private(self.config_path, self._config(), overwrite=False)

    async def raise_serbero(self, run: RunSerbero) -> Serbero:
        """Start it in this process, on what the daemon left.

        Raises:
            DaemonFailed: it does not come up.
            StoreError: the database cannot be used.
        """
        made = run(self.config_path, self.log_path, self._clock)
        self.serbero = await self._stack.enter_async_context(made)
        return self.serbero

    def check(self) -> None:
        """Do nothing while whatever of Serbero was started runs.

        Raises:
            DaemonFailed: it ended by itself.
        """
        for each in (self.daemon, self.serbero):
            if each is not None:
                each.check()

    def _config(self) -> str:
        head = f"""{MARK}

[serbero]
private_key = "{self._keys.secret_key().to_bech32()}"
db_path = {_quoted(str(self.database_path.absolute()))}

[mostro]
pubkey = "{self.node.keys.public_key().to_bech32()}"

[[relays]]
url = "{self._home.url}"

[timeouts]
# Minutes on a real node. One reminder a dispute: the next one would wait a hundred times longer.
renotification_seconds = {self._reminder_seconds}
renotification_check_interval_seconds = 1
renotification_backoff = 100.0

[delivery]
# The solvers' own relays run on this machine too.
allow_private_relays = true

[observe]
log_format = "json"
"""
        people = [
            f'\n[[solvers]]  # {each.name}\npubkey = "{each.keys.public_key().to_bech32()}"\n'
            for each in self.people
        ]
        return head + "".join(people)

    # What can be seen from here.

    def collect(self, ledger: Ledger) -> None:
        """Enter what arrived on the solvers' devices since the last time."""
        for person in self.people:
            start = self._read.get(person.name, 0)
            fresh = person.received[start:]
            self._read[person.name] = start + len(fresh)
            for each in fresh:
                message = each.message
                if message.sender == self.node.public_key:
                    continue  # protocol 1: a letter for the client they solve with
                ledger.arrive(person.name, message.outer_id, message.text, each.monotonic)

    async def collect_stored(self, ledger: Ledger) -> None:
        """Enter what the relays hold, as a device does that was offline for a while.

        Raises:
            PeerError: a relay does not answer.
        """

        async def look(person: SolverInbox) -> None:
            for url in self.relay_urls:
                for message in await person.all_events(url):
                    at = self._clock.monotonic()
                    if message.sender == self.node.public_key:
                        continue
                    ledger.arrive(person.name, message.outer_id, message.text, at)

        self.collect(ledger)
        await asyncio.gather(*(look(person) for person in self.people))

    def unreadable(self) -> list[str]:
        """What arrived and could not be opened."""
        return [f"{person.name}: {each}" for person in self.people for each in person.unreadable]

    async def truth(self) -> Truth:
        """Read the daemon's database, beside the daemon.

        Raises:
            StoreError: it cannot be read.
        """
        return await asyncio.to_thread(run_once, self.database_path, read_truth)


def read_truth(tx: sa.Connection) -> Truth:
    """Read states and counts."""
    states = tx.execute(sa.select(disputes.c.dispute_id, disputes.c.lifecycle_state))
    sent = tx.execute(
        sa.select(notifications.c.notif_type, sa.func.count())
        .where(notifications.c.status == NOTIFICATION_SENT)
        .group_by(notifications.c.notif_type)
    )
    return Truth(
        states={row[0]: Lifecycle(row[1]) for row in states},
        sent={NotificationType(row[0]): row[1] for row in sent},
        pending=outbox.depth(tx).pending,
    )


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def short(dispute_id: str) -> str:
    """What people call a dispute: the beginning of its id, as in the messages' subject."""
    return dispute_id[:8]


def listing(dispute_ids: Sequence[str], most: int = 4) -> str:
    """Name a few disputes."""
    shown = ", ".join(short(each) for each in dispute_ids[:most])
    return shown + (", ..." if len(dispute_ids) > most else "")
