"""One channel in memory, and what is handed on from it."""

from collections import Counter
from dataclasses import dataclass, field

from serbero.chat.budget import Budget
from serbero.chat.envelopes import PartyUse
from serbero.model.party import Party
from serbero.mostro.chat import ChatMessage, Envelope
from serbero.mostro.chat_keys import ChatKeys


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """One message of a party: proven, new, and stored.

    Attributes:
        dispute_id: which dispute.
        party: who wrote.
        message: what.
        accepted_at: Unix seconds by our clock: what consequences go by.
    """

    dispute_id: str
    party: Party
    message: ChatMessage
    accepted_at: int


@dataclass(frozen=True, slots=True)
class OwnMessage:
    """A message of ours that came back from a relay: evidence that it is there.

    The outbox holds it, to this party: our signature alone would prove nothing, since a party may
    carry what we said to it into the other one's channel.

    Attributes:
        dispute_id: which dispute.
        party: to whom it went.
        inner_id: id of its inner event, hex.
        envelope: in which envelope it was seen first.
    """

    dispute_id: str
    party: Party
    inner_id: str
    envelope: Envelope


class Channel:
    """One channel, open or closed a short while ago.

    Args:
        dispute_id: which dispute.
        party: which side.
        trade_key: that side's key, hex.
        keys: of the channel.
        own: our public key, hex.
        cursor: as stored, Unix seconds.
        uses: in what the party wrote its latest message, as stored; None before it wrote.
        opened_at: Unix seconds.
        closed_at: Unix seconds, or None.
        now: monotonic seconds.
    """

    __slots__ = (
        "allowed",
        "closed_at",
        "cursor",
        "dispute_id",
        "gift_wrap",
        "keys",
        "kind14",
        "opened_at",
        "own",
        "party",
        "read_from",
        "trade_key",
        "uses",
    )

    def __init__(
        self,
        *,
        dispute_id: str,
        party: Party,
        trade_key: str,
        keys: ChatKeys,
        own: str,
        cursor: int,
        uses: PartyUse | None,
        opened_at: int,
        closed_at: int | None,
        now: float,
    ) -> None:
        self.dispute_id = dispute_id
        self.party = party
        self.trade_key = trade_key
        self.keys = keys
        self.own = own
        self.allowed = frozenset({trade_key, own})
        self.cursor = cursor
        self.uses = uses
        # A relay that is listened on later is read from here, however far others brought us.
        self.read_from = cursor
        self.opened_at = opened_at
        self.closed_at = closed_at
        self.kind14 = Lane(self, Envelope.KIND14, keys.author, Budget(now, Envelope.KIND14))
        self.gift_wrap = Lane(
            self, Envelope.GIFT_WRAP, keys.legacy_address, Budget(now, Envelope.GIFT_WRAP)
        )

    @property
    def key(self) -> tuple[str, Party]:
        """What it is stored under."""
        return (self.dispute_id, self.party)

    @property
    def lanes(self) -> tuple["Lane", "Lane"]:
        """Its two envelopes."""
        return (self.kind14, self.gift_wrap)

    def lane(self, envelope: Envelope) -> "Lane":
        """The one of this envelope."""
        return self.kind14 if envelope is Envelope.KIND14 else self.gift_wrap


@dataclass(slots=True, eq=False)
class Lane:
    """One envelope of one channel: what is budgeted, queued and asked for on its own.

    Anybody who saw a gift wrap's address can flood it; that must not touch the other envelope.

    Attributes:
        channel: whose.
        envelope: which.
        name: what relays are asked for: the author of kind 14, the ``p`` tag of gift wraps, hex.
        budget: how much of it is looked at.
        missed: relay to the oldest time of what was left out there and must be asked for again.
        times_missed: relay to how often.
        times_asked: how often a live subscription for it was asked for, at any relay: each time
            it may not have been listened to before.
    """

    channel: Channel = field(repr=False)
    envelope: Envelope
    name: str
    budget: Budget = field(repr=False)
    missed: dict[str, int] = field(default_factory=dict)
    times_missed: Counter[str] = field(default_factory=Counter)
    times_asked: int = 0

    def miss(self, url: str, created_at: int) -> None:
        """Note that an event of this time was left out; its relay is asked again later."""
        self.times_missed[url] += 1
        # Nobody could write before the channel was there, whatever an unverified event says.
        created_at = max(created_at, self.channel.read_from)
        self.missed[url] = min(self.missed.get(url, created_at), created_at)
