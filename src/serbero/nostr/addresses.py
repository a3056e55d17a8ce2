"""Relay addresses: one spelling each, and which of the network's we are willing to visit.

What the library connects to is what counts, and it reads addresses as the WHATWG URL standard
says: ``wss://127.0.0.0x1``, ``wss://relay%2Eexample.com`` and ``wss://exämple.com`` all name
another host than their letters do. So an address is judged and spelled only after the library
has read it.
"""

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_ADDRESS_CHARACTERS: Final = 255
"""Longer than any relay's real address; bounds what a stranger's relay list makes us keep."""

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is assigned for addresses of public hosts (RFC 4291)."""
_PRIVATE_SUFFIXES: Final = (
    ".local",
    ".localhost",
    ".onion",
    ".internal",
    ".lan",
    ".home.arpa",
    ".i2p",
    ".test",
    ".invalid",
)


class BadAddressError(ValueError):
    """The text cannot be a relay's address; the message says why."""


def _split(url: str) -> tuple[SplitResult, str, int | None]:
    """The parts of the address as the library reads it, with host and port.

    Raises:
        BadAddressError: no relay can have this address.
    """
    from nostr_sdk import NostrSdkError, RelayUrl  # noqa: PLC0415 - a list of messages needs none

    text = url.strip()
    _check_text(text)
    try:
        read = str(RelayUrl.parse(text))
        parts = urlsplit(read)
        host, port = parts.hostname or "", parts.port
    except NostrSdkError as error:
        raise BadAddressError(str(error).strip("'") or "not an address") from None
    except ValueError as error:
        raise BadAddressError(str(error)) from None
    if len(read) > MAX_ADDRESS_CHARACTERS:
        raise BadAddressError(f"longer than {MAX_ADDRESS_CHARACTERS} characters when encoded")
    # A name may end with the root's dot. Without it, and with one more, it would be another.
    host = host.removesuffix(".").lower()
    if not host or host.endswith("."):
        raise BadAddressError("names no host")
    if parts.username is not None or parts.password is not None:
        raise BadAddressError("must not contain a user name or password")
    if port == 0:
        raise BadAddressError("port 0 cannot be connected to")
    return parts, host, port


def _check_text(text: str) -> None:
    """Refuse what the library would repair: it drops tabs and turns backslashes."""
    if len(text) > MAX_ADDRESS_CHARACTERS:
        raise BadAddressError(f"longer than {MAX_ADDRESS_CHARACTERS} characters")
    if not text.isprintable() or " " in text or "\\" in text:
        raise BadAddressError("contains spaces or control characters")
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in _DEFAULT_PORTS:
        raise BadAddressError("must begin with wss:// or ws://")
    if not rest or rest[0] in "/?#":
        raise BadAddressError("names no host")


def normalise(url: str) -> str:
    """One spelling for one relay: lower-case scheme and host, no default port, no lone slash.

    International names and paths are encoded, numeric hosts written out.

    Raises:
        BadAddressError: it is no ``ws://`` or ``wss://`` address.
    """
    parts, host, port = _split(url)
    scheme = parts.scheme.lower()
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        shown = f"{shown}:{port}"
    path = "" if parts.path == "/" else parts.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{shown}{path}{query}"


def _address_literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _public(literal: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(literal, ipaddress.IPv6Address):
        embedded = literal.ipv4_mapped or literal.sixtofour
        if embedded is None:
            # Python counts site-local and NAT64 addresses as global, too.
            return literal.is_global and literal in _GLOBAL_UNICAST
        literal = embedded
    return literal.is_global and not literal.is_multicast


def _private(host: str) -> str | None:
    literal = _address_literal(host)
    if literal is not None:
        return None if _public(literal) else "is not a public address"
    if host == "localhost" or f".{host}".endswith(_PRIVATE_SUFFIXES):
        return "is a name of a private network"
    if "." not in host:
        return "is a name of a private network"
    return None


def acceptable(url: str, allow_private: bool) -> str | None:
    """Why an address learned from the network must not be visited; None if it may be.

    A stranger's relay list must not make us connect into our own network, or in clear text.

    Args:
        url: the address as learned.
        allow_private: also accept ``ws://`` and private hosts (demo, tests, closed networks).
    """
    try:
        parts, host, _ = _split(url)
    except BadAddressError as error:
        return str(error)
    if allow_private:
        return None
    if parts.scheme.lower() != "wss":
        return "must be wss://"
    return _private(host)


def loggable(address: str) -> str:
    """Return an address without its query, which may be a token; for logs, labels and reports."""
    plain, query, _ = address.partition("?")
    return f"{plain}?…" if query else plain
