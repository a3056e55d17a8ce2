"""Where scenarios play: a relay, a node, two solvers, a scripted model, and the real daemon.

Everything talks over real sockets of this machine; the daemon is a process of its own, configured
as an operator would, only with shorter times.
"""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, Self
from zoneinfo import ZoneInfo

from nostr_sdk import Keys

from serbero.clock import Clock
from serbero.config.files import write_private
from serbero.model.people import Permission
from serbero.reasoning.calls import Purpose
from serbero.simulator.demo_daemon import DaemonFailed, DaemonProcess
from serbero.simulator.demo_stage import CONFIG_NAME, DATABASE_NAME, LOG_NAME, MARK
from serbero.simulator.model_endpoint import ModelServer, Received, Says, Sends, Step
from serbero.simulator.node import Category, MostroNode
from serbero.simulator.node_messages import Protocol as MostroProtocol
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.scenario_duty_verdict import LEASE_SECONDS
from serbero.simulator.scenario_ladder import Watch, read_watch
from serbero.simulator.scenario_letters import READER, SLEEPER, WRITER
from serbero.simulator.scenario_prompt import Asked, read_prompt
from serbero.simulator.scenario_truth import UNKNOWN, Case, read_cases
from serbero.simulator.solver import SolverInbox
from serbero.simulator.solver_client import SolverClient
from serbero.store.engine import run_once

MODEL_KEY: Final = "demo-key-for-a-model-that-is-a-script"
KEY_VARIABLE: Final = "DEMO_MODEL_KEY"

ZONE: Final = "America/Argentina/Buenos_Aires"
"""Where the solver lives who sleeps."""
_ASLEEP_MINUTES: Final = 120
_NIGHT_MINUTES: Final = 480
_MINUTES_A_DAY: Final = 1440

STOP_SECONDS: Final = 40.0
"""How long a daemon may take to end: with a model's libraries loaded the interpreter itself takes
its time, and several end at once."""
_LOOK_SECONDS: Final = 0.15
"""Between two looks into the database, however many scenes wait for something in it."""


@dataclass(frozen=True, slots=True)
class Times:
    """The seconds in which a world differs from others.

    Attributes:
        response_timeout: how long a party may be silent.
        remind_after: from a hand-off to the first reminder; None: none is dispatched, and nobody
            sleeps.
    """

    response_timeout: int = 600
    remind_after: int | None = None


class Listener(Protocol):
    """A scene, as far as the model's endpoint knows one."""

    def model_says(self, asked: Asked) -> str | None:
        """What the model answers; None while it is down."""


