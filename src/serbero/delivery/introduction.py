"""Publishes who we are, where the operator wants it: a profile and our inbox relays."""

from collections.abc import Sequence
from typing import Final

import structlog
from nostr_sdk import Event, Keys

from serbero.clock import Clock
from serbero.delivery.worker import Publisher
from serbero.nostr.identity import inbox_relays, profile

RETRY_SECONDS: Final = 60
REFRESH_SECONDS: Final = 86_400
"""Relays forget; once a day they are told again."""

_log = structlog.get_logger(__name__)


class Introduction:
    """Tells every configured relay, and those that were away when they are back."""

    def __init__(
        self,
        *,
        keys: Keys,
        publisher: Publisher,
        relays: Sequence[str],
        name: str,
        about: str,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._publisher = publisher
        self._relays = tuple(relays)
        self._name = name
        self._about = about
        self._clock = clock

    async def run(self) -> None:
        """Publish now, retry what failed, and again every day."""
        while True:
            now = self._clock.now()
            events = (
                profile(self._keys, self._name, self._about, now),
                inbox_relays(self._keys, self._relays, now),
            )
            left = set(self._relays)
            waited = 0
            while left and waited < REFRESH_SECONDS:
                left = {url for url in left if not await self._tell(url, events)}
                if left:
                    await self._clock.sleep(RETRY_SECONDS)
                    waited += RETRY_SECONDS
            await self._clock.sleep(REFRESH_SECONDS - waited)

    async def _tell(self, url: str, events: Sequence[Event]) -> bool:
        """Publish to one relay; True if nothing is left to try there."""
        for event in events:
            reply = await self._publisher.publish(url, event)
            if reply.outcome.final:
                _log.warning("identity_refused", relay=url, reason=reply.text)
            elif not reply.outcome.delivered:
                return False
        return True
