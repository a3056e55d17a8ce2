"""What an examination found, and the level that becomes the exit code."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """How bad a finding is, from the best to the worst."""

    OK = "ok"
    NOTE = "note"
    """Nothing to mend, but worth knowing: something could not be looked at, or has no effect."""
    WARNING = "warning"
    """Serbero works, with something missing or about to be."""
    BROKEN = "broken"
    """Somebody will not be told of a dispute until this is mended."""


_EXIT_CODES: Final = {Level.OK: 0, Level.NOTE: 0, Level.WARNING: 1, Level.BROKEN: 2}
_ORDER: Final = tuple(Level)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, as ``database`` or ``relay wss://relay.example``.
        level: how bad it is.
        message: what was found; never a secret.
        remedy: what to do about it; empty only where there is nothing to mend.
    """

    check: str
    level: Level
    message: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.level in (Level.WARNING, Level.BROKEN) and not self.remedy:
            raise ValueError(f"finding without a remedy: {self.check}: {self.message}")


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one examination, in the order in which one would mend them."""

    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Level:
        """The level of the worst finding."""
        return max((each.level for each in self.findings), key=_ORDER.index, default=Level.OK)

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 warnings, 2 something is broken."""
        return _EXIT_CODES[self.worst]

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return self.exit_code == 0

    def as_json(self) -> dict[str, object]:
        """The document ``serbero doctor --json`` prints."""
        findings = [
            {
                "check": each.check,
                "level": each.level.value,
                "message": each.message,
                "remedy": each.remedy,
            }
            for each in self.findings
        ]
        return {"ok": self.ok, "findings": findings}


def fine(check: str, message: str) -> Finding:
    """A finding that all is well."""
    return Finding(check, Level.OK, message)


def note(check: str, message: str) -> Finding:
    """A finding that there is nothing to mend, and something to know."""
    return Finding(check, Level.NOTE, message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """A finding that something is missing."""
    return Finding(check, Level.WARNING, message, remedy)


def broken(check: str, message: str, remedy: str) -> Finding:
    """A finding that something does not work."""
    return Finding(check, Level.BROKEN, message, remedy)


def counted(count: int, noun: str) -> str:
    """``1 relay``, ``2 relays``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def duration(seconds: int) -> str:
    """Whole minutes, hours or days, for a person."""
    if seconds < 7_200:
        return f"{seconds // 60} minutes"
    if seconds < 172_800:
        return f"{seconds // 3_600} hours"
    return f"{seconds // 86_400} days"
