"""Publishes who we are, where the operator wants it: a profile and our inbox relays."""

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Final

import structlog
from nostr_sdk import Event, Keys

from serbero.clock import Clock
from serbero.delivery.worker import Publisher
from serbero.nostr.addresses import acceptable
from serbero.nostr.identity import inbox_relays, profile
from serbero.nostr.replies import PublishOutcome, PublishReply

RETRY_SECONDS: Final = 60
REFRESH_SECONDS: Final = 86_400
"""Relays forget; once a day they are told again."""
MAX_PUBLISHED: Final = 3
"""Inbox relays named to the world; NIP-17 asks for a short list."""

_log = structlog.get_logger(__name__)


def fit_to_publish(relays: Sequence[str], *, allow_private: bool) -> tuple[str, ...]:
    """Return the configured relays that may be named to the world. Pure.

    Clear-text and private addresses tell strangers about our network and help nobody else, and a
    query may be a token.

    Args:
        relays: as configured.
        allow_private: for closed networks, whose members reach private addresses.
    """
    fit = (url for url in relays if "?" not in url and acceptable(url, allow_private) is None)
    return tuple(islice(fit, MAX_PUBLISHED))


class Introduction:
    """Tells every configured relay, and those that were away when they are back."""

    def __init__(
        self,
        *,
        keys: Keys,
        publisher: Publisher,
        relays: Sequence[str],
        allow_private: bool,
        name: str,
        about: str,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._publisher = publisher
        self._relays = tuple(relays)
        self._inbox = fit_to_publish(relays, allow_private=allow_private)
        self._name = name
        self._about = about
        self._clock = clock

    async def run(self) -> None:
        """Publish now, retry what failed, and again every day."""
        while True:
            now = self._clock.now()
            events = [profile(self._keys, self._name, self._about, now)]
            if self._inbox:
                events.append(inbox_relays(self._keys, self._inbox, now))
            async with asyncio.TaskGroup() as tasks:
                for url in self._relays:
                    tasks.create_task(self._tell_patiently(url, events), name=f"introduce {url}")
            await self._clock.sleep(max(0, now + REFRESH_SECONDS - self._clock.now()))

    async def _tell_patiently(self, url: str, events: Sequence[Event]) -> None:
        """Publish to one relay, again every minute for a day; say once what keeps it from us."""
        for attempt in range(REFRESH_SECONDS // RETRY_SECONDS):
            trouble = await self._tell(url, events)
            if trouble is None:
                return
            if attempt == 0:
                _log.info(
                    "identity_not_published",
                    relay=url,
                    reason=trouble.text or trouble.outcome.value,
                    consequence="tried again every minute",
                )
            await self._clock.sleep(RETRY_SECONDS)

    async def _tell(self, url: str, events: Sequence[Event]) -> PublishReply | None:
        """Publish to one relay; None if nothing is left to try there, else what stands against it.

        Who we are is not worth proof of work: a relay that wants it does without.
        """
        for event in events:
            reply = await self._publisher.publish(url, event)
            if reply.outcome.final or reply.outcome is PublishOutcome.POW:
                _log.warning("identity_refused", relay=url, reason=reply.text)
            elif not reply.outcome.delivered:
                return reply
        return None
