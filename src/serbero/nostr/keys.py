"""Keys as people type them: hex, ``npub``, ``nprofile``, ``nsec`` (NIP-19, NIP-21).

Every refusal says what was expected and what stood there instead. It never repeats what could
be a secret: a person who pastes a secret key into the wrong line must not find it again in a
log. Public keys are echoed in a shortened form only, and only when they carry their prefix.
"""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nostr_sdk import Keys

HEX_DIGITS: Final = 64
"""Length of a key in hex: 32 bytes."""

BECH32_LENGTH: Final = 63
"""Length of an ``npub`` or ``nsec``: prefix, separator, 52 symbols, 6 of checksum (NIP-19)."""

_PUBLIC: Final = "a public key: npub1..., nprofile1... or 64 hex digits"
_SECRET: Final = "a secret key: nsec1... or 64 hex digits"  # noqa: S105 - a description

_HEX: Final = re.compile(r"[0-9a-fA-F]+")
_SYMBOLS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_SYMBOLS: Final = frozenset(_SYMBOLS)
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
"""Of the bech32 checksum (BIP-173, "Checksum")."""
_OTHER_ENTITIES: Final = ("note1", "nevent1", "naddr1", "nrelay1", "lnurl1")
_SECRET_MARKS: Final = ("nsec1", "ncryptsec1")

_FIELD_PRIME: Final = 2**256 - 2**32 - 977
"""The prime of secp256k1's field (SEC 2, section 2.4.1)."""


class KeyProblem(ValueError):  # noqa: N818 - named for what it says
    """A text that is not the key wanted. Holds no secret, neither here nor in its text.

    Attributes:
        expected: what would have been right.
        found: what stood there, described and not repeated.
    """

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}; found {found}")
        self.expected = expected
        self.found = found


def parse_public_key(text: str) -> str:
    """Return the key as 64 lower-case hex digits.

    Accepts hex in either case, ``npub`` and ``nprofile`` (whose relays are ignored), each with
    or without ``nostr:`` (NIP-21), and surrounding blanks.

    Raises:
        KeyProblem: it is none of these; a secret key pasted by mistake is not repeated.
    """
    body = _without_scheme(text)
    if looks_secret(body) or not body.isascii():
        raise KeyProblem(_PUBLIC, _describe(body))
    if len(body) == HEX_DIGITS and _HEX.fullmatch(body):
        value = body.lower()
        if not _on_curve(value):
            raise KeyProblem(_PUBLIC, "64 hex digits that are no public key (a digit is mistyped)")
        return value
    if body.lower().startswith(("npub1", "nprofile1")):
        return _public_from_bech32(body)
    raise KeyProblem(_PUBLIC, _describe(body))


def parse_secret_key(text: str) -> "Keys":
    """Return the key pair of a secret key in hex or ``nsec``, either case, blanks trimmed.

    Raises:
        KeyProblem: it is neither; the text is never repeated.
    """
    from nostr_sdk import Keys, NostrSdkError  # noqa: PLC0415 - commands that look need none of it

    body = _without_scheme(text)
    if len(body) == HEX_DIGITS and _HEX.fullmatch(body):
        try:
            return Keys.parse(body.lower())
        except NostrSdkError:
            found = "64 hex digits that are no secret key (zero, or beyond the curve's order)"
            raise KeyProblem(_SECRET, found) from None
    if not body.lower().startswith("nsec1"):
        raise KeyProblem(_SECRET, _describe(body))
    if fault := _bech32_fault(body, name="nsec", length=BECH32_LENGTH):
        raise KeyProblem(_SECRET, fault)
    try:
        return Keys.parse(body.lower())
    except NostrSdkError:
        raise KeyProblem(_SECRET, _CHECKSUM.format(name="nsec")) from None


def npub(public_key: str) -> str:
    """Return the ``npub`` of a key in hex (NIP-19).

    Raises:
        KeyProblem: ``public_key`` is not a public key.
    """
    value = int(parse_public_key(public_key), 16)
    # 52 symbols of five bits: the last has one of the key's bits left, and four of nothing.
    data = [(value << 4) >> shift & 31 for shift in range(255, -1, -5)]
    return "npub1" + "".join(_SYMBOLS[each] for each in (*data, *_bech32_checksum("npub", data)))


