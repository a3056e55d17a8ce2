"""The form of an answer as JSON Schema, for endpoints that take one. Pure.

Every key is required and may be null where it is optional: strict endpoints want it so, and the
reader of answers takes null for absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from serbero.model.reasoning import Classification, Flag, SuggestedAction

_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"anyOf": [{"type": "string"}, {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What an answer looks like.

    Attributes:
        name: of the schema or the function.
        purpose: what the function is for, in a sentence.
        schema: JSON Schema of one object.
    """

    name: str
    purpose: str
    schema: Mapping[str, Any]


def _object(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(members),
        "required": list(members),
        "additionalProperties": False,
    }


VERDICT: Final = AnswerForm(
    "verdict",
    "Give the classification of the dispute and the next step you suggest.",
    _object(
        {
            "classification": {"type": "string", "enum": [each.value for each in Classification]},
            "confidence": {"type": "number"},
            "suggested_action": {
                "type": "string",
                "enum": [each.value for each in SuggestedAction],
            },
            "buyer_clarification": _TEXT_OR_NULL,
            "seller_clarification": _TEXT_OR_NULL,
            "suggested_action_detail": _TEXT_OR_NULL,
            "rationale": _TEXT,
            "flags": {
                "type": "array",
                "items": {"type": "string", "enum": [each.value for each in Flag]},
            },
            "buyer_language": _TEXT_OR_NULL,
            "seller_language": _TEXT_OR_NULL,
            "wants_human": {"type": "string", "enum": ["buyer", "seller", "both", "none"]},
        }
    ),
)

SUMMARY: Final = AnswerForm(
    "summary",
    "Give the summary for the human solver.",
    _object({"summary": _TEXT, "suggested_next_step": _TEXT, "rationale": _TEXT}),
)
