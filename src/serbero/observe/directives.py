"""Which log lines are wanted: the filter syntax of ``log_level`` and ``SERBERO_LOG``.

A filter is a comma-separated list of directives: ``level`` (the default) or ``target=level``.
Targets are module names; both ``serbero::intake`` and ``serbero.intake`` are read. The longest
matching target wins. Levels: ``trace``, ``debug``, ``info``, ``warn`` or ``warning``, ``error``,
``off``. A target without a level asks for everything it says.
Pure: values in, values out.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OWN_TARGET: Final = "serbero"
"""The root of our own logger names; a bare level is about these."""

DEFAULT_LEVEL: Final = logging.INFO
"""For our own lines, where no bare level is given."""

FOREIGN_LEVEL: Final = logging.WARNING
"""The most a library may say unless a directive names it: their chatter is not our story."""

_OFF: Final = logging.CRITICAL + 10
_LEVELS: Final[Mapping[str, int]] = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": _OFF,
}


@dataclass(frozen=True, slots=True)
class LogFilter:
    """A parsed filter.

    Attributes:
        default: the lowest level of our own lines where no target matches.
        targets: lowest level by dotted target.
        dropped: directives that could not be read, as written.
    """

    default: int
    targets: Mapping[str, int]
    dropped: tuple[str, ...] = ()

    def threshold(self, logger: str) -> int:
        """The lowest level that logger ``logger`` (a dotted module name) may emit."""
        name = logger
        while name:
            if name in self.targets:
                return self.targets[name]
            name = name.rpartition(".")[0]
        own = logger == OWN_TARGET or logger.startswith(f"{OWN_TARGET}.")
        return self.default if own else max(self.default, FOREIGN_LEVEL)

    @property
    def lowest(self) -> int:
        """No line below this level is wanted by anybody."""
        return min((self.default, *self.targets.values()))


def parse_directives(text: str) -> LogFilter:
    """Read a filter; directives that make no sense are kept aside in ``dropped``."""
    default = DEFAULT_LEVEL
    targets: dict[str, int] = {}
    dropped: list[str] = []
    for written in text.split(","):
        directive = written.strip()
        if not directive:
            continue
        target, separator, level_name = directive.rpartition("=")
        level = _LEVELS.get(level_name.strip().lower())
        if separator and level is not None and _is_module(target):
            targets[_dotted(target)] = level
        elif not separator and level is not None:
            default = level
        elif not separator and _is_module(directive) and not _may_be_a_level(directive):
            targets[_dotted(directive)] = logging.DEBUG
        else:
            dropped.append(directive)
    return LogFilter(default, targets, tuple(dropped))


def _dotted(target: str) -> str:
    return target.strip().replace("::", ".")


def _is_module(target: str) -> bool:
    return all(part.isidentifier() for part in _dotted(target).split("."))


def _may_be_a_level(word: str) -> bool:
    """Whether a bare word is rather a mistyped level than a module; ours are told by a dot."""
    return "." not in _dotted(word) and _dotted(word) != OWN_TARGET
