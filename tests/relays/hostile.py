"""A relay that does what a test's script says, and is honest where the script is silent.

It answers REQ with what it holds and EOSE, EVENT with OK true, and passes events on to the
subscriptions that asked for their kind. A test replaces one answer at a time.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Message = list[Any]
Answer = Callable[["Peer", Message], Awaitable[None]]


class Peer:
    """One client's connection."""

    def __init__(self, socket: ServerConnection, number: int) -> None:
        self.socket = socket
        self.number = number
        self.subscriptions: dict[str, list[dict[str, Any]]] = {}

    async def say(self, *message: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.socket.send(json.dumps(message))


class HostileRelay:
    """A scripted relay on the loopback interface.

    Attributes:
        on_req, on_event, on_auth, on_connect: the answers; replace them.
        mute: while True nothing is answered and nothing is passed on (a half-open path).
        forgetful: while True events are accepted but passed on to nobody.
    """

    def __init__(self) -> None:
        self.on_req: Answer = self.honest_req
        self.on_event: Answer = self.honest_event
        self.on_auth: Answer = self.accept_auth
        self.on_connect: Callable[[Peer], Awaitable[None]] | None = None
        self.mute = False
        self.forgetful = False
        self.got: list[Message] = []
        self.peers: list[Peer] = []
        self.stored: list[dict[str, Any]] = []
        self.connections = 0
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=0.1
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    def count(self, verb: str, prefix: str = "") -> int:
        """How many messages of this kind came, by the beginning of what follows the verb."""
        return sum(m[0] == verb and str(m[1]).startswith(prefix) for m in self.got)

    def cut(self) -> None:
        """Break every connection without a word."""
        for peer in self.peers:
            peer.socket.transport.abort()

    async def broadcast(self, event: dict[str, Any]) -> None:
        for peer in list(self.peers):
            for name, filters in list(peer.subscriptions.items()):
                if any(event["kind"] in each.get("kinds", [event["kind"]]) for each in filters):
                    await peer.say("EVENT", name, event)

    async def honest_req(self, peer: Peer, message: Message) -> None:
        name, filters = message[1], message[2:]
        peer.subscriptions[name] = filters
        for event in self.stored:
            if any(event["kind"] in each.get("kinds", [event["kind"]]) for each in filters):
                await peer.say("EVENT", name, event)
        await peer.say("EOSE", name)

    async def honest_event(self, peer: Peer, message: Message) -> None:
        await peer.say("OK", message[1]["id"], True, "")
        if not self.forgetful:
            await self.broadcast(message[1])

    async def accept_auth(self, peer: Peer, message: Message) -> None:
        await peer.say("OK", message[1]["id"], True, "")

    async def _serve(self, socket: ServerConnection) -> None:
        self.connections += 1
        peer = Peer(socket, self.connections)
        self.peers.append(peer)
        try:
            if self.on_connect is not None:
                await self.on_connect(peer)
            async for text in socket:
                await self._answer(peer, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self.peers.remove(peer)

    async def _answer(self, peer: Peer, message: Message) -> None:
        self.got.append(message)
        if self.mute:
            return
        match message[0]:
            case "REQ":
                await self.on_req(peer, message)
            case "EVENT":
                await self.on_event(peer, message)
            case "AUTH":
                await self.on_auth(peer, message)
            case "CLOSE":
                peer.subscriptions.pop(message[1], None)


def closing(text: str, only_first: bool = True) -> Callable[[HostileRelay], Answer]:
    """An answer to REQ: EOSE, then CLOSED with ``text`` (the first time, or always)."""

    def make(relay: HostileRelay) -> Answer:
        seen: list[str] = []

        async def answer(peer: Peer, message: Message) -> None:
            await relay.honest_req(peer, message)
            if message[1].startswith("disputes") and not (only_first and seen):
                seen.append(message[1])
                peer.subscriptions.pop(message[1], None)
                await peer.say("CLOSED", message[1], text)

        return answer

    return make
