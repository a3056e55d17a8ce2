"""Mediation: whether it delays what solvers are told, how fast it begins, and what a round costs.

Two measurements, on the loopback interface without a delay.

**Beginning.** Disputes at once to a daemon (a process of its own) without and with mediation, in
turn. A client beside it hears everything the relay passes on and dates it on arrival; what the
solvers' wraps say is opened afterwards. A dispute counts as detected when that client hears it,
as notified when the relay passes the solver's message on, as begun when it passes on the first
message to each party.

**A round.** The daemon's parts run in the benchmark's process, one party writes at a time, and
nothing else goes on. Ours is the time from the acceptance of the message until the model has the
request whole (its way there included), and from the answer's last byte in the HTTP client to the
commit of what follows. How long the answer took to get there stands beside it. Every message of a
party is evaluated (no time to settle): the first of two ends in waiting for the other, the second
in a pair of questions.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import httpx2
from nostr_sdk import Event, Keys
from websockets.asyncio.client import ClientConnection, connect

from bench.common import (
    CLOCK,
    Daemon,
    Publisher,
    folder,
    quantiles,
    report,
    say,
    transaction_floor_ms,
    until,
    wraps_floor_seconds,
)
from bench.mediation_world import BEGIN_SECONDS, SIDES, WorldProcess
from serbero.chat.channel import AcceptedMessage
from serbero.clock import within
from serbero.config.loader import loads
from serbero.daemon.build import Parts, build
from serbero.daemon.process import supervise
from serbero.mediation import evaluation
from serbero.mediation.mind import Mind
from serbero.mediation.policy import Facts, asks_for_human, decide, prepare
from serbero.observe.logging import configure_logging
from serbero.observe.service_manager import ServiceManager
from serbero.reasoning.answer import AnswerFault, parse_verdict
from serbero.reasoning.dialects import CHAT
from serbero.simulator.model_endpoint import verdict
from serbero.simulator.relay import RelayProcess
from serbero.simulator.solver import unwrap

CONCURRENCY: Final = 8
"""The lesser of ``max_concurrent_starts`` and ``max_concurrent_calls``, both at their default."""
GOAL_SLACK: Final = 1.2
GOAL_OVERHEAD_MS: Final = 15.0
PATIENCE_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 0.15
"""Between two evaluations: the messages of the last one go out meanwhile."""
INITIAL: Final = "New Mostro dispute"
KEY: Final = {"SERBERO_REASONING_API_KEY": "a key that the loopback model does not look at"}
SAYS: Final = {
    "buyer": "I sent the money this morning at ten from my savings account, reference 4821.",
    "seller": "Nothing has arrived so far, I looked at my account a minute ago.",
}
MIND: Final[Any] = Mind
"""The class whose ``classify`` is timed."""
DIALECT: Final[Any] = type(CHAT)
"""The class whose ``answer_body`` is given an answer as soon as all of it is there."""


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, 95th percentile and greatest, milliseconds."""
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 2),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 2),
        "max": round(ordered[-1], 2),
    }


def sections(model: str) -> dict[str, dict[str, Any]]:
    """The configuration that has a daemon mediate."""
    return {
        "mediation": {"enabled": True},
        "reasoning": {
            "enabled": True,
            "provider": "openai-compatible",
            "model": "scripted",
            "api_base": model,
        },
        "prompts": {"source": "packaged"},
    }


# --- beginning -----------------------------------------------------------------------------


class Observer:
    """A client that hears disputes, solvers' wraps and chats, and dates each frame on arrival."""

    def __init__(self, url: str, solvers: list[str]) -> None:
        self._url, self._solvers = url, solvers
        self._frames: dict[str, list[tuple[float, str]]] = {}
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._socket = await connect(
            self._url, compression=None, ping_interval=None, max_size=None, proxy=None
        )
        await self._ask("disputes", {"kinds": [38386]})
        await self._ask("solvers", {"kinds": [1059], "#p": self._solvers})
        self.clear()
        self._reading = asyncio.create_task(self._read(self._socket))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    async def follow(self, channels: Iterable[str]) -> None:
        """Hear these chats from now on (keys of authors), and no others."""
        await self._ask("chats", {"kinds": [14], "authors": list(channels)})

    async def _ask(self, name: str, wanted: dict[str, Any]) -> None:
        if self._socket is None:
            raise RuntimeError("not connected")
        await self._socket.send(json.dumps(["REQ", name, wanted]))

    async def _read(self, socket: ClientConnection) -> None:
        async for frame in socket:
            at, text = time.monotonic(), str(frame)
            for name, frames in self._frames.items():
                if text.startswith(f'["EVENT","{name}"'):
                    frames.append((at, text))

    def clear(self) -> None:
        """Forget what was heard."""
        self._frames = {"disputes": [], "solvers": [], "chats": []}

    def count(self, name: str) -> int:
        """How many events of a kind were heard."""
        return len(self._frames[name])

    def events(self, name: str) -> list[tuple[float, dict[str, Any]]]:
        """Events of a kind and when each was heard (monotonic seconds)."""
        return [(at, json.loads(frame)[2]) for at, frame in self._frames[name]]


