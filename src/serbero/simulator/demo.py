"""The newcomer's first minute: disputes come up, and every solver hears of each, once.

Everything is real but the people: a relay, a node that does what nodes do, solvers' and parties'
devices, and the daemon as a process of its own. The scenario knows what must arrive, waits for
it, and compares at the end with the relays and the database. For the last dispute the daemon
moves into the demonstration's process, where a script can tell it to take and to speak.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from serbero.chat.speaking import CannotSayError
from serbero.clock import Clock
from serbero.model.lifecycle import Lifecycle
from serbero.simulator.demo_conversation import Conversation
from serbero.simulator.demo_daemon import DaemonFailed
from serbero.simulator.demo_ledger import Ledger, Told
from serbero.simulator.demo_plan import Plan
from serbero.simulator.demo_record import Record
from serbero.simulator.demo_serbero import RunSerbero, Serbero
from serbero.simulator.demo_stage import DATABASE_NAME, Stage, Truth, listing, short
from serbero.simulator.demo_story import Narrator, Outcome, Tone
from serbero.simulator.demo_verdict import contradictions, milliseconds, summarize
from serbero.simulator.demo_watch import SEVERAL_LINES, Watch, Words
from serbero.simulator.node import Dispute
from serbero.simulator.peer import PeerError
from serbero.store.errors import StoreError

PAUSE_SECONDS: Final = 0.45
"""Between two scenes, so that a person can read."""
PREFACE: Final = (
    "mediation is off in this configuration, so nothing is taken or asked by itself",
    "this script, in whose process it runs now, says when to take and what to say",
    "how it does that by itself: serbero demo --scenario all",
)
"""What a reader must know before Serbero speaks."""


class Performance:
    """One demonstration.

    Args:
        folder: an empty folder for configuration, database and log.
        plan: how large.
        narrator: told what happens.
        clock: where time comes from.
        run_serbero: makes a Serbero that runs in this process.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        narrator: Narrator,
        clock: Clock,
        run_serbero: RunSerbero,
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._narrator = narrator
        self._clock = clock
        self._ledger = Ledger()
        self._record = Record(plan.protocol)
        self._run_serbero = run_serbero
        self._stage = Stage(folder, plan.solvers, plan.reminder_seconds, plan.protocol, clock)
        self._watch = Watch(self._stage, self._ledger, narrator, clock, plan.patience)
        self._names = self._stage.names
        self._told: dict[str, Lifecycle] = {}
        self._opened_at: dict[str, float] = {}
        self._taken: set[str] = set()
        self._problems: list[str] = []
        self._tail: list[str] = []
        self._truth: Truth | None = None
        self._ended = False

    async def run(self) -> Outcome:
        """Play it; whatever goes wrong stands in the outcome."""
        try:
            async with self._stage:
                await self._raise_curtain()
                await self._scenes()
                if await self._stop_daemon():
                    await self._conversation()
                    await self._lower_curtain()
        except DaemonFailed as error:
            self._problems.append(str(error))
            self._tail = error.tail
        except (PeerError, StoreError, CannotSayError, OSError) as error:
            self._problems.append(str(error))
        self._ended = True
        return self.outcome()

    def outcome(self) -> Outcome:
        """What is known now: the verdict after :meth:`run`, otherwise how far it came."""
        problems = list(self._problems)
        if not self._ended:
            problems.append("interrupted; what it had started has ended")
        else:
            problems += self._ledger.problems() + self._stage.unreadable()
        if not problems:
            problems += contradictions(self._truth, self._told, self._ledger)
        if not problems or self._record.complete:
            problems += self._record.problems()
        return summarize(
            self._ledger,
            self._record,
            problems=problems,
            interrupted=not self._ended,
            tail=self._tail,
            disputes=len(self._told),
            taken=len(self._taken),
            resolved=sum(state is Lifecycle.RESOLVED for state in self._told.values()),
            names=self._names,
            relays=len(self._stage.relay_urls),
            database=self._folder / DATABASE_NAME,
            seconds=self._watch.elapsed,
        )

    # The scenes.

    async def _raise_curtain(self) -> None:
        stage, narrator = self._stage, self._narrator
        narrator.chapter("The cast")
        self._watch.say("relay", f"a real one, at {stage.relay_urls[0]}")
        self._watch.say("node", f"a simulated Mostro node, key {stage.node.public_key[:8]}...")
        if len(stage.people) <= SEVERAL_LINES:
            for person in stage.people:
                place = (
                    "with an inbox relay elsewhere"
                    if stage.own_relay(person)
                    else "who reads on that relay"
                )
                self._watch.say(person.name, f"a solver {place}")
        else:
            self._watch.say("solvers", f"{len(stage.people)} of them, {self._names[0]} first")
        started = self._clock.monotonic()
        daemon = await stage.raise_daemon()
        took = self._clock.monotonic() - started
        self._watch.say("serbero", f"the real daemon, pid {daemon.pid}, ready in {took:.1f} s")

    async def _scenes(self) -> None:
        first = await self._one_dispute()
        if self._plan.disputes == 1:
            await self._nobody_takes(first)
            await self._close(first, f"{self._names[0]} settles it: the buyer gets the bitcoin")
            return
        await self._somebody_takes([first])
        others = await self._more_at_once(self._plan.disputes - 1)
        forgotten, rest = others[0], others[1:]
        if rest:
            await self._close(rest[0], f"the parties of {short(rest[0].id)} come to terms")
        if rest[1:]:
            await self._somebody_takes(rest[1:])
        await self._close(first, f"{self._names[0]} settles {short(first.id)}: the buyer is paid")
        await self._nobody_takes(forgotten)

    async def _one_dispute(self) -> Dispute:
        await self._pause()
        self._narrator.chapter("A dispute")
        (dispute,) = self._stage.node.sign_many(1)
        self._watch.say("node", f"the {dispute.initiator} opens dispute {short(dispute.id)}")
        await self._open([dispute])
        notes = self._ledger.expect([dispute.id], Told.OPENED, self._names)
        people = self._stage.people
        places = {each.name: " (own inbox)" for each in people if self._stage.own_relay(each)}
        await self._watch.heard(
            notes, Words("hears of it", "all hear of it"), letter=True, places=places
        )
        await self._watch.until_known([dispute.id], Lifecycle.NOTIFIED)
        return dispute

    async def _somebody_takes(self, several: Sequence[Dispute]) -> None:
        await self._pause()
        ids = [dispute.id for dispute in several]
        if len(ids) == 1:
            another = "it" if len(self._told) == 1 else "another"
            self._narrator.chapter(f"Somebody takes {another}")
            self._watch.say("node", f"{self._names[0]} takes {short(ids[0])}")
        else:
            self._narrator.chapter("Many hands")
            self._watch.say("node", f"solvers take {len(ids)} more: {listing(ids)}")
        await self._take(several)

    async def _take(self, several: Sequence[Dispute]) -> None:
        ids = [dispute.id for dispute in several]
        for dispute in several:
            self._told[dispute.id] = Lifecycle.TAKEN
            self._taken.add(dispute.id)
        await self._publish(several, "in-progress", Told.TAKEN)
        notes = self._ledger.expect(ids, Told.TAKEN, self._names)
        await self._watch.heard(notes, Words("knows it is taken", "all know it is taken"))
        await self._watch.until_known(ids, Lifecycle.TAKEN)
        self._excuse(ids)

    async def _more_at_once(self, count: int) -> list[Dispute]:
        await self._pause()
        self._narrator.chapter("One more" if count == 1 else f"{count} more at once")
        several = self._stage.node.sign_many(count)
        ids = [dispute.id for dispute in several]
        self._watch.say("node", f"opens {listing(ids)}")
        await self._open(several)
        notes = self._ledger.expect(ids, Told.OPENED, self._names)
        them = "it" if count == 1 else f"all {count}"
        await self._watch.heard(notes, Words(f"hears of {them}", f"all hear of {them}"))
        await self._watch.until_known(ids, Lifecycle.NOTIFIED)
        return several

    async def _close(self, dispute: Dispute, text: str) -> None:
        await self._pause()
        if self._told[dispute.id] is Lifecycle.NOTIFIED:
            self._narrator.chapter("Trouble that ends by itself")
        else:
            self._narrator.chapter("The end of a dispute")
        self._told[dispute.id] = Lifecycle.RESOLVED
        at = self._clock.monotonic()
        self._watch.say("node", text)
        await self._stage.node.resolve(dispute)
        await self._watch.until_known([dispute.id], Lifecycle.RESOLVED)
        self._excuse([dispute.id])
        took = self._clock.monotonic() - at
        self._watch.say(
            "serbero", f"closes it {milliseconds(took)} later and bothers nobody", Tone.QUIET
        )

    async def _nobody_takes(self, dispute: Dispute) -> None:
        await self._pause()
        self._narrator.chapter("Nobody takes one")
        wait = self._plan.reminder_seconds
        self._watch.say("node", f"{short(dispute.id)} is still open, nobody has it")
        self._watch.say("serbero", f"reminds after {wait} s here, 5 min by default", Tone.QUIET)
        notes = self._ledger.expect([dispute.id], Told.REMINDED, self._names)
        await self._watch.heard(
            notes, Words("is reminded", "all are reminded"), since=self._opened_at[dispute.id]
        )
        await self._watch.until_known([dispute.id], Lifecycle.NOTIFIED)
        await self._pause()
        taker = self._names[1 % len(self._names)]
        self._watch.say("node", f"now {taker} takes {short(dispute.id)}")
        await self._take([dispute])

    async def _stop_daemon(self) -> bool:
        """Stop the process in order; False if it did not stop like that."""
        daemon = self._stage.daemon
        if daemon is None:
            return False
        await self._pause()
        self._narrator.chapter("A restart")
        daemon.check()
        at = self._clock.monotonic()
        code = await daemon.stop()
        took = self._clock.monotonic() - at
        if code != 0:
            self._problems.append(f"expected the daemon to exit with 0, found {code}")
            self._tail = daemon.tail()
            return False
        self._watch.say("serbero", f"is told to stop; has stopped {milliseconds(took)} later")
        return True

    async def _conversation(self) -> None:
        """Run Serbero where the script can move it: it takes a dispute and talks."""
        at = self._clock.monotonic()
        serbero = await self._stage.raise_serbero(self._run_serbero)
        took = milliseconds(self._clock.monotonic() - at)
        self._watch.say("serbero", f"starts on the same database; is ready {took} later")
        for text in PREFACE:
            self._watch.say("serbero", text, Tone.QUIET)
        talk = Conversation(
            self._stage, serbero, self._watch, self._ledger, self._record, self._clock
        )
        async with talk.dialogue.parties():
            dispute = await self._talk(talk)
            await self._stop_serbero(serbero)
            await talk.look_back(dispute)

    async def _talk(self, talk: Conversation) -> Dispute:
        await self._pause()
        self._narrator.chapter("Serbero takes a dispute")
        dispute = await talk.open()
        self._opened_at[dispute.id] = talk.opened_at
        self._told[dispute.id] = Lifecycle.TAKEN
        self._taken.add(dispute.id)
        await talk.take(dispute)
        self._excuse([dispute.id])
        await self._pause()
        self._narrator.chapter("A conversation")
        await talk.ask(dispute)
        await self._pause()
        await talk.answer(dispute)
        await self._pause()
        self._narrator.chapter("A person takes over")
        await talk.take_over(dispute)
        await self._pause()
        self._told[dispute.id] = Lifecycle.RESOLVED
        await talk.close(dispute)
        return dispute

    async def _stop_serbero(self, serbero: Serbero) -> None:
        await self._pause()
        self._narrator.chapter("The end")
        at = self._clock.monotonic()
        await serbero.stop()
        took = milliseconds(self._clock.monotonic() - at)
        self._watch.say("serbero", f"is told to stop; has stopped {took} later")

    async def _lower_curtain(self) -> None:
        """Ask the database and the relays what happened."""
        self._truth = await self._stage.truth()
        await self._stage.collect_stored(self._ledger)
        if not self._ledger.problems():
            count = len(self._ledger.arrived)
            self._watch.say("relay", f"holds {count:,} messages to solvers, none of them twice")

    # Acting on the node.

    async def _open(self, several: Sequence[Dispute]) -> None:
        for dispute in several:
            self._told[dispute.id] = Lifecycle.NOTIFIED
        await self._send(several, Told.OPENED)

    async def _publish(self, several: Sequence[Dispute], status: str, told: Told) -> None:
        for dispute in several:
            self._stage.node.sign_revision(dispute, status)
        await self._send(several, told)

    async def _send(self, several: Sequence[Dispute], told: Told) -> None:
        """Publish the newest revision of each, all at once; latencies count from here."""

        async def one(dispute: Dispute) -> None:
            at = self._clock.monotonic()
            self._opened_at.setdefault(dispute.id, at)
            self._ledger.published(dispute.id, told, at)
            await self._stage.node.publish(dispute.revisions[-1])

        await asyncio.gather(*(one(dispute) for dispute in several))

    # Waiting and seeing.

    def _excuse(self, ids: Sequence[str]) -> None:
        """Allow reminders of disputes that, on a slow machine, fell due before they were taken."""
        now, wait = self._clock.monotonic(), self._plan.reminder_seconds
        late = [each for each in ids if now - self._opened_at[each] > wait]
        self._ledger.allow(late, Told.REMINDED, self._names)

    async def _pause(self) -> None:
        await self._clock.sleep(PAUSE_SECONDS)
        self._watch.look()
