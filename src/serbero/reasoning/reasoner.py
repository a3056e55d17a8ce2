"""Asking for a verdict or a summary: attempts, waits, the chain of models, the ceiling on calls.

Nothing here raises for anything a model, an endpoint or a network does: the result says it. The
providers' libraries are loaded in a thread when the first call needs them.
"""

import asyncio
import importlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import structlog

from serbero.clock import Clock, within
from serbero.config.models import ReasoningSection
from serbero.config.reasoning import ModelEndpoint
from serbero.model.backoff import exponential, jittered
from serbero.reasoning.answer import AnswerFault, parse_summary, parse_verdict
from serbero.reasoning.background import in_background
from serbero.reasoning.calls import (
    Call,
    Classified,
    ClassifyRequest,
    FailureKind,
    OutputMode,
    Prompt,
    Purpose,
    ReasoningFailed,
    Reply,
    Summarised,
    SummarizeRequest,
    Trouble,
)
from serbero.reasoning.habits import Form, Habits
from serbero.reasoning.prompt import PING, classify_prompt, summary_prompt
from serbero.reasoning.schemas import SUMMARY, VERDICT, AnswerForm

if TYPE_CHECKING:
    from serbero.reasoning.backends import Backend

_log = structlog.get_logger(__name__)

HEALTHY_SECONDS: Final = 300
"""A success this recent proves health, whatever failed since."""
LONGEST_WAIT_SECONDS: Final = 60.0
"""An endpoint that asks for more is not waited for: its turn has passed."""
MOST_FORMS: Final = 3
"""Forms one attempt may take: as usual, without temperature, by the prompt alone."""

_FIRST_WAIT_SECONDS: Final = 0.5
_MOST_WAIT_SECONDS: Final = 8.0
_SPREAD: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Job:
    """One call as every endpoint of the chain is asked it."""

    purpose: Purpose
    prompt: Prompt
    form: AnswerForm | None
    temperature: float
    anthropic_tokens: int


@dataclass(slots=True)
class _Tally:
    """What one call did so far."""

    began: float
    attempts: int = 0
    last: ModelEndpoint | None = None
    mode: OutputMode = OutputMode.PLAIN


@dataclass(slots=True)
class _Seat:
    """An endpoint, what was learned of it, and its connection once it was needed."""

    endpoint: ModelEndpoint
    habits: Habits
    backend: "Backend | None" = field(default=None, repr=False)