class World:
    """One daemon and everything around it, as an async context manager.

    Args:
        folder: where configuration, database and log go; it exists.
        times: what differs.
        protocol: what the node speaks.
        clock: where time comes from.

    Attributes:
        node: Serbero is registered there, read-only.
        reader: a solver's device.
        writer: likewise; this one may take disputes over.
        sleeper: likewise, in quiet hours now; None where nobody needs her.
        quiet: her quiet hours, such as ``22:00-07:00``, in :data:`ZONE`.
        person: the client with which the writer does.
        model: the endpoint.
        daemon: the process that runs now, or ran last.
        stopped: its exit code when it was told to stop; None before.
    """

    def __init__(self, folder: Path, times: Times, protocol: MostroProtocol, clock: Clock) -> None:
        self.folder = folder
        self.config_path = folder / CONFIG_NAME
        self.database_path = folder / DATABASE_NAME
        self.log_path = folder / LOG_NAME
        self.protocol: MostroProtocol = protocol
        self.clock = clock
        self._times = times
        self._keys = Keys.generate()
        self._relay = LoopbackRelay()
        self._stack = AsyncExitStack()
        self._scenes: dict[str, Listener] = {}
        self._cases: dict[str, Case] = {}
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()
        self.model = ModelServer(script=self._answer, clock=clock)
        self.node: MostroNode
        self.reader: SolverInbox
        self.writer: SolverInbox
        self.sleeper: SolverInbox | None = None
        self.quiet = night(clock.now())
        self.person: SolverClient
        self.daemon: DaemonProcess
        self.stopped: int | None = None

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
    def relay_url(self) -> str:
        """The one relay."""
        return self._relay.url

    @property
    def serbero(self) -> str:
        """Serbero's key, hex."""
        return self._keys.public_key().to_hex()

    @property
    def people(self) -> tuple[SolverInbox, ...]:
        """The solvers' devices, as they are configured."""
        if self.sleeper is None:
            return self.awake
        return self.sleeper, self.writer, self.reader

    @property
    def awake(self) -> tuple[SolverInbox, ...]:
        """Those whose owners may be woken by anything."""
        return self.reader, self.writer

    @property
    def secrets(self) -> dict[str, str]:
        """What no log may hold, by what people call it."""
        secret = self._keys.secret_key()
        return {
            "Serbero's private key": secret.to_hex(),
            "Serbero's private key (nsec)": secret.to_bech32(),
            "the model's key": MODEL_KEY,
        }

    async def _build(self) -> None:
        enter = self._stack.enter_async_context
        await enter(self._relay)
        urls = [self.relay_url]
        self.node = await enter(MostroNode(urls, clock=self.clock, protocol=self.protocol))
        await self.node.announce()
        self.node.register(self.serbero, Category.READ)
        await enter(self.node.serving())
        await enter(self.model)
        self.reader = await enter(SolverInbox(urls, clock=self.clock, name=READER))
        self.writer = await enter(SolverInbox(urls, clock=self.clock, name=WRITER))
        self.node.register(self.reader.public_key, Category.READ)
        self.node.register(self.writer.public_key, Category.READ_WRITE)
        if self._times.remind_after is not None:
            self.sleeper = await enter(SolverInbox(urls, clock=self.clock, name=SLEEPER))
            self.node.register(self.sleeper.public_key, Category.READ_WRITE)
        client = SolverClient(
            urls,
            self.node.public_key,
            clock=self.clock,
            protocol=self.protocol,
            keys=self.writer.keys,
        )
        self.person = await enter(client)
        write_private(self.config_path, self._config(), overwrite=False)
        self.daemon = self._process()

    # The daemon.

    def _process(self) -> DaemonProcess:
        extra = {KEY_VARIABLE: MODEL_KEY}
        return DaemonProcess(self.config_path, self.log_path, self.clock, extra)

    async def start(self) -> None:
        """Start the daemon, again where it was killed.

        Raises:
            DaemonFailed: it does not come up.
        """
        self.daemon = await self._stack.enter_async_context(self._process())
        await self.daemon.until_ready()

    async def stop(self) -> None:
        """Tell the daemon to stop; it has ended after this.

        Raises:
            DaemonFailed: it did not stop in order.
        """
        self.daemon.check()
        self.stopped = await self.daemon.stop(STOP_SECONDS)
        if self.stopped != 0:
            raise DaemonFailed(
                f"expected the daemon to exit with 0, found {self.stopped}", self.daemon.tail()
            )

    def _config(self) -> str:
        after = self._times.remind_after
        ladder = "" if after is None else _LADDER.format(after=after, lease=LEASE_SECONDS)
        people = [self._entry(each) for each in self.people]
        return _HEAD.format(
            mark=MARK,
            nsec=self._keys.secret_key().to_bech32(),
            database=json.dumps(str(self.database_path.absolute())),
            node=self.node.keys.public_key().to_bech32(),
            relay=self.relay_url,
            silence=self._times.response_timeout,
            model=self.model.base,
            key=KEY_VARIABLE,
        ) + "".join([ladder, *people])

    def _entry(self, person: SolverInbox) -> str:
        """A solver's part of the configuration."""
        permission = Permission.READ if person is self.reader else Permission.WRITE
        entry = (
            f'\n[[solvers]]\npubkey = "{person.keys.public_key().to_bech32()}"\n'
            f'permission = "{permission.value}"\nname = "{person.name}"\n'
        )
        if person is self.sleeper:
            entry += f'timezone = "{ZONE}"\nquiet = "{self.quiet}"\n'
        return entry

    # The model.

    def listen(self, order_id: str, scene: Listener) -> None:
        """Let a scene answer for the model whenever it is asked about an order's dispute."""
        self._scenes[order_id] = scene

    def _answer(self, request: Received) -> Step:
        """Answer by what the prompt is about, never by the order of calls."""
        try:
            asked = read_prompt(request.user)
        except (ValueError, LookupError, TypeError):
            asked = None
        if asked is None:
            return Sends(400, b'{"error": {"message": "not a prompt of Serbero"}}')
        if asked.purpose is Purpose.HEALTH:
            return self._pinged()
        dispute = self.node.disputes.get(asked.dispute_id)
        scene = None if dispute is None else self._scenes.get(dispute.order_id or "")
        if scene is None:
            return Sends(400, b'{"error": {"message": "not a dispute of this script"}}')
        said = scene.model_says(asked)
        return _DOWN if said is None else Says(said)

    def _pinged(self) -> Step:
        ping = Asked(Purpose.HEALTH)
        down = any(scene.model_says(ping) is None for scene in self._scenes.values())
        return _DOWN if down else Says("pong")

    # The database.

    async def case(self, dispute_id: str) -> Case:
        """What the database says of a dispute, at most a moment ago.

        Raises:
            StoreError: it cannot be read.
        """
        async with self._looking:
            if self.clock.monotonic() - self._looked_at > _LOOK_SECONDS:
                await self.look()
        return self._cases.get(dispute_id, UNKNOWN)

    async def watch(self, dispute_id: str) -> Watch:
        """What the database says of the waiting for a person, now.

        Raises:
            StoreError: it cannot be read.
        """
        names = {each.public_key: each.name for each in self.people}
        names |= {each.keys.public_key().to_bech32(): each.name for each in self.people}
        return await asyncio.to_thread(
            run_once,
            self.database_path,
            lambda tx: read_watch(tx, dispute_id, names, self.clock.now()),
        )

    async def look(self) -> None:
        """Read the database now.

        Raises:
            StoreError: it cannot be read.
        """
        self._cases = await asyncio.to_thread(run_once, self.database_path, read_cases)
        self._looked_at = self.clock.monotonic()


