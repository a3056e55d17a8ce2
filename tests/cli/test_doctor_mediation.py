"""``serbero doctor`` on mediation: settings, texts, models over real HTTP, standing, sessions."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nostr_sdk import Keys
from pydantic import SecretStr
from tests.keys import MODEL_KEY
from tests.store.mediation_rig import PINS, opened
from tests.store.rig import T0, Database, dispute_id

from serbero.cli.doctor_checks.examination import examine
from serbero.cli.doctor_checks.findings import Finding, Level, Report
from serbero.cli.doctor_checks.mediation import (
    MediationFacts,
    OpenSession,
    examine_bundle,
    fault_findings,
    read_mediation,
    session_findings,
    setting_findings,
    standing_findings,
)
from serbero.cli.doctor_checks.models import Pinged, examine_models, model_findings
from serbero.clock import SystemClock
from serbero.config.loader import load
from serbero.config.models import MediationSection, PromptsSection, ReasoningSection
from serbero.config.reasoning import ModelEndpoint
from serbero.config.settings import Config
from serbero.model.mediation import LIVE, SessionState
from serbero.model.people import Permission, Solver
from serbero.mostro.node_info import NodeInfo, Transport
from serbero.nostr.keys import npub
from serbero.reasoning.bundle import packaged
from serbero.simulator.clock import FakeClock, eventually
from serbero.simulator.model_endpoint import HangsUp, ModelServer, Says, Sends, Waits
from serbero.simulator.node import MostroNode
from serbero.simulator.relay import LoopbackRelay
from serbero.store import prompt_bundles, start_faults
from serbero.store import standing as standings
from serbero.store.sqlite import driver
from serbero.store.standing import Standing, StandingState
from serbero.store.start_faults import Lately

OURS = Keys.generate()
OWN = OURS.public_key().to_hex()
OTHER = Keys.generate().public_key().to_hex()
WRITER, READER = (Keys.generate().public_key().to_hex() for _ in range(2))
NODE = "aa" * 32
NOW = T0 + 7_200
ENVIRON = {"SERBERO_REASONING_API_KEY": MODEL_KEY}
OK, NOTE, WARN = Level.OK, Level.NOTE, Level.WARNING
CHECKS = ("mediation", "prompts", "model", "models", "standing", "sessions")

MEDIATION = """
[mediation]
enabled = true
session_deadline_seconds = 43200
[prompts]
source = "packaged"
"""


def told(findings: list[Finding]) -> list[tuple[Level, str]]:
    return [(each.level, each.message) for each in findings]


def remedies(findings: list[Finding]) -> str:
    return " | ".join(each.remedy for each in findings)


def reasoning(base: str, more: str = "") -> str:
    return f"""
