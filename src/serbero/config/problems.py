"""What can be wrong with a configuration, said so that a person can act on it.

``ConfigError`` carries everything that stops the daemon, all at once; the same ``Problem``
values serve as warnings for what does not. No text here ever holds a secret.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

_WITHHELD: Final = "(not repeated)"
_NSEC: Final = re.compile(r"(?:nsec|ncryptsec)1[0-9a-z]*", re.IGNORECASE)
_SHORTEST_SECRET: Final = 6
"""Shorter values are not looked for: hiding every ``a`` would hide the message."""

_ECHO_LIMIT: Final = 48
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,48}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration.

    Attributes:
        section: where, as ``mostro`` or ``solvers #2``; ``environment`` for a variable; empty
            when the file as a whole is meant.
        key: the key or variable, empty when the section as a whole is meant.
        message: what was expected and what was found.
        remedy: what to do, as an instruction.
    """

    section: str
    key: str
    message: str
    remedy: str

    @property
    def where(self) -> str:
        """The place in one word, as ``[mostro].pubkey`` or ``$SERBERO_DB_PATH``."""
        if self.section == "environment":
            return f"${self.key}"
        if not self.section:
            return self.key
        name, _, number = self.section.partition(" #")
        place = f"[[{name}]] #{number}" if number else f"[{name}]"
        return f"{place}.{self.key}" if self.key else place

    def __str__(self) -> str:
        remedy = f" ({self.remedy})" if self.remedy else ""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.message}{remedy}"


class ConfigError(Exception):
    """The configuration cannot be used.

    The text has a line for each problem, then one for each warning.

    Attributes:
        problems: every reason found, at least one.
        warnings: what alone would not have stopped the daemon. A misspelt section is one, and
            often the cause of a problem.
    """

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        lines = [str(each) for each in self.problems]
        lines += [f"warning: {each}" for each in self.warnings]
        super().__init__("\n".join(lines))


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` without anything that looks like a secret key and without ``secrets``."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = re.sub(re.escape(secret), _WITHHELD, text, flags=re.IGNORECASE)
    return _NSEC.sub(_WITHHELD, text)


def scrubbed(problem: Problem, secrets: Iterable[str]) -> Problem:
    """Return ``problem`` with :func:`scrub` applied to all its texts."""
    hidden = tuple(secrets)
    return replace(
        problem,
        section=scrub(problem.section, hidden),
        key=scrub(problem.key, hidden),
        message=scrub(problem.message, hidden),
        remedy=scrub(problem.remedy, hidden),
    )


def echo(name: str) -> str:
    """Return a key's or section's name fit for a message.

    Anything unlike a name is not repeated: a secret pasted in front of the ``=`` would end up
    in the log.
    """
    plain = len(name) <= _ECHO_LIMIT and _PLAIN_NAME.fullmatch(name)
    return name if plain and not name.lower().startswith("sk-") else _WITHHELD


def kind_of(value: object) -> str:
    """Name the TOML type of ``value``, for messages that must not repeat the value."""
    match value:
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number with a fraction"
        case str():
            return "a text in quotes"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or a time"
