"""``serbero doctor`` against real relays, a real file and a solver who answers."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from nostr_sdk import Event, Keys
from typer.testing import CliRunner

from serbero.cli.app import app
from serbero.cli.doctor_checks.database import examine_database
from serbero.cli.doctor_checks.dm_test import Address, Correspondence, dm_findings
from serbero.cli.doctor_checks.examination import Wishes, examine
from serbero.cli.doctor_checks.findings import Finding, Level, Report, broken, fine, note
from serbero.cli.doctor_checks.probes import ask_for_document
from serbero.clock import SystemClock
from serbero.messages.solver import DM_TEST, DM_TEST_SUBJECT
from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.nostr.keys import npub
from serbero.nostr.rumor import direct_message
from serbero.nostr.wrap import gift_wrap
from serbero.relays.pool import RelayPool
from serbero.simulator.clock import FakeClock, eventually
from serbero.simulator.node import MostroNode
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox
from serbero.store import outbox
from serbero.store.engine import Store
from serbero.store.sqlite import driver, is_held

OURS = Keys.generate()
CLOSED_PORT = "ws://127.0.0.1:1"
NOW = 1_793_000_000


def write_config(
    folder: Path, node: str, relays: list[str], solvers: list[str], extra: str = ""
) -> Path:
    lines = [
        "[serbero]",
        f'private_key = "{OURS.secret_key().to_bech32()}"',
        f'db_path = "{folder / "serbero.db"}"',
        "[mostro]",
        f'pubkey = "{node}"',
        *(f'[[relays]]\nurl = "{url}"' for url in relays),
        *(f'[[solvers]]\npubkey = "{each}"' for each in solvers),
        extra,
    ]
    path = folder / "config.toml"
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return path


def by_check(report: Report) -> dict[str, list[tuple[Level, str]]]:
    found: dict[str, list[tuple[Level, str]]] = {}
    for each in report.findings:
        found.setdefault(each.check, []).append((each.level, each.message))
    return found


@pytest.fixture
def node_key() -> str:
    return Keys.generate().public_key().to_hex()


async def test_all_is_well(tmp_path: Path) -> None:
    clock = SystemClock()
    async with (
        LoopbackRelay() as open_relay,
        LoopbackRelay(auth="both") as guarded,
        MostroNode([open_relay.url]) as node,
        SolverInbox([open_relay.url]) as solver,
    ):
        await node.publish_info()
        await solver.publish_inbox_relays()
        Store.open(tmp_path / "serbero.db", clock.now()).close()
        path = write_config(
            tmp_path,
            node.public_key,
            [open_relay.url, guarded.url],
            [solver.public_key],
            "[delivery]\nallow_private_relays = true",
        )
        report = await examine(path, {}, clock)
        own = OURS.public_key()
        database = report.findings[2].message
        assert report.findings == (
            fine("config", "read, nothing to mend"),
            fine("key", f"{own.to_bech32()} ({own.to_hex()})"),
            fine("database", database),
            fine("sqlite", f"SQLite {driver.sqlite_version} through pysqlite3"),
            fine("outbox", "0 waiting, none given up in the last week"),
            note("clock", "not compared: no relay told its time"),
            fine("relays", "2 of 2 hear, 2 take our events"),
            fine(f"relay {open_relay.url}", "answers and takes our events"),
            fine(f"relay {guarded.url}", "answers and takes our events"),
            fine(
                "node",
                "Mostro 0.18.5, protocol 2 (NIP-44 direct), proof of work 0, first contact 0; "
                "a take goes by NIP-44 direct with 0 bits of work",
            ),
            note(
                "node relays",
                "the node publishes no list of them: shared ones cannot be told",
            ),
            fine(
                f"solver {npub(solver.public_key)}",
                f"read, inbox relays published: {open_relay.url}",
            ),
        )
        assert database.startswith(f"{tmp_path}/serbero.db is sound, schema 5 + ")
        assert (report.ok, report.exit_code) == (True, 0)
        assert solver.messages == []


async def test_what_is_missing_is_named_with_its_remedy(tmp_path: Path, node_key: str) -> None:
    listed = Keys.generate().public_key().to_hex()
    async with LoopbackRelay() as relay, LoopbackRelay(min_pow=30) as costly:
        path = write_config(
            tmp_path, node_key, [relay.url, costly.url, CLOSED_PORT], [listed, "npub1oops"]
        )
        report = await examine(path, {}, SystemClock())
        found = by_check(report)
    assert report.exit_code == 2
    assert found["config"] == [(Level.OK, "read, nothing to mend")]
    assert found["database"] == [
        (Level.OK, f"{tmp_path}/serbero.db does not exist yet; the first start creates it")
    ]
    assert found["relays"] == [(Level.OK, "2 of 3 hear, 1 take our events")]
    assert found[f"relay {relay.url}"] == [(Level.OK, "answers and takes our events")]
    ((level, message),) = found[f"relay {costly.url}"]
    assert (level, message.split("(")[0]) == (Level.WARNING, "does not take our events: pow ")
    ((level, message),) = found[f"relay {CLOSED_PORT}"]
    assert level is Level.WARNING
    assert message.startswith("no connection: Connection refused")
    assert found["node"] == [
        (
            Level.WARNING,
            "no info event on 2 relays: disputes are noticed, none can be taken",
        )
    ]
    assert found[f"solver {npub(listed)}"][0][0] is Level.WARNING
    assert found["solver npub1oops"][0][0] is Level.BROKEN


async def test_no_relay_at_all_is_broken(tmp_path: Path, node_key: str) -> None:
    path = write_config(tmp_path, node_key, [CLOSED_PORT], [])
    found = by_check(await examine(path, {}, SystemClock(), Wishes(dm_test_seconds=1.0)))
    assert found["relays"] == [
        (Level.BROKEN, "none of 1 can be reached: no dispute is seen, nobody is told")
    ]
    assert found["node"] == [(Level.WARNING, "not looked up: no relay answered")]
    assert found["solvers"] == [(Level.BROKEN, "nobody can be told of disputes")]


async def test_a_configuration_that_stops_the_daemon_is_all_there_is_to_say(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[serbero]\nprivate_key = "{OURS.secret_key().to_hex()[:-1]}"\n[mostro]\n')
    report = await examine(path, {}, SystemClock())
    assert {each.check for each in report.findings} == {"config"}
    said = [each.level for each in report.findings]
    assert said == [Level.BROKEN] * 3 + [Level.WARNING]  # the warning: nobody to tell
    assert report.exit_code == 2


async def test_a_misspelt_section_is_shown_beside_what_it_causes(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[serbero]\nprivate_key = "{OURS.secret_key().to_hex()}"\n[mostra]\n')
    path.chmod(0o600)
    report = await examine(path, {}, SystemClock())
    warnings = [each for each in report.findings if each.level is Level.WARNING]
    assert report.exit_code == 2
    assert ("[mostra]: unknown section, ignored", "did you mean [mostro]?") in [
        (each.message, each.remedy) for each in warnings
    ]


async def test_a_forged_info_event_is_not_believed(tmp_path: Path) -> None:
    async with LoopbackRelay() as relay, MostroNode([relay.url]) as other:
        await other.publish_info()
        path = write_config(tmp_path, OURS.public_key().to_hex(), [relay.url], [])
        found = by_check(await examine(path, {}, SystemClock()))
    assert found["node"][0][0] is Level.WARNING
    assert found["key"][0][0] is Level.BROKEN


# --- the database --------------------------------------------------------------------------


def levels(findings: list[Finding]) -> dict[str, list[Level]]:
    found: dict[str, list[Level]] = {}
    for each in findings:
        found.setdefault(each.check, []).append(each.level)
    return found


def test_a_running_daemon_is_recognised_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    store = Store.open(path, NOW)
    finding = examine_database(path, NOW)[0]
    assert is_held(path)
    store.close()
    assert finding.level is Level.OK
    assert finding.message.endswith(f"daemon running (pid {os.getpid()})")
    assert not is_held(path)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    path.write_text("not a database, " * 500)
    finding = examine_database(path, NOW)[0]
    assert finding == broken(
        "database",
        f"{path} cannot be read (corrupt): file is not a database",
        "stop, keep a copy of the file, and restore the newest backup",
    )


def test_a_database_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    connection = driver.connect(path)
    connection.execute("CREATE TABLE schema_version (number)")
    connection.commit()
    connection.close()
    finding = examine_database(path, NOW)[0]
    assert finding.level is Level.BROKEN
    assert "tables that are not Serbero's" in finding.message


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    Store.open(path, NOW).close()
    with path.open("r+b") as file:
        for page in range(2, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)
    assert levels(examine_database(path, NOW))["database"] == [Level.BROKEN]


def test_a_database_only_the_reference_wrote(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    connection = driver.connect(path)
    connection.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO schema_version VALUES (1), (2), (3)")
    connection.commit()
    connection.close()
    path.chmod(0o644)
    before = path.read_bytes()
    findings = examine_database(path, NOW)
    assert findings[0] == fine("database", f"{path} is sound, schema 3")
    assert levels(findings) == {"database": [Level.OK, Level.WARNING], "sqlite": [Level.OK]}
    assert path.read_bytes() == before


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    finding = examine_database(tmp_path / "nowhere" / "serbero.db", NOW)[0]
    assert finding.level is Level.BROKEN
    assert not (tmp_path / "nowhere").exists()


async def test_messages_that_are_stuck(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    store = Store.open(path, NOW)
    messages = [
        outbox.NewMessage(
            purpose=Purpose.INITIAL,
            dispute_id=f"dispute-{number}",
            anchor="a",
            recipient=OURS.public_key().to_hex(),
            recipient_typed="x",
            notif_type=NotificationType.INITIAL,
            rumor_id="r",
            rumor_json="{}",
            urgency=Urgency.ALERT,
            enqueued_ms=(NOW - 7_300) * 1000,
            deadline_at=NOW,
        )
        for number in range(4)
    ]
    await store.transact(outbox.enqueue, messages)

    def settle(tx: object) -> None:
        run = tx.exec_driver_sql  # type: ignore[attr-defined]
        week = 7 * 86_400
        run("UPDATE outbox SET state='dead', settled_at=? WHERE id=1", (NOW - 60,))
        run("UPDATE outbox SET state='dead', settled_at=? WHERE id=2", (NOW - week - 1,))
        run("UPDATE outbox SET state='sent', settled_at=? WHERE id=3", (NOW - 60,))
        for relay, source, state in (("a", "configured", "accepted"), ("b", "inbox", "refused")):
            run(
                "INSERT INTO outbox_targets (outbox_id, relay, source, state, updated_at) "
                "VALUES (3, ?, ?, ?, ?)",
                (relay, source, state, NOW),
            )

    await store.transact(settle)
    store.close()
    stuck = [each.message for each in examine_database(path, NOW) if each.check == "outbox"]
    assert stuck == [
        "1 message given up in the last week: no relay took them before their deadline",
        "1 message waiting, the oldest for 2 hours",
        "1 message of the last week reached no inbox relay of the solver, only other relays",
    ]


# --- the clock -----------------------------------------------------------------------------


@pytest.fixture
def http_url() -> Iterator[str]:
    """A server that answers plain HTTP, and so tells its time."""

    class Quiet(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"ws://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("ahead", [0.0, 900.0, -70.0])
async def test_our_clock_against_a_servers(http_url: str, ahead: float) -> None:
    clock = FakeClock(SystemClock().time() + ahead)
    _, offset = await ask_for_document(http_url, clock)
    assert offset == pytest.approx(ahead, abs=3.0)


async def test_a_server_that_tells_no_time(http_url: str) -> None:
    assert await ask_for_document(CLOSED_PORT, SystemClock()) == (None, None)
    async with LoopbackRelay() as relay:
        assert await ask_for_document(relay.url, SystemClock()) == (None, None)


# --- the round trip ------------------------------------------------------------------------


def answer_to(solver: Keys, recipient: str, text: str, created_at: int) -> Event:
    rumor = direct_message(
        sender=solver.public_key().to_hex(),
        recipient=recipient,
        text=text,
        created_at=created_at,
        subject="Re",
        root=None,
    )
    wrap = gift_wrap(solver, recipient, rumor.json, expires_at=created_at + 7 * 86_400)
    return Event.from_json(wrap.json)


async def test_a_solver_who_answers(tmp_path: Path, node_key: str) -> None:
    own = OURS.public_key().to_hex()
    progress: list[str] = []
    async with LoopbackRelay() as relay, SolverInbox([relay.url]) as solver:
        path = write_config(tmp_path, node_key, [relay.url], [solver.public_key])
        wishes = Wishes(dm_test_seconds=60.0, progress=progress.append)
        examining = asyncio.create_task(examine(path, {}, SystemClock(), wishes))
        await eventually(lambda: solver.messages)
        (message,) = solver.messages
        await solver.publish(answer_to(solver.keys, own, "here", message.created_at))
        found = by_check(await examining)
    assert (message.sender, message.text, message.tag("subject")) == (
        own,
        DM_TEST,
        DM_TEST_SUBJECT,
    )
    ((level, said),) = found[f"dm-test {npub(solver.public_key)}"]
    assert level is Level.OK
    assert said.endswith("; 1 relay took it")
    assert progress[0] == f"asking {relay.url}"
    assert progress[-1].endswith("answered")


@asynccontextmanager
async def corresponding(
    clock: FakeClock, relay: str, addresses: list[Address], progress: list[str], seen: set[str]
) -> AsyncIterator[tuple[Correspondence, "asyncio.Task[None]"]]:
    """A test message under way, on a clock the test moves; ``seen`` gets each wrap's id."""
    pool = RelayPool(keys=OURS, clock=clock, urls=[relay])
    letters = Correspondence(OURS, addresses, clock)
    wanted = letters.subscription()

    def saw(url: str, event: Event) -> None:
        wanted.on_event(url, event)
        seen.add(event.id().to_hex())

    pool.subscribe(replace(wanted, on_event=saw))
    driving: asyncio.Task[None] = asyncio.create_task(pool.run())
    await eventually(lambda: pool.hearing_count() == 1)
    exchange = asyncio.create_task(letters.run(pool, [relay], 120.0, progress.append))
    try:
        yield letters, exchange
    finally:
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        await pool.close()


