"""All subscriptions on one relay, and the proof that they are heard.

The decisions are those of :mod:`~serbero.relays.hearing` and :mod:`~serbero.relays.canary`;
here they become messages, and what the relay says becomes their signals.
"""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from nostr_sdk import ClientMessage, Event, Keys

from serbero.clock import Clock
from serbero.nostr.replies import ClosedReason, PublishOutcome
from serbero.relays.canary import Canary, Proof, Step
from serbero.relays.canary_event import CANARY_KIND, canary_filter, new_canary
from serbero.relays.hearing import Signal, Stage, Wish
from serbero.relays.observer import RelayObserver
from serbero.relays.outgoing import Send
from serbero.relays.settings import RelaySettings
from serbero.relays.subscriptions import (
    LATE,
    REPEATED,
    Fields,
    Filter,
    Subscription,
    asked_for,
    fields_of,
)
from serbero.relays.wire import close_message, request_message

_log = structlog.get_logger(__name__)

PROBE_PREFIX: Final = "probe"
"""Our name for the ids of the limit-1 questions; no subscription may bear it."""


class Listening:
    """The subscriptions of one relay.

    Args:
        url: the relay.
        keys: signs the canaries.
        clock: time.
        settings: times.
        observer: told what changes.
        subscriptions: what is wanted; read anew on :meth:`wants_changed`.
        send: puts a message on the wire.
        on_change: called when a subscription begins or ceases to stand.
        counts: whether anything depends on this relay. Where not, its troubles are nobody's
            alarm: they are logged as information, and the observer hears of no deafness.
    """

    def __init__(
        self,
        url: str,
        *,
        keys: Keys,
        clock: Clock,
        settings: RelaySettings,
        observer: RelayObserver,
        subscriptions: Mapping[str, Subscription],
        send: Send,
        on_change: Callable[[], None],
        counts: bool,
    ) -> None:
        self._url, self._keys, self._clock = url, keys, clock
        self._settings, self._observer, self._send = settings, observer, send
        self._own = keys.public_key().to_hex()
        self._on_change, self._counts = on_change, counts
        self._subscriptions = subscriptions
        self._dropped = 0
        self._wishes: dict[str, Wish] = {}
        self._asked: dict[str, tuple[Subscription, Sequence[Filter]]] = {}
        self._farewells: list[str] = []
        self._canary = Canary(settings)
        self._probes = itertools.count(1)
        self._probe_id: str | None = None
        self._seen: dict[int, None] = {}
        self._connected = False
        self._hears = False
        self._ever_heard = False
        self._last_proof = Proof.DEAF
        self.since = 0.0
        self.reason: str | None = None
        self.wants_changed(clock.monotonic())

    @property
    def last_canary_ms(self) -> float | None:
        """How long the last canary took to come back."""
        return self._canary.last_milliseconds

    @property
    def proof(self) -> Proof:
        """Whether what matters is heard: the proving subscription, else all of them."""
        proving = self._proving()
        wishes = [proving] if proving is not None else list(self._wishes.values())
        if not self._connected or not wishes:
            return Proof.DEAF
        if any(each.stage is not Stage.HEARD for each in wishes):
            return Proof.DEAF
        return Proof.UNPROVEN if proving is None else self._canary.proof

    def hears(self, name: str) -> bool:
        """Whether a subscription stands on this connection: asked, and answered."""
        wish = self._wishes.get(name)
        return self._connected and wish is not None and wish.stage is Stage.HEARD

    def troubled(self, name: str) -> bool:
        """Whether there is no sense in waiting for a subscription to stand here soon."""
        proving, wish = self._proving(), self._wishes.get(name)
        return any(each is not None and each.troubled for each in (proving, wish))

    def closed(self) -> tuple[tuple[str, str], ...]:
        """Subscriptions that were ended and do not stand again, with the reasons."""
        return tuple(
            (name, wish.reason)
            for name, wish in self._wishes.items()
            if wish.reason is not None and wish.stage is not Stage.HEARD
        )

    def listen(self, subscriptions: Mapping[str, Subscription], now: float) -> None:
        """From now on want these; an empty mapping ends the listening here."""
        self._subscriptions = subscriptions
        self.wants_changed(now)

    def wants_changed(self, now: float) -> None:
        """Take up what was added, replaced or taken away."""
        for name in [each for each in self._wishes if each not in self._subscriptions]:
            dropped = self._wishes.pop(name)
            self._dropped = max(self._dropped, dropped.generation)
            self._asked.pop(name, None)
            if dropped.wire_id is not None:
                self._farewells.append(dropped.wire_id)
        if self._proving() is None:
            self._canary.stop()
        for name, subscription in self._subscriptions.items():
            if name not in self._wishes:
                wish = self._wishes[name] = Wish(name, self._settings, self._dropped)
                if self._connected:
                    wish.connected(now)
            elif name in self._asked and self._asked[name][0] is not subscription:
                self._wishes[name].renew(now)

    def renew(self, now: float) -> None:
        """Ask everything again."""
        for wish in self._wishes.values():
            wish.renew(now)

    def connected(self, now: float) -> None:
        """A new connection: everything is to be asked."""
        self._connected = True
        self._canary.connected()
        for wish in self._wishes.values():
            wish.connected(now)

    def lost(self, now: float) -> None:
        """The connection is gone."""
        self._connected = False
        self._canary.stop()
        self._farewells.clear()
        for wish in self._wishes.values():
            wish.lost(now)
        self._report(None)

    def next_due(self) -> float | None:
        """When :meth:`carry_out` has something to do."""
        dues = [each.next_due() for each in self._wishes.values()] + [self._canary.next_due()]
        return min((each for each in dues if each is not None), default=None)

    async def carry_out(self, now: float) -> str | None:
        """Do what is due; returns a reason when only a new connection can help."""
        while self._farewells:
            await self._send(close_message(self._farewells.pop()))
        for name, wish in list(self._wishes.items()):
            wish.tick(now)
            # Sending awaits: meanwhile the next one may have been unsubscribed or replaced.
            if wish.wants_request(now) and self._wishes.get(name) is wish:
                await self._request(name, wish, now)
        while (step := self._canary.tick(now)) is not None:
            if step is Step.RECONNECT:
                return "nothing comes back from it"
            await self._take(step, now)
        self._report(self._trouble())
        return None

    def saw_end(self, wire_id: str) -> None:
        """EOSE."""
        now = self._clock.monotonic()
        if wire_id == self._probe_id:
            self._probe_answered(now)
        elif (wish := self._current(wire_id)) is not None:
            if wish.heard(now, Signal.EOSE):
                if wish is self._proving():
                    self._canary.heard(now)
                self._on_change()
            self._report(self._trouble())

    def saw_closed(self, wire_id: str, reason: ClosedReason) -> None:
        """CLOSED."""
        now = self._clock.monotonic()
        if wire_id == self._probe_id:
            self._probe_answered(now)
            return
        wish = self._current(wire_id)
        if wish is None or wish.stage not in (Stage.ASKED, Stage.HEARD):
            return
        name = wish.subscription_id
        alert = wish.closed(now, reason)
        if wish is self._proving():
            self._canary.stop()
        _log.info(
            "subscription_closed",
            relay=self._url,
            subscription=name,
            reason=reason.text,
            again_in_seconds=round(wish.due - now, 1),
        )
        self._observer.closed(self._url, name, reason.prefix)
        if alert and not self._told_of_another(wish):
            self._refused_by_policy(name, reason.text)
        self._report(self._trouble())
        self._on_change()

    def saw_event(self, wire_id: str, event: Event) -> str | None:
        """An event on a subscription; returns why it was rejected.

        The library verifies only the first event of an id; a relay may send that id again
        with other tags. So each is verified here, last: it costs more than all before it.
        """
        asked = self._asked.get(wire_id.rpartition(":")[0])
        if asked is None:
            return LATE  # on its way while we took the subscription back
        fields = fields_of(event)
        if fields["kind"] == CANARY_KIND and fields["pubkey"] == self._own:
            if self.repeated(wire_id, fields):
                return REPEATED
            return self._saw_canary(wire_id, event, fields["id"])
        subscription, filters = asked
        if not asked_for(fields, filters):
            return "unasked"
        if self.repeated(wire_id, fields):
            return REPEATED
        try:
            if subscription.screen is not None and not subscription.screen(self._url, fields):
                return None
            if not event.verify():
                return "signature"
            if subscription.proves_hearing and self._current(wire_id) is not None:
                self._canary.event_seen(self._clock.monotonic())
            subscription.on_event(self._url, event)
        except Exception:  # noqa: BLE001
            # A boundary: one listener's fault must not deafen the others.
            _log.exception("event_listener_failed", relay=self._url, subscription=subscription.id)
        return None

    def repeated(self, wire_id: str, fields: Fields) -> bool:
        """Whether this very event came on this very subscription lately; remembers it if not."""
        seen = hash((wire_id, fields["id"], fields["sig"], str(fields["tags"]), fields["content"]))
        if seen in self._seen:
            return True
        self._seen[seen] = None
        if len(self._seen) > self._settings.repeats_remembered:
            del self._seen[next(iter(self._seen))]
        return False

    def authenticated(self, now: float) -> None:
        """Our AUTH was accepted."""
        for wish in self._wishes.values():
            wish.authenticated(now)

    def owns(self, event_id: str) -> bool:
        """Whether this is a canary of ours."""
        return self._canary.owns(event_id)

    def canary_replied(self, outcome: PublishOutcome) -> None:
        """The relay's OK to a canary."""
        self._canary.refused(outcome, self._clock.monotonic())

    def _saw_canary(self, wire_id: str, event: Event, event_id: str) -> str | None:
        wish = self._current(wire_id)
        waited_for = self._canary.owns(event_id)
        if wish is None or wish is not self._proving() or not waited_for:
            return None
        if not event.verify():
            return "signature"
        now = self._clock.monotonic()
        if (took := self._canary.echo(event_id, now)) is not None:
            if wish.heard(now, Signal.ECHO):
                self._on_change()
            self._observer.canary(self._url, took)
            self._report(self._trouble())
        return None

    def _told_of_another(self, wish: Wish) -> bool:
        """Whether a person knows already: one policy most often refuses all subscriptions."""
        others = (each for each in self._wishes.values() if each is not wish)
        return any(each.alerted and each.reason == wish.reason for each in others)

    def _refused_by_policy(self, name: str, reason: str) -> None:
        level = logging.ERROR if self._counts else logging.INFO
        _log.log(level, "relay_refuses_us", relay=self._url, subscription=name, reason=reason)
        if self._counts:
            self._observer.relay_policy_alert(self._url, reason)

    def _probe_answered(self, now: float) -> None:
        if self._probe_id is not None:
            self._farewells.append(self._probe_id)
        self._probe_id = None
        self._canary.probe_answered(now)
        self._report(None)

    async def _request(self, name: str, wish: Wish, now: float) -> None:
        subscription, before = self._subscriptions[name], wish.wire_id
        filters = list(subscription.filters())
        self._asked[name] = (subscription, filters)
        on_wire = filters
        if subscription.proves_hearing:
            on_wire = [*filters, canary_filter(self._own, self._clock.now())]
        wire_id = wish.asking(now)
        if subscription.proves_hearing:
            self._canary.asked(now)
        if before is not None:
            await self._send(close_message(before))
        await self._send(request_message(wire_id, on_wire))

    async def _take(self, step: Step, now: float) -> None:
        proving = self._proving()
        if proving is None:
            self._canary.stop()
            return
        match step:
            case Step.SEND:
                event = new_canary(self._keys, self._clock.now())
                self._canary.sent(event.id().to_hex(), now)
                await self._send(ClientMessage.event(event))
            case Step.PROBE:
                _, filters = self._asked[proving.subscription_id]
                if self._probe_id is not None:
                    await self._send(close_message(self._probe_id))
                self._probe_id = f"{PROBE_PREFIX}:{next(self._probes)}"
                await self._send(request_message(self._probe_id, [{**filters[0], "limit": 1}]))
            case Step.ASK_AGAIN:
                proving.deaf(now, "no canary came back")
                if proving.wants_request(now):
                    await self._request(proving.subscription_id, proving, now)
            case Step.FALL_BACK:
                _log.log(
                    logging.WARNING if self._counts else logging.INFO,
                    "relay_shows_no_ephemeral_events",
                    relay=self._url,
                    consequence="unproven",
                )
            case Step.RECONNECT:
                raise AssertionError("decided by the caller")

    def _proving(self) -> Wish | None:
        for name, subscription in self._subscriptions.items():
            if subscription.proves_hearing:
                return self._wishes.get(name)
        return None

    def _current(self, wire_id: str) -> Wish | None:
        wish = self._wishes.get(wire_id.rpartition(":")[0])
        return wish if wish is not None and wish.wire_id == wire_id else None

    def _trouble(self) -> str | None:
        return next((each.reason for each in self._wishes.values() if each.reason), None)

    def _report(self, reason: str | None) -> None:
        proof = self.proof
        self.reason = reason
        if proof is not self._last_proof:
            self._last_proof, self.since = proof, self._clock.time()
        hears = proof is not Proof.DEAF
        if hears == self._hears:
            return
        self._hears = hears
        if hears:
            _log.info(
                "relay_hearing", relay=self._url, regained=self._ever_heard, proof=proof.value
            )
            regained, self._ever_heard = self._ever_heard, True
            if self._counts:
                self._observer.relay_hearing(self._url, regained)
        elif self._connected and self._wishes:
            # Only while something is wanted of it: a stop takes every subscription back.
            level = logging.WARNING if self._counts else logging.INFO
            _log.log(level, "relay_deaf", relay=self._url, reason=reason)
            if self._counts:
                self._observer.relay_deaf(self._url, reason or "unknown")
