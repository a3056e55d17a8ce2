"""Faults of a relay's answers: OK, CLOSED, EOSE, AUTH."""

import json
import secrets
from typing import Any, Literal

from nostr_sdk import Event, NostrSdkError

from serbero.simulator.behaviour import Behaviour, Way
from serbero.simulator.events import KIND_AUTH
from serbero.simulator.proxy import FaultProxy, Link
from serbero.simulator.wire import Frame, peek

When = Literal["once", "always", "after-eose"]


def packed(*message: Any) -> str:
    """A Nostr message as text."""
    return json.dumps(message, separators=(",", ":"))


class RefuseEvents(Behaviour):
    """Answers each EVENT with ``OK false`` and a reason.

    Args:
        reason: the text after the flag.
        keeps: whether the relay stores the event all the same (true of ``duplicate:``).
    """

    def __init__(self, reason: str, *, keeps: bool = False) -> None:
        self._reason = reason
        self._keeps = keeps
        self._answered: set[str] = set()

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """Answer for the relay, and hold back what the relay itself says of that event."""
        verb, subject = peek(text)
        if way == "up" and verb == "EVENT":
            link.send_down(packed("OK", subject, False, self._reason))
            if not self._keeps:
                return []
            self._answered.add(subject)
        elif way == "down" and verb == "OK" and subject in self._answered:
            self._answered.discard(subject)
            return []
        return [text]


class OkTamper(Behaviour):
    """Stores events honestly and answers wrongly.

    Args:
        how: ``never`` answers nothing; ``other-id`` names another event; ``twice`` repeats;
            ``contradict`` says false first and true after; ``malformed`` sends arrays that
            are no OK.
    """

    def __init__(
        self, how: Literal["never", "other-id", "twice", "contradict", "malformed"]
    ) -> None:
        self._how = how

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Replace the relay's OK."""
        verb, subject = peek(text)
        if way == "up" or verb != "OK":
            return [text]
        if self._how == "never":
            return []
        if self._how == "other-id":
            return [packed("OK", secrets.token_hex(32), True, "")]
        if self._how == "twice":
            return [text, text]
        if self._how == "contradict":
            return [packed("OK", subject, False, "error: could not store it"), text]
        return [packed("OK", subject), packed("OK", subject, "true", 7), packed("OK")]


class LoseEvents(Behaviour):
    """Says ``OK true`` to events of the client and stores none (canaries included)."""

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """Answer instead of the relay."""
        verb, subject = peek(text)
        if way == "up" and verb == "EVENT":
            link.send_down(packed("OK", subject, True, ""))
            return []
        return [text]


class CloseSubscriptions(Behaviour):
    """Ends subscriptions with ``CLOSED`` and a reason, and really ends them at the relay.

    Args:
        reason: the message of the CLOSED.
        when: ``once`` strikes each subscription that is open when it starts, and the first
            REQ of each id later; ``always`` strikes every REQ while it is on;
            ``after-eose`` serves the stored events and strikes at their end.
    """

    def __init__(self, reason: str, when: When) -> None:
        self._reason = reason
        self._when = when
        self._struck: set[str] = set()

    def started(self, proxy: FaultProxy) -> None:
        """Strike what is open."""
        for link in proxy.links:
            for subscription in list(link.requests):
                self._strike(link, subscription)

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """Strike REQs, or subscriptions at their EOSE."""
        verb, subject = peek(text)
        if way == "up" and verb == "REQ" and self._when != "after-eose":
            if self._when == "always" or subject not in self._struck:
                self._strike(link, subject)
                return []
        elif way == "down" and verb == "EOSE" and self._when == "after-eose":
            closed = self._closed(link, subject)
            return [text, closed]
        return [text]

    def _strike(self, link: Link, subscription: str) -> None:
        self._struck.add(subscription)
        link.send_down(self._closed(link, subscription))

    def _closed(self, link: Link, subscription: str) -> str:
        link.requests.pop(subscription, None)
        link.send_up(packed("CLOSE", subscription))
        return packed("CLOSED", subscription, self._reason)


class Forget(Behaviour):
    """Drops open subscriptions at the relay without a word."""

    def started(self, proxy: FaultProxy) -> None:
        """Forget what is open now; what is asked anew is served."""
        for link in proxy.links:
            for subscription in list(link.requests):
                link.send_up(packed("CLOSE", subscription))


class DropLive(Behaviour):
    """Serves stored events and EOSE, and loses every live event while it is on."""

    def __init__(self) -> None:
        self._live: set[tuple[Link, str]] = set()

    def started(self, proxy: FaultProxy) -> None:
        """What is open is live already."""
        self._live = {(link, name) for link in proxy.links for name in link.requests}

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """Drop events of subscriptions whose EOSE passed."""
        verb, subject = peek(text)
        if way == "up" and verb == "REQ":
            self._live.discard((link, subject))
        elif way == "down" and verb == "EOSE":
            self._live.add((link, subject))
        elif way == "down" and verb == "EVENT" and (link, subject) in self._live:
            return []
        return [text]