async def test_silence_and_what_is_no_answer() -> None:
    clock, progress = FakeClock(), list[str]()
    own = OURS.public_key().to_hex()
    stranger = Keys.generate()
    async with LoopbackRelay() as relay, SolverInbox([relay.url]) as solver:
        # An old message of the solver's is on the relay already.
        old = answer_to(solver.keys, own, "yesterday", clock.now() - 86_400)
        foreign = answer_to(stranger, own, "me, me", clock.now())
        await solver.publish(old)
        addresses, seen = [Address(solver.public_key)], set[str]()
        async with corresponding(clock, relay.url, addresses, progress, seen) as (
            letters,
            exchange,
        ):
            await eventually(lambda: "waiting for 1 answer, 120 s left" in progress)
            await solver.publish(foreign)
            await eventually(lambda: {old.id().to_hex(), foreign.id().to_hex()} <= seen)
            (last,) = [line for line in progress if line.startswith("asked")]
            await clock.advance(119)
            assert not exchange.done()
            await clock.advance(1)
            await exchange
    assert last.endswith("through 1 relay")
    (exchanged,) = letters.exchanges
    assert [(each.level, each.message) for each in dm_findings(exchanged, 120.0)] == [
        (Level.WARNING, "1 relay took the message; no answer within 120 s")
    ]


