"""Reads a Dockerfile as far as ours goes: instructions, flags, variables, exec forms."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

_FLAG = re.compile(r"--([a-z-]+)=(\S+)\s+")
_VARIABLE = re.compile(r"\$\{([A-Z_]+)\}")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word, flags such as ``from``, and the rest in one line."""

    word: str
    flags: dict[str, str]
    rest: str

    def exec_form(self) -> list[str]:
        """Return the JSON array that the rest is; raises ValueError where it is a shell's line."""
        array = json.loads(self.rest)
        assert isinstance(array, list)
        return [str(each) for each in array]


@dataclass(frozen=True)
class Stage:
    """One ``FROM`` and what follows it."""

    image: str
    name: str
    instructions: list[Instruction]

    def all(self, word: str) -> list[Instruction]:
        return [each for each in self.instructions if each.word == word]

    def only(self, word: str) -> Instruction:
        (found,) = self.all(word)
        return found


def instructions(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile, continued lines joined, comments left out."""
    found: list[Instruction] = []
    open_line = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or (not open_line and not line.strip()):
            continue
        open_line += line
        if open_line.endswith("\\"):
            open_line = open_line[:-1]
            continue
        found.append(_instruction(open_line))
        open_line = ""
    assert not open_line, "the last line goes on"
    return found


def stages(path: Path) -> list[Stage]:
    """Return the stages of the Dockerfile at ``path``, with the values of ``ARG`` filled in."""
    given: dict[str, str] = {}
    found: list[Stage] = []
    for each in instructions(path.read_text()):
        if each.word == "ARG" and not found:
            name, _, value = each.rest.partition("=")
            given[name] = value
        elif each.word == "FROM":
            image, _, name = each.rest.partition(" AS ")
            found.append(Stage(_VARIABLE.sub(lambda one: given[one[1]], image), name, []))
        else:
            found[-1].instructions.append(each)
    return found


def _instruction(line: str) -> Instruction:
    word, _, rest = line.strip().partition(" ")
    flags: dict[str, str] = {}
    rest = rest.lstrip()
    while word != "RUN" and (flag := _FLAG.match(rest)):
        flags[flag[1]] = flag[2]
        rest = rest[flag.end() :]
    return Instruction(word, flags, " ".join(rest.split()) if word != "RUN" else rest)
