"""A message to each solver that asks for an answer: the one proof that the whole way works.

Sent in every envelope the solver is written to (``[[solvers]] via``), answered in any.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from nostr_sdk import Event, Keys, NostrSdkError, UnwrappedGift

from serbero.cli.doctor_checks.findings import Finding, broken, counted, fine, warning
from serbero.clock import Clock, wait_for_event
from serbero.messages import solver as texts
from serbero.model.notification import Channel
from serbero.model.people import Via
from serbero.mostro import transport
from serbero.mostro.inbound import Inbound
from serbero.mostro.message import Action, TextMessage, send_dm
from serbero.mostro.node_info import Transport
from serbero.nostr.keys import npub, shortened
from serbero.nostr.replies import PublishReply
from serbero.nostr.rumor import DIRECT_MESSAGE_KIND, direct_message
from serbero.nostr.wrap import BACKDATING_SECONDS, GIFT_WRAP_KIND, gift_wrap
from serbero.relays.pool import RelayPool
from serbero.relays.subscriptions import Subscription

_SKEW_SECONDS: Final = 300
"""How far a solver's clock may be behind ours before an answer is taken for an older message."""

_EXPIRATION_SECONDS: Final = 86_400
"""A test has no worth tomorrow."""

_PROGRESS_SECONDS: Final = 15.0
"""Between two signs of life while nobody answers."""

_WORDS: Final[Mapping[Channel, str]] = {
    Channel.NIP17: "private message",
    Channel.MOSTRO: "send-dm",
}