@dataclass(frozen=True, slots=True)
class Stage:
    """A running daemon and what is around it."""

    daemon: Daemon
    world: WorldProcess
    publisher: Publisher
    observer: Observer
    solvers: dict[str, Keys]
    mediates: bool

    async def open(self, count: int, model_seconds: float) -> "Opened":
        """Open disputes at once; return when what must follow has followed.

        Raises:
            TimeoutError: it has not.
        """
        signed = await self.world.tell("sign", count)
        events = [Event.from_json(json.dumps(each)) for each in signed["events"]]
        await self.observer.follow(each for pair in signed["channels"].values() for each in pair)
        await self.world.tell("calls")
        await CLOCK.sleep(0.5)
        self.observer.clear()
        cpu = self.daemon.cpu_seconds()
        began = await self.publisher.publish(events)
        observer, wanted = self.observer, count * len(self.solvers)
        patience = PATIENCE_SECONDS + 2 * count * model_seconds / CONCURRENCY
        await until(lambda: observer.count("solvers") >= wanted, patience)
        if self.mediates:
            await until(lambda: observer.count("chats") >= 2 * count, patience)
        cpu = self.daemon.cpu_seconds() - cpu
        await CLOCK.sleep(1.0)  # the last assignments, and a message too many
        calls = await self.world.tell("calls")
        return Opened(began, signed["channels"], calls, cpu)


@dataclass(frozen=True, slots=True)
class Opened:
    """Disputes that were opened at once.

    Attributes:
        began: when the first was handed to the relay (monotonic seconds).
        channels: by dispute, the keys that write to its parties.
        calls: of the model.
        cpu: seconds of the daemon's processor time until all of it was out.
    """

    began: float
    channels: dict[str, list[str]]
    calls: dict[str, Any]
    cpu: float

    def notified(self, stage: Stage) -> list[tuple[float, float]]:
        """Seconds to each solver's first message about each: since published, since detected.

        A message that a slow machine has not sent when the dispute is taken is dropped for the one
        that says so; it is missing here.

        Raises:
            RuntimeError: another is missing, or one came twice.
        """
        heard: dict[str, float] = {}
        for at, event in stage.observer.events("disputes"):
            heard.setdefault(_tag(event, "d"), at)
        found: dict[tuple[str, str], float] = {}
        overtaken: set[tuple[str, str]] = set()
        for at, event in stage.observer.events("solvers"):
            solver = _tag(event, "p")
            message = unwrap(stage.solvers[solver], Event.from_json(json.dumps(event)))
            dispute_id = message.text.partition("dispute_id: ")[2].partition("\n")[0]
            if not message.text.startswith(INITIAL):
                overtaken.add((solver, dispute_id))
                continue
            if (solver, dispute_id) in found:
                raise RuntimeError("a solver was told twice")
            found[solver, dispute_id] = at
        wanted = {(solver, each) for solver in stage.solvers for each in self.channels}
        if not found.keys() <= wanted <= found.keys() | overtaken:
            raise RuntimeError(f"{len(found)} of {len(wanted)} notifications found")
        return [(at - self.began, at - heard[about]) for (_, about), at in found.items()]

    def pairs(self, stage: Stage) -> list[float]:
        """Seconds until both parties of each dispute had their first message at the relay.

        Raises:
            RuntimeError: one is missing, or a party was written to twice.
        """
        heard = [(event["pubkey"], at) for at, event in stage.observer.events("chats")]
        at = dict(heard)
        wanted = {author for pair in self.channels.values() for author in pair}
        if len(at) != len(heard) or set(at) != wanted:
            raise RuntimeError(f"{len(heard)} first messages on {len(at)} channels")
        return [max(at[each] for each in pair) - self.began for pair in self.channels.values()]


def _tag(event: dict[str, Any], name: str) -> str:
    return next((str(tag[1]) for tag in event["tags"] if tag[0] == name), "")