def night(now: int) -> str:
    """Quiet hours that hold at ``now`` (Unix seconds) and for hours to come."""
    local = datetime.fromtimestamp(now, ZoneInfo(ZONE))
    began = (local.hour * 60 + local.minute - _ASLEEP_MINUTES) % _MINUTES_A_DAY
    ends = (began + _NIGHT_MINUTES) % _MINUTES_A_DAY
    return "-".join(f"{each // 60:02}:{each % 60:02}" for each in (began, ends))


_LADDER: Final = """
[escalation]
enabled = true
acknowledge = true
acknowledge_lease_seconds = {lease}
deadline_warnings = true

# Minutes on a real node.
[[escalation.steps]]
after_seconds = {after}
to = "writers"

[[escalation.steps]]
after_seconds = 1800
to = "everyone"
"""

_DOWN: Final = Sends(503, b'{"error": {"message": "overloaded"}}')

_HEAD: Final = """{mark}

[serbero]
private_key = "{nsec}"
db_path = {database}

[mostro]
pubkey = "{node}"

[[relays]]
url = "{relay}"

[timeouts]
# Nobody needs to be reminded here.
renotification_seconds = 86400

[delivery]
# The solvers' own relays run on this machine too.
allow_private_relays = true

[observe]
log_format = "json"

[mediation]
enabled = true
max_rounds = 2
# Minutes and seconds on a real node.
party_response_timeout_seconds = {silence}
settle_seconds = 0
language = "en"

[reasoning]
enabled = true
provider = "openai-compatible"
model = "scripted"
api_base = "{model}"
api_key_env = "{key}"
request_timeout_seconds = 10
followup_retry_count = 0

[prompts]
source = "packaged"
"""
