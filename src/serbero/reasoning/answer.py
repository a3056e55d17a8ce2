"""Reading a model's answer: one JSON object or a typed reason why not. Pure, never raises.

A model is a stranger like any other. Well-formed is all that is checked here; whether its words
may reach anybody is the policy's to say.
"""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Never, TypeVar

from serbero.model import reference_names
from serbero.model.reasoning import (
    Classification,
    Flag,
    SuggestedAction,
    Summary,
    Verdict,
    WantsHuman,
)
from serbero.mostro.untrusted import is_unicode

MAX_CHARACTERS: Final = 65_536
"""Of one answer: far more than any verdict or summary needs."""

_FENCED: Final = re.compile(r"\s*```(?:json)?[ \t]*\r?\n(.*)\n[ \t]*```\s*", re.DOTALL)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}")
_WANTS: Final[Mapping[str, WantsHuman]] = {
    "buyer": "buyer",
    "seller": "seller",
    "both": "both",
    "none": "none",
}

VERDICT_KEYS: Final = (
    "classification",
    "confidence",
    "suggested_action",
    "buyer_clarification",
    "seller_clarification",
    "suggested_action_detail",
    "rationale",
    "flags",
    "buyer_language",
    "seller_language",
    "wants_human",
)
SUMMARY_KEYS: Final = ("summary", "suggested_next_step", "rationale")


class AnswerFault(StrEnum):
    """Why an answer is none."""

    TOO_LONG = "too-long"
    NOT_JSON = "not-json"
    """Prose, a cut object, several objects, NaN."""
    NOT_AN_OBJECT = "not-an-object"
    DUPLICATE_KEY = "duplicate-key"
    TOO_DEEP = "too-deep"
    SURROGATE = "surrogate"
    """Half a surrogate pair: no text at all."""
    CONFIDENCE = "confidence"
    LABEL = "label"
    ACTION = "action"
    TEXTS = "texts"
    """A question for one party or both is missing, or is no text."""
    DETAIL = "detail"
    RATIONALE = "rationale"
    FLAGS = "flags"
    LANGUAGE = "language"
    WANTS_HUMAN = "wants-human"
    SUMMARY_BODY = "summary-body"
    SUMMARY_STEP = "summary-step"
    SUMMARY_ORDER = "summary-order"


class _Members(list[tuple[str, Any]]):
    """An object's members as they stand, duplicates included."""


class _BadAnswer(Exception):  # noqa: N818 - carries a fault, is none
    def __init__(self, fault: AnswerFault) -> None:
        self.fault = fault
        super().__init__(fault)


E = TypeVar("E", bound=StrEnum)


def parse_verdict(text: str) -> Verdict | AnswerFault:
    """Read the answer to a classification: exactly one JSON object, at most fenced as code."""
    try:
        members = _object(text, VERDICT_KEYS)
        return _verdict(members)
    except _BadAnswer as bad:
        return bad.fault


def parse_summary(text: str, *, markers: bool = True) -> Summary | AnswerFault:
    """Read the answer to a summary: a JSON object, or text with the reference's markers.

    A missing next step or rationale is empty; the caller refuses a summary without next step.

    Args:
        text: the whole answer.
        markers: whether plain text will do; False where the endpoint promised an object.
    """
    try:
        if not markers or _looks_like_object(text):
            return _summary(_object(text, SUMMARY_KEYS))
        return _marked_summary(text)
    except _BadAnswer as bad:
        return bad.fault


def _verdict(members: Mapping[str, Any]) -> Verdict:
    confidence = _confidence(members.get("confidence"))
    label = _member(Classification, members.get("classification"), AnswerFault.LABEL)
    action = _member(SuggestedAction, members.get("suggested_action"), AnswerFault.ACTION)
    buyer = _text(members, "buyer_clarification", AnswerFault.TEXTS)
    seller = _text(members, "seller_clarification", AnswerFault.TEXTS)
    asks = action is SuggestedAction.ASK_CLARIFICATION
    if asks and not (buyer and seller):
        raise _BadAnswer(AnswerFault.TEXTS)
    return Verdict(
        classification=label,
        confidence=confidence,
        action=action,
        # What is not asked is not kept: it would be a text that nobody vets.
        buyer_text=buyer if asks else None,
        seller_text=seller if asks else None,
        flags=_flags(members.get("flags")),
        detail=_text(members, "suggested_action_detail", AnswerFault.DETAIL) or None,
        rationale=_text(members, "rationale", AnswerFault.RATIONALE),
        buyer_language=_language(members, "buyer_language"),
        seller_language=_language(members, "seller_language"),
        wants_human=_wants_human(members.get("wants_human")),
    )


