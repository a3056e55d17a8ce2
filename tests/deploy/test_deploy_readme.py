"""What deploy/README.md says to type: files that exist, commands and options that exist."""

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest
import typer
from nostr_sdk import Keys
from tests.deploy.places import DEPLOY, PROJECT, SYSTEMD
from tests.deploy.units import read_unit

from serbero.cli.app import app
from serbero.config.environment import KEY_VARIABLE
from serbero.config.loader import loads

TEXT = (DEPLOY / "README.md").read_text()
BLOCKS = re.findall(r"(?ms)^```console\n(.*?)^```$", TEXT)
LINES = [line for block in BLOCKS for line in block.splitlines()]


def _is_serbero(words: list[str], at: int) -> bool:
    """Whether the word there is the program: by its path, or a container's entry or command."""
    word, before = words[at], words[:at]
    if word != "serbero" or "compose" not in words or "--entrypoint" in words:
        return word.endswith("/bin/serbero")
    return "run" in before if "exec" not in before else before[-1] == "serbero"


def serbero_commands() -> Iterator[list[str]]:
    """The words after each `serbero` that is a program."""
    for line in LINES:
        words = shlex.split(line)
        yield from (words[at + 1 :] for at in range(len(words)) if _is_serbero(words, at))


COMMANDS = list(serbero_commands())


@pytest.mark.parametrize("block", BLOCKS)
def test_a_shell_can_read_it(block: str) -> None:
    text = block.replace("<this repository>", "repository")
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_serbero_exists_with_its_options(words: list[str]) -> None:
    command = typer.main.get_command(app)
    context = command.make_context("serbero", [], resilient_parsing=True)
    known: set[str] = set()
    for word in words:
        if word.startswith("-"):
            known |= {name for each in command.params for name in each.opts}
            assert word in known, word
        elif (subcommand := getattr(command, "commands", {}).get(word)) is not None:
            command = subcommand
    assert command.name != "serbero", context.command_path
    assert not getattr(command, "commands", {}), words


def test_the_commands_meant_are_among_them() -> None:
    """A reader that found none would find no fault."""
    told = {next(word for word in each if word.isalpha()) for each in COMMANDS}
    assert {"init", "doctor", "disputes", "backup"} <= told


def test_every_file_is_in_the_table_and_every_path_exists() -> None:
    files = {
        str(each.relative_to(DEPLOY))
        for each in DEPLOY.rglob("*")
        if each.is_file() and each.name not in {"README.md", ".gitignore"}
        if not {"config", "secrets"} & set(each.relative_to(DEPLOY).parts)
    }
    table = "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))
    for each in files:
        assert each.rpartition("/")[2] in table or each.endswith("serbero-backup.timer"), each
    paths = [
        word.removeprefix("/opt/serbero/")
        for line in LINES
        for word in shlex.split(line)
        if word.removeprefix("/opt/serbero/").startswith("deploy/")
    ]
    assert len(paths) > 8
    for each in paths:
        assert (PROJECT / each).exists(), each


def test_what_is_installed_is_what_the_units_expect() -> None:
    unit = read_unit(SYSTEMD / "serbero.service")["Service"]
    _, _, key = unit["LoadCredential"][0].partition(":")
    assert f"> {key}'" in TEXT
    assert "--output /etc/serbero/config.toml --db /var/lib/serbero/serbero.db" in TEXT
    for name in ("serbero.service", "serbero-backup.service", "serbero-backup.timer"):
        assert TEXT.count(f"deploy/systemd/{name} ") == 2
    dockerfile = (DEPLOY / "docker" / "Dockerfile").read_text()
    [uid] = set(re.findall(r"-o (\d+) -g \1", TEXT))
    assert f"USER {uid}:{uid}" in dockerfile


def test_the_configuration_shown_is_one() -> None:
    blocks = re.findall(r"(?ms)^```toml\n(.*?)^```$", TEXT)
    assert blocks
    own, node, solver = (Keys.generate() for _ in range(3))
    least = (
        f'[mostro]\npubkey = "{node.public_key().to_hex()}"\n'
        f'[[solvers]]\npubkey = "{solver.public_key().to_hex()}"\n'
        '[[relays]]\nurl = "wss://a.example"\n'
    )
    for each in blocks:
        loaded = loads(least + each, {KEY_VARIABLE: own.secret_key().to_hex()})
        assert [str(warning) for warning in loaded.warnings] == []
        assert loaded.config.observe.http_listen == "127.0.0.1:9464"