_PLAIN: Final = (Channel.NIP17,)
"""The ways of a solver of whom nothing particular is configured; they go without saying."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Address:
    """Where one solver is written to.

    Attributes:
        recipient: the solver's key in hex.
        inbox: the solver's own relays, possibly none.
        channels: the envelopes of a message to the solver.
    """

    recipient: str
    inbox: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = _PLAIN


@dataclass(slots=True)
class Exchange:
    """What became of one test message.

    Attributes:
        address: to whom.
        replies: each relay's answer to the publish.
        answered_after: seconds until the solver's answer, None if none came.
        channel: the envelope it went in.
        answered_by: the answer's envelope; that of the message itself unless the solver is
            written to in no such envelope.
        answered_beside: whether an answer came in the envelope of another test message to the
            same solver, and so proves nothing of this one.
    """

    address: Address
    replies: dict[str, PublishReply] = field(default_factory=dict)
    answered_after: float | None = None
    channel: Channel = Channel.NIP17
    answered_by: Channel | None = None
    answered_beside: bool = False

    @property
    def taken_by(self) -> tuple[str, ...]:
        """The relays that hold the message."""
        return tuple(url for url, reply in self.replies.items() if reply.outcome.delivered)


def dm_findings(exchange: Exchange, waited_seconds: float) -> list[Finding]:
    """Findings of one test message. Pure."""
    address = exchange.address
    check = f"dm-test {npub(address.recipient)}"
    head = "" if address.channels == _PLAIN else f"{_WORDS[exchange.channel]}: "
    taken = exchange.taken_by
    where = counted(len(taken), "relay")
    if exchange.answered_after is not None:
        said = f"answered after {exchange.answered_after:.0f} s{_by(exchange)}"
        return [fine(check, f"{head}{said}; {where} took it")]
    if not taken:
        answers = ", ".join(
            f"{url}: {reply.text or reply.outcome.value}" for url, reply in exchange.replies.items()
        )
        said = f"{head}no relay took the test message ({answers})"
        # Who is told another way is told.
        make = warning if exchange.answered_beside else broken
        return [make(check, said, "mend the relays above")]
    none_own = address.inbox and not set(address.inbox).intersection(taken)
    own = ", none of the solver's own" if none_own else ""
    silence = f"no answer within {waited_seconds:.0f} s"
    if exchange.answered_beside:
        silence += f", though one by {_WORDS[_other(exchange)]}"
    said = f"{head}{where} took the message{own}; {silence}"
    return [warning(check, said, _remedy(exchange, none_own=bool(none_own)))]


def _by(exchange: Exchange) -> str:
    by = exchange.answered_by
    return "" if by in (None, exchange.channel) else f" by {_WORDS[by]}"


def _other(exchange: Exchange) -> Channel:
    """The envelope of the other test message to the same solver."""
    return next(each for each in exchange.address.channels if each is not exchange.channel)


def _remedy(exchange: Exchange, *, none_own: bool) -> str:
    """What to do about silence."""
    if exchange.answered_beside:
        via = {Channel.NIP17: Via.NIP17, Channel.MOSTRO: Via.MOSTRO}[_other(exchange)]
        return (
            "ask the solver whether this one is there, too; if the solver's client does not read "
            f'it, set [[solvers]] via = "{via}"'
        )
    if none_own:
        return "ask the solver which relays the client reads; write them into [[solvers]] relays"
    missing = "write the relays the client reads into [[solvers]] relays"
    if exchange.channel is Channel.MOSTRO:
        missing = (
            f"have the client trust Serbero's key (Mostrix: trusted_dm_senders), and {missing}"
        )
    return (
        "ask the solver: if the message is there, answers go to relays not configured here "
        f"([identity].publish = true tells clients where); if not, {missing}"
    )


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
        self.exchanges: Sequence[Exchange] = [
            Exchange(address, channel=channel)
            for address in addresses
            for channel in address.channels
        ]

    def subscription(self) -> Subscription:
        """The wish for answers in any envelope; to be wanted before anything is sent."""
        own, oldest = self._keys.public_key().to_hex(), self._began_at - _SKEW_SECONDS
        wraps = {"kinds": [GIFT_WRAP_KIND], "#p": [own], "since": oldest - BACKDATING_SECONDS}
        solvers = list(dict.fromkeys(each.address.recipient for each in self.exchanges))
        direct = {"kinds": [transport.MESSAGE_KIND], "authors": solvers, "#p": [own]}
        # A list of nobody is malformed to some relays.
        wanted = [wraps, direct | {"since": oldest}] if solvers else [wraps]
        return Subscription("answers", lambda: wanted, self._saw)

    async def run(
        self, pool: RelayPool, relays: Sequence[str], wait_seconds: float, progress: Progress
    ) -> None:
        """Send to everyone, then wait until all have answered or ``wait_seconds`` passed."""
        async with asyncio.TaskGroup() as tasks:
            for exchange in self.exchanges:
                tasks.create_task(self._send(pool, exchange, relays, progress))
        deadline = self._clock.monotonic() + wait_seconds
        reported: list[Exchange] = []
        while True:
            # An answer may overtake the relay's OK, so it is looked for before each wait.
            for each in self.exchanges:
                if each.answered_after is not None and each not in reported:
                    progress(f"{shortened(npub(each.address.recipient))} answered{_answer(each)}")
                    reported.append(each)
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
        event = self._envelope(recipient, exchange.channel)
        urls = tuple(dict.fromkeys((*relays, *exchange.address.inbox)))
        async with asyncio.TaskGroup() as tasks:
            sending = {url: tasks.create_task(pool.publish(url, event)) for url in urls}
        exchange.replies = {url: task.result() for url, task in sending.items()}
        plain = exchange.address.channels == _PLAIN
        by = "" if plain else f" by {_WORDS[exchange.channel]}"
        where = counted(len(exchange.taken_by), "relay")
        progress(f"asked {shortened(npub(recipient))}{by} through {where}")

    def _envelope(self, recipient: str, channel: Channel) -> Event:
        """The test message as the daemon would send it on ``channel``."""
        expires = self._began_at + _EXPIRATION_SECONDS
        if channel is Channel.MOSTRO:
            return transport.wrap(
                Transport.NIP44,
                self._keys,
                recipient,
                send_dm(texts.DM_TEST, None),
                created_at=self._began_at,
                expires_at=expires,
            )
        rumor = direct_message(
            sender=self._keys.public_key().to_hex(),
            recipient=recipient,
            text=texts.DM_TEST,
            created_at=self._began_at,
            subject=texts.DM_TEST_SUBJECT,
            root=None,
        )
        return Event.from_json(
            gift_wrap(self._keys, recipient, rumor.json, expires_at=expires).json
        )

    def _saw(self, _url: str, event: Event) -> None:
        if event.kind().as_u16() == transport.MESSAGE_KIND:
            self._saw_direct(event)
        else:
            self._saw_private(event)

    def _saw_private(self, event: Event) -> None:
        try:
            gift = UnwrappedGift.from_gift_wrap(self._keys, event)
        except NostrSdkError:
            return  # not for us to read, or nobody's well-formed message
        rumor = gift.rumor()
        if rumor.kind().as_u16() == DIRECT_MESSAGE_KIND:
            self._heard(gift.sender().to_hex(), Channel.NIP17, rumor.created_at().as_secs())

    def _saw_direct(self, event: Event) -> None:
        got = transport.unwrap(event, self._keys, now=self._clock.now())
        if not isinstance(got, Inbound) or got.message.action != Action.SEND_DM:
            return
        if isinstance(got.message.payload, TextMessage):
            self._heard(got.sender, Channel.MOSTRO, got.created_at)

    def _heard(self, sender: str, by: Channel, created_at: int) -> None:
        """Count a message as the answer to what it can answer."""
        if created_at < self._began_at - _SKEW_SECONDS:
            return
        for each in self.exchanges:
            if each.address.recipient != sender:
                continue
            if by is not each.channel and by in each.address.channels:
                each.answered_beside = True
            elif each.answered_after is None:
                each.answered_after = self._clock.monotonic() - self._began
                each.answered_by = by
                self._changed.set()

    def _waiting(self) -> list[Exchange]:
        """Who can still answer: what no relay took will never be read."""
        return [each for each in self.exchanges if each.taken_by and each.answered_after is None]


def _answer(exchange: Exchange) -> str:
    """How an answer came, where that does not go without saying."""
    by = exchange.answered_by
    plain = exchange.address.channels == _PLAIN and by is Channel.NIP17
    return "" if plain or by is None else f" by {_WORDS[by]}"