[reasoning]
enabled = true
provider = "openai-compatible"
model = "small"
api_base = "{base}"
followup_retry_count = 0
{more}
"""


def write_config(
    folder: Path, node: str, relay: str, *sections: str, permission: str = "write"
) -> Path:
    path = folder / "config.toml"
    path.write_text(
        f'[serbero]\nprivate_key = "{OURS.secret_key().to_bech32()}"\n'
        f'db_path = "{folder / "serbero.db"}"\n'
        f'[mostro]\npubkey = "{node}"\n[[relays]]\nurl = "{relay}"\n'
        f'[[solvers]]\npubkey = "{WRITER}"\npermission = "{permission}"\n' + "\n".join(sections)
    )
    path.chmod(0o600)
    return path


async def examined(path: Path, environ: dict[str, str] | None = None) -> Report:
    return await examine(path, ENVIRON if environ is None else environ, SystemClock())


def about(report: Report) -> list[tuple[str, Level, str]]:
    """What concerns mediation, in its order."""
    return [
        (each.check, each.level, each.message)
        for each in report.findings
        if each.check.split(" ")[0] in CHECKS
    ]


# --- the whole, over real sockets ------------------------------------------------------------


async def test_mediation_that_can_begin(tmp_path: Path) -> None:
    async with (
        LoopbackRelay() as relay,
        MostroNode([relay.url]) as node,
        ModelServer(Says("pong", tokens=(3, 1))) as model,
    ):
        await node.publish_info(extra=[["serbero", OWN]])
        path = write_config(tmp_path, node.public_key, relay.url, MEDIATION, reasoning(model.base))
        report = await examined(path)
        found = about(report)
        port = model.host.rpartition(":")[2]
    size = sum(len(raw) for _, raw in packaged().parts())
    answered = found.pop(2)
    assert found == [
        (
            "mediation",
            OK,
            "on, at most 2 pairs of questions, a silent party is waited for 30 minutes, none "
            "takes longer than 12 hours",
        ),
        ("prompts", OK, f"packaged bundle {packaged().policy_hash}, {size} bytes"),
        (
            "standing",
            OK,
            "the node names this key as its assistant: it may take disputes and settle none",
        ),
    ]
    check, level, said = answered
    assert (check, level) == ("model openai-compatible small", OK)
    assert said.startswith(f"answers at 127.0.0.1:{port} after ")
    assert said.endswith(" s (one `ping`, which costs a few tokens)")
    (request,) = model.requests
    assert request.user == "ping"
    assert MODEL_KEY not in json.dumps(report.as_json())


async def test_nothing_is_said_and_nobody_asked_while_mediation_is_off(tmp_path: Path) -> None:
    async with LoopbackRelay() as relay, ModelServer(Says("pong")) as model:
        off = MEDIATION.replace("true", "false")
        path = write_config(tmp_path, NODE, relay.url, off, reasoning(model.base))
        assert about(await examined(path)) == []
        assert model.requests == []


async def test_the_next_model_is_asked_when_the_first_does_not_answer(tmp_path: Path) -> None:
    fallback = '[[reasoning.fallback]]\nprovider = "openai"\nmodel = "{}"\napi_base = "{}"\n'
    fallback += 'api_key_env = "SERBERO_REASONING_API_KEY"'
    async with (
        LoopbackRelay() as relay,
        ModelServer(Sends(401, b'{"error": "who are you"}')) as first,
        ModelServer(Says("pong")) as second,
        ModelServer(Says("pong")) as third,
    ):
        more = fallback.format("second", second.base) + "\n" + fallback.format("third", third.base)
        path = write_config(tmp_path, NODE, relay.url, MEDIATION, reasoning(first.base, more))
        report = await examined(path)
        asked = [len(each.requests) for each in (first, second, third)]
    found = [each for each in report.findings if each.check.startswith("model")]
    assert [(each.check, each.level) for each in found] == [
        ("model openai-compatible small", WARN),
        ("model openai second", OK),
        ("model openai third", NOTE),
    ]
    assert "reasoning provider unreachable: http 401 (1 tried)" in found[0].message
    assert found[0].remedy.startswith("check the key in the variable that api_key_env names")
    assert found[2].message.endswith("; not asked, as one before it answers")
    assert asked == [1, 1, 0]
    assert "who are you" not in json.dumps(report.as_json())


async def test_no_model_answers(tmp_path: Path) -> None:
    async with LoopbackRelay() as relay, ModelServer(HangsUp()) as model:
        path = write_config(tmp_path, NODE, relay.url, MEDIATION, reasoning(model.base))
        report = await examined(path)
    one, together = (each for each in report.findings if each.check.startswith("model"))
    assert "does not answer at 127.0.0.1:" in one.message
    assert "no connection" in one.message
    assert together.check == "models"
    assert "within 3600 s goes to a human as `reasoning_unavailable`" in together.message
    assert report.exit_code == 1


async def test_a_provider_nobody_knows(tmp_path: Path) -> None:
    async with LoopbackRelay() as relay:
        section = reasoning("http://127.0.0.1:1").replace("openai-compatible", "antropic")
        path = write_config(tmp_path, NODE, relay.url, MEDIATION, section)
        found = about(await examined(path))
    said = next(each for each in found if each[0] == "model antropic small")
    assert said[1] is WARN
    assert "unknown reasoning provider 'antropic'; did you mean anthropic" in said[2]


@pytest.mark.parametrize("sections", [(MEDIATION,), (MEDIATION, reasoning("http://127.0.0.1:1"))])
async def test_without_a_model_mediation_stays_off(
    tmp_path: Path, sections: tuple[str, ...]
) -> None:
    """Whether the section is off or the key is missing."""
    async with LoopbackRelay() as relay:
        path = write_config(tmp_path, NODE, relay.url, *sections)
        report = await examined(path, {})
    found = about(report)
    assert found[0] == ("mediation", WARN, "stays off: there is no model to ask")
    assert [check for check, *_ in found] == ["mediation", "prompts", "standing"]
    told_why = [each.message for each in report.findings if each.check == "config"]
    assert any("[reasoning]" in each or "credential" in each for each in told_why)


async def test_texts_that_are_not_there(tmp_path: Path) -> None:
    """The default of a reference configuration; ``init`` writes the packaged ones."""
    paths = f'system_instructions_path = "{tmp_path / "none.md"}"'
    async with LoopbackRelay() as relay, ModelServer(Says("pong")) as model:
        sections = MEDIATION.replace('source = "packaged"', paths)
        path = write_config(tmp_path, NODE, relay.url, sections, reasoning(model.base))
        report = await examined(path)
    (found,) = [each for each in report.findings if each.check == "prompts"]
    assert found.level is WARN
    assert "`system_instructions_path` at " in found.message
    assert found.message.endswith("No such file or directory (os error 2): mediation stays off")
    assert 'source = "packaged"' in found.remedy


async def test_as_a_command(tmp_path: Path) -> None:
    """Exit code 1 for a warning; one document, with the keys every finding has."""
    async with LoopbackRelay() as relay, ModelServer(Says("pong")) as model:
        path = write_config(
            tmp_path, NODE, relay.url, MEDIATION, reasoning(model.base), permission="read"
        )
        program = "import typer; from serbero.cli.doctor import doctor; typer.run(doctor)"
        command = [sys.executable, "-c", program, "--config", str(path), "--json"]
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, **ENVIRON},
        )
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"]) == (1, False)
    assert all(
        set(each) == {"check", "level", "message", "remedy"} for each in document["findings"]
    )
    warned = next(
        each for each in document["findings"] if each["check"] == "mediation" and each["remedy"]
    )
    assert warned["message"].startswith("none of 1 solver has write permission here")
    assert "asking model openai-compatible small for one word" in done.stderr
    assert MODEL_KEY not in done.stdout + done.stderr


# --- settings --------------------------------------------------------------------------------


def solver(permission: Permission, *, problem: str | None = None) -> Solver:
    key = WRITER if permission is Permission.WRITE else READER
    return Solver(typed=key, hex=key, permission=permission, relays=(), problem=problem)


BOTH = (solver(Permission.READ), solver(Permission.WRITE))


@pytest.mark.parametrize(
    ("settings", "level", "said"),
    [
        ({}, OK, "on, at most 2 pairs of questions, a silent party is waited for 30 minutes"),
        (
            {"max_rounds": 1, "party_response_timeout_seconds": 0, "session_deadline_seconds": 90},
            OK,
            "on, at most 1 pair of questions, none takes longer than 90 s",
        ),
        ({"max_rounds": 0}, WARN, "max_rounds = 0: no party is ever asked"),
        ({"party_response_timeout_seconds": 0}, WARN, "without any limit of time: a party who"),
    ],
)
def test_settings(settings: dict[str, Any], level: Level, said: str) -> None:
    (found,) = setting_findings(MediationSection(**settings), BOTH)
    assert found.level is level
    assert found.message.startswith(said)


def test_a_deadline_before_anybody_counts_as_silent_is_worth_a_note() -> None:
    section = MediationSection(session_deadline_seconds=1800)
    assert [level for level, _ in told(setting_findings(section, BOTH))] == [OK, NOTE]
    section = MediationSection(session_deadline_seconds=1801)
    assert [level for level, _ in told(setting_findings(section, BOTH))] == [OK]


@pytest.mark.parametrize(
    ("solvers", "said"),
    [
        ((), "nobody to hand over to: every summary ends as `notification_failed`"),
        ((solver(Permission.WRITE, problem="bad"),), "nobody to hand over to"),
        ((solver(Permission.READ),), "none of 1 solver has write permission here"),
    ],
)
def test_nobody_to_hand_over_to(solvers: tuple[Solver, ...], said: str) -> None:
    _, found = setting_findings(MediationSection(), solvers)
    assert found.level is WARN
    assert found.message.startswith(said)


# --- texts -----------------------------------------------------------------------------------


def test_texts_with_something_missing(tmp_path: Path) -> None:
    section = PromptsSection(
        **{
            name: str(tmp_path / name)
            for name in PromptsSection.model_fields
            if name.endswith("_path")
        }
    )
    for name in section.model_dump():
        if name.endswith("_path"):
            (tmp_path / name).write_text("words\n")
    bundle, found = examine_bundle(section)
    assert bundle is not None
    assert [each.level for each in found] == [OK, WARN, WARN]
    assert found[0].message == f"files bundle {bundle.policy_hash}, 30 bytes"
    assert found[1].message.startswith("[prompts].classification_policy_path: it does not mention")


# --- models ----------------------------------------------------------------------------------

ENDPOINT = ModelEndpoint("openai", "gpt-4o-mini", "https://u:pw@llm.example/p?t=1", SecretStr("k"))


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    (found,) = model_findings(ENDPOINT, ReasoningSection(), (), Pinged(0.26, None))
    assert found.level is OK
    assert found.message.startswith("answers at llm.example after 0.3 s")
    assert "pw" not in found.message


def test_a_key_pasted_as_the_models_name_is_not_repeated() -> None:
    pasted = replace(ENDPOINT, model=f"x {MODEL_KEY}", key=SecretStr(MODEL_KEY))
    for found in model_findings(pasted, ReasoningSection(), ("no such thing",), None):
        assert found.level is WARN
        assert MODEL_KEY not in repr(found)


def test_a_model_that_needs_half_its_time_for_a_word() -> None:
    section = ReasoningSection(request_timeout_seconds=30)
    assert len(model_findings(ENDPOINT, section, (), Pinged(14.9, None))) == 1
    _, found = model_findings(ENDPOINT, section, (), Pinged(15.0, None))
    assert (found.level, found.message.split(";")[0]) == (
        WARN,
        "one word took 15 s of the 30 s that an answer may take",
    )


@pytest.mark.parametrize(
    ("base", "warned"),
    [
        ("http://llm.example/v1", True),
        ("http://8.8.8.8/v1", True),
        ("http://127.0.0.1:1234/v1", False),
        ("http://[::1]:1234/v1", False),
        ("http://10.1.2.3/v1", False),
        ("http://100.64.0.7/v1", False),
        ("http://ollama:11434/v1", False),
        ("http://gpu.local/v1", False),
        ("https://llm.example/v1", False),
        (None, False),
    ],
)
def test_plain_http_is_for_ones_own_network(base: str | None, warned: bool) -> None:
    found = model_findings(
        replace(ENDPOINT, api_base=base), ReasoningSection(), (), Pinged(0.1, None)
    )
    assert ["without encryption" in each.message for each in found[1:]] == [True] * warned


def one_model(folder: Path, base: str) -> Config:
    path = write_config(folder, NODE, "ws://127.0.0.1:1", MEDIATION, reasoning(base))
    return load(path, ENVIRON).config


@pytest.mark.parametrize(
    ("step", "said", "remedy"),
    [
        (Sends(404, b"{}"), "http 404", "check model and api_base"),
        (Sends(429, b"{}"), "http 429", "the provider limits this key"),
        (Sends(503, b"{}"), "http 503", "the provider has a fault of its own"),
        (Sends(200, b"<html>hello</html>"), "body-not-json", "does not speak its protocol"),
        (Says(" "), "empty", "does not speak its protocol"),
    ],
)
async def test_every_fault_has_its_remedy(
    tmp_path: Path, step: Any, said: str, remedy: str
) -> None:
    async with ModelServer(step) as model:
        config = one_model(tmp_path, model.base)
        found, together = await examine_models(config, FakeClock(), lambda _line: None)
    assert (found.level, together.check) == (WARN, "models")
    assert said in found.message
    assert remedy in found.remedy


async def test_a_model_that_never_answers(tmp_path: Path) -> None:
    clock, progress = FakeClock(), list[str]()
    async with ModelServer(Waits(Says("late"))) as model:
        config = one_model(tmp_path, model.base)
        examining = asyncio.create_task(examine_models(config, clock, progress.append))
        await eventually(lambda: model.busy == 1)
        await clock.advance(30)
        found, _ = await examining
    assert progress == ["asking model openai-compatible small for one word"]
    assert "reasoning provider timed out (1 tried)" in found.message
    assert found.remedy.startswith("raise [reasoning].request_timeout_seconds")


# --- standing --------------------------------------------------------------------------------

INFO = NodeInfo(
    node=NODE,
    event_id="1" * 64,
    created_at=NOW,
    transport=Transport.NIP44,
    protocol_version="2",
    pow=0,
    pow_first_contact=0,
    serbero=None,
    version="0.19.1",
    name=None,
    cltv_delta=None,
    bond_enabled=None,
    networks=(),
)


@pytest.mark.parametrize(
    ("known", "info", "level", "said"),
    [
        (None, None, NOTE, "not known: the node tells nobody whom it registered"),
        (Standing(StandingState.UNKNOWN, NOW), INFO, NOTE, "not known"),
        (
            Standing(StandingState.AUTHORIZED, NOW - 7_200),
            INFO,
            OK,
            "the node lets us take disputes, for 2 hours; whether it lets us settle too, because "
            ":read was left out, cannot be seen from here",
        ),
        (
            Standing(StandingState.REFUSED, NOW - 60, 1, 0, NOW + 60),
            INFO,
            WARN,
            "the node refuses this key, for 60 s, so mediation starts nothing: 1 attempt refused, "
            "the next with the first dispute after 60 s",
        ),
        (
            Standing(StandingState.REFUSED, NOW - 600, 3, 420, NOW - 1),
            None,
            WARN,
            "the node refuses this key, for 10 minutes, so mediation starts nothing: 3 attempts "
            "refused, the next with the first dispute from now",
        ),
        (
            Standing(StandingState.TERMINATED, NOW - 172_800, 24, 86_400, None, NOW),
            INFO,
            WARN,
            "the node refuses this key, for 2 days, so mediation starts nothing: 24 attempts "
            "refused, no further one for a day, or until the node says something new of itself",
        ),
        (Standing(StandingState.AUTHORIZED, NOW, own_key=OTHER), INFO, NOTE, "not known"),
        (Standing(StandingState.REFUSED, NOW, 1, own_key=OTHER), INFO, NOTE, "not known"),
        (
            Standing(StandingState.AUTHORIZED, NOW - 60, own_key=OWN),
            INFO,
            OK,
            "the node lets us take disputes, for 60 s",
        ),
        (
            Standing(StandingState.REFUSED, NOW, 1),
            replace(INFO, serbero=OWN),
            OK,
            "the node names this key as its assistant: it may take disputes and settle none",
        ),
        (
            Standing(StandingState.AUTHORIZED, NOW),
            replace(INFO, serbero=OTHER),
            WARN,
            "the node names another key as its assistant, so mediation starts nothing",
        ),
    ],
)
def test_standing(known: Standing | None, info: NodeInfo | None, level: Level, said: str) -> None:
    (found,) = standing_findings(known, info, OWN, NOW)
    assert found.level is level
    assert found.message.startswith(said)
    registration = f"admin-add-solver {npub(OWN)}:read"
    assert (registration in found.message + found.remedy) == (level is not OK)


# --- starts ---------------------------------------------------------------------------------


def test_starts_that_failed_by_a_fault_of_our_own() -> None:
    assert fault_findings(None, NOW) == []
    [found] = fault_findings(Lately(2, "d-2", NOW - 7200), NOW)
    assert found.level is WARN
    assert "2 disputes" in found.message
    assert "d-2 last, 2 hours ago" in found.message
    assert "start_attempt_failed" in found.remedy


def test_starts_that_failed_lately_are_read(tmp_path: Path) -> None:
    database = Database(tmp_path / "serbero.db")
    for number, at in ((1, NOW - 8 * 86_400), (2, NOW - 60), (2, NOW - 30)):
        database.run(start_faults.write, dispute_id(number), "ValueError", at)
    found = read_mediation(database.path, NODE, NOW).faults
    assert found == Lately(1, dispute_id(2), NOW - 30)
    database.close()


# --- sessions --------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "serbero.db")
    yield made
    made.close()


def test_no_database_or_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    assert read_mediation(path, NODE, NOW) == MediationFacts()
    assert not path.exists()
    connection = driver.connect(path)
    connection.execute("CREATE TABLE mediation_sessions (session_id TEXT)")
    connection.commit()
    connection.close()
    assert read_mediation(path, NODE, NOW) == MediationFacts()
    path.write_text("no database at all, " * 500)
    assert read_mediation(path, NODE, NOW) == MediationFacts()


def test_what_the_database_knows(database: Database) -> None:
    refused = Standing(StandingState.REFUSED, T0, 2, 60, T0 + 120)
    database.run(standings.save, NODE, refused)
    assert read_mediation(database.path, NODE, NOW) == MediationFacts(refused, ())
    assert read_mediation(database.path, "cc" * 32, NOW).standing is None
    opened(database)
    awaiting = OpenSession(SessionState.AWAITING_RESPONSE, PINS.policy_hash, False, T0)
    assert read_mediation(database.path, NODE, NOW) == MediationFacts(refused, (awaiting,))


def test_whether_the_texts_of_an_open_session_are_still_there(database: Database) -> None:
    opened(database)
    bundle = packaged()
    parts = dict(bundle.parts())
    database.run(prompt_bundles.save, bundle.policy_hash, "phase3-default", parts, T0)
    pin = "UPDATE mediation_sessions SET policy_hash = ? RETURNING 1"
    database.rows(pin, bundle.policy_hash)
    [found] = read_mediation(database.path, NODE, NOW).open
    assert found.kept
    # Bytes that are no longer what the hash says are as good as gone.
    database.rows("UPDATE prompt_bundles SET system = ? RETURNING 1", b"changed")
    [found] = read_mediation(database.path, NODE, NOW).open
    assert not found.kept
    database.rows("UPDATE prompt_bundles SET system = ? RETURNING 1", b"\0")
    [found] = read_mediation(database.path, NODE, NOW).open
    assert not found.kept


def test_sessions_that_go_on() -> None:
    one = OpenSession(SessionState.AWAITING_RESPONSE, "a", True, NOW - 7_200)
    two = replace(one, state=SessionState.SUMMARY_PENDING, policy_hash="b", started_at=NOW - 60)
    assert session_findings((), "b", NOW, mediating=False) == []
    assert told(session_findings((one, two, one), "b", NOW, mediating=True)) == [
        (
            NOTE,
            "3 mediations open: 2 talking with the parties, 1 with a summary on its way; the "
            "oldest for 2 hours; 2 with earlier texts",
        )
    ]


def test_every_live_state_is_told_of() -> None:
    each = tuple(OpenSession(state, "a", True, NOW) for state in LIVE)
    [found] = session_findings(each, "a", NOW, mediating=True)
    assert found.message.count(" 1 ") == len(LIVE)


def test_sessions_whose_texts_are_gone() -> None:
    lost = OpenSession(SessionState.AWAITING_RESPONSE, "a" * 64, False, NOW)
    # What is configured is what it began with: nothing is lost.
    assert len(session_findings((lost,), "a" * 64, NOW, mediating=True)) == 1
    _, found = session_findings((lost,), "b" * 64, NOW, mediating=True)
    assert found.level is WARN
    assert "`policy_bundle_missing`" in found.message
    assert "a" * 64 in found.remedy


async def test_sessions_that_nobody_leads_any_more(tmp_path: Path, database: Database) -> None:
    """Mediation was switched off in the middle of one."""
    opened(database)
    async with LoopbackRelay() as relay:
        report = await examined(write_config(tmp_path, NODE, relay.url))
    (found,) = [each for each in report.findings if each.check in CHECKS]
    assert (found.check, found.level) == ("sessions", WARN)
    assert found.message.startswith("1 mediation open: 1 talking with the parties; the oldest for ")
    assert "; without a model each goes to a human, at the next answer" in found.message
    assert "let a solver with write permission take" in remedies([found])
