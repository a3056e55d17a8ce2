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
        take_id: its row.
        started_at: Unix seconds.
        deadline: on the monotonic clock.
        known_created_at: stamp of the revision we held when it began, None if none.
        request_id: random, of the newest request; the node echoes it in its answer.
        earlier: of the requests before.
        attempts: requests published.
        heard: whether some relay will bring us the answer; None before it was looked at.
        accepted: relays that took one.
        node_heard: relays on which something of the node came live since the start.
        skew_seconds: the node's clock minus ours by what it said live; None if it said nothing.
        status: of the newest revision the relays showed since, with its ``created_at``.
        answer: to the newest request.
        fallback: an answer to an earlier one, which gave us the dispute all the same.
    """

    dispute_id: str
    take_id: int
    started_at: int
    deadline: float
    known_created_at: int | None
    request_id: int | None = None
    earlier: set[int] = field(default_factory=set)
    attempts: int = 0
    heard: bool | None = None
    forced: bool = False
    work_known: bool = True
    accepted: set[str] = field(default_factory=set)
    node_heard: set[str] = field(default_factory=set)
    skew_seconds: int | None = None
    status: tuple[DisputeStatus, int] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Answer | None = None
    fallback: Answer | None = None

    def ask_as(self, request_id: int) -> None:
        """Wait for the answer to another request from now on."""
        if self.request_id is not None:
            self.earlier.add(self.request_id)
        self.request_id = request_id

    def takes(self, answer: Answer) -> bool:
        """Take an answer if it is one to this exchange; the first to the newest request ends it.

        An answer to an earlier request does not: what it says may be over. That we were given
        the dispute is remembered, in case nothing newer comes.
        """
        said = answer.said
        about = said.dispute_id if isinstance(said, TookDispute) else said.id
        if said.request_id is None or about not in (None, self.dispute_id):
            return False
        if said.request_id == self.request_id:
            if self.answer is None:
                self.answer = answer
                self.answered.set()
            return True
        if said.request_id not in self.earlier:
            return False
        if isinstance(said, TookDispute):
            self.fallback = answer
        return True

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
        return self.status is not None and is_taken_since(self.status, self.known_created_at)

    @property
    def closed(self) -> bool:
        """Whether the dispute is closed."""
        return self.status is not None and self.status[0].terminal

    def best_answer(self) -> Answer | None:
        """The answer that counts when nothing more is waited for.

        An earlier request's gave us the dispute, and every later one gave it to us again: what
        was taken meanwhile was taken by us.
        """
        if self.answer is not None or self.fallback is None:
            return self.answer
        at = self.fallback.at
        if self.status is not None and self.status[0] is DisputeStatus.IN_PROGRESS:
            at = max(at, self.status[1])
        return Answer(self.fallback.said, at)


def is_taken_since(status: tuple[DisputeStatus, int], known_created_at: int | None) -> bool:
    """Whether a revision shows a take that is newer than what was known; by the node's clock."""
    newer = known_created_at is None or status[1] > known_created_at
    return status[0] is DisputeStatus.IN_PROGRESS and newer
