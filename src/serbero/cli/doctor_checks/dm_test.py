"""A message to each solver that asks for an answer: the one proof that the whole way works."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from nostr_sdk import Event, Keys, NostrSdkError, UnwrappedGift

from serbero.cli.doctor_checks.findings import Finding, broken, counted, fine, warning
from serbero.clock import Clock, wait_for_event
from serbero.messages import solver as texts
from serbero.nostr.keys import npub, shortened
from serbero.nostr.replies import PublishReply
from serbero.nostr.rumor import DIRECT_MESSAGE_KIND, direct_message
from serbero.nostr.wrap import BACKDATING_SECONDS, GIFT_WRAP_KIND, gift_wrap
from serbero.relays.pool import RelayPool
from serbero.relays.subscriptions import Subscription

DEFAULT_WAIT_SECONDS: Final = 120.0
"""How long a person with an open client needs to notice, read and type a word."""

_SKEW_SECONDS: Final = 300
"""How far a solver's clock may be behind ours before an answer is taken for an older message."""

_EXPIRATION_SECONDS: Final = 86_400
"""A test has no worth tomorrow."""

_PROGRESS_SECONDS: Final = 15.0
"""Between two signs of life while nobody answers."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Address:
    """Where one solver is written to.

    Attributes:
        recipient: the solver's key in hex.
        inbox: the solver's own relays, possibly none.
    """

    recipient: str
    inbox: tuple[str, ...] = ()


@dataclass(slots=True)
class Exchange:
    """What became of one test message.

    Attributes:
        address: to whom.
        replies: each relay's answer to the publish.
        answered_after: seconds until the solver's answer, None if none came.
    """

    address: Address
    replies: dict[str, PublishReply] = field(default_factory=dict)
    answered_after: float | None = None

    @property
    def taken_by(self) -> tuple[str, ...]:
        """The relays that hold the message."""
        return tuple(url for url, reply in self.replies.items() if reply.outcome.delivered)


def dm_findings(exchange: Exchange, waited_seconds: float) -> list[Finding]:
    """Findings of one test message. Pure."""
    address = exchange.address
    check = f"dm-test {npub(address.recipient)}"
    taken = exchange.taken_by
    where = counted(len(taken), "relay")
    if exchange.answered_after is not None:
        return [fine(check, f"answered after {exchange.answered_after:.0f} s; {where} took it")]
    if not taken:
        said = ", ".join(
            f"{url}: {reply.text or reply.outcome.value}" for url, reply in exchange.replies.items()
        )
        return [broken(check, f"no relay took the test message ({said})", "mend the relays above")]
    inbox = set(address.inbox).intersection(taken)
    if address.inbox and not inbox:
        return [
            warning(
                check,
                f"{where} took the message, none of the solver's own; no answer within "
                f"{waited_seconds:.0f} s",
                "ask the solver which relays the client reads; write them into [[solvers]] relays",
            )
        ]
    return [
        warning(
            check,
            f"{where} took the message; no answer within {waited_seconds:.0f} s",
            "ask the solver: if the message is there, answers go to relays not configured here "
            "([identity].publish = true tells clients where); if not, write the relays the "
            "client reads into [[solvers]] relays",
        )
    ]


class Correspondence:
    """The test messages of one run, and what came back.

    Args:
        keys: ours.
        addresses: whom to ask.
        clock: time; answers older than now do not count.
    """

    def __init__(self, keys: Keys, addresses: Sequence[Address], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._began = clock.monotonic()
        self._began_at = clock.now()
        self._changed = asyncio.Event()
        self.exchanges: Mapping[str, Exchange] = {x.recipient: Exchange(x) for x in addresses}

    def subscription(self) -> Subscription:
        """The wish for gift wraps to us; to be wanted before anything is sent."""
        wanted = {
            "kinds": [GIFT_WRAP_KIND],
            "#p": [self._keys.public_key().to_hex()],
            "since": self._began_at - BACKDATING_SECONDS - _SKEW_SECONDS,
        }
        return Subscription("answers", lambda: [wanted], self._saw)

    async def run(
        self, pool: RelayPool, relays: Sequence[str], wait_seconds: float, progress: Progress
    ) -> None:
        """Send to everyone, then wait until all have answered or ``wait_seconds`` passed."""
        async with asyncio.TaskGroup() as tasks:
            for exchange in self.exchanges.values():
                tasks.create_task(self._send(pool, exchange, relays, progress))
        deadline = self._clock.monotonic() + wait_seconds
        reported: set[str] = set()
        while True:
            # An answer may overtake the relay's OK, so it is looked for before each wait.
            for recipient in self._answered() - reported:
                progress(f"{shortened(npub(recipient))} answered")
                reported.add(recipient)
            waiting, left = self._waiting(), deadline - self._clock.monotonic()
            if not waiting or left <= 0:
                return
            progress(f"waiting for {counted(len(waiting), 'answer')}, {left:.0f} s left")
            self._changed.clear()
            await wait_for_event(self._clock, self._changed, min(left, _PROGRESS_SECONDS))

    async def _send(
        self, pool: RelayPool, exchange: Exchange, relays: Sequence[str], progress: Progress
    ) -> None:
        recipient = exchange.address.recipient
        rumor = direct_message(
            sender=self._keys.public_key().to_hex(),
            recipient=recipient,
            text=texts.DM_TEST,
            created_at=self._began_at,
            subject=texts.DM_TEST_SUBJECT,
            root=None,
        )
        expires = self._began_at + _EXPIRATION_SECONDS
        wrap = gift_wrap(self._keys, recipient, rumor.json, expires_at=expires)
        event = Event.from_json(wrap.json)
        urls = tuple(dict.fromkeys((*relays, *exchange.address.inbox)))
        async with asyncio.TaskGroup() as tasks:
            sending = {url: tasks.create_task(pool.publish(url, event)) for url in urls}
        exchange.replies = {url: task.result() for url, task in sending.items()}
        where = counted(len(exchange.taken_by), "relay")
        progress(f"asked {shortened(npub(recipient))} through {where}")

    def _saw(self, _url: str, event: Event) -> None:
        try:
            gift = UnwrappedGift.from_gift_wrap(self._keys, event)
        except NostrSdkError:
            return  # not for us to read, or nobody's well-formed message
        rumor = gift.rumor()
        exchange = self.exchanges.get(gift.sender().to_hex())
        old = rumor.created_at().as_secs() < self._began_at - _SKEW_SECONDS
        message = rumor.kind().as_u16() == DIRECT_MESSAGE_KIND
        if exchange is None or old or not message or exchange.answered_after is not None:
            return
        exchange.answered_after = self._clock.monotonic() - self._began
        self._changed.set()

    def _answered(self) -> set[str]:
        return {key for key, each in self.exchanges.items() if each.answered_after is not None}

    def _waiting(self) -> list[Exchange]:
        """Who can still answer: what no relay took will never be read."""
        return [
            each
            for each in self.exchanges.values()
            if each.taken_by and each.answered_after is None
        ]
