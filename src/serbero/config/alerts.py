"""The operator's own channels: their addresses, from the file or from the environment.

An address holds whatever opens the channel, so it is a secret like a key. What is wrong with one
costs that channel, not the daemon: it becomes a warning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from serbero.config.environment import supplied
from serbero.config.models import AlertEntry
from serbero.config.problems import Problem
from serbero.model.alerts import AlertEvent

_REMEDY: Final = "until then this channel gets nothing; solvers are told anyway"


_TELLING: Final = 12
"""So many characters of an address in a row may be a token; fewer are a word such as ``ntfy``."""


@dataclass(frozen=True, slots=True)
class AlertChannel:
    """One channel of the operator's.

    Attributes:
        name: what logs and records call it; no two are called the same.
        url: where it is, in Apprise's words; a secret.
        events: what it is told of.
    """

    name: str
    url: SecretStr = field(repr=False)
    events: frozenset[AlertEvent]


def channels(
    listed: Sequence[AlertEntry | None],
    environ: Mapping[str, str],
    ours: frozenset[str],
    warnings: list[Problem],
    secrets: list[str],
) -> tuple[AlertChannel, ...]:
    """Return the channels that can be used.

    Args:
        listed: ``[[alerts]]`` in order; None for one that cannot be read.
        environ: where addresses may come from.
        ours: variables that hold something else of ours.
        warnings: extended by what is wrong.
        secrets: extended by every address found, so that no message repeats one.
    """
    found: dict[str, AlertChannel] = {}
    for number, entry in enumerate(listed, 1):
        if entry is None:
            continue
        place = f"alerts #{number}"
        url = _url(entry, place, environ, ours, warnings)
        if url is None:
            continue
        secrets.append(url)
        name = _name(entry, number, place, url, warnings)
        if not entry.events:
            message = "expected at least one event, found none: this channel is told of nothing"
            warnings.append(Problem(place, "events", message, "name some, or leave the key out"))
        if not _is_address(url):
            key = "url_env" if entry.url is None else "url"
            message = "expected an address such as ntfys://ntfy.example/topic, found another text"
            warnings.append(Problem(place, key, message, _REMEDY))
        elif name in found:
            message = "expected a name of its own, found one that stands above already"
            warnings.append(Problem(place, "name", message, _REMEDY))
        else:
            found[name] = AlertChannel(name, SecretStr(url), frozenset(entry.events))
    return tuple(found.values())


def _name(entry: AlertEntry, number: int, place: str, url: str, warnings: list[Problem]) -> str:
    """Return what the channel is called; never its address, which people paste in wrong places."""
    name = entry.name.strip()
    default = f"alerts-{number}"
    if not name:
        return default
    if name.isprintable() and "://" not in name and not (len(name) >= _TELLING and name in url):
        return name
    message = "expected a short name for logs, found an address or a part of it, not repeated"
    warnings.append(Problem(place, "name", message, f"until then it is called {default}"))
    return default


def _url(
    entry: AlertEntry,
    place: str,
    environ: Mapping[str, str],
    ours: frozenset[str],
    warnings: list[Problem],
) -> str | None:
    typed = (entry.url.get_secret_value().strip() or None) if entry.url is not None else None
    variable = entry.url_env.strip()
    if bool(typed) == bool(variable):
        seen = "both" if typed else "neither"
        message = f"expected one of url and url_env, found {seen}"
        warnings.append(Problem(place, "url", message, _REMEDY))
        return None
    if typed is not None:
        return typed
    if variable in ours:
        message = f"expected the variable of this channel's address, found ours ({variable})"
        warnings.append(Problem(place, "url_env", message, _REMEDY))
        return None
    given = supplied(environ, variable)
    if given.warning:
        warnings.append(given.warning)
    if given.fault:
        warnings.append(Problem(place, "url_env", given.fault.message, _REMEDY))
    elif given.value is None:
        message = "expected a variable that holds the address, found it unset or blank"
        warnings.append(Problem(place, "url_env", message, _REMEDY))
    return given.value


def _is_address(text: str) -> bool:
    try:
        scheme = urlsplit(text).scheme
    except ValueError:
        return False
    return bool(scheme) and "://" in text and text.isprintable() and " " not in text
