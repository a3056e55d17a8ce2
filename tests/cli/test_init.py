"""``serbero init``: flags, the dialogue in a pseudo-terminal, and what it leaves behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
import typer
from tests.keys import MODEL_KEY, NSEC, OWN, SECRET
from typer.testing import CliRunner, Result

from serbero.cli.init import init
from serbero.cli.init_dialogue import read_solver
from serbero.config.loader import load
from serbero.model.people import Permission
from serbero.nostr.keys import npub

# From Python 3.12 a fork beside threads warns; the test runner has threads, pexpect forks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.usefixtures("elsewhere"),
]

NODE = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
ALICE = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
BOB = "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659"

NEEDED = ("--node", NODE, "--relay", "wss://relay.example")
PROGRAM = (sys.executable, "-c", "import typer; from serbero.cli.init import init; typer.run(init)")


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def run(*flags: str) -> Result:
    app = typer.Typer()
    app.command()(init)
    return CliRunner().invoke(app, list(flags))


def fails(code: int, *flags: str) -> str:
    result = run(*flags)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    return result.stderr


# --- flags ----------------------------------------------------------------------------------------


def test_flags_alone_give_a_configuration_that_loads(elsewhere: Path) -> None:
    result = run(
        *NEEDED,
        *("--relay", "WSS://Relay.Example/", "--relay", "ws://127.0.0.1:7777"),
        *("--solver", npub(ALICE), "--solver", f"{BOB}:write"),
        *("--db", "data/serbero.db"),
    )
    assert result.exit_code == 0, result.output
    path = elsewhere / "config.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = load(path, {})
    assert loaded.warnings == ()
    found = loaded.config
    assert found.mostro.pubkey_hex == NODE
    assert found.relay_urls == ("wss://relay.example", "ws://127.0.0.1:7777")
    assert [(each.hex, each.permission) for each in found.solvers] == [
        (ALICE, Permission.READ),
        (BOB, Permission.WRITE),
    ]
    assert str(found.db_path) == "data/serbero.db"
    assert found.identity.publish
    # Mediation is off and ready: what is better than the reference's is written already.
    assert not found.mediation.enabled
    assert not found.reasoning.enabled
    assert found.mediation.session_deadline_seconds == 43_200
    assert found.prompts.source == "packaged"
    assert "Mediation is off." in result.stdout
    # What to register, and nothing secret.
    own = npub(found.public_key)
    assert f"admin-add-solver  {own}:read" in result.stdout
    assert found.public_key in result.stdout
    secret = found.keys.secret_key()
    assert secret.to_bech32() in path.read_text()
    for text in (secret.to_bech32(), secret.to_hex()):
        assert text not in result.output
    assert result.stderr == ""


def test_a_word_each_and_a_key_switch_mediation_and_handing_over_on(elsewhere: Path) -> None:
    assert run(*NEEDED, "--solver", ALICE).exit_code == 0
    path = elsewhere / "config.toml"
    text = path.read_text()
    assert text.count("\nenabled = false") == 3
    path.write_text(text.replace("enabled = false", "enabled = true"))
    loaded = load(path, {"SERBERO_REASONING_API_KEY": MODEL_KEY})
    assert loaded.warnings == ()
    (endpoint,) = loaded.config.model_endpoints
    assert (endpoint.provider, endpoint.api_base) == ("openai", "https://api.openai.com/v1")


def test_every_run_makes_another_key() -> None:
    for name in ("a.toml", "b.toml"):
        assert run(*NEEDED, "--output", name).exit_code == 0
    assert load(Path("a.toml"), {}).config.public_key != load(Path("b.toml"), {}).config.public_key


def test_another_file_is_named_in_the_next_steps() -> None:
    result = run(*NEEDED, "--output", "other one.toml")
    assert "serbero doctor --config 'other one.toml'\n" in result.stdout


def test_the_common_option_names_the_file_too(elsewhere: Path) -> None:
    assert run(*NEEDED, "-c", "third.toml").exit_code == 0
    assert names(elsewhere) == ["third.toml"]


def test_without_a_solver_it_says_so() -> None:
    result = run(*NEEDED)
    assert result.exit_code == 0
    assert "nobody can be told of disputes" in result.stderr


def test_a_missing_value_names_its_flag_and_writes_nothing(elsewhere: Path) -> None:
    errors = fails(2, "--yes")
    assert "--node: " in errors
    assert "--relay: " in errors
    assert names(elsewhere) == []


def test_every_bad_flag_is_named_at_once_and_no_secret_repeated(elsewhere: Path) -> None:
    errors = fails(
        2,
        *("--node", NSEC, "--relay", "https://x", "--relay", f"wss://{NSEC}"),
        *("--solver", f"{NSEC}:write", "--solver", NSEC, "--solver", f"{ALICE}:admin"),
        *("--solver", BOB, "--solver", npub(BOB)),
    )
    assert errors.count("--relay: ") == 2
    assert errors.count("--solver: ") == 4
    assert "--node: expected a public key" in errors
    assert "found another ending" in errors
    assert "the same solver twice" in errors
    assert NSEC not in errors
    assert names(elsewhere) == []


def test_an_existing_file_is_never_overwritten_unasked(elsewhere: Path) -> None:
    path = elsewhere / "config.toml"
    path.write_text("mine")
    assert "--force" in fails(2, *NEEDED)
    assert path.read_text() == "mine"
    result = run(*NEEDED, "--force")
    assert result.exit_code == 0
    assert "kept as config.toml.bak" in result.stderr
    assert (elsewhere / "config.toml.bak").read_text() == "mine"
    assert load(path, {}).config.mostro.pubkey_hex == NODE


def test_a_place_that_cannot_be_written() -> None:
    errors = fails(1, *NEEDED, "--output", "none/config.toml")
    assert "none/config.toml cannot be written: No such file or directory; name a file" in errors


# --- our own key ----------------------------------------------------------------------------------


def test_a_key_from_a_file(elsewhere: Path) -> None:
    secret = elsewhere / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o644)
    result = run(*NEEDED, "--solver", ALICE, "--private-key-file", "secret")
    assert result.exit_code == 0, result.output
    assert load(elsewhere / "config.toml", {}).config.public_key == OWN
    assert "read by every user" in result.stderr
    assert f"{npub(OWN)}:read" in result.stdout
    assert SECRET not in result.output
    assert NSEC not in result.output


def test_a_key_from_the_environment_is_not_written(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBERO_PRIVATE_KEY", NSEC)
    result = run(*NEEDED)
    assert result.exit_code == 0, result.output
    text = (elsewhere / "config.toml").read_text()
    assert NSEC not in text
    assert "private_key" not in text.replace("SERBERO_PRIVATE_KEY", "")
    assert load(elsewhere / "config.toml", {"SERBERO_PRIVATE_KEY": NSEC}).config.public_key == OWN
    assert npub(OWN) in result.stdout


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "found nothing"), (npub(ALICE), "expected a secret key"), ("nsec1xyz", "instead of 63")],
)
def test_a_key_file_without_a_key(elsewhere: Path, content: str, reason: str) -> None:
    (elsewhere / "secret").write_text(content)
    errors = fails(2, *NEEDED, "--private-key-file", "secret")
    assert "--private-key-file: " in errors
    assert reason in errors
    assert not (elsewhere / "config.toml").exists()


def test_two_sources_of_the_key_are_refused(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "secret").write_text(NSEC)
    monkeypatch.setenv("SERBERO_PRIVATE_KEY", NSEC)
    assert "would win over" in fails(2, *NEEDED, "--private-key-file", "secret")
    monkeypatch.setenv("SERBERO_PRIVATE_KEY_FILE", "secret")
    assert "found both" in fails(2, *NEEDED)


@pytest.mark.parametrize(
    ("flags", "whose"),
    [
        (("--node", OWN, "--relay", "wss://r"), "the node's"),
        ((*NEEDED, "--solver", OWN), "a solver's"),
    ],
)
def test_our_key_must_be_our_own(elsewhere: Path, flags: tuple[str, ...], whose: str) -> None:
    (elsewhere / "secret").write_text(NSEC)
    errors = fails(2, *flags, "--private-key-file", "secret")
    assert f"expected a key of its own, found {whose}" in errors


# --- as a process ---------------------------------------------------------------------------------


def test_piped_output_is_plain(elsewhere: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, *NEEDED], capture_output=True, text=True, check=True, cwd=elsewhere, timeout=60
    )
    assert "\x1b" not in done.stdout + done.stderr
    # A line is what it is, however narrow the pipe's reader.
    assert f"{npub(load(elsewhere / 'config.toml', {}).config.public_key)}:read\n" in done.stdout


def test_closed_standard_input_counts_as_nobody_there(elsewhere: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" <&-', *PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        cwd=elsewhere,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--node: " in done.stderr


@pytest.fixture
def terminal(elsewhere: Path) -> Iterator[pexpect.spawn]:
    child = pexpect.spawn(
        PROGRAM[0],
        list(PROGRAM[1:]),
        cwd=str(elsewhere),
        encoding="utf-8",
        timeout=30,
        dimensions=(40, 200),
        env={**os.environ, "TERM": "dumb", "NO_COLOR": "1"},
    )
    yield child
    child.close(force=True)


def say(child: pexpect.spawn, prompt: str, answer: str) -> None:
    child.expect_exact(prompt)
    child.sendline(answer)


def test_the_dialogue(elsewhere: Path, terminal: pexpect.spawn) -> None:
    say(terminal, "Mostro node (npub or hex): ", NSEC)
    terminal.expect_exact("found a secret key (nsec), not repeated here")
    say(terminal, "Mostro node (npub or hex): ", "")
    terminal.expect_exact("found nothing")
    say(terminal, "Mostro node (npub or hex): ", npub(NODE))
    say(terminal, "Relay [wss://relay.mostro.network]: ", "relay.example")
    terminal.expect_exact("without ws:// or wss://")
    say(terminal, "Relay [wss://relay.mostro.network]: ", "")
    say(terminal, "Another relay (Enter: no more): ", "wss://relay.example")
    say(terminal, "Another relay (Enter: no more): ", "")
    say(terminal, "Solver (Enter: no more): ", ALICE[:-1])
    terminal.expect_exact("63 hex digits")
    say(terminal, "Solver (Enter: no more): ", f"{npub(ALICE)}:write")
    say(terminal, "Solver (Enter: no more): ", ALICE)
    terminal.expect_exact("in the list already")
    say(terminal, "Solver (Enter: no more): ", "")
    say(terminal, "Serbero's own secret key (hidden; Enter: make a new one): ", npub(BOB))
    terminal.expect_exact("expected a secret key")
    say(terminal, "Serbero's own secret key (hidden; Enter: make a new one): ", NSEC)
    # A hidden answer is not shown while it is typed, nor afterwards.
    terminal.expect_exact("Database file [serbero.db]: ")
    assert NSEC not in str(terminal.before)
    terminal.sendline("")
    terminal.expect_exact(f"{npub(OWN)}:read")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0
    loaded = load(elsewhere / "config.toml", {})
    assert loaded.warnings == ()
    assert loaded.config.public_key == OWN
    assert loaded.config.relay_urls == ("wss://relay.mostro.network", "wss://relay.example")
    (solver,) = loaded.config.solvers
    assert (solver.hex, solver.permission) == (ALICE, Permission.WRITE)


def test_enter_is_enough_for_everything_but_the_node(
    elsewhere: Path, terminal: pexpect.spawn
) -> None:
    say(terminal, "Mostro node (npub or hex): ", NODE)
    for prompt in ("Relay [", "Another relay", "Solver ("):
        say(terminal, prompt, "")
    terminal.expect_exact("nobody will be told of disputes until you add one")
    for prompt in ("make a new one): ", "Database file ["):
        say(terminal, prompt, "")
    terminal.expect_exact("nobody can be told of disputes")
    terminal.expect(pexpect.EOF)
    assert load(elsewhere / "config.toml", {}).config.relay_urls == ("wss://relay.mostro.network",)


@pytest.mark.parametrize("leave", ["eof", "interrupt"])
def test_leaving_the_dialogue_writes_nothing(
    elsewhere: Path, terminal: pexpect.spawn, leave: str
) -> None:
    say(terminal, "Mostro node (npub or hex): ", NODE)
    terminal.expect_exact("Relay [")
    terminal.sendeof() if leave == "eof" else terminal.sendintr()
    terminal.expect_exact("Nothing was written.")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 1
    assert names(elsewhere) == []


# --- solvers as typed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (ALICE, (ALICE, Permission.READ)),
        (f"{ALICE}:read", (ALICE, Permission.READ)),
        (f" {npub(ALICE)}:Write ", (ALICE, Permission.WRITE)),
        (f"nostr:{npub(ALICE)}", (ALICE, Permission.READ)),
        (f"nostr:{npub(ALICE)}:write", (ALICE, Permission.WRITE)),
    ],
)
def test_solvers_as_typed(typed: str, answer: tuple[str, Permission]) -> None:
    assert read_solver(typed) == answer


@pytest.mark.parametrize(
    "typed", ["", ":", "write", ":write", f"{ALICE}:", f"{ALICE}:rw", f"x{ALICE}"]
)
def test_no_solvers(typed: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_solver(typed)


@pytest.mark.parametrize("typed", [NSEC, f"{NSEC}:x", f"{NSEC}:write", f"x:{NSEC}"])
def test_a_secret_as_a_solver_is_not_repeated(typed: str) -> None:
    with pytest.raises(ValueError, match="secret key") as caught:
        read_solver(typed)
    assert NSEC not in repr(caught.value)
