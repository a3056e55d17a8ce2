"""One take in flight: what was asked, what came back, what is known meanwhile."""

import asyncio
from dataclasses import dataclass, field

from serbero.model.lifecycle import DisputeStatus
from serbero.mostro.answers import CannotDo, TookDispute


@dataclass(frozen=True, slots=True)
class Answer:
    """The node's answer and its own time of it (Unix seconds)."""

    said: TookDispute | CannotDo
    at: int


@dataclass(slots=True)
class Exchange:
    """One exchange with the node about one dispute.

    Attributes:
        dispute_id: which.
        request_id: random; the node echoes it in its answer to any of our attempts.
        take_id: its row.
        started_at: Unix seconds.
        deadline: on the monotonic clock.
        dispute_known: whether we hold an event of the dispute by the node itself.
        attempts: requests published.
        accepted: relays that took one.
        node_heard: per relay, whether something of the node came live since the start.
        skew_seconds: the node's clock minus ours by what it said live; None if it said nothing.
        status: of the newest revision the relays showed since, with its ``created_at``.
    """

    dispute_id: str
    request_id: int
    take_id: int
    started_at: int
    deadline: float
    dispute_known: bool
    attempts: int = 0
    heard: bool = False
    forced: bool = False
    work_known: bool = True
    accepted: set[str] = field(default_factory=set)
    node_heard: set[str] = field(default_factory=set)
    skew_seconds: int | None = None
    status: tuple[DisputeStatus, int] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Answer | None = None

    def matches(self, said: TookDispute | CannotDo) -> bool:
        """Whether an answer is one to this exchange, and not to another or an earlier one."""
        if said.request_id != self.request_id:
            return False
        about = said.dispute_id if isinstance(said, TookDispute) else said.id
        return about is None or about == self.dispute_id

    def settle(self, answer: Answer) -> None:
        """Take the answer; the first one counts."""
        if self.answer is None:
            self.answer = answer
            self.answered.set()

    def saw_node(self, url: str, created_at: int, now: int) -> None:
        """Note that the node published something after we began."""
        if created_at >= self.started_at:
            self.node_heard.add(url)
            self.skew_seconds = created_at - now

    def saw_revision(self, status: DisputeStatus, created_at: int) -> None:
        """Note a revision of the dispute that a relay holds."""
        if self.status is None or created_at > self.status[1]:
            self.status = status, created_at

    @property
    def changed_hands(self) -> bool:
        """Whether the dispute was taken, by whomever, after we began to ask."""
        return (
            self.status is not None
            and self.status[0] is DisputeStatus.IN_PROGRESS
            and self.status[1] >= self.started_at
        )

    @property
    def closed(self) -> bool:
        """Whether the dispute is closed."""
        return self.status is not None and self.status[0].terminal