@contextlib.asynccontextmanager
async def stage(path: Path, options: argparse.Namespace, *, mediates: bool) -> AsyncIterator[Stage]:
    """A daemon that is ready and warm."""
    path.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    people = [Keys.generate() for _ in range(options.solvers)]
    solvers = {each.public_key().to_hex(): each for each in people}
    async with (
        RelayProcess() as relay,
        WorldProcess(relay.url, options.model_seconds) as world,
        Observer(relay.url, list(solvers)) as observer,
        Publisher(relay.url) as publisher,
    ):
        settings = sections(world.model) if mediates else {}
        daemon = Daemon(path, world.node, [relay.url], list(solvers), settings, KEY)
        await world.tell("register", daemon.keys.public_key().to_hex())
        async with daemon:
            await daemon.ready()
            if mediates:
                done = "mediation is fully configured"
                await until(lambda: done in daemon.log.read_text(), BEGIN_SECONDS)
            here = Stage(daemon, world, publisher, observer, solvers, mediates)
            await here.open(1, options.model_seconds)  # the first one finds cold caches
            yield here


async def beginning(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Both ways in turn."""
    runs: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    pooled: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for number in range(options.repeats):
        for mediates in (False, True):
            load = os.getloadavg()[0]
            place = path / f"{'on' if mediates else 'off'}-{number}"
            async with stage(place, options, mediates=mediates) as here:
                opened = await here.open(options.disputes, options.model_seconds)
                notified = opened.notified(here)
                figures = _figures(opened, here, notified, options)
            pooled[mediates] += notified
            runs[mediates].append({"load_before": round(load, 2), **figures})
            say(f"mediation {'on' if mediates else 'off'}: {json.dumps(runs[mediates][-1])}")
    return {
        "off": _notified(pooled[False]),
        "on": _notified(pooled[True]),
        "compared": _compared(runs),
        "runs": {"off": runs[False], "on": runs[True]},
    }


def _notified(found: list[tuple[float, float]]) -> dict[str, Any]:
    return {
        "notified": len(found),
        "published_to_notified_ms": spread(each * 1000 for each, _ in found),
        "detected_to_notified_ms": spread(each * 1000 for _, each in found),
    }


def _figures(
    opened: Opened, here: Stage, notified: list[tuple[float, float]], options: argparse.Namespace
) -> dict[str, Any]:
    figures = {**_notified(notified), "daemon_cpu_ms": round(opened.cpu * 1000)}
    if not here.mediates:
        return figures
    pairs, calls = opened.pairs(here), opened.calls["calls"]
    waves = math.ceil(options.disputes / CONCURRENCY)
    beyond = max(pairs) - waves * options.model_seconds
    return {
        **figures,
        "first_pairs": len(pairs),
        "first_pair_s": {name: round(value, 2) for name, value in spread(pairs).items()},
        "all_first_pairs_s": round(max(pairs), 2),
        "beyond_the_model_each_wave_ms": round(beyond / waves * 1000, 1),
        "model_calls": len(calls),
        "model_calls_at_once": opened.calls["at_once"],
        "first_call_after_ms": round((min(each["asked"] for each in calls) - opened.began) * 1000),
    }


def _compared(runs: dict[bool, list[dict[str, Any]]]) -> dict[str, Any]:
    """Plain ratios, and beside them how much the same differs from run to run."""
    found: dict[str, Any] = {}
    for name in ("median", "p95"):
        off, on = (
            [each["detected_to_notified_ms"][name] for each in runs[mediates]]
            for mediates in (False, True)
        )
        found[f"{name}_on_to_off"] = round(statistics.median(on) / statistics.median(off), 3)
        found[f"{name}_off_greatest_to_least"] = round(max(off) / min(off), 3)
        found[f"{name}_on_greatest_to_least"] = round(max(on) / min(on), 3)
    found["all_first_pairs_s"] = [each["all_first_pairs_s"] for each in runs[True]]
    return found


# --- a round -------------------------------------------------------------------------------


@dataclass
class Stopwatch:
    """Moments of the evaluation under way, monotonic seconds."""

    accepted: list[float] = field(default_factory=list)
    called: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    classified: list[float] = field(default_factory=list)
    committed: list[float] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Of the process, all threads, as the message was accepted and as all was committed."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.contextmanager
    def watching(self, parts: Parts) -> Any:
        """Note them while inside: the daemon's own functions run as ever in between."""
        classify, transact = MIND.classify, parts.base.patient.transact
        answer_body = DIALECT.answer_body

        async def classifying(mind: Mind, request: Any) -> Any:
            self.called.append(time.monotonic())
            outcome = await classify(mind, request)
            self.classified.append(time.monotonic())
            return outcome

        def arriving(dialect: Any, raw: bytes) -> bytes:
            self.arrived.append(time.monotonic())
            body: bytes = answer_body(dialect, raw)
            return body

        async def transacting(work: Callable[..., Any], *rest: Any, **more: Any) -> Any:
            result = await transact(work, *rest, **more)
            if work is evaluation.conclude:
                self.committed.append(time.monotonic())
                self.cpu.append(time.process_time())
                self.done.append(result)
                self.over.set()
            return result

        def accepting(_message: AcceptedMessage) -> None:
            self.accepted.append(time.monotonic())
            self.cpu.append(time.process_time())

        store: Any = parts.base.patient
        MIND.classify, store.transact = classifying, transacting
        DIALECT.answer_body = arriving
        stop = parts.chats.listen(accepting)
        try:
            yield self
        finally:
            stop()
            MIND.classify, store.transact = classify, transact
            DIALECT.answer_body = answer_body

    def clear(self) -> None:
        """Begin anew."""
        for moments in (self.accepted, self.called, self.arrived, self.classified):
            moments.clear()
        self.committed.clear()
        self.done.clear()
        self.cpu.clear()
        self.over.clear()


@contextlib.asynccontextmanager
async def daemon(
    path: Path, keys: Keys, world: WorldProcess, url: str, rounds: int
) -> AsyncIterator[Parts]:
    """The daemon's parts, running."""
    settings: dict[str, dict[str, Any]] = {
        "serbero": {
            "private_key": keys.secret_key().to_hex(),
            "db_path": str(path / "serbero.db"),
        },
        "mostro": {"pubkey": world.node},
        **sections(world.model),
    }
    settings["mediation"] |= {"settle_seconds": 0, "max_rounds": rounds + 1}
    lines = [f'[[relays]]\nurl = "{url}"']
    for name, values in settings.items():
        lines += [f"[{name}]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    parts = await build(loads("\n".join(lines), KEY).config, CLOCK)
    stop = asyncio.Event()
    running = asyncio.create_task(supervise(parts, ServiceManager({}), stop))
    try:
        await until(lambda: parts.node.watch.info is not None or running.done(), PATIENCE_SECONDS)
        yield parts
    finally:
        stop.set()
        await running
        await parts.close()


async def a_round(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Lead sessions, one message of a party at a time."""
    keys, stopwatch = Keys.generate(), Stopwatch()
    async with (
        RelayProcess() as relay,
        WorldProcess(relay.url, options.round_model_seconds) as world,
    ):
        await world.tell("register", keys.public_key().to_hex())
        async with daemon(path, keys, world, relay.url, options.rounds) as parts:
            await world.tell("begin", options.sessions, seconds=BEGIN_SECONDS + PATIENCE_SECONDS)
            load, found = os.getloadavg()[0], []
            with stopwatch.watching(parts):
                for number in range(options.rounds):
                    for session in range(options.sessions):
                        found += [
                            await one_evaluation(world, stopwatch, session, side) for side in SIDES
                        ]
                        await world.tell("heard", session, number + 2)
        body = await world.tell("body")
        http = await http_floor_ms(world, body)
    found = found[2:]  # the first round finds cold caches
    asks = [each for each in found if each["done"] == "ask"]
    waits = [each for each in found if each["done"] == "wait"]
    if len(asks) + len(waits) != len(found):
        raise RuntimeError(f"not what was to be measured: {[each['done'] for each in found]}")
    return {
        "load_before": round(load, 2),
        "floors": {"http_ms": http, **policy_floor_ms()},
        "all": _parts_of(found),
        "ended_in_waiting": _parts_of(waits),
        "ended_in_questions": _parts_of(asks),
    }


def _parts_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    names = [name for name in found[0] if name.endswith("_ms")]
    return {
        "evaluations": len(found),
        **{name: spread(each[name] for each in found) for name in names},
    }


async def one_evaluation(
    world: WorldProcess, stopwatch: Stopwatch, session: int, side: str
) -> dict[str, Any]:
    """Let a party write, and wait for what follows to be committed; milliseconds of each part."""
    stopwatch.clear()
    await world.tell("calls")
    await world.tell("say", session, side, SAYS[side])
    await within(CLOCK, PATIENCE_SECONDS, stopwatch.over.wait())
    await CLOCK.sleep(PAUSE_SECONDS)
    (call,) = (await world.tell("calls"))["calls"]
    (accepted,), (called,) = stopwatch.accepted, stopwatch.called
    (arrived,), (classified,), (committed,) = (
        stopwatch.arrived,
        stopwatch.classified,
        stopwatch.committed,
    )
    before, after = call["asked"] - accepted, committed - arrived
    moments = {
        "overhead": before + after,
        "accepted_to_request": before,
        "answer_to_commit": after,
        "look": called - accepted,
        "request": call["asked"] - called,
        "read": classified - arrived,
        "conclude": committed - classified,
        "answer_on_its_way": arrived - call["answered"],
        "cpu": stopwatch.cpu[1] - stopwatch.cpu[0],
    }
    done = {f"{name}_ms": value * 1000 for name, value in moments.items()}
    return {"done": stopwatch.done[0], **done}


async def http_floor_ms(world: WorldProcess, body: str, count: int = 50) -> dict[str, float]:
    """Milliseconds of the same request and answer through a bare client, the model's time off."""
    took = []
    await world.tell("calls")
    async with httpx2.AsyncClient() as client:
        for _ in range(count):
            began = time.monotonic()
            await client.post(
                f"{world.model}/chat/completions",
                content=body,
                headers={"content-type": "application/json"},
            )
            whole = time.monotonic() - began
            (call,) = (await world.tell("calls"))["calls"]
            took.append((whole - (call["answered"] - call["asked"])) * 1000)
    return spread(took[1:])


def policy_floor_ms(count: int = 200) -> dict[str, Any]:
    """Milliseconds to decide on a verdict and to screen two texts of parties, nothing else."""
    prepare()
    given = parse_verdict(verdict())
    if isinstance(given, AnswerFault):
        raise RuntimeError("the verdict is none")  # noqa: TRY004 - no fault of a type
    facts = Facts(evaluations=2, pairs_put=1, max_rounds=6, party_texts=2)
    deciding, screening = [], []
    for number in range(count):
        texts = [f"{text} {number}" for text in SAYS.values()]
        began = time.perf_counter()
        decide(given, facts)
        decided = time.perf_counter()
        for text in texts:
            asks_for_human(text)
        screening.append((time.perf_counter() - decided) * 1000)
        deciding.append((decided - began) * 1000)
    return {"decide_ms": spread(deciding), "screen_two_party_texts_ms": spread(screening)}


# --- all of it -----------------------------------------------------------------------------


async def main(options: argparse.Namespace) -> None:
    """Measure and report."""
    load = os.getloadavg()
    whole = options.disputes * options.solvers
    with folder() as path, Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230
        # Lines are made and thrown away: what a daemon spends on them counts.
        configure_logging("info", "json", nowhere)
        floors = {
            "transaction_ms": await transaction_floor_ms(path),
            f"{whole}_wraps_ms": quantiles([wraps_floor_seconds(whole) * 1000], 1),
        }
        say(f"floors: {json.dumps(floors)}")
        one = await a_round(path, options)
        say(f"a round: {json.dumps(one)}")
        begun = await beginning(path, options) if options.repeats else None
    waves = options.disputes / CONCURRENCY * options.model_seconds
    goals = {
        "overhead_ms": GOAL_OVERHEAD_MS,
        "all_first_pairs_s": round(waves * GOAL_SLACK, 2),
        "all_first_pairs_least_s": math.ceil(options.disputes / CONCURRENCY)
        * options.model_seconds,
    }
    loads_seen = {
        name: [round(each, 2) for each in seen]
        for name, seen in (("before", load), ("after", os.getloadavg()))
    }
    report(
        "mediation",
        {
            "load": loads_seen,
            "goals": goals,
            "floors": floors,
            "round": one,
            "beginning": begun,
        },
    )


def arguments() -> argparse.Namespace:
    """Sizes; the defaults are what the figures in the README were made with."""
    parser = argparse.ArgumentParser(prog="python -m bench.mediation", description=__doc__)
    parser.add_argument("--disputes", type=int, default=100, help="at once")
    parser.add_argument("--solvers", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3, help="of each way; 0: rounds only")
    parser.add_argument("--model-seconds", type=float, default=2.0, help="that the model takes")
    parser.add_argument("--sessions", type=int, default=8, help="whose rounds are measured")
    parser.add_argument("--rounds", type=int, default=5, help="of each session")
    parser.add_argument("--round-model-seconds", type=float, default=0.05, help="in rounds")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
