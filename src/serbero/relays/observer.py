# ruff: noqa: ARG002 - the signatures are the content
"""What the pool tells the rest of the daemon: for logs, metrics and reconciliation."""

from typing import Protocol

from serbero.nostr.replies import ReplyPrefix


class RelayObserver(Protocol):
    """Synchronous hooks, called in the event loop; they must be quick and must not raise.

    ``relay_hearing`` and ``relay_deaf`` speak of configured relays only, and no policy of an
    extra relay alerts: nothing depends on those.

    The bodies here do nothing, so a subclass overrides only what it cares for.
    """

    def connect_attempt(self, url: str, ok: bool) -> None:
        """A connection attempt ended."""
        return

    def relay_connected(self, url: str) -> None:
        """A connection stands; nothing is heard yet."""
        return

    def relay_lost(self, url: str, reason: str) -> None:
        """A connection that stood is gone."""
        return

    def relay_hearing(self, url: str, regained: bool) -> None:
        """The relay answers our subscriptions; ``regained`` if it did earlier in this process."""
        return

    def relay_deaf(self, url: str, reason: str) -> None:
        """Connected, but what is published there no longer reaches us."""
        return

    def closed(self, url: str, subscription_id: str, prefix: ReplyPrefix) -> None:
        """The relay closed one of our subscriptions."""
        return

    def canary(self, url: str, milliseconds: float) -> None:
        """Our own event came back on the subscription after this long."""
        return

    def event_rejected(self, url: str, reason: str) -> None:
        """An event was dropped: ``signature`` (forged) or ``unasked`` (matches no filter)."""
        return

    def relay_policy_alert(self, url: str, reason: str) -> None:
        """The relay refuses a subscription or events by policy: a person should look.

        Once until it hears us, or takes an event, again.
        """
        return

    def relay_forgotten(self, url: str) -> None:
        """Nobody needed the relay for long: what is kept about it can go."""
        return

    def relay_answers(self, url: str) -> None:
        """The relay answers what is published again: what waits for it may be sent."""
        return

    def stream_lagged(self) -> None:
        """Messages were lost between the sockets and us: ask for what is stored."""
        return


class QuietObserver(RelayObserver):
    """Watches nothing."""
