"""Asking the model: what each call cost becomes a metric here and a row with what follows it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from serbero.clock import Clock
from serbero.observe.health import Part, Reporter
from serbero.observe.metrics import Metrics
from serbero.reasoning.calls import (
    Call,
    Classified,
    ClassifyRequest,
    FailureKind,
    ReasoningFailed,
    Summarised,
    SummarizeRequest,
)
from serbero.reasoning.reasoner import Reasoner
from serbero.reasoning.transcript import Entry, Speaker
from serbero.store import reasoning_calls
from serbero.store.mediation_events import FailedCall, Pins
from serbero.store.patient import PatientStore
from serbero.store.rationales import Rationale
from serbero.store.reasoning_calls import CallRecord
from serbero.store.transcripts import Line

_ANSWERED = "answered"


class Mind:
    """The models, with every call counted.

    Args:
        reasoner: asks them.
        store: keeps what a ping cost; what other calls cost is kept with what follows of them.
        clock: ours.
        metrics: counts.
        health: told whether a model can be had.
    """

    def __init__(
        self,
        reasoner: Reasoner,
        store: PatientStore,
        clock: Clock,
        metrics: Metrics,
        health: Reporter,
    ) -> None:
        self._reasoner = reasoner
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._health = health

    @property
    def healthy(self) -> bool:
        """Whether no probe is needed."""
        return self._reasoner.healthy

    async def prepare(self) -> tuple[str, ...]:
        """Load what is needed to ask; return what is wrong with the configuration."""
        return await self._reasoner.prepare()

    async def health(self) -> ReasoningFailed | None:
        """Ask for any answer at all, at a cost that is on record; None when one came."""
        found = await self._reasoner.ping()
        failed, call = (found, found.call) if isinstance(found, ReasoningFailed) else (None, found)
        self._count_call(call, failed)
        await self._store.transact(
            _record_ping, call, self._clock.now(), None if failed is None else failed.kind
        )
        return failed

    async def classify(self, request: ClassifyRequest) -> Classified | ReasoningFailed:
        """Ask for a verdict."""
        outcome = await self._reasoner.classify(request)
        self._count(outcome)
        return outcome

    async def summarize(self, request: SummarizeRequest) -> Summarised | ReasoningFailed:
        """Ask for a summary."""
        outcome = await self._reasoner.summarize(request)
        self._count(outcome)
        return outcome

    async def close(self) -> None:
        """Close every connection."""
        await self._reasoner.close()

    def _report(self, failed: ReasoningFailed | None) -> None:
        """A model that answers nonsense is there; one that does not answer is not."""
        if failed is not None and failed.kind is not FailureKind.MALFORMED:
            self._health.set(Part.MEDIATION, ok=False, reason=str(failed))
        else:
            self._health.set(Part.MEDIATION, ok=True)

    def _count(self, outcome: Classified | Summarised | ReasoningFailed) -> None:
        failed = outcome if isinstance(outcome, ReasoningFailed) else None
        self._count_call(outcome.call, failed)

    def _count_call(self, call: Call, failed: ReasoningFailed | None) -> None:
        result = _ANSWERED if failed is None else failed.kind.value
        self._report(failed)
        self._metrics.reasoning_calls.labels(call.purpose.value, result).inc()
        self._metrics.reasoning_seconds.labels(call.purpose.value).observe(call.latency_ms / 1000)
        for direction, tokens in (("input", call.input_tokens), ("output", call.output_tokens)):
            if tokens:
                self._metrics.reasoning_tokens.labels(direction).inc(tokens)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call was about.

    Attributes:
        session_id: None before there is one.
        pins: of the bundle the model was shown.
        seen_message_id: the newest message it was shown; None for none.
        pairs_put: pairs of questions put by then.
    """

    dispute_id: str
    session_id: str | None
    pins: Pins
    seen_message_id: int | None = None
    pairs_put: int = 0


def _record_ping(tx: sa.Connection, call: Call, at: int, failure: FailureKind | None) -> None:
    reasoning_calls.record(tx, _about_nothing(call, at, failure))


def _about_nothing(call: Call, at: int, failure: FailureKind | None) -> CallRecord:
    """What a call cost, whatever it was about."""
    return CallRecord(
        at=at,
        dispute_id=None,
        session_id=None,
        purpose=call.purpose.value,
        provider=call.provider,
        model=call.model,
        output_mode=call.output_mode.value,
        attempts=call.attempts,
        latency_ms=call.latency_ms,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        failure=None if failure is None else failure.value,
    )


def record_call(
    tx: sa.Connection,
    asked: Asked,
    call: Call,
    at: int,
    *,
    failure: FailureKind | None = None,
    rationale_id: str | None = None,
) -> None:
    """Write what a call cost and what it was shown."""
    record = replace(
        _about_nothing(call, at, failure),
        dispute_id=asked.dispute_id,
        session_id=asked.session_id,
        policy_hash=asked.pins.policy_hash,
        rationale_id=rationale_id,
        seen_message_id=asked.seen_message_id,
        pairs_put=asked.pairs_put,
    )
    reasoning_calls.record(tx, record)


def rationale_of(asked: Asked, call: Call, text: str) -> Rationale:
    """A text of the model as it is kept for the audit."""
    return Rationale(
        asked.dispute_id, asked.session_id, call.provider, call.model, asked.pins, text
    )


def failed_call(failed: ReasoningFailed) -> FailedCall:
    """A failure as the audit trail names it: a category, never a text of model or endpoint."""
    call = failed.call
    return FailedCall(call.provider, call.model, failed.kind.value, call.attempts)


def entries_of(lines: Sequence[Line]) -> tuple[Entry, ...]:
    """What was said, as the model is shown it."""
    return tuple(
        Entry(each.at, Speaker.SERBERO if each.ours else Speaker(each.party.value), each.text)
        for each in lines
    )
