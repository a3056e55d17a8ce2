"""What is asked of a model and what comes of it, as values. Pure.

Texts of a model, of parties and of prompts are in no ``repr``: values like these end up in logs.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from serbero.model.reasoning import Classification, Summary, Verdict
from serbero.reasoning.bundle import PromptBundle
from serbero.reasoning.transcript import Entry


class Purpose(StrEnum):
    """What a call is for."""

    CLASSIFY = "classify"
    SUMMARIZE = "summarize"
    HEALTH = "health"


class OutputMode(StrEnum):
    """How an endpoint is made to answer in the form wanted."""

    PLAIN = "plain"
    """By the prompt alone."""
    JSON = "json"
    """The endpoint promises a JSON object."""
    TOOL = "tool"
    """The model calls a function whose arguments are the answer."""
    SCHEMA = "schema"
    """The endpoint promises an object of our schema."""


class FailureKind(StrEnum):
    """What a failed call means for the caller; the value is the category of audit rows."""

    UNREACHABLE = "unreachable"
    """The endpoint gave no answer: refused, rate-limited, down."""
    TIMEOUT = "timeout"
    MALFORMED = "malformed_response"
    """There was an answer, and it is none."""
    AUTHORITY = "authority_boundary_violation"
    """Kept for the policy; no adapter produces it."""
    UNKNOWN = "unknown"
    """Something is set up wrongly, or failed in a way we do not know."""


_DISPLAY: Final = {
    FailureKind.UNREACHABLE: "reasoning provider unreachable: {}",
    FailureKind.TIMEOUT: "reasoning provider timed out",
    FailureKind.MALFORMED: "reasoning provider returned malformed output: {}",
    FailureKind.AUTHORITY: "reasoning output would cross authority boundary: {}",
    FailureKind.UNKNOWN: "{}",
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request's two messages.

    Attributes:
        system: the bundle's system file alone; None for a health check.
    """

    system: str | None = field(repr=False)
    user: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClassifyRequest:
    """Everything a classification is based on.

    Attributes:
        session_id: the dispute's id while there is no session yet.
        initiator: who opened the dispute.
        round_count: question pairs put so far.
        transcript: in order; cut down to what fits when rendered.
    """

    session_id: str
    dispute_id: str
    initiator: Literal["buyer", "seller"]
    round_count: int
    bundle: PromptBundle
    transcript: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class SummarizeRequest:
    """Everything a summary is based on."""

    session_id: str
    dispute_id: str
    classification: Classification
    confidence: float
    bundle: PromptBundle
    transcript: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """What one call cost and who answered (or was the last not to).

    Attributes:
        provider: as configured, of the endpoint that answered or failed last.
        model: as configured.
        output_mode: how the answer was asked for.
        attempts: requests sent, over all endpoints.
        latency_ms: from the first request to the end, waits between attempts included.
        input_tokens: as the endpoint counts them, of the answer; None when it does not say.
        output_tokens: likewise.
    """

    purpose: Purpose
    provider: str
    model: str
    output_mode: OutputMode
    attempts: int
    latency_ms: int
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Classified:
    """A well-formed verdict, not vetted. ``raw`` is the model's own text."""

    verdict: Verdict
    call: Call
    raw: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Summarised:
    """A well-formed summary, not vetted. ``raw`` is the model's own text."""

    summary: Summary
    call: Call
    raw: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReasoningFailed:
    """No usable answer.

    Attributes:
        reason: which fault, as a fixed word or words of ours; no text of model or endpoint.
        status: the HTTP status of the last answer, where one was the reason.
        retry_after: seconds the endpoint asked us to wait, if it did.
        raw: what the model said, where that was the fault; for the audit store only.
    """

    kind: FailureKind
    reason: str
    call: Call
    status: int | None = None
    retry_after: float | None = None
    raw: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return _DISPLAY[self.kind].format(self.reason)


@dataclass(frozen=True, slots=True)
class Reply:
    """An endpoint's answer before it was read.

    Attributes:
        truncated: the endpoint stopped at a length limit.
    """

    text: str = field(repr=False)
    input_tokens: int | None = None
    output_tokens: int | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why one request brought no answer.

    Attributes:
        again: the same request may succeed a moment later.
        unavailable: another endpoint should be tried when this one does not recover.
        rejected: the endpoint refused the request as such, so another form may pass.
        blames_temperature: it refused, and named the temperature.
    """

    kind: FailureKind
    reason: str
    status: int | None = None
    retry_after: float | None = None
    again: bool = False
    unavailable: bool = False
    rejected: bool = False
    blames_temperature: bool = False