class EoseTamper(Behaviour):
    """EOSE ``never``, ``early`` (before the stored events) or ``twice``."""

    def __init__(self, how: Literal["never", "early", "twice"]) -> None:
        self._how = how

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """Move, drop or repeat the EOSE."""
        verb, subject = peek(text)
        if way == "up" and verb == "REQ" and self._how == "early":
            link.send_down(packed("EOSE", subject))
        elif way == "down" and verb == "EOSE":
            return [text, text] if self._how == "twice" else []
        return [text]


class ClampLimit(Behaviour):
    """Serves at most ``most`` stored events a filter, and does not say so."""

    def __init__(self, most: int) -> None:
        self._most = most

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Lower each filter's limit on its way up."""
        if way != "up" or peek(text)[0] != "REQ":
            return [text]
        verb, name, *filters = json.loads(text)
        clamped = [
            each | {"limit": min(int(each.get("limit", self._most)), self._most)}
            for each in filters
        ]
        return [packed(verb, name, *clamped)]


class HideStored(Behaviour):
    """Answers every REQ with an immediate EOSE and no stored event; live ones pass."""

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Ask the relay for nothing that is stored."""
        if way != "up" or peek(text)[0] != "REQ":
            return [text]
        verb, name, *filters = json.loads(text)
        return [packed(verb, name, *(each | {"limit": 0} for each in filters))]


class DemandAuth(Behaviour):
    """Wants NIP-42 authentication before it serves or stores.

    Args:
        late: the challenge comes with the first refusal, not at the start of a connection.
        accepts: whether a correct answer is accepted.
        again: the first correct answer is refused, with a new challenge.

    The age of an answer is not judged: the client's clock may be a test's.
    """

    def __init__(self, *, late: bool = False, accepts: bool = True, again: bool = False) -> None:
        self._late = late
        self._accepts = accepts
        self._again = again
        self._challenges: dict[Link, str] = {}
        self._known: set[Link] = set()
        self._proxy: FaultProxy | None = None
        self.answers = 0

    def started(self, proxy: FaultProxy) -> None:
        """Challenge the open links and end their subscriptions."""
        self._proxy = proxy
        for link in proxy.links:
            self._challenge(link)
            for subscription in list(link.requests):
                link.requests.pop(subscription)
                link.send_up(packed("CLOSE", subscription))
                link.send_down(packed("CLOSED", subscription, "auth-required: who are you?"))

    def connected(self, link: Link) -> None:
        """Challenge a new link, unless it comes late."""
        if not self._late:
            self._challenge(link)

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """Refuse until an answer was accepted."""
        verb, subject = peek(text)
        if way == "down":
            return [text]
        if verb == "AUTH":
            self._judge(text, subject, link)
            return []
        if link in self._known or verb not in {"REQ", "EVENT"}:
            return [text]
        if link not in self._challenges:
            self._challenge(link)
        if verb == "REQ":
            link.requests.pop(subject, None)
            link.send_down(packed("CLOSED", subject, "auth-required: who are you?"))
        else:
            link.send_down(packed("OK", subject, False, "auth-required: who are you?"))
        return []

    def _challenge(self, link: Link) -> None:
        self._challenges[link] = secrets.token_hex(8)
        link.send_down(packed("AUTH", self._challenges[link]))

    def _judge(self, text: str, event_id: str, link: Link) -> None:
        self.answers += 1
        problem = self._problem(text, link)
        if problem or not self._accepts:
            reason = problem or "restricted: not on the list"
            link.send_down(packed("OK", event_id, False, reason))
        elif self._again:
            self._again = False
            link.send_down(packed("OK", event_id, False, "error: please try again"))
            self._challenge(link)
        else:
            self._known.add(link)
            link.send_down(packed("OK", event_id, True, ""))

    def _problem(self, text: str, link: Link) -> str:
        """What is wrong with an answer by NIP-42's rules; empty if nothing."""
        try:
            event = Event.from_json(json.dumps(json.loads(text)[1]))
        except NostrSdkError:
            return "invalid: not an event"
        tags = {each[0]: each[1] for tag in event.tags() if len(each := tag.to_vec()) > 1}
        if event.kind().as_u16() != KIND_AUTH or not event.verify():
            return "invalid: not a signed answer"
        if tags.get("challenge") != self._challenges.get(link):
            return "invalid: another challenge"
        expected = self._proxy.url if self._proxy is not None else ""
        if tags.get("relay", "").rstrip("/") != expected:
            return "invalid: another relay"
        return ""
