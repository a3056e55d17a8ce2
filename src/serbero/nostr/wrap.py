"""The gift wrap (NIP-59): what actually goes to a relay.

A wrap is random (one-time key, back-dated time), so two wraps of one rumor are two events. The
caller stores the bytes before it publishes them and publishes only those.
"""

from dataclasses import dataclass, field
from typing import Final

from nostr_sdk import (
    Event,
    EventBuilder,
    Keys,
    Kind,
    Nip44Version,
    PublicKey,
    SingleThreadPow,
    Tag,
    Timestamp,
    UnsignedEvent,
    nip44_encrypt,
    nip59_make_gift_wrap,
    nip59_make_seal,
)

GIFT_WRAP_KIND: Final = 1059
BACKDATING_SECONDS: Final = 172_800
"""NIP-59: a wrap's time lies up to two days back, so that it does not tell the send time."""
_EXPIRATION_GRAIN_SECONDS: Final = 3600
"""The expiration tag is public; rounding it up to the hour keeps it from telling the send time."""


class WrongAuthorError(ValueError):
    """A rumor that another key than the sealing one wrote."""


@dataclass(frozen=True, slots=True)
class Special:
    """What a relay that refused the ordinary wrap wants of another one.

    Attributes:
        created_at: Unix seconds for the wrap; near now for a relay that refuses old events.
        pow_bits: leading zero bits (NIP-13); every bit doubles the work, so callers cap it.
    """

    created_at: int
    pow_bits: int = 0


@dataclass(frozen=True, slots=True)
class Wrap:
    """A signed gift wrap: its event id (hex), its exact bytes as JSON, and the library's object.

    Handing JSON back to the library costs 0.15 ms a kilobyte (it copies byte by byte), so whoever
    publishes a new wrap uses ``event``.
    """

    id: str
    json: str
    event: Event = field(repr=False, compare=False)


def gift_wrap(
    keys: Keys, recipient: str, rumor_json: str, *, expires_at: int, special: Special | None = None
) -> Wrap:
    """Seal and wrap a rumor for one receiver.

    Args:
        keys: ours; must be the rumor's author.
        recipient: the receiver's key in hex.
        rumor_json: the unsigned event, with its id.
        expires_at: Unix seconds after which relays may drop the wrap (NIP-40), rounded up to
            the hour. It is an absolute tag: the library's own would count from the back-dated
            time of the wrap.
        special: what a relay demanded when it refused the ordinary wrap; None for that one.

    Raises:
        WrongAuthorError: the rumor is not ours; every reader would refuse it (NIP-17).
    """
    rumor = UnsignedEvent.from_json(rumor_json)
    if rumor.author() != keys.public_key():
        raise WrongAuthorError("the message was written under another key of ours")
    receiver = PublicKey.parse(recipient)
    grain = _EXPIRATION_GRAIN_SECONDS
    expiration = Tag.expiration(Timestamp.from_secs(-(-expires_at // grain) * grain))
    if special is None:
        event = nip59_make_gift_wrap(keys, receiver, rumor, extra_tags=[expiration])
    else:
        event = _by_hand(keys, receiver, rumor, expiration, special)
    return Wrap(id=event.id().to_hex(), json=event.as_json(), event=event)


def _by_hand(
    keys: Keys, receiver: PublicKey, rumor: UnsignedEvent, expiration: Tag, special: Special
) -> Event:
    """The same envelope by hand: the library's own constructor neither mines nor takes a time."""
    seal = nip59_make_seal(keys, receiver, rumor)
    one_time = Keys.generate()
    content = nip44_encrypt(one_time.secret_key(), receiver, seal.as_json(), Nip44Version.V2)
    unsigned = (
        EventBuilder(Kind(GIFT_WRAP_KIND), content)
        .tags([Tag.public_key(receiver), expiration])
        .custom_created_at(Timestamp.from_secs(special.created_at))
        .finalize_unsigned(one_time.public_key())
    )
    if special.pow_bits:
        unsigned = unsigned.mine(SingleThreadPow(), special.pow_bits)
    return one_time.sign_event(unsigned)
