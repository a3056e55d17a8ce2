"""The node's desk: it handles one accepted message at a time, and remembers all that came.

Effects, their order and their addressees follow mostro: src/app/admin_take_dispute.rs,
src/app/admin_add_solver.rs and src/app.rs `manage_errors`. A refusal goes to the author of the
request, through a queue; the answer to a take goes to its identity.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Final

from nostr_sdk import NostrSdkError, PublicKey

from serbero.simulator import node_messages as say
from serbero.simulator.node_log import Did, Drop, Manner, Received, TakeStep, Verdict
from serbero.simulator.node_messages import Saying
from serbero.simulator.node_public import Dispute, PublicNode
from serbero.simulator.node_rules import (
    IN_PROGRESS,
    INITIATED,
    INVALID_PUBKEY,
    NOT_FOUND,
    RELEASABLE,
    Category,
    Holder,
    Take,
    judge_take,
)
from serbero.simulator.orders import Order
from serbero.simulator.peer import PeerError

QUEUE_TICK_SECONDS: Final = 0.25
"""How often the queue of refusals sends one (mostro: src/scheduler.rs)."""
QUEUE_ATTEMPTS: Final = 4

_DID: Final = {Take.FIRST: Did.TOOK, Take.AGAIN: Did.TOOK_AGAIN, Take.OVER: Did.TOOK_OVER}
_SUFFIXES: Final = {
    "": Category.READ_WRITE,
    "read": Category.READ,
    "read-write": Category.READ_WRITE,
    "write": Category.READ_WRITE,
}


@dataclass(frozen=True, slots=True)
class Request:
    """An accepted message, as far as the desk acts on it.

    Attributes:
        action: kebab-case.
        subject: its ``id``, lower case.
        request_id: echoed in direct answers.
        sender: trade key, hex: where refusals go.
        identity: hex: whom permissions are asked of.
        text: of a ``text_message`` payload.
        slashed: sides whose bond a solver wants slashed.
    """

    action: str
    subject: str
    request_id: int | None
    sender: str
    identity: str
    text: str = ""
    slashed: frozenset[str] = frozenset()


class Desk(Manner):
    """State and effects of a node's handlers.

    Its own attributes are the :class:`Manner` of every take that finds nothing in ``upcoming``.

    Args:
        node: speaks for it.

    Attributes:
        received: every event that reached the node, in order.
        upcoming: manners for the next takes, one each.
        users: the table of registered keys.
        orders: by id.
        maintenance: newer nodes: refuse everything with ``maintenance_mode``.
    """

    def __init__(self, node: PublicNode) -> None:
        super().__init__()
        self.received: list[Received] = []
        self.upcoming: deque[Manner] = deque()
        self.users: dict[str, Category] = {}
        self.orders: dict[str, Order] = {}
        self.maintenance = False
        self.node = node
        self._queue: deque[tuple[str, Saying, int]] = deque()
        self._queued = asyncio.Event()
        self._later: set[asyncio.Task[None]] = set()

    # What tests ask and arrange.

    def outcomes(self, action: str = "") -> list[Drop | Did]:
        """What became of each event, or of those with an action, as far as it is known."""
        chosen = (each for each in self.received if action in {"", each.action})
        return [each.verdict.outcome for each in chosen if each.verdict is not None]

    def register(self, key: str, category: Category = Category.READ_WRITE) -> bool:
        """Insert a user; False where the key has a row already, which stays as it is."""
        if key in self.users:
            return False
        self.users[key] = category
        return True

    def dispute_of(self, order: Order) -> Dispute | None:
        """The dispute on record for an order; there is at most one."""
        return next((d for d in self.node.disputes.values() if d.order_id == order.id), None)

    def holder_of(self, dispute: Dispute | None) -> Holder | None:
        """Who is on record as the solver."""
        if dispute is None or dispute.solver is None:
            return None
        return Holder(dispute.solver, self.users.get(dispute.solver))

    def known_keys(self) -> frozenset[str]:
        """Authors whom the first-contact gate lets pass, read anew from the database.

        Parties of open orders, solvers of open disputes (mostro: src/db.rs
        `find_active_trade_pubkeys`).
        """
        parties = {
            key
            for order in self.orders.values()
            if order.status in RELEASABLE
            for key in order.trade_keys.values()
        }
        solvers = {
            dispute.solver
            for dispute in self.node.disputes.values()
            if dispute.saved in {INITIATED, IN_PROGRESS} and dispute.solver is not None
        }
        return frozenset(parties | solvers)

    # Handling.

    async def take(self, request: Request) -> Verdict:
        """Handle an ``admin-take-dispute``.

        Raises:
            PeerError: no relay took what the node sends; later effects did not happen.
        """
        manner = self.upcoming.popleft() if self.upcoming else self
        if manner.silent:
            return Verdict(Drop.SILENT)
        if manner.refuse is not None:
            return self.refuse_request(request, manner.refuse.reason)
        dispute = self.node.disputes.get(request.subject)
        take = judge_take(
            dispute.saved if dispute is not None else None,
            self.holder_of(dispute),
            caller=request.identity,
            category=self.users.get(request.identity),
            node=self.node.public_key,
        )
        if dispute is None or take is Take.NO_REPLY:
            return Verdict(Drop.UNKNOWN_DISPUTE)
        if take is Take.REFUSED:
            return self.refuse_request(request, INVALID_PUBKEY)
        order = self.orders.get(dispute.order_id or "")
        if order is None:
            return self.refuse_request(request, NOT_FOUND)
        return await self._perform(request, dispute, order, manner, _DID[take])

    async def _perform(
        self, request: Request, dispute: Dispute, order: Order, manner: Manner, did: Did
    ) -> Verdict:
        """The side effects of a take up to the answer; the rest follows now or late."""
        dispute.saved, dispute.solver = IN_PROGRESS, request.identity
        dispute.taken_at = self.node.clock.now()
        if order.initiator is None:
            return Verdict(Drop.FLAGS)
        if manner.fail_after is TakeStep.SAVED:
            return _stopped(TakeStep.SAVED)
        self.node.sign_revision(dispute, IN_PROGRESS)
        if manner.fail_after is TakeStep.STAMPED:
            return _stopped(TakeStep.STAMPED)
        if manner.answer_after > 0:
            self.later(manner.answer_after, self._tell(request, dispute, order, manner))
            return Verdict(did, "late")
        reached = await self._tell(request, dispute, order, manner)
        return Verdict(did) if reached is TakeStep.PUBLISHED else _stopped(reached)

    async def _tell(
        self, request: Request, dispute: Dispute, order: Order, manner: Manner
    ) -> TakeStep:
        """Answer, tell the parties, publish the revision; return the last step performed."""
        revision, solver, asked = dispute.revisions[-1], request.identity, request.request_id
        request_id = asked if manner.answer_request is None else manner.answer_request
        dispute_id = dispute.id if manner.answer_dispute is None else manner.answer_dispute
        for _ in range(manner.answers):
            await self.say(solver, say.took(dispute_id, request_id, order.solver_info()))
        if manner.fail_after is TakeStep.REPLIED:
            return TakeStep.REPLIED
        for key, step in (
            (order.buyer, TakeStep.BUYER_TOLD),
            (order.seller, TakeStep.SELLER_TOLD),
        ):
            if key is not None:
                await self.say(key, say.solver_for(order.id, asked, solver))
            if manner.fail_after is step:
                return step
        await self.node.send(revision)
        return TakeStep.PUBLISHED

    async def add_solver(self, request: Request) -> Verdict:
        """Handle an ``admin-add-solver``: ``npub1...`` with an optional suffix.

        Raises:
            PeerError: no relay took the answer; the solver is registered.
        """
        if request.identity != self.node.public_key:
            return Verdict(Drop.NOT_THE_NODE)
        if not request.text:
            return self.refuse_request(request, "invalid_text_message")
        npub, _, suffix = request.text.partition(":")
        if suffix not in _SUFFIXES or request.text.endswith(":"):
            return self.refuse_request(request, "invalid_parameters")
        try:
            key = PublicKey.parse(npub).to_hex() if npub.startswith("npub1") else ""
        except NostrSdkError:
            key = ""
        if not key or not self.register(key, _SUFFIXES[suffix]):
            return Verdict(Drop.DATABASE)
        await self.say(request.identity, Saying("dispute", "admin-add-solver", request.request_id))
        return Verdict(Did.REGISTERED)

    # Speaking.

    async def say(self, receiver: str, saying: Saying) -> None:
        """Send one message on the node's transport.

        Raises:
            PeerError: no relay took it.
        """
        node = self.node
        event = say.envelope(node.keys, receiver, saying, node.protocol, node.clock.now())
        await node.send(event)

    async def revise(self, dispute: Dispute, status: str) -> None:
        """Publish the next revision of a dispute.

        Raises:
            PeerError: no relay took it.
        """
        await self.node.send(self.node.sign_revision(dispute, status))

    def refuse_request(self, request: Request, reason: str | None) -> Verdict:
        """Queue a ``cant-do`` for the author of a request."""
        saying = say.refusal(reason, request.request_id, request.subject)
        self.enqueue(request.sender, saying)
        return Verdict(Did.REFUSED, reason or "")

    def enqueue(self, receiver: str, saying: Saying) -> None:
        """Leave a message to the queue."""
        self._queue.append((receiver, saying, 1))
        self._queued.set()

    async def drain(self) -> None:
        """Send what is queued, one message a tick of the node's clock, until cancelled."""
        while True:
            await self._queued.wait()
            await self.node.clock.sleep(QUEUE_TICK_SECONDS)
            if not self._queue:
                continue  # the process was stopped meanwhile
            receiver, saying, attempt = self._queue.popleft()
            try:
                await self.say(receiver, saying)
            except PeerError:
                if attempt < QUEUE_ATTEMPTS:
                    self._queue.appendleft((receiver, saying, attempt + 1))
            if not self._queue:
                self._queued.clear()

    def later(self, seconds: float, work: Coroutine[None, None, object]) -> None:
        """Do ``work`` after so many seconds on the node's clock, beside everything else."""

        async def wait() -> None:
            try:
                await self.node.clock.sleep(seconds)
                await work
            except PeerError:
                return  # as when it is not late: nobody hears of it
            finally:
                work.close()

        task = asyncio.create_task(wait(), name="a late answer")
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        """Forget what waits in memory, as a stop of the process does."""
        self._queue.clear()
        self._queued.clear()
        late = list(self._later)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _stopped(step: TakeStep) -> Verdict:
    return Verdict(Drop.STOPPED, step.name.lower())
