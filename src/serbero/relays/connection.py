"""One connection to one relay, by the library, with its habits worked around."""

import contextlib
from collections.abc import Callable
from datetime import timedelta

import structlog
from nostr_sdk import (
    Client,  # noqa: TID251 - this room may
    ClientMessage,
    NostrSdkError,
    Relay,
    RelayOptions,
    RelayStatus,
    RelayUrl,
)

from serbero.nostr.replies import clean
from serbero.relays.sockets import disable_nagle

_log = structlog.get_logger(__name__)


class Connection:
    """What the library holds of a relay.

    Args:
        url: normalised address.
        client: gives the library's client of the moment.
    """

    def __init__(self, url: str, client: Callable[[], Client]) -> None:
        self._url, self._client = url, client
        self._relay: Relay | None = None

    @property
    def stands(self) -> bool:
        """Whether it is open now; the library does not report a loss, it must be asked."""
        return self._relay is not None and self._relay.status() == RelayStatus.CONNECTED

    async def open(self, limit_seconds: float) -> str | None:
        """Try once, real seconds; returns what went wrong.

        Each attempt gets a fresh library object: the old one would first send what was queued
        in it while it was down, and a cancelled attempt leaves it connecting for ever. The
        attempt is bounded by the library in real time, since it waits for real sockets.
        """
        client = self._client()
        try:
            url = RelayUrl.parse(self._url)
            with contextlib.suppress(NostrSdkError):
                await client.remove_relay(url, force=True)
            await client.add_relay(url, opts=RelayOptions().reconnect(False))
            self._relay = await client.relay(url)
            if self._relay is None:
                return "the library does not know the relay"
            await self._relay.try_connect(timedelta(seconds=limit_seconds))
        except NostrSdkError as error:
            # The library puts some of its texts in quotes.
            return clean(str(error).strip("'")) or type(error).__name__
        if not self.stands:
            return "closed at once"
        disable_nagle()
        return None

    async def send(self, message: ClientMessage) -> bool:
        """Put a message on the wire; False if that failed. Only while it :attr:`stands`.

        The library queues what is sent while down and reports success.
        """
        if self._relay is None:
            return False
        try:
            await self._relay.send_msg(message)
        except NostrSdkError as error:
            _log.debug("relay_send_failed", relay=self._url, reason=clean(str(error)))
            return False
        return True

    def close(self) -> None:
        """Leave the relay."""
        if self._relay is not None:
            self._relay.disconnect()

    async def forget(self) -> None:
        """Leave the relay for good, the library's memory of it included."""
        self.close()
        self._relay = None
        with contextlib.suppress(NostrSdkError):
            await self._client().remove_relay(RelayUrl.parse(self._url), force=True)
