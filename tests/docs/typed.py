"""Commands as documents show them: split into words, looked up, and run.

Ours run for real, in this process. What needs root, another program or the network stands for
itself: of such a command every word that is ours is looked up (files of deploy/, units, locks,
targets of make, commands and options of serbero).
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Any, Final

import typer
from tests.docs import reading
from typer.testing import CliRunner, Result

from serbero.cli.app import app

OURS: Final = ("serbero", ".venv/bin/serbero", "/opt/serbero/.venv/bin/serbero")

LOOKED_UP: Final = frozenset(
    {"cd", "chmod", "chown", "cp", "curl", "docker", "git", "install", "journalctl", "jq", "ls"}
    | {"make", "openssl", "pip", "promtool", "python3", "rm", "sqlite3", "sudo", "sudoedit"}
    | {"systemctl", "systemd-analyze", "systemd-sysusers", "useradd"}
)
"""Programs whose commands are looked up and not run, by the last part of their path."""

NOT_RUN: Final[dict[tuple[str, ...], str]] = {
    ("run",): "goes on until it is stopped; tests/daemon",
    ("demo",): "takes a minute; tests/cli/test_demo*.py",
    ("sessions", "replay"): "asks a model; tests/cli/test_sessions.py",
}
"""Commands of ours that are looked up and not run, and where they are."""

ALSO_FINE: Final[dict[tuple[str, ...], set[int]]] = {("doctor",): {1, 2}}
"""Exit codes beside 0: here no relay answers."""

_BETWEEN: Final = frozenset({"&&", "||", "|", ";", "&"})


@dataclass(frozen=True, slots=True)
class Typed:
    """One simple command.

    Attributes:
        alone: nothing else stands on its line.
    """

    place: str
    words: tuple[str, ...]
    alone: bool

    @property
    def is_ours(self) -> bool:
        return self.alone and self.words[0] in OURS


def commands(block: reading.Block) -> Iterator[Typed]:
    """The commands of a block, in order; a comment is none."""
    text = block.text.replace("\\\n", " ").replace("<this repository>", "https://git.example/it")
    for line in text.splitlines():
        simple = list(_simple(line))
        for words in simple:
            yield Typed(block.place, tuple(words), alone=len(simple) == 1)


def _simple(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for each in lexer:
        if each in _BETWEEN:
            yield words
            words = []
        else:
            words.append(each)
    if words:
        yield words


# --- looking up -------------------------------------------------------------------------------


def faults(command: Typed) -> Iterator[str]:
    """What a command names that does not exist."""
    head = PurePosixPath(command.words[0]).name
    if head not in LOOKED_UP and command.words[0] not in OURS:
        yield f"{command.place}: nothing is known of {head}: add it to a list in typed.py"
    for index, word in enumerate(command.words):
        yield from (f"{command.place}: {each}" for each in _file_faults(word))
        program = word.endswith("/serbero") or (word == "serbero" and index == 0)
        in_container = word == "serbero" and command.words[0] == "docker" and index > 1
        after = command.words[index + 1 :]
        starts = bool(after) and after[0].split("=")[0] in {"serbero", *_names(_root())}
        if _is_program(word, program) or (in_container and starts and after[0] != "serbero"):
            yield from (f"{command.place}: {each}" for each in argument_faults(after))
    if head == "make":
        yield from (f"{command.place}: {each}" for each in _target_faults(command.words[1:]))
    if "systemctl" in command.words:
        yield from (f"{command.place}: {each}" for each in _unit_faults(command.words))


def _is_program(word: str, program: bool) -> bool:
    """A path such as /opt/serbero is a folder, not the program."""
    return program and (word in OURS or word.endswith("bin/serbero"))


def _file_faults(word: str) -> Iterator[str]:
    found = re.search(r"(?:^|/opt/serbero/|\./)((?:deploy/|requirements)[^\s:]*)$", word)
    if found and not (reading.ROOT / found.group(1)).exists():
        yield f"{found.group(1)} does not exist"


def _target_faults(words: Sequence[str]) -> Iterator[str]:
    text = (reading.ROOT / "Makefile").read_text("utf-8")
    for word in words:
        if not re.search(rf"^{re.escape(word)}:", text, re.MULTILINE):
            yield f"make has no target {word}"


def _unit_faults(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("serbero"):
            name = word if "." in word else f"{word}.service"
            if not (reading.ROOT / "deploy/systemd" / name).is_file():
                yield f"there is no unit {name} in deploy/systemd"


@cache
def _root() -> Any:
    return typer.main.get_command(app)


def _names(command: Any) -> dict[str, Any]:
    return getattr(command, "commands", None) or {}


def argument_faults(words: Sequence[str]) -> Iterator[str]:
    """Which words after the program are no commands or options of it."""
    command, expects_value = _root(), False
    for word in words:
        known = {
            name: not getattr(each, "is_flag", False)
            for each in command.params
            if each.param_type_name == "option"
            for name in (*each.opts, *each.secondary_opts)
        }
        if expects_value:
            expects_value = False
        elif word.startswith("-"):
            name, given, _ = word.partition("=")
            if name not in known and name not in {"-h", "--help"}:
                yield f"{command.name} has no option {name}"
            expects_value = known.get(name, False) and not given
        elif _names(command):
            if word not in _names(command):
                yield f"{command.name} has no command {word}"
                return
            command = _names(command)[word]


# --- running ----------------------------------------------------------------------------------


def path_of(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a command of ours that name it."""
    command, path = _root(), []
    for word in words:
        if word in _names(command):
            command = _names(command)[word]
            path.append(word)
    return tuple(path)


def runs(command: Typed) -> bool:
    """Whether it can run here and now."""
    if not command.is_ours:
        return False
    path = path_of(command.words[1:])
    asks = path == ("init",) and "--yes" not in command.words  # tests/cli/test_init.py
    return path not in NOT_RUN and not asks


def run(command: Typed, stand_for: dict[str, str]) -> Result:
    """Run a command of ours; ``stand_for`` has what a reader puts for a placeholder."""
    words = [stand_for.get(each, each) for each in command.words[1:]]
    return CliRunner().invoke(app, words)


def is_fine(command: Typed, result: Result) -> bool:
    """Whether it ended as the document promises."""
    return result.exit_code in {0} | ALSO_FINE.get(path_of(command.words[1:]), set())
