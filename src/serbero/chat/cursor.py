"""From when on a channel is asked for. Pure.

Both ends sign the outer event and choose its time, so a cursor that followed it would be silenced
by one event dated far ahead (protocol: ``src/chat.md``).
"""

from typing import Final

from serbero.mostro.chat import Envelope
from serbero.nostr.wrap import BACKDATING_SECONDS

OVERLAP_SECONDS: Final = 600
"""Asked for again where nobody listened for a while: before the stored cursor (Source: mobile,
``chat_cursor_store.dart``), and before the last complete reading of a relay after a gap. A phone
may publish what it wrote minutes ago."""
SAFETY_OVERLAP_SECONDS: Final = 60
"""The same while the live stream stands, which brings what is published late: what the parties'
clocks may differ."""


def advanced(cursor: int, outer_created_at: int, now: int, read_to: int | None) -> int:
    """Return where the cursor stands after an accepted kind 14 message.

    Args:
        cursor: where it stood, Unix seconds.
        outer_created_at: of the message.
        now: Unix seconds by our clock; it never goes beyond.
        read_to: up to when every relay listened on was read completely, or None: what one of
            them may still hold is not passed over, or a restart would never ask for it.
    """
    if read_to is None:
        return cursor
    return max(cursor, min(outer_created_at, now, read_to))


def first_since(envelope: Envelope, cursor: int, opened_at: int, now: int) -> int:
    """From when a relay is asked that was not read yet, Unix seconds.

    Gift wraps are dated up to two days back and follow no cursor: all since the opening is read.
    """
    # A cursor set while our clock was ahead would hide everything until then.
    if envelope is Envelope.KIND14:
        return max(0, min(cursor, now) - OVERLAP_SECONDS)
    return max(0, min(opened_at, now) - OVERLAP_SECONDS - BACKDATING_SECONDS)


def next_since(envelope: Envelope, read_at: int, *, after_gap: bool) -> int:
    """From when a relay is asked that was completely read at ``read_at``, Unix seconds.

    Args:
        envelope: which.
        read_at: when that reading began, Unix seconds.
        after_gap: whether the live stream was interrupted since.
    """
    overlap = OVERLAP_SECONDS if after_gap else SAFETY_OVERLAP_SECONDS
    back = BACKDATING_SECONDS if envelope is Envelope.GIFT_WRAP else 0
    return max(0, read_at - overlap - back)
