"""One request to the node, built and mined so that it is young when it goes out.

The node drops what is older than ten seconds (mostro: src/app.rs), and the time is part of what
is mined. So work is done in slices of a millisecond, between which everything else runs, and the
event is built anew every few seconds: luck has no memory, so nothing is lost.
"""

import random
from collections.abc import Callable
from typing import Final

from nostr_sdk import Event, Keys

from serbero.clock import Clock
from serbero.nostr.work import Draft, committed, search, signed_draft

FRESH_SECONDS: Final = 3.0
"""After this long a request is dated anew; some seconds of the node's ten are the relays'."""
SLICE_TRIES: Final = 500
"""Nonces between two looks at the rest of the world: about half a millisecond."""

Build = Callable[[int], tuple[Draft, Keys]]
"""``build(created_at)``: the request dated so (Unix seconds), and who signs it."""


async def craft(build: Build, bits: int, clock: Clock) -> Event:
    """Build a request with ``bits`` of proof of work (NIP-13), never older than a few seconds.

    Cancelling it stops the work at once.
    """
    draft, signer = build(clock.now())
    if not bits:
        return signed_draft(signer, draft)
    started = clock.monotonic()
    nonce = random.getrandbits(48)
    while (found := search(draft, bits, nonce, SLICE_TRIES)) is None:
        nonce += SLICE_TRIES
        await clock.sleep(0)
        if clock.monotonic() - started >= FRESH_SECONDS:
            started = clock.monotonic()
            draft, signer = build(clock.now())
    return signed_draft(signer, committed(draft, bits, found))