class Reasoner:
    """The models of the configuration, as one that classifies and summarises.

    Args:
        endpoints: the models to ask, the first one first; at least one.
        section: attempts, deadline, mode and ceiling.
        clock: measures deadlines and waits.
        draw: a random number in [0, 1), spreads attempts.
    """

    def __init__(
        self,
        endpoints: Sequence[ModelEndpoint],
        section: ReasoningSection,
        clock: Clock,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if not endpoints:
            raise ValueError("expected at least one model to ask, found none")
        self._section = section
        self._clock = clock
        self._draw = draw
        self._seats = [_Seat(each, Habits.of(section.output_mode)) for each in endpoints]
        self._slots = asyncio.Semaphore(section.max_concurrent_calls)
        self._loading = asyncio.Lock()
        self._succeeded: float | None = None
        self._failed = False

    @property
    def healthy(self) -> bool:
        """Whether no probe is needed: a success within five minutes, or never a failure."""
        if not self._failed:
            return True
        if self._succeeded is None:
            return False
        return self._clock.monotonic() - self._succeeded < HEALTHY_SECONDS

    async def classify(self, request: ClassifyRequest) -> Classified | ReasoningFailed:
        """Ask for a verdict."""
        job = _Job(Purpose.CLASSIFY, classify_prompt(request), VERDICT, 0.0, 2048)
        outcome = await self._answer(job)
        if isinstance(outcome, ReasoningFailed):
            return outcome
        reply, call = outcome
        verdict = parse_verdict(reply.text)
        if isinstance(verdict, AnswerFault):
            return self._malformed(verdict.value, reply, call)
        return Classified(verdict, call, reply.text)

    async def summarize(self, request: SummarizeRequest) -> Summarised | ReasoningFailed:
        """Ask for a summary."""
        job = _Job(Purpose.SUMMARIZE, summary_prompt(request), SUMMARY, 0.2, 4096)
        outcome = await self._answer(job)
        if isinstance(outcome, ReasoningFailed):
            return outcome
        reply, call = outcome
        plain = call.output_mode in {OutputMode.PLAIN, OutputMode.JSON}
        summary = parse_summary(reply.text, markers=plain)
        if isinstance(summary, AnswerFault):
            return self._malformed(summary.value, reply, call)
        return Summarised(summary, call, reply.text)

    async def ping(self) -> Call | ReasoningFailed:
        """Ask the first model that can be had for any answer at all; return what it cost."""
        outcome = await self._answer(_Job(Purpose.HEALTH, PING, None, 0.0, 8))
        return outcome if isinstance(outcome, ReasoningFailed) else outcome[1]

    async def health(self) -> ReasoningFailed | None:
        """Like :meth:`ping`, for whoever asks only what is wrong; None for nothing."""
        found = await self.ping()
        return found if isinstance(found, ReasoningFailed) else None

    async def prepare(self) -> tuple[str, ...]:
        """Load the libraries and set up every endpoint.

        Returns:
            What is wrong with the configuration, one text for each endpoint that cannot be used.
        """
        found = [await self._seated(seat) for seat in self._seats]
        return tuple(each for each in found if isinstance(each, str))

    async def close(self) -> None:
        """Close every connection. A later call opens new ones."""
        for seat in self._seats:
            if seat.backend is not None:
                await seat.backend.close()
                seat.backend = None

    async def _answer(self, job: _Job) -> tuple[Reply, Call] | ReasoningFailed:
        """Ask one model after the other until one answers or refuses."""
        tally = _Tally(self._clock.monotonic())
        failures: list[ReasoningFailed] = []
        for seat in self._seats:
            outcome = await self._ask_patiently(seat, job, tally)
            if isinstance(outcome, Reply):
                return self._settle(outcome, job, tally)
            failures.append(self._failure(outcome, job, tally))
            if not outcome.unavailable:
                break
        # What the first model had is what an operator mends; the others only stand in for it.
        first, last = failures[0], failures[-1].call
        call = replace(first.call, attempts=last.attempts, latency_ms=last.latency_ms)
        return replace(first, call=call)

    def _settle(
        self, reply: Reply, job: _Job, tally: _Tally
    ) -> tuple[Reply, Call] | ReasoningFailed:
        call = self._call(job, tally, reply)
        if job.purpose is not Purpose.HEALTH and reply.truncated:
            return self._malformed("truncated", reply, call)
        if not reply.text.strip():
            return self._malformed("empty answer", reply, call)
        self._succeeded = self._clock.monotonic()
        _log.debug("reasoning_answered", **_facts(call), characters=len(reply.text))
        return reply, call

    async def _ask_patiently(self, seat: _Seat, job: _Job, tally: _Tally) -> Reply | Trouble:
        """Ask one model as often as configured."""
        tally.last = seat.endpoint
        backend = await self._seated(seat)
        if isinstance(backend, str):
            return Trouble(FailureKind.UNKNOWN, backend, unavailable=True)
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._ask_in_form(backend, seat, job, tally)
            if isinstance(outcome, Reply) or not outcome.again:
                return outcome
            if attempt > self._section.followup_retry_count:
                return outcome
            wait = self._wait(attempt, outcome.retry_after)
            if wait is None:
                return outcome
            await self._clock.sleep(wait)

    async def _ask_in_form(
        self, backend: "Backend", seat: _Seat, job: _Job, tally: _Tally
    ) -> Reply | Trouble:
        """Ask once; where the endpoint refuses a form, ask in the next one it may take."""
        for _ in range(MOST_FORMS - 1):
            form = seat.habits.form(job.purpose, seat.endpoint)
            outcome = await self._send(backend, form, job, tally)
            if isinstance(outcome, Reply) or not seat.habits.refused(job.purpose, form, outcome):
                return outcome
        return await self._send(backend, seat.habits.form(job.purpose, seat.endpoint), job, tally)

    async def _send(
        self, backend: "Backend", form: Form, job: _Job, tally: _Tally
    ) -> Reply | Trouble:
        """Send one request, as soon as there is room for it."""
        async with self._slots:
            tally.attempts += 1
            tally.mode = form.mode
            work = backend.ask(
                job.prompt,
                job.form,
                form.mode,
                temperature=job.temperature if form.temperature else None,
                max_tokens=self._longest(job, backend),
            )
            try:
                return await within(self._clock, self._section.timeout_seconds, work)
            except TimeoutError:
                return Trouble(FailureKind.TIMEOUT, "timeout", again=True, unavailable=True)

    def _longest(self, job: _Job, backend: "Backend") -> int | None:
        """The longest answer to ask for, in tokens; Anthropic wants to be told one."""
        own = job.anthropic_tokens if backend.speaks_anthropic else None
        if job.purpose is Purpose.HEALTH:
            return own
        return self._section.max_output_tokens or own

    def _wait(self, attempt: int, asked: float | None) -> float | None:
        """Seconds until the next attempt; None when the endpoint asked for too many."""
        if asked is not None and asked > LONGEST_WAIT_SECONDS:
            return None
        own = exponential(attempt, _FIRST_WAIT_SECONDS, _MOST_WAIT_SECONDS)
        return max(jittered(own, _SPREAD, self._draw()), asked or 0.0)

    async def _seated(self, seat: _Seat) -> "Backend | str":
        """The endpoint's connection, or what is wrong with the endpoint."""
        async with self._loading:
            if seat.backend is None:
                backends = await in_background(
                    importlib.import_module, "serbero.reasoning.backends"
                )
                try:
                    seat.backend = backends.Backend(seat.endpoint)
                except backends.ProviderProblem as problem:
                    return str(problem)
            return seat.backend

    def _call(self, job: _Job, tally: _Tally, reply: Reply | None = None) -> Call:
        endpoint = tally.last or self._seats[0].endpoint
        return Call(
            purpose=job.purpose,
            provider=endpoint.provider,
            model=endpoint.model,
            output_mode=tally.mode,
            attempts=tally.attempts,
            latency_ms=round((self._clock.monotonic() - tally.began) * 1000),
            input_tokens=reply.input_tokens if reply else None,
            output_tokens=reply.output_tokens if reply else None,
        )

    def _failure(self, outcome: Trouble, job: _Job, tally: _Tally) -> ReasoningFailed:
        call = self._call(job, tally)
        failed = ReasoningFailed(
            outcome.kind, outcome.reason, call, outcome.status, outcome.retry_after
        )
        return self._told(failed)

    def _malformed(self, reason: str, reply: Reply, call: Call) -> ReasoningFailed:
        failed = ReasoningFailed(FailureKind.MALFORMED, reason, call, raw=reply.text)
        return self._told(failed)

    def _told(self, failed: ReasoningFailed) -> ReasoningFailed:
        # An answer that is none proves at least that the endpoint is there.
        self._failed = self._failed or failed.kind is not FailureKind.MALFORMED
        _log.warning(
            "reasoning_failed", kind=failed.kind.value, reason=failed.reason, **_facts(failed.call)
        )
        return failed


def _facts(call: Call) -> dict[str, object]:
    return {
        "purpose": call.purpose.value,
        "provider": call.provider,
        "model": call.model,
        "attempts": call.attempts,
        "latency_ms": call.latency_ms,
    }