def _bech32_checksum(prefix: str, data: list[int]) -> list[int]:
    """Return the six symbols that end a bech32 text (BIP-173)."""
    spread = [*(ord(each) >> 5 for each in prefix), 0, *(ord(each) & 31 for each in prefix)]
    state = 1
    for each in (*spread, *data, *(0,) * 6):
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ each
        for place, generator in enumerate(_GENERATORS):
            if top >> place & 1:
                state ^= generator
    return [(state ^ 1) >> shift & 31 for shift in range(25, -1, -5)]


def shortened(public_key: str) -> str:
    """Return a public key short enough for a sentence, long enough to be recognised."""
    if len(public_key) <= 20:
        return public_key
    return f"{public_key[:12]}…{public_key[-4:]}"


def looks_secret(text: str) -> bool:
    """Whether ``text`` carries what looks like a secret key (``nsec``, ``ncryptsec``).

    A secret in hex cannot be told from a public key and is not recognised.
    """
    lowered = text.lower()
    return any(mark in lowered for mark in _SECRET_MARKS)


_CHECKSUM: Final = "an {name} whose checksum is wrong (a character is mistyped or missing)"


def _without_scheme(text: str) -> str:
    """Trim blanks and a leading ``nostr:``."""
    body = text.strip()
    return body[6:].strip() if body[:6].lower() == "nostr:" else body


def _public_from_bech32(body: str) -> str:
    name = body.lower().split("1", 1)[0]
    length = BECH32_LENGTH if name == "npub" else None
    if fault := _bech32_fault(body, name=name, length=length):
        raise KeyProblem(_PUBLIC, f"{shortened(body)}, {fault}")
    from nostr_sdk import NostrSdkError, PublicKey  # noqa: PLC0415 - see above

    try:
        value = PublicKey.parse(body.lower()).to_hex()
    except NostrSdkError:
        found = f"{shortened(body)}, {_CHECKSUM.format(name=name)}"
        raise KeyProblem(_PUBLIC, found) from None
    if not _on_curve(value):
        raise KeyProblem(_PUBLIC, f"{shortened(body)}, which holds no point of the curve")
    return value


def _bech32_fault(body: str, *, name: str, length: int | None) -> str | None:
    """Say what is wrong with a bech32 text before its checksum is looked at, or None.

    The text itself is not repeated, not even one character: the caller decides what may be.
    """
    if body not in {body.lower(), body.upper()}:
        return f"an {name} in mixed upper and lower case (bech32 allows one of them)"
    if not set(body.lower().split("1", 1)[1]) <= _BECH32_SYMBOLS:
        return f"an {name} with a character that bech32 does not use"
    if length is not None and len(body) != length:
        return f"an {name} of {len(body)} characters instead of {length}"
    return None


def _describe(body: str) -> str:
    """Say what kind of text stands where a key belongs, without repeating it."""
    lowered = body.lower()
    if not body:
        return "nothing"
    if "ncryptsec1" in lowered:
        return "an encrypted secret key (ncryptsec), not repeated here; decrypt it first"
    if "nsec1" in lowered:
        return "a secret key (nsec), not repeated here"
    if lowered.startswith(("npub1", "nprofile1")):
        return f"a public key ({shortened(body)})"
    for prefix in _OTHER_ENTITIES:
        if lowered.startswith(prefix):
            return f"a {prefix[:-1]}, which names no key"
    if _HEX.fullmatch(body):
        return f"{len(body)} hex digits"
    return _describe_prose(body)


def _describe_prose(body: str) -> str:
    if "<" in body or "..." in body or "…" in body:
        return "a placeholder"
    if "@" in body:
        return "an address with @ (look its public key up first)"
    if words := len(body.split()) - 1:
        return f"{words + 1} words"
    return f"a text of length {len(body)} that is no key"


def _on_curve(public_key: str) -> bool:
    """Whether a point with this x exists (BIP-340 ``lift_x``).

    The library takes any 32 bytes for a public key and fails only when something is sent to it;
    about half of all mistyped keys can be refused here instead.
    """
    x = int(public_key, 16)
    if x >= _FIELD_PRIME:
        return False
    return pow(x**3 + 7, (_FIELD_PRIME - 1) // 2, _FIELD_PRIME) == 1
