"""A channel in trouble beside a daemon that must not notice; death and stop at the wrong moment."""

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.alerts.endpoint import Endpoint, children, endpoint
from tests.alerts.test_alerts_daemon import channel
from tests.daemon.rig import Daemon, Requests, firsts, world

from serbero.clock import SystemClock, within
from serbero.simulator.clock import eventually
from serbero.simulator.node import MostroNode
from serbero.simulator.proxy import FaultProxy
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox

STOP_SECONDS = 30.0
"""A guard against hanging, not the promise."""
OF_DELIVERY = re.compile(r"^(INSERT INTO|UPDATE|DELETE FROM) (outbox\w*|notifications|disputes)\b")


@contextmanager
def counted(daemon: Daemon) -> Iterator[Counter[str]]:
    """Count what the daemon changes in the tables of intake and delivery."""
    found: Counter[str] = Counter()

    def note(
        _connection: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
    ) -> None:
        if changed := OF_DELIVERY.match(statement):
            found[changed.group(0)] += 1

    engine = daemon.parts.base.store._writer
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


async def _deliver(folder: Path, extra: str, *services: Endpoint) -> tuple[Counter[str], float]:
    """Tell a solver of three disputes; return what that changed and how late the last was told."""
    async with world(folder, solvers=1) as here:
        here.neighbours += services
        async with here.hearing(here.config(extra)) as daemon:
            with counted(daemon) as work:
                began = here.clock.monotonic()
                for _ in range(3):
                    dispute = await here.node.open_dispute()
                    await here.told(dispute)
                    assert len(firsts(here.solvers[0], dispute)) == 1
                late = here.clock.monotonic() - began
                await here.elapse(20)
            assert here.logs.faults() == []
            return work, late


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two empty ones."""
    made = tmp_path / "alone", tmp_path / "beside"
    for each in made:
        each.mkdir()
    return made


async def test_delivery_works_and_costs_the_same_beside_a_channel_that_hangs(
    folders: tuple[Path, Path],
) -> None:
    async with endpoint("hang") as hanging, endpoint() as well:
        alone, in_time = await _deliver(folders[0], "")
        both = f"{channel(hanging, 'hangs')}\n{channel(well, 'works')}"
        beside, late = await _deliver(folders[1], both, hanging, well)
        assert hanging.calls
        assert "".join(well.texts).count("A dispute was opened") == 3
    # Not equal: how statements are grouped depends on when relays answer.
    assert set(beside) == set(alone)
    assert all(count <= 2 * alone[what] for what, count in beside.items())
    assert late <= in_time + 1
    assert not children()


async def test_without_apprise_the_daemon_says_so_once_and_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    async with endpoint() as service, world(tmp_path, solvers=1) as here:
        async with here.hearing(here.config(channel(service, "phone"))) as daemon:
            await here.told(await here.node.open_dispute())
            await here.elapse(20)
            (line,) = here.logs.named("alerts_unavailable")
            assert (line["channels"], line["remedy"]) == (
                ["phone"],
                'pip install "serbero[alerts]"',
            )
            assert daemon.parts.base.health.ready
            assert await daemon.one("SELECT count(*) FROM alerts") == 0
        assert not service.calls


WORDS = re.compile(
    r"Serbero: (new dispute [0-9a-f]{8}|\d+ alerts)\n"
    r"((A dispute was opened( by the (buyer|seller))?\.)\n"
    r"dispute [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n"
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC(\n\n|$))+"
)


async def test_nothing_but_our_words_leaves_whatever_the_node_says(tmp_path: Path) -> None:
    """Whole requests against a list of what may be in them; then with a leak, to see it seen."""
    async with endpoint() as service, world(tmp_path, solvers=1) as here:
        here.neighbours.append(service)
        only = channel(service, events='"new_dispute"')
        async with here.hearing(here.config(only)) as daemon:
            planted = here.sign(
                ["d", "3f2b8a1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c"],
                ["s", "initiated"],
                ["z", "dispute"],
                ["initiator", "Pay 100 to npub1qqqq at https://planted.example"],
            )
            await here.node.publish(planted)
            await here.until(lambda: service.calls, limit_seconds=10, what="the alert")
            (call,) = service.calls
            assert set(call.json) == {"version", "title", "message", "attachments", "type"}
            assert (call.json["version"], call.json["attachments"], call.json["type"]) == (
                "1.0",
                [],
                "info",
            )
            assert WORDS.fullmatch(call.text)
            for key in (here.node.public_key, here.solvers[0].public_key, planted.id().to_hex()):
                assert key not in call.body
                assert key[:16] not in call.body
            assert "planted" not in str(await daemon.rows("SELECT * FROM alerts"))
            assert not WORDS.fullmatch(f"{call.text} {here.node.public_key}")
            assert not WORDS.fullmatch(f"{call.text}\nPay 100")


@asynccontextmanager
async def _daemon(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SERBERO_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "serbero", "--config", str(folder / "config.toml")),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.slow
async def test_killed_between_the_record_and_the_message_and_stopped_while_one_hangs(
    tmp_path: Path,
) -> None:
    """What was committed is told by the next life; a service that hangs holds up no stop."""
    requests = Requests()
    async with (
        endpoint("hang") as service,
        LoopbackRelay() as relay,
        FaultProxy(relay.url, requests) as proxy,
        MostroNode([relay.url]) as node,
        SolverInbox([relay.url]) as solver,
    ):
        here = _configuration(tmp_path, proxy.url, node.public_key, solver.public_key, service)
        async with _daemon(here) as process:
            await eventually(requests.disputes, seconds=60)
            dispute = await node.open_dispute()
            await service.got(1)
            process.send_signal(signal.SIGKILL)
            await process.communicate()
        service.manner = "take"
        async with _daemon(here) as process:
            await service.got(2)
            assert f"new dispute {dispute.id[:8]}" in service.texts[1]
            service.manner = "hang"
            later = await node.open_dispute()
            await service.got(3)
            process.send_signal(signal.SIGTERM)
            out, _ = await within(SystemClock(), STOP_SECONDS, process.communicate())
        assert process.returncode == 0
        said = out.decode()
        assert "serbero exited cleanly" in said
        assert "Traceback" not in said
        assert "nobody-guesses" not in said
        await eventually(lambda: service.held == 0, what="no process is left at the service")
        assert [len(firsts(solver, each)) for each in (dispute, later)] == [1, 1]


def _configuration(folder: Path, relay: str, node: str, solver: str, service: Endpoint) -> Path:
    text = "\n".join(
        [
            f'[serbero]\nprivate_key = "{"11" * 32}"\ndb_path = "{folder / "serbero.db"}"',
            f'[mostro]\npubkey = "{node}"\n[[relays]]\nurl = "{relay}"',
            f'[[solvers]]\npubkey = "{solver}"',
            channel(service, events='"new_dispute"'),
        ]
    )
    config = folder / "config.toml"
    config.write_text(text)
    config.chmod(0o600)
    return folder
