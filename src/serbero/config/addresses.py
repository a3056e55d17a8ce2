"""Network addresses as an operator types them: relays, and where the console listens."""

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from nostr_sdk import NostrSdkError, RelayUrl

from serbero.nostr.addresses import BadAddressError, normalise
from serbero.nostr.keys import looks_secret

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HIGHEST_PORT: Final = 65535


class AddressProblem(ValueError):  # noqa: N818 - named for what it says
    """A text that cannot be the address wanted; says what was expected and found."""


def relay_address(text: str) -> str:
    """Return the normal form of a relay's address, so that equal relays compare equal.

    Scheme and host in lower case, international names encoded, default port, lone slash,
    fragment and any user name or password removed (no relay is ever sent them).

    Raises:
        AddressProblem: not a ``ws://`` or ``wss://`` address; the text is not repeated, since
            addresses may carry tokens.
    """
    body = text.strip()
    if not body:
        raise AddressProblem("expected wss://host, found nothing")
    if looks_secret(body):
        raise AddressProblem("expected wss://host, found a secret key, not repeated here")
    scheme = _SCHEME.match(body)
    if scheme is None:
        raise AddressProblem("expected wss://host, found an address without ws:// or wss://")
    if scheme[1].lower() not in {"ws", "wss"}:
        raise AddressProblem("expected ws:// or wss://, found another scheme")
    try:
        parts = urlsplit(str(RelayUrl.parse(body)))
        host = parts.netloc.rpartition("@")[2]
        return normalise(urlunsplit((parts.scheme, host, parts.path, parts.query, "")))
    except (NostrSdkError, ValueError) as exc:
        raise AddressProblem(f"expected wss://host, found none: {_detail(exc)}") from None


def carries_credentials(text: str) -> bool:
    """Whether an address holds a user name or password, which :func:`relay_address` drops."""
    rest = _SCHEME.sub("", text.strip(), count=1)
    return "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]


def listen_address(text: str) -> tuple[str, int] | None:
    """Return host and port of ``host:port`` or ``[v6]:port``; None for an empty text (off).

    Raises:
        AddressProblem: neither; a missing host or port included.
    """
    body = text.strip()
    if not body:
        return None
    host, colon, port = body.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    name = host[1:-1] if bracketed else host
    if not colon or not name or (":" in name and not bracketed):
        raise AddressProblem("expected host:port, such as 127.0.0.1:9464 or [::1]:9464")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _HIGHEST_PORT:
        raise AddressProblem(f"expected a port from 0 to {_HIGHEST_PORT} after the last colon")
    if re.search(r"[\s/@\[\]]", name):
        raise AddressProblem("expected a plain host name or address before the port")
    return name, int(port)


def _detail(exc: Exception) -> str:
    """The reason; it names the fault and never repeats the address."""
    if isinstance(exc, NostrSdkError | BadAddressError):
        return str(exc).strip("'") or "not an address"
    return "not an address"