async def test_a_message_that_no_relay_took_is_not_waited_for() -> None:
    clock, progress = FakeClock(), list[str]()
    solver = Keys.generate().public_key().to_hex()
    pool = RelayPool(keys=OURS, clock=clock, urls=[CLOSED_PORT])
    letters = Correspondence(OURS, [Address(solver)], clock)
    driving: asyncio.Task[None] = asyncio.create_task(pool.run())
    await letters.run(pool, [CLOSED_PORT], 120.0, progress.append)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    await pool.close()
    (exchanged,) = letters.exchanges
    assert dm_findings(exchanged, 120.0)[0].level is Level.BROKEN
    assert [line.split(" through ")[1] for line in progress] == ["0 relays"]


def test_a_wait_without_a_question_is_refused() -> None:
    result = CliRunner().invoke(app, ["doctor", "--wait", "5"])
    assert result.exit_code == 2
    assert "only with --dm-test" in result.output


# --- the command ---------------------------------------------------------------------------


async def test_as_a_command(tmp_path: Path, node_key: str) -> None:
    async with LoopbackRelay() as relay:
        path = write_config(
            tmp_path, node_key, [relay.url], [Keys.generate().public_key().to_hex()]
        )
        program = "import typer; from serbero.cli.doctor import doctor; typer.run(doctor)"
        runs = []
        for options in (["--json", "--store-test", "--db", str(tmp_path / "other.db")], []):
            command = [sys.executable, "-c", program, "--config", str(path), *options]
            runs.append(
                await asyncio.to_thread(
                    subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
                )
            )
    as_json, plain = runs
    document = json.loads(as_json.stdout)
    assert (as_json.returncode, document["ok"]) == (1, False)
    assert document["findings"][2]["message"].startswith(f"{tmp_path}/other.db does not exist")
    last = document["findings"][-1]
    assert (last["check"], last["level"]) == (f"store-test {relay.url}", "ok")
    assert as_json.stderr == f"asking {relay.url}\nasking each relay to keep a message\n"
    assert (plain.returncode, plain.stderr) == (1, "")
    assert plain.stdout.splitlines()[-1] == "0 broken, 3 warnings"
    for run in runs:
        assert OURS.secret_key().to_hex() not in run.stdout + run.stderr
        assert "nsec" not in run.stdout + run.stderr
