"""A language model for mediation's tests, behind real HTTP, as a neighbour of the world.

It reads what it is asked and answers by that, never by the order of calls, so that disputes may
run beside one another.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from serbero.clock import Clock
from serbero.reasoning.calls import Purpose
from serbero.simulator.model_endpoint import (
    ModelServer,
    Received,
    Says,
    Step,
    Waits,
    summary,
    verdict,
)
from serbero.simulator.node_public import Dispute

BUYER_QUESTION: Final = "When did you send the payment, and by which method?"
SELLER_QUESTION: Final = "Have you looked for the payment in your account?"
RATIONALE: Final = "Neither side was heard yet."
"""What :func:`verdict` says unless told otherwise."""

_TRANSCRIPT: Final = re.compile(
    r'^<transcript entries="\d+" left_out="(\d+)">$(.*?)^</transcript>$', re.DOTALL | re.MULTILINE
)
_LINE: Final = re.compile(r"^\[(\d+)\] (buyer|seller|serbero): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, read as a model would read it.

    Attributes:
        facts: the session's lines of the prompt, by name; empty for a health check.
        lines: the conversation shown: who and what, in order.
        system: the system message, None for a health check.
    """

    purpose: Purpose
    facts: Mapping[str, str]
    lines: tuple[tuple[str, str], ...]
    system: str | None
    user: str = field(repr=False)

    @property
    def dispute_id(self) -> str:
        """Which dispute it is about; empty for a health check."""
        return self.facts.get("dispute_id", "")

    @property
    def policy_hash(self) -> str:
        """The bundle it was asked under."""
        return self.facts.get("policy_hash", "")

    @property
    def opening(self) -> bool:
        """Whether it is a classification before anybody was asked."""
        return self.purpose is Purpose.CLASSIFY and not self.lines

    def said(self, who: str) -> list[str]:
        """What somebody said, in order."""
        return [text for speaker, text in self.lines if speaker == who]

    @property
    def party_lines(self) -> list[str]:
        """What either party said, in order."""
        return [text for speaker, text in self.lines if speaker != "serbero"]

    @property
    def both_spoke(self) -> bool:
        """Whether each party said something."""
        return bool(self.said("buyer") and self.said("seller"))


def read(request: Received) -> Asked:
    """Read a request."""
    user, messages = request.user, request.json["messages"]
    if user == "ping":
        return Asked(Purpose.HEALTH, {}, (), None, user)
    head = user.partition("=== session ===\n")[2].partition("\n\n")[0]
    facts = dict(line.split(": ", 1) for line in head.splitlines())
    found = _TRANSCRIPT.search(user)
    assert found is not None, "a prompt without a transcript"
    lines = tuple((who, _unquoted(text)) for _, who, text in _LINE.findall(found[2]))
    purpose = Purpose.CLASSIFY if "initiator" in facts else Purpose.SUMMARIZE
    return Asked(purpose, facts, lines, messages[0]["content"], user)


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text  # the middle of a long one was left out


Brain = Callable[[Asked], Step]


def asks(**members: Any) -> Says:
    """A verdict that asks both sides, changed by ``members``."""
    return Says(verdict(**members))


def summarizes(**members: Any) -> Says:
    """A verdict that wants a summary."""
    plain = {"suggested_action": "summarize", "confidence": 0.9, "rationale": "Both agree by now."}
    return Says(verdict(**(plain | members)))


def cooperative(asked: Asked) -> Step:
    """Ask until both have spoken, then summarize."""
    if asked.purpose is Purpose.HEALTH:
        return Says("pong")
    if asked.purpose is Purpose.SUMMARIZE:
        return Says(summary())
    return summarizes() if asked.both_spoke else asks()


def once_answered(step: Step, before: Step | None = None) -> Brain:
    """Ask at the opening, and say ``step`` to every evaluation; summaries as usual."""

    def says(asked: Asked) -> Step:
        if asked.purpose is Purpose.CLASSIFY:
            return (before or asks()) if asked.opening else step
        return cooperative(asked)

    return says


def opens_with(step: Step) -> Brain:
    """Say ``step`` to the opening."""

    def says(asked: Asked) -> Step:
        return step if asked.opening else cooperative(asked)

    return says


class Model(ModelServer):
    """The endpoint, as a neighbour of the world.

    Attributes:
        says: what it answers; a test may change it at any time.
        asked: everything it was asked, in order.
        answers: the texts it gave.
    """

    def __init__(self, says: Brain, clock: Clock) -> None:
        super().__init__(script=self._answer, clock=clock)
        self.says = says
        self.asked: list[Asked] = []
        self.answers: list[str] = []
        self._held = 0
        self._done = 0
        self._gate = asyncio.Event()

    @property
    def working(self) -> bool:
        """Whether it has a request that it does not keep waiting on purpose."""
        return self.busy > self._held

    @property
    def activity(self) -> int:
        """Requests and answers."""
        return len(self.requests) + self._done

    @property
    def held(self) -> int:
        """Requests kept waiting."""
        return self._held

    def release(self) -> None:
        """Let everybody on who waits now; whoever comes later waits again."""
        self._gate.set()
        self._gate = asyncio.Event()

    def of(self, dispute: Dispute | str, purpose: Purpose = Purpose.CLASSIFY) -> list[Asked]:
        """What it was asked about a dispute."""
        dispute_id = dispute if isinstance(dispute, str) else dispute.id
        return [
            each for each in self.asked if each.purpose is purpose and each.dispute_id == dispute_id
        ]

    @property
    def pings(self) -> int:
        """Health checks."""
        return sum(each.purpose is Purpose.HEALTH for each in self.asked)

    def _answer(self, request: Received) -> Step:
        asked = read(request)
        self.asked.append(asked)
        step = self.says(asked)
        said = step.then if isinstance(step, Waits) else step
        if isinstance(said, Says):
            self.answers.append(said.text)
        return step

    async def _do(self, step: Step, request: Received, writer: asyncio.StreamWriter) -> bool:
        try:
            if isinstance(step, Waits):
                self._held += 1
                try:
                    await self._wait(step.seconds)
                finally:
                    self._held -= 1
                step = step.then
            return await super()._do(step, request, writer)
        finally:
            self._done += 1

    async def _wait(self, seconds: float | None) -> None:
        if seconds is None:
            await self._gate.wait()
        else:
            await self._clock.sleep(seconds)
