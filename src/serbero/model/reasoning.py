"""What a language model may say about a dispute, as values.

The strings stand in databases, audit payloads and prompt bundles, where the reference put them.
Texts of a model are untrusted: nothing here may reach a person before it was vetted, so no
``repr`` shows one.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class Classification(StrEnum):
    """The label of a dispute."""

    COORDINATION_FAILURE_RESOLVABLE = "coordination_failure_resolvable"
    """A misunderstanding, a delay, a missing word: both may still agree."""
    CONFLICTING_CLAIMS = "conflicting_claims"
    """The two accounts cannot both be true."""
    SUSPECTED_FRAUD = "suspected_fraud"
    """Signs of deceit."""
    UNCLEAR = "unclear"
    """Too little is known."""
    NOT_SUITABLE_FOR_MEDIATION = "not_suitable_for_mediation"
    """Not something that questions can help with."""


class SuggestedAction(StrEnum):
    """What the model would do next. A suggestion; the policy decides."""

    ASK_CLARIFICATION = "ask_clarification"
    SUMMARIZE = "summarize"
    ESCALATE = "escalate"


class Flag(StrEnum):
    """A warning beside the label."""

    FRAUD_RISK = "fraud_risk"
    CONFLICTING_CLAIMS = "conflicting_claims"
    LOW_INFO = "low_info"
    UNRESPONSIVE_PARTY = "unresponsive_party"
    AUTHORITY_BOUNDARY_ATTEMPT = "authority_boundary_attempt"
    """Somebody, the model included, reaches for what only the human solver may do."""


WantsHuman = Literal["buyer", "seller", "both", "none"]
"""Which party asked for a person."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A classification as the model gave it: well-formed, not vetted.

    Attributes:
        confidence: 0 to 1, clamped.
        buyer_text: the question for the buyer, trimmed; present whenever ``action`` asks.
        seller_text: the question for the seller, likewise.
        detail: why it would escalate, None when not said.
        rationale: its reasons, for the audit store only; may be empty.
        buyer_language: the language the buyer writes in, as a lower-case tag such as ``es`` or
            ``pt-br``; None when not said.
        seller_language: likewise.
    """

    classification: Classification
    confidence: float
    action: SuggestedAction
    buyer_text: str | None = field(default=None, repr=False)
    seller_text: str | None = field(default=None, repr=False)
    detail: str | None = field(default=None, repr=False)
    rationale: str = field(default="", repr=False)
    flags: frozenset[Flag] = frozenset()
    buyer_language: str | None = None
    seller_language: str | None = None
    wants_human: WantsHuman = "none"


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary for the solver as the model wrote it: well-formed, not vetted.

    Attributes:
        body: never blank.
        next_step: what the solver might do; empty when the model named none, which the caller
            treats as a failed summary.
        rationale: its reasons, for the audit store only; may be empty.
    """

    body: str = field(repr=False)
    next_step: str = field(repr=False)
    rationale: str = field(default="", repr=False)
