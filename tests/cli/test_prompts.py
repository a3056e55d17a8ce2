"""``serbero prompts`` as a user runs it."""

import json
from pathlib import Path

import pytest
from tests.keys import SECRET
from typer.testing import CliRunner, Result

from serbero.cli.app import app
from serbero.reasoning.bundle import file_names, load_folder, packaged

CONFIG = f"""
[serbero]
private_key = "{SECRET}"
[mostro]
pubkey = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
[[relays]]
url = "wss://relay.example"
[prompts]
"""


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_export_then_check_then_hash(tmp_path: Path) -> None:
    done = run("prompts", "export", "out/deep")
    assert done.exit_code == 0
    written = [Path(line) for line in done.stdout.splitlines()[:5]]
    assert [each.name for each in written] == list(file_names().values())
    assert load_folder(tmp_path / "out/deep") == packaged()
    assert run("prompts", "check", "out/deep").exit_code == 0
    assert run("prompts", "hash", "out/deep").stdout.strip() == packaged().policy_hash
    assert run("prompts", "hash", "--packaged").stdout.strip() == packaged().policy_hash


def test_export_overwrites_only_when_told(tmp_path: Path) -> None:
    mine = tmp_path / "phase3-system.md"
    mine.write_text("mine")
    refused = run("prompts", "export", ".")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert [each.name for each in tmp_path.iterdir()] == [mine.name]
    assert run("prompts", "export", ".", "--force").exit_code == 0
    assert mine.read_bytes() == packaged().system


def test_export_to_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("prompts", "export", "file", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["ok"] is False


def test_the_configured_bundle_is_the_default(tmp_path: Path) -> None:
    run("prompts", "export", "prompts")
    (tmp_path / "config.toml").write_text(CONFIG)
    style = tmp_path / "prompts" / "phase3-mediation-style.md"
    style.write_bytes(style.read_bytes() + b"Be kind.\n")
    changed = run("prompts", "hash").stdout.strip()
    assert changed == load_folder(tmp_path / "prompts").policy_hash != packaged().policy_hash
    (tmp_path / "config.toml").write_text(CONFIG + 'source = "packaged"\n')
    assert run("prompts", "hash").stdout.strip() == packaged().policy_hash


@pytest.mark.parametrize("before", [True, False])
def test_another_configuration(tmp_path: Path, before: bool) -> None:
    other = tmp_path / "other.toml"
    other.write_text(CONFIG + 'source = "packaged"\n')
    given = ["--config", str(other)]
    command = ["prompts", "check"]
    done = run(*given, *command) if before else run(*command, *given)
    assert done.exit_code == 0, done.output


def test_check_tells_what_is_missing(tmp_path: Path) -> None:
    run("prompts", "export", "p")
    policy = tmp_path / "p" / "phase3-escalation-policy.md"
    policy.write_text(policy.read_text().replace("round_limit", "limit"))
    done = run("prompts", "check", "p", "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert (document["ok"], document["policy_hash"]) == (
        False,
        load_folder(policy.parent).policy_hash,
    )
    assert document["problems"] == [
        {
            "file": "escalation",
            "key": "escalation_policy_path",
            "message": "it does not mention round_limit",
        }
    ]
    plain = run("prompts", "check", "p")
    assert "round_limit" in plain.stderr
    assert "escalation " in plain.stdout


@pytest.mark.parametrize("raw", [b"a\0b", b"\xff", b"x" * 300_000])
def test_bytes_that_cannot_be_used(tmp_path: Path, raw: bytes) -> None:
    run("prompts", "export", "p")
    (tmp_path / "p" / "phase3-system.md").write_bytes(raw)
    for command in ("check", "hash"):
        done = run("prompts", command, "p")
        assert done.exit_code == 1
        assert "system_instructions_path" in done.stderr


def test_without_a_configuration() -> None:
    done = run("prompts", "hash", "--json")
    assert done.exit_code == 2
    assert "serbero init" in json.loads(done.stdout)["error"]


def test_a_folder_and_the_packaged_ones_are_two_things() -> None:
    assert run("prompts", "hash", ".", "--packaged").exit_code == 2
