"""The catalogue of misbehaviours: each with a name, what happens, what honesty demands.

:data:`FAULTS` maps names to :class:`Fault`; ``FAULTS[name].make()`` is a fresh
:class:`~serbero.simulator.behaviour.Behaviour` to put on a proxy. Behaviours compose: a proxy
applies all that are on, in the order they were put on.

Reasons are NIP-01's machine-readable prefixes with those of NIP-42, and what relays send
besides: a prefix nobody knows, a text without one, nothing at all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from serbero.simulator import fault_events as events
from serbero.simulator import fault_links as links
from serbero.simulator import fault_replies as replies
from serbero.simulator.behaviour import Behaviour
from serbero.simulator.garbage import GARBAGE, INVALID_UTF8, RESERVED_OPCODE


class Group(StrEnum):
    """What a fault is about."""

    LINK = "link"
    """The connection itself."""
    REPLY = "reply"
    """What the relay answers."""
    EVENT = "event"
    """What events it sends."""
    GARBAGE = "garbage"
    """What is no Nostr message."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One named misbehaviour.

    Attributes:
        name: its key in :data:`FAULTS`.
        summary: what the relay does.
        honest: what a client should do about it.
        make: builds the behaviour, anew for each use.
        group: what it is about.
        patient: after it, a client may wait minutes before it asks again: the relay's words
            named a policy, not a mishap.
        deafening: events may not get through while it is on (a second relay must carry them).
    """

    name: str
    summary: str
    honest: str
    make: Callable[[], Behaviour]
    group: Group
    patient: bool = False
    deafening: bool = True


REASONS: Final[dict[str, str]] = {
    "duplicate": "duplicate: already have this event",
    "pow": "pow: 28 bits needed",
    "auth-required": "auth-required: we only serve registered users",
    "restricted": "restricted: not on the list",
    "rate-limited": "rate-limited: slow down there, chief",
    "blocked": "blocked: you are banned from posting here",
    "invalid": "invalid: event creation date is too far off from the current time",
    "mute": "mute: no one was listening to your ephemeral event",
    "error": "error: could not connect to the database",
    "unsupported": "unsupported: filter contains unknown elements",
    "none": "no reason in particular",
    "unknown": "moonphase: come back at full moon",
    "empty": "",
}

POLICY_REASONS: Final = frozenset({"restricted", "blocked", "unsupported"})
"""A ``CLOSED`` with one of these is asked again after minutes, not seconds."""

_OK_HONEST: Final[dict[str, str]] = {
    "duplicate": "count it as delivered",
    "pow": "mine a new wrap if the cap allows, else give up on this relay",
    "auth-required": "authenticate, then the same bytes once more",
    "restricted": "stop on this relay, alert",
    "rate-limited": "back off, then the same bytes",
    "blocked": "stop on this relay, alert",
    "invalid": "do not resend to this relay",
}

_CLOSED_HONEST: Final[dict[str, str]] = {
    "auth-required": "authenticate and ask again at once; back off when there is no challenge",
    **dict.fromkeys(POLICY_REASONS, "alert once, count as deaf, ask again after minutes"),
}


def _links() -> Iterator[Fault]:
    def fault(
        name: str, summary: str, honest: str, make: Callable[[], Behaviour], *, deaf: bool = True
    ) -> Fault:
        return Fault(name, summary, honest, make, Group.LINK, deafening=deaf)

    again = "connect again on schedule, ask again, reconcile"
    wait = "wait; nothing is lost, nothing is sent twice"
    yield fault("latency", "250 ms each way", wait, lambda: links.Slow(0.25), deaf=False)
    yield fault("jitter", "up to 200 ms, in order", wait, lambda: links.Slow(0.0, 0.2), deaf=False)
    yield fault(
        "overtaking",
        "up to 200 ms, frames overtake one another",
        "order revisions by their stamps, not by arrival",
        lambda: links.Slow(0.0, 0.2, reordering=True),
        deaf=False,
    )
    yield fault("cut", "TCP connections end", again, links.Cut)
    yield fault("cut-mid-frame", "TCP ends inside a frame", again, lambda: links.Cut(middle=True))
    yield fault("cut-at-first-reply", "ends at its first frame", again, lambda: links.Cut(0))
    yield fault("cut-after-three", "ends after three frames", again, lambda: links.Cut(3))
    yield fault("refuse", "TCP resets at once", again, lambda: links.Refuse("reset"))
    yield fault("refuse-http", "HTTP 503 in the handshake", again, lambda: links.Refuse("http"))
    yield fault(
        "stall-handshake", "the handshake is never answered", again, lambda: links.Refuse("stall")
    )
    yield fault(
        "accept-and-close",
        "a close frame right after the handshake",
        "count it as a failed attempt: no faster than any other",
        lambda: links.Refuse("close"),
    )
    yield fault(
        "half-open",
        "takes everything, answers nothing, pings neither",
        "notice the silence, connect again",
        links.HalfOpen,
    )
    yield fault(
        "freeze", "all stands still, then goes on", wait, lambda: links.Freeze("up", "down")
    )
    yield fault("freeze-up", "nothing is read", wait, lambda: links.Freeze("up"))
    yield fault("freeze-down", "nothing is delivered", wait, lambda: links.Freeze("down"))
    yield fault(
        "slow-reader", "reads a frame each 100 ms", wait, lambda: links.SlowReader(0.1), deaf=False
    )
    yield fault("no-pong", "pings stay unanswered", "judge by frames", links.NoPong, deaf=False)
    yield fault("lost-up", "what the client says is lost", "notice it", lambda: links.Swallow("up"))
    yield fault(
        "lost-down", "what the relay says is lost", "notice it", lambda: links.Swallow("down")
    )
    yield fault("close-1000", "closes normally", again, lambda: links.Close(1000))
    yield fault("close-1012", "closes: restart", again, lambda: links.Close(1012, "restart"))
    yield fault(
        "fragments",
        "each message in three fragments",
        "nothing special: it is one message",
        lambda: links.Fragment(3),
        deaf=False,
    )


def _ok_replies() -> Iterator[Fault]:
    for key, reason in REASONS.items():
        if key == "unsupported":
            continue  # not a word for events
        yield Fault(
            f"ok-false:{key}",
            f"OK false, {reason!r}",
            _OK_HONEST.get(key, "treat as transient: back off, the same bytes, few tries"),
            partial(replies.RefuseEvents, reason, keeps=key == "duplicate"),
            Group.REPLY,
            deafening=False,
        )
    shapes: dict[str, tuple[str, str, Callable[[], Behaviour]]] = {
        "ok-never": (
            "stores and never answers",
            "outcome unknown: the same bytes again",
            lambda: replies.OkTamper("never"),
        ),
        "ok-other-id": (
            "answers for another event",
            "no answer to this one: the same bytes again",
            lambda: replies.OkTamper("other-id"),
        ),
        "ok-twice": ("answers twice", "count it once", lambda: replies.OkTamper("twice")),
        "ok-contradicts": (
            "false, then true",
            "the same bytes again at most",
            lambda: replies.OkTamper("contradict"),
        ),
        "ok-malformed": (
            "arrays that are no OK",
            "no answer: the same bytes again",
            lambda: replies.OkTamper("malformed"),
        ),
        "ok-lies": (
            "OK true, stored nothing, canaries included",
            "unknowable for messages; the canary proves the deafness",
            replies.LoseEvents,
        ),
    }
    for name, (summary, honest, make) in shapes.items():
        yield Fault(name, summary, honest, make, Group.REPLY, deafening=name == "ok-lies")


def _closed_replies() -> Iterator[Fault]:
    words: dict[replies.When, str] = {
        "once": "ends each subscription once",
        "always": "ends every subscription at once",
        "after-eose": "ends every subscription after its EOSE",
    }
    for when, text in words.items():
        for key, reason in REASONS.items():
            yield Fault(
                f"closed-{when}:{key}",
                f"CLOSED {text}, {reason!r}",
                _CLOSED_HONEST.get(key, "back off, ask again, no storm"),
                partial(replies.CloseSubscriptions, reason, when),
                Group.REPLY,
                patient=key in POLICY_REASONS,
            )


def _other_replies() -> Iterator[Fault]:
    def fault(
        name: str, summary: str, honest: str, make: Callable[[], Behaviour], *, deaf: bool = True
    ) -> Fault:
        return Fault(name, summary, honest, make, Group.REPLY, deafening=deaf)

    login = "authenticate, ask again at once"
    yield fault(
        "eose-never",
        "no EOSE",
        "decide after a deadline; incomplete is not empty",
        lambda: replies.EoseTamper("never"),
        deaf=False,
    )
    yield fault(
        "eose-early",
        "EOSE before the stored events",
        "take what comes later, too",
        lambda: replies.EoseTamper("early"),
        deaf=False,
    )
    yield fault(
        "eose-twice",
        "EOSE twice",
        "the second changes nothing",
        lambda: replies.EoseTamper("twice"),
        deaf=False,
    )
    yield fault(
        "limit-clamped",
        "at most ten stored events a filter, in silence",
        "page until a page brings nothing new",
        lambda: replies.ClampLimit(10),
        deaf=False,
    )
    yield fault("stored-hidden", "no stored events at all", "other relays", replies.HideStored)
    yield fault("forgotten", "subscriptions vanish in silence", "the canary", replies.Forget)
    yield fault("live-lost", "no live event arrives", "the canary", replies.DropLive)
    yield fault("auth-at-once", "AUTH on connect", login, replies.DemandAuth, deaf=False)
    yield fault(
        "auth-late",
        "AUTH with the first refusal",
        login,
        lambda: replies.DemandAuth(late=True),
        deaf=False,
    )
    yield fault(
        "auth-again",
        "the first right answer is refused",
        "answer the new challenge",
        lambda: replies.DemandAuth(again=True),
        deaf=False,
    )
    yield fault(
        "auth-never-accepted",
        "no answer is good enough",
        "alert, back off, no storm",
        lambda: replies.DemandAuth(accepts=False),
    )


def _events() -> Iterator[Fault]:
    def fault(name: str, summary: str, honest: str, make: Callable[[], Behaviour]) -> Fault:
        return Fault(name, summary, honest, make, Group.EVENT, deafening=False)

    drop = "verify, drop, count"
    once = "nobody is told twice"
    yield fault("event-twice", "each event twice", once, lambda: events.Beside(events.same))
    yield fault("event-order", "events in reverse", "newest stamp wins", events.Reorder)
    yield fault("event-stale", "older revisions again", "ignore them", events.ReplayStale)
    yield fault("event-late", "loses each first sight", "reconcile", events.LoseFirstSight)
    copies: dict[str, tuple[str, events.Change]] = {
        "backdated": ("a copy dated an hour back", events.shifted(-3_600)),
        "future": ("a copy dated a year ahead", events.shifted(31_536_000)),
        "forged": ("a copy with the same id and other tags", events.settled_copy),
        "unsigned": ("a copy with a signature of zeros", events.unsigned_copy),
        "other-author": ("a newer copy rightly signed by a stranger", events.resigned_copy),
    }
    for name, (summary, change) in copies.items():
        yield fault(
            f"event-{name}", f"{summary}, after the true one", drop, partial(events.Beside, change)
        )
        yield fault(
            f"event-{name}-first",
            f"{summary}, before the true one",
            "drop it without remembering its id",
            partial(events.Beside, change, first=True),
        )
    yield fault("unasked-kind", "notes", drop, lambda: events.Intrude(events.stranger_note))
    yield fault(
        "unasked-author",
        "disputes of another node",
        drop,
        lambda: events.Intrude(events.stranger_dispute),
    )
    yield fault(
        "unasked-subscription",
        "events for a subscription nobody opened",
        drop,
        lambda: events.Intrude(events.stranger_dispute, stray=True),
    )
    yield fault(
        "oversized",
        "events of 1 MB",
        "drop, count, keep memory bounded",
        lambda: events.Intrude(events.oversized_dispute),
    )


def _garbage() -> Iterator[Fault]:
    for name, frames in GARBAGE.items():
        yield Fault(
            f"garbage-{name}",
            f"sends {name.replace('-', ' ')} after each frame",
            "drop, count, go on",
            partial(links.Noise, *frames),
            Group.GARBAGE,
            deafening=False,
        )
    yield Fault(
        "garbage-invalid-utf8",
        "a text frame that is not UTF-8, once a link",
        "the connection ends; connect again on schedule",
        lambda: links.Noise(INVALID_UTF8, each=False),
        Group.GARBAGE,
    )
    yield Fault(
        "garbage-bad-opcode",
        "a frame with a reserved opcode, once a link",
        "the connection ends; connect again on schedule",
        lambda: links.Noise(RESERVED_OPCODE, each=False),
        Group.GARBAGE,
    )


def _registry() -> dict[str, Fault]:
    parts = (_links, _ok_replies, _closed_replies, _other_replies, _events, _garbage)
    found: dict[str, Fault] = {}
    for part in parts:
        for fault in part():
            if fault.name in found:
                raise ValueError(f"two faults are called {fault.name}")
            found[fault.name] = fault
    return found


FAULTS: Final[dict[str, Fault]] = _registry()
"""Every fault by its name."""
