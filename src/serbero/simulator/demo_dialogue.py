"""The words that go to and fro between Serbero and two parties, and the record of them."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from serbero.chat.speaking import CannotSayError
from serbero.clock import Clock
from serbero.model.party import Party
from serbero.simulator import demo_traces as traces
from serbero.simulator.demo_record import Reading, Record, Side
from serbero.simulator.demo_script import CLIENTS
from serbero.simulator.demo_serbero import Serbero
from serbero.simulator.demo_story import Tone
from serbero.simulator.demo_verdict import milliseconds, span
from serbero.simulator.demo_watch import Watch
from serbero.simulator.party import PartyClient


class Dialogue:
    """Serbero and the two parties of one order.

    Args:
        relay_url: where all of them read and write.
        serbero: running.
        watch: tells, and waits.
        record: what was seen goes there.
        clock: where time comes from.

    Attributes:
        clients: the parties' devices, once they are there.
    """

    def __init__(
        self, relay_url: str, serbero: Serbero, watch: Watch, record: Record, clock: Clock
    ) -> None:
        self._relay_url = relay_url
        self._serbero = serbero
        self._watch = watch
        self._record = record
        self._clock = clock
        self._said_at: dict[str, float] = {}
        self._written_at: dict[str, float] = {}
        self.clients: dict[Party, PartyClient] = {}

    @asynccontextmanager
    async def parties(self) -> AsyncIterator[None]:
        """Let the parties be there.

        Raises:
            PeerError: a relay did not answer.
        """
        protocol = self._record.protocol
        async with AsyncExitStack() as stack:
            for party, envelope in CLIENTS[protocol].items():
                client = PartyClient(
                    [self._relay_url],
                    clock=self._clock,
                    protocol=protocol,
                    envelope=envelope,
                    name=party.value,
                )
                self.clients[party] = await stack.enter_async_context(client)
                self._record.sides[party] = Side(envelope)
            yield

    async def say(self, dispute_id: str, party: Party, text: str, what: str) -> None:
        """Let Serbero say something to a party.

        Raises:
            CannotSayError: it does not go out.
        """
        at = self._clock.monotonic()
        self._watch.say("serbero", f'{what} "{text}"')
        inner_id = await self._serbero.say(dispute_id, party, text)
        self._record.sides[party].asked.append(inner_id)
        self._said_at[inner_id] = at

    async def until_read(self, party: Party) -> None:
        """Wait until a party has read what it was told last; the verdict says if it did not."""
        wanted = self._record.sides[party].asked[-1]
        client = self.clients[party]
        await self._watch.until(lambda: any(each.inner_id == wanted for each in client.deliveries))
        self.note_what_was_read()
        read = self._record.sides[party].read
        if seconds := [each.seconds for each in read if each.inner_id == wanted]:
            self._watch.say(party, f"reads it after {milliseconds(seconds[0])}", Tone.HEARD)

    async def write(self, party: Party, text: str) -> None:
        """Let a party write to Serbero.

        Raises:
            PeerError: a relay refused it or did not answer.
        """
        at = self._clock.monotonic()
        self._watch.say(party, f'"{text}"')
        inner = await self.clients[party].say(text)
        inner_id = inner.id().to_hex()
        self._record.sides[party].written.append(inner_id)
        self._written_at[inner_id] = at

    async def until_heard(self, party: Party) -> None:
        """Wait until Serbero has heard all that a party wrote; the verdict says if it did not."""
        side = self._record.sides[party]
        await self._watch.until(lambda: set(side.written) <= set(self._arrivals(party)))
        arrived = self._arrivals(party)
        side.answer_seconds = [
            arrived[each] - self._written_at[each] for each in side.written if each in arrived
        ]
        if side.answer_seconds:
            after = span(side.answer_seconds)
            self._watch.say("serbero", f"hears the {party} after {after}", Tone.HEARD)

    async def refuses(self, dispute_id: str, text: str) -> bool:
        """Tell Serbero to go on; whether it refuses to, towards both parties."""
        for party in self.clients:
            with contextlib.suppress(CannotSayError):
                inner_id = await self._serbero.say(dispute_id, party, text)
                self._record.sides[party].late.append(inner_id)
        return not any(side.late for side in self._record.sides.values())

    def note_what_was_read(self) -> None:
        """Enter every envelope that the parties opened so far."""
        for party, client in self.clients.items():
            self._record.sides[party].read = [
                Reading(
                    each.inner_id,
                    each.author,
                    each.monotonic - self._said_at.get(each.inner_id, each.monotonic),
                )
                for each in client.deliveries
            ]

    def note_what_was_heard(self) -> None:
        """Enter everything that Serbero accepted so far."""
        for party, side in self._record.sides.items():
            side.heard = [each.inner_id for each in self._serbero.answers if each.party is party]

    async def on_relay(self, party: Party) -> frozenset[str]:
        """Ids of all events of a party's chat with Serbero.

        Raises:
            PeerError: the relay did not answer.
        """
        client = self.clients[party]
        return await traces.events_of_chat(self._relay_url, client, self._serbero.public_key)

    def _arrivals(self, party: Party) -> dict[str, float]:
        return {each.inner_id: each.at for each in self._serbero.answers if each.party is party}
