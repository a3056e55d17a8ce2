"""The last line of defence between a secret and the log.

Code must not log secrets or what people wrote in the first place; this catches the slip. Two
rules: a field whose name says that it holds such a thing is replaced whole, and an ``nsec1...`` or
the query of a relay's address is masked wherever it stands, in tracebacks too.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    # Commands mask keys, too, and start faster without the logging library.
    from structlog.typing import EventDict, WrappedLogger

REDACTED: Final = "[redacted]"

MAX_TEXT: Final = 2000
"""Characters of one field; a peer's words must not fill the disk."""

_SECRET_WORDS: Final = frozenset({"secret", "nsec", "password", "authorization", "mnemonic"})
"""A field with one of these among the words of its name is a secret."""

_SECRET_ENDINGS: Final = ("private_key", "api_key", "secret_key")

_PRIVATE_FIELDS: Final = frozenset(
    {"rationale", "content", "transcript", "text", "plaintext", "body", "rumor", "prompt"}
)
"""What people or a model wrote: ids and reasons are logged instead."""

_NSEC: Final = re.compile(r"nsec1[02-9ac-hj-np-z]{6,}", re.IGNORECASE)
_RELAY_QUERY: Final = re.compile(r"(\bwss?://[^\s?\"'<>]*)\?[^\s\"'<>]+", re.IGNORECASE)
"""The query of a relay's address: some relays let in by a token there."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_MULTILINE: Final = frozenset({"exception", "stack"})
"""Fields that are several lines by nature: written by Python, not by a peer."""


def redact(_logger: "WrappedLogger", _method: str, event: "EventDict") -> "EventDict":
    """Structlog processor: replace fields named like secrets, mask keys in all others."""
    return {key: _cleaned(key, value) for key, value in event.items()}


def one_line(_logger: "WrappedLogger", _method: str, event: "EventDict") -> "EventDict":
    """Structlog processor: no field may start a new line or drive the terminal.

    A relay's words reach the log; with a line break in them they could forge an entry.
    """
    return {
        key: _escaped(value) if isinstance(value, str) and key not in _MULTILINE else value
        for key, value in event.items()
    }


def names_a_secret(field: str) -> bool:
    """Whether a field of this name must never be shown."""
    name = field.lower().replace("-", "_")
    if name in _PRIVATE_FIELDS or name.endswith(_SECRET_ENDINGS):
        return True
    return not _SECRET_WORDS.isdisjoint(name.split("_")) and not name.endswith("_env")


def mask_keys(text: str) -> str:
    """``text`` with every bech32 private key replaced."""
    return _NSEC.sub("nsec1" + REDACTED, text)


def mask_queries(text: str) -> str:
    """``text`` with the query of every relay address left out."""
    return _RELAY_QUERY.sub(r"\1?…", text)


def _cleaned(key: object, value: object) -> object:
    if isinstance(key, str) and value not in (None, "") and names_a_secret(key):
        return REDACTED
    if isinstance(value, str):
        shown = value if key in _MULTILINE or len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…"
        return mask_queries(mask_keys(shown))
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {mask_keys(str(name)): _cleaned(name, item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(None, item) for item in value]
    # exc_info and foreign objects: what they would print is checked like any other text.
    return _cleaned(None, str(value))


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