def _summary(members: Mapping[str, Any]) -> Summary:
    body = _text(members, "summary", AnswerFault.SUMMARY_BODY)
    if not body:
        raise _BadAnswer(AnswerFault.SUMMARY_BODY)
    return Summary(
        body,
        _text(members, "suggested_next_step", AnswerFault.SUMMARY_STEP),
        _text(members, "rationale", AnswerFault.RATIONALE),
    )


def _marked_summary(text: str) -> Summary:
    _check_text(text)
    step = text.find(reference_names.SUMMARY_NEXT_STEP_MARKER)
    reason = text.find(reference_names.SUMMARY_RATIONALE_MARKER)
    if 0 <= reason < step:
        raise _BadAnswer(AnswerFault.SUMMARY_ORDER)
    ends = [each for each in (step, reason) if each >= 0]
    body = text[: min(ends, default=len(text))].strip()
    if not body:
        raise _BadAnswer(AnswerFault.SUMMARY_BODY)
    return Summary(
        body,
        _after(text, step, reference_names.SUMMARY_NEXT_STEP_MARKER, reason),
        _after(text, reason, reference_names.SUMMARY_RATIONALE_MARKER, -1),
    )


def _after(text: str, start: int, marker: str, end: int) -> str:
    if start < 0:
        return ""
    return text[start + len(marker) : end if end >= 0 else len(text)].strip()


def _looks_like_object(text: str) -> bool:
    """Whether JSON was meant. Markers outside of an object mean it was not."""
    begins = text.lstrip()[:1] == "{" or _FENCED.fullmatch(text) is not None
    marked = any(
        marker in text
        for marker in (
            reference_names.SUMMARY_NEXT_STEP_MARKER,
            reference_names.SUMMARY_RATIONALE_MARKER,
        )
    )
    return begins and (not marked or text.rstrip()[-1:] in {"}", "`"})


def _object(text: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """The known members of the one object that ``text`` is."""
    if len(text) > MAX_CHARACTERS:
        raise _BadAnswer(AnswerFault.TOO_LONG)
    fenced = _FENCED.fullmatch(text)
    try:
        value = json.loads(
            fenced[1] if fenced else text, object_pairs_hook=_Members, parse_constant=_no_constant
        )
    except RecursionError:
        raise _BadAnswer(AnswerFault.TOO_DEEP) from None
    except ValueError:
        # Also a number of more digits than Python converts.
        raise _BadAnswer(AnswerFault.NOT_JSON) from None
    if not isinstance(value, _Members):
        raise _BadAnswer(AnswerFault.NOT_AN_OBJECT)
    known = [(name, each) for name, each in value if name in keys]
    members = dict(known)
    if len(members) != len(known):
        raise _BadAnswer(AnswerFault.DUPLICATE_KEY)
    return members


def _no_constant(name: str) -> Never:
    raise ValueError(name)


def _confidence(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BadAnswer(AnswerFault.CONFIDENCE)
    # Clamped before the conversion: an integer may be larger than any float.
    return float(max(0, min(1, value)))


def _member(kind: type[E], value: object, fault: AnswerFault) -> E:
    found = next((each for each in kind if each.value == value), None)
    if found is None:
        raise _BadAnswer(fault)
    return found


def _text(members: Mapping[str, Any], name: str, fault: AnswerFault) -> str:
    """A member's text, trimmed; empty when it is absent or null."""
    value = members.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _BadAnswer(fault)
    _check_text(value)
    return value.strip()


def _check_text(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise _BadAnswer(AnswerFault.TOO_LONG)
    if not is_unicode(text):
        raise _BadAnswer(AnswerFault.SURROGATE)


def _flags(value: object) -> frozenset[Flag]:
    if value is None:
        return frozenset()
    if not isinstance(value, list) or isinstance(value, _Members):
        raise _BadAnswer(AnswerFault.FLAGS)
    return frozenset(_member(Flag, each, AnswerFault.FLAGS) for each in value)


def _language(members: Mapping[str, Any], name: str) -> str | None:
    """A language tag in lower case; None for a language named in another way."""
    tag = _text(members, name, AnswerFault.LANGUAGE).lower().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else None


def _wants_human(value: object) -> WantsHuman:
    if value is None:
        return "none"
    wanted = _WANTS.get(value) if isinstance(value, str) else None
    if wanted is None:
        raise _BadAnswer(AnswerFault.WANTS_HUMAN)
    return wanted
