"""Relay addresses: one spelling each, and which of the network's we are willing to visit."""

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_ADDRESS_CHARACTERS: Final = 255
"""Longer than any relay's real address; bounds what a stranger's relay list makes us keep."""

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
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
    if len(url) > MAX_ADDRESS_CHARACTERS:
        raise BadAddressError(f"longer than {MAX_ADDRESS_CHARACTERS} characters")
    text = url.strip()
    if not text.isprintable() or " " in text or "\\" in text:
        raise BadAddressError("contains spaces or control characters")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadAddressError(str(error)) from None
    if parts.scheme.lower() not in _DEFAULT_PORTS:
        raise BadAddressError("must begin with wss:// or ws://")
    if not host:
        raise BadAddressError("names no host")
    if parts.username is not None or parts.password is not None:
        raise BadAddressError("must not contain a user name or password")
    if port == 0:
        raise BadAddressError("port 0 cannot be connected to")
    return parts, host.rstrip(".").lower(), port


def normalise(url: str) -> str:
    """One spelling for one relay: lower-case scheme and host, no default port, no lone slash.

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
        return ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return None


def _private(host: str) -> str | None:
    literal = _address_literal(host)
    if literal is not None:
        embedded = getattr(literal, "ipv4_mapped", None) or getattr(literal, "sixtofour", None)
        public = (embedded or literal).is_global and not (embedded or literal).is_multicast
        return None if public else "is not a public address"
    if host == "localhost" or f".{host}".endswith(_PRIVATE_SUFFIXES):
        return "is a name of a private network"
    # "127.1", "0x7f000001" and "2130706433" are loopback to a resolver, though no literal to us.
    if not any(c.isalpha() for c in host.rsplit(".", 1)[-1]) or host.startswith("0x"):
        return "is not a public host name"
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
