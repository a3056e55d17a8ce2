"""Events of our own, signed."""

from collections.abc import Iterable, Sequence

from nostr_sdk import Event, EventBuilder, Keys, Kind, Tag, Timestamp


def signed(
    keys: Keys, kind: int, content: str, tags: Iterable[Sequence[str]], created_at: int
) -> Event:
    """Return an event of ``keys`` (NIP-01).

    Args:
        keys: the author's.
        kind: its kind.
        content: its content.
        tags: each a name and its values.
        created_at: Unix seconds.
    """
    unsigned = (
        EventBuilder(Kind(kind), content)
        .tags([Tag.parse(list(tag)) for tag in tags])
        .custom_created_at(Timestamp.from_secs(created_at))
        .finalize_unsigned(keys.public_key())
    )
    return keys.sign_event(unsigned)
