"""What a node does with an arriving event, in its order, and the one loop that does it.

Source: Mostro, src/app.rs `accept_event`, src/main.rs, src/spam_gate.rs. Every drop is silent;
:attr:`serbero.simulator.desk.Desk.received` remembers it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from nostr_sdk import Event

from serbero.mostro.message import Action, BondResolution, TextMessage, verify_request
from serbero.mostro.transport import Inbound, TransportRejection, is_fresh, unwrap
from serbero.nostr.work import leading_zero_bits
from serbero.simulator import desk_closing
from serbero.simulator.desk import Desk, Request
from serbero.simulator.node_log import Drop, Received, Verdict
from serbero.simulator.node_messages import INTAKE_KIND
from serbero.simulator.node_public import PublicNode
from serbero.simulator.peer import PeerError

MAX_FRAME_BYTES: Final = 6_000
"""Longest relay message a node reads (mostro: src/util.rs `mostro_nostr_relay_limits`)."""
FRAME_OVERHEAD_BYTES: Final = 20
"""``["EVENT","live-0",`` and the end of it."""
REPLAY_SECONDS: Final = 60


class Gate:
    """The checks before a message is handled.

    Args:
        node: whose demands count.

    Attributes:
        known: authors whom the first-contact gate lets pass.
    """

    def __init__(self, node: PublicNode) -> None:
        self._node = node
        self.known: frozenset[str] = frozenset()
        self._seen: dict[str, float] = {}

    def reset(self, known: frozenset[str]) -> None:
        """Start with an empty memory, as a new process does."""
        self.known = known
        self._seen.clear()

    def look(self, event: Event, entry: Received) -> Request | Verdict:
        """Accept an event or say why it is dropped; fills in what could be read."""
        drop = self._envelope(event, entry)
        if drop is not None:
            return Verdict(drop)
        now = self._node.clock.now()
        inbound = unwrap(event, self._node.keys, now=now)
        if isinstance(inbound, TransportRejection):
            return _refused_by_transport(inbound)
        _fill_in(entry, inbound)
        if not is_fresh(inbound.created_at, now):
            return Verdict(Drop.STALE)
        if inbound.identity != inbound.sender and not inbound.signed:
            return Verdict(Drop.IDENTITY_UNSIGNED)
        if not verify_request(inbound.message):
            return Verdict(Drop.STRUCTURE)
        return _request(inbound)

    def _envelope(self, event: Event, entry: Received) -> Drop | None:
        node = self._node
        if len(event.as_json().encode()) + FRAME_OVERHEAD_BYTES > MAX_FRAME_BYTES:
            return Drop.TOO_LARGE
        if entry.bits < node.pow_bits:
            return Drop.POW
        if entry.kind != INTAKE_KIND[node.protocol]:
            return Drop.KIND
        if not event.verify():
            return Drop.SIGNATURE
        if node.protocol == 1:
            return None
        if self._replayed(entry.event_id):
            return Drop.REPLAY
        known = entry.author in self.known
        wanted = node.first_contact_bits or 0
        return Drop.FIRST_CONTACT if not known and entry.bits < wanted else None

    def _replayed(self, event_id: str) -> bool:
        """Whether an id was seen within the window; it counts as seen from now on."""
        now = self._node.clock.monotonic()
        self._seen = {each: at for each, at in self._seen.items() if now - at < REPLAY_SECONDS}
        replayed = event_id in self._seen
        self._seen.setdefault(event_id, now)
        return replayed


def _refused_by_transport(rejection: TransportRejection) -> Verdict:
    if rejection is TransportRejection.IDENTITY_DIFFERS_AND_UNSIGNED:
        return Verdict(Drop.IDENTITY_UNSIGNED, rejection.value)
    return Verdict(Drop.TRANSPORT, rejection.value)


def _fill_in(entry: Received, inbound: Inbound) -> None:
    message = inbound.message
    entry.action, entry.request_id, entry.subject = message.action, message.request_id, message.id
    entry.sender, entry.identity = inbound.sender, inbound.identity


def _request(inbound: Inbound) -> Request:
    message = inbound.message
    text, slashed = "", set()
    match message.payload:
        case TextMessage(words):
            text = words
        case BondResolution(slash_seller, slash_buyer):
            sides = {"seller": slash_seller, "buyer": slash_buyer}
            slashed = {side for side, slash in sides.items() if slash}
    return Request(
        action=message.action,
        subject=message.id or "",
        request_id=message.request_id,
        sender=inbound.sender,
        identity=inbound.identity,
        text=text,
        slashed=frozenset(slashed),
    )


async def handle(desk: Desk, request: Request) -> Verdict:
    """Route a message by its action."""
    if desk.maintenance:
        return desk.refuse_request(request, "maintenance_mode")
    handlers: dict[str, Callable[[Request], Awaitable[Verdict]]] = {
        Action.ADMIN_TAKE_DISPUTE: desk.take,
        Action.ADMIN_ADD_SOLVER: desk.add_solver,
        Action.ADMIN_SETTLE: partial(desk_closing.close, desk, settles=True),
        Action.ADMIN_CANCEL: partial(desk_closing.close, desk, settles=False),
        Action.DISPUTE: partial(desk_closing.open_dispute, desk),
        Action.RELEASE: partial(desk_closing.release, desk),
        Action.CANCEL: partial(desk_closing.cancel, desk),
    }
    handler = handlers.get(request.action)
    if handler is None:
        return Verdict(Drop.ACTION)
    try:
        return await handler(request)
    except PeerError as error:
        return Verdict(Drop.PUBLISH, str(error))


class Intake:
    """The node's loop: events in, one at a time, and the timers beside it.

    Args:
        node: whose.
        desk: handles what is accepted.
        refresh_seconds: how often the known authors are read anew.
    """

    def __init__(self, node: PublicNode, desk: Desk, refresh_seconds: float) -> None:
        self.gate = Gate(node)
        self._node = node
        self._desk = desk
        self._refresh_seconds = refresh_seconds
        self._arrived: asyncio.Queue[Event] = asyncio.Queue()
        self._relays: dict[str, set[str]] = {}
        self._listening: list[tuple[str, str]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to listen, to what is published from now on only.

        Raises:
            PeerError: a relay did not answer.
        """
        self.gate.reset(self._desk.known_keys())
        self._relays.clear()
        for work in (self._loop(), self._refresh(), self._desk.drain()):
            self._tasks.append(asyncio.create_task(work, name="a node's desk"))
        wanted = {
            "kinds": [INTAKE_KIND[self._node.protocol]],
            "#p": [self._node.public_key],
            "limit": 0,
        }
        for url, peer in self._node.peers.items():
            name = await peer.subscribe(partial(self.hear, url), wanted)
            self._listening.append((url, name))

    async def stop(self) -> None:
        """Stop as a process does: what waits in memory is lost."""
        for url, name in self._listening:
            await self._node.peers[url].unsubscribe(name)
        self._listening.clear()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        while not self._arrived.empty():
            self._arrived.get_nowait()
        await self._desk.close()
        for problem in ended:
            if isinstance(problem, Exception):
                raise problem  # the desk died before: a bug here

    def hear(self, url: str, event: Event) -> None:
        """Queue an event; a genuine one that another relay brought already is the same event."""
        relays = self._relays.setdefault(event.id().to_hex(), set())
        copy = bool(relays) and url not in relays
        if copy or event.verify():
            relays.add(url)
        if not copy:
            self._arrived.put_nowait(event)

    async def _loop(self) -> None:
        while True:
            event = await self._arrived.get()
            await self._process(event)

    async def _process(self, event: Event) -> None:
        event_id = event.id().to_hex()
        entry = Received(
            event_id=event_id,
            kind=event.kind().as_u16(),
            author=event.author().to_hex(),
            created_at=event.created_at().as_secs(),
            at=self._node.clock.now(),
            bits=leading_zero_bits(event_id),
        )
        self._desk.received.append(entry)
        looked = self.gate.look(event, entry)
        if isinstance(looked, Verdict):
            entry.verdict = looked
        else:
            entry.verdict = await handle(self._desk, looked)
            self._recognise(looked)

    def _recognise(self, request: Request) -> None:
        """Newer nodes know whoever took a dispute with one key at once."""
        took = request.action == Action.ADMIN_TAKE_DISPUTE and request.sender == request.identity
        if self._node.style.knows_solvers_at_once and took:
            fresh = self._desk.known_keys() & {request.identity}
            self.gate.known |= fresh

    async def _refresh(self) -> None:
        while True:
            await self._node.clock.sleep(self._refresh_seconds)
            self.gate.known = self._desk.known_keys()
