"""Answers of models: what counts as one, and why everything else does not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.model.reasoning import Classification, Flag, SuggestedAction, Summary, Verdict
from serbero.reasoning.answer import (
    MAX_CHARACTERS,
    AnswerFault,
    parse_summary,
    parse_verdict,
)
from serbero.simulator.model_endpoint import summary, verdict


def read(text: str) -> Verdict:
    found = parse_verdict(text)
    assert isinstance(found, Verdict), found
    return found


def test_a_whole_verdict() -> None:
    found = read(
        verdict(
            buyer_clarification="  When? \n",
            flags=["low_info", "low_info", "unresponsive_party"],
            suggested_action_detail=" why ",
            rationale=" because ",
            buyer_language="ES",
            seller_language="pt_BR",
            wants_human="both",
            something_else={"deep": [1]},
        )
    )
    assert found == Verdict(
        classification=Classification.COORDINATION_FAILURE_RESOLVABLE,
        confidence=0.8,
        action=SuggestedAction.ASK_CLARIFICATION,
        buyer_text="When?",
        seller_text="Have you looked for the payment in your account?",
        detail="why",
        rationale="because",
        flags=frozenset({Flag.LOW_INFO, Flag.UNRESPONSIVE_PARTY}),
        buyer_language="es",
        seller_language="pt-br",
        wants_human="both",
    )


def test_what_is_optional_may_be_absent_or_null() -> None:
    bare = '{"classification":"unclear","confidence":1,"suggested_action":"escalate"'
    nulls = ',"flags":null,"rationale":null,"buyer_language":null,"wants_human":null}'
    assert read(bare + "}") == read(bare + nulls)
    assert read(bare + "}").buyer_text is None


def test_texts_nobody_is_asked_are_dropped() -> None:
    """Else there would be words of a model that nobody vets."""
    found = read(verdict(suggested_action="summarize"))
    assert (found.buyer_text, found.seller_text) == (None, None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("1.7", 1.0), ("-1", 0.0), ("0.5", 0.5), ("1e400", 1.0), ("-1e400", 0.0), ("9" * 999, 1.0)],
)
def test_confidence_is_clamped(given: str, kept: float) -> None:
    assert read(verdict(confidence=0).replace('": 0,', f'": {given},')).confidence == kept


@pytest.mark.parametrize("fence", ["```json\n{}\n```", " \n```\n{}\n``` \n"])
def test_one_code_fence_around_everything_is_taken_off(fence: str) -> None:
    assert read(fence.format(verdict())) == read(verdict())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", AnswerFault.NOT_JSON),
        ("Here it is: " + verdict(), AnswerFault.NOT_JSON),
        (verdict() + " Done.", AnswerFault.NOT_JSON),
        (verdict() + verdict(), AnswerFault.NOT_JSON),
        ("Sure!\n```json\n" + verdict() + "\n```", AnswerFault.NOT_JSON),
        (verdict()[:-1], AnswerFault.NOT_JSON),
        ("[" + verdict() + "]", AnswerFault.NOT_AN_OBJECT),
        ('"' + "x" * 10 + '"', AnswerFault.NOT_AN_OBJECT),
        ("null", AnswerFault.NOT_AN_OBJECT),
        ("[" * 50_000, AnswerFault.TOO_DEEP),
        (" " * (MAX_CHARACTERS + 1), AnswerFault.TOO_LONG),
        (verdict(confidence=float("nan")), AnswerFault.NOT_JSON),
        ('{"confidence": ' + "9" * 5000 + "}", AnswerFault.NOT_JSON),
        ('{"flags":[],"flags":[],"confidence":1}', AnswerFault.DUPLICATE_KEY),
        (verdict(confidence=True), AnswerFault.CONFIDENCE),
        (verdict(confidence="0.9"), AnswerFault.CONFIDENCE),
        (verdict(confidence=None), AnswerFault.CONFIDENCE),
        (verdict(classification="fine"), AnswerFault.LABEL),
        (verdict(classification="Unclear"), AnswerFault.LABEL),
        (verdict(classification=["unclear"]), AnswerFault.LABEL),
        (verdict(suggested_action=""), AnswerFault.ACTION),
        (verdict(suggested_action="settle"), AnswerFault.ACTION),
        (verdict(buyer_clarification=" \n"), AnswerFault.TEXTS),
        (verdict(seller_clarification=None), AnswerFault.TEXTS),
        (verdict(seller_clarification=4), AnswerFault.TEXTS),
        (verdict(buyer_clarification="\ud800 when?"), AnswerFault.SURROGATE),
        (verdict(rationale={"a": 1}), AnswerFault.RATIONALE),
        (verdict(suggested_action_detail=[]), AnswerFault.DETAIL),
        (verdict(flags="fraud_risk"), AnswerFault.FLAGS),
        (verdict(flags=["fraud_risk", "new_flag"]), AnswerFault.FLAGS),
        (verdict(flags=[["fraud_risk"]]), AnswerFault.FLAGS),
        (verdict(flags={}), AnswerFault.FLAGS),
        (verdict(buyer_language=7), AnswerFault.LANGUAGE),
        (verdict(wants_human="me"), AnswerFault.WANTS_HUMAN),
        (verdict(wants_human=["buyer"]), AnswerFault.WANTS_HUMAN),
    ],
)
def test_everything_else_is_refused_with_its_reason(text: str, fault: AnswerFault) -> None:
    assert parse_verdict(text) is fault


def test_faults_are_told_in_the_contracts_order() -> None:
    assert parse_verdict('{"confidence":1,"flags":["x"]}') is AnswerFault.LABEL
    both = verdict(buyer_clarification="", flags=["x"])
    assert parse_verdict(both) is AnswerFault.TEXTS


def test_unknown_names_may_repeat() -> None:
    assert read('{"x":1,"x":2,' + verdict()[1:]) == read(verdict())


def test_a_language_called_by_its_name_is_none() -> None:
    assert read(verdict(buyer_language="Spanish (neutral)")).buyer_language is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "Body\n\nSUGGESTED_NEXT_STEP: Look.\nRATIONALE: Why.",
            Summary("Body", "Look.", "Why."),
        ),
        ("Body SUGGESTED_NEXT_STEP:\n Look.\n", Summary("Body", "Look.", "")),
        ("Body RATIONALE: Why.", Summary("Body", "", "Why.")),
        ("Body", Summary("Body", "", "")),
        (
            "B SUGGESTED_NEXT_STEP: one SUGGESTED_NEXT_STEP: two RATIONALE: r RATIONALE: s",
            Summary("B", "one SUGGESTED_NEXT_STEP: two", "r RATIONALE: s"),
        ),
        ("b suggested_next_step: x", Summary("b suggested_next_step: x", "", "")),
        ("{a} SUGGESTED_NEXT_STEP: b", Summary("{a}", "b", "")),
        ("RATIONALE: r SUGGESTED_NEXT_STEP: s", AnswerFault.SUMMARY_ORDER),
        ("Body RATIONALE: r SUGGESTED_NEXT_STEP: s", AnswerFault.SUMMARY_ORDER),
        ("  \n", AnswerFault.SUMMARY_BODY),
        (" SUGGESTED_NEXT_STEP: x", AnswerFault.SUMMARY_BODY),
        ("\udfff", AnswerFault.SURROGATE),
        ("x" * (MAX_CHARACTERS + 1), AnswerFault.TOO_LONG),
        (
            '{"summary":" Both. ","suggested_next_step":"Ask. RATIONALE: x"}',
            Summary("Both.", "Ask. RATIONALE: x", ""),
        ),
        ('{"summary":"Both."', AnswerFault.NOT_JSON),
        ('{"summary":""}', AnswerFault.SUMMARY_BODY),
        ('{"summary":["x"]}', AnswerFault.SUMMARY_BODY),
        ('{"summary":"x","suggested_next_step":3}', AnswerFault.SUMMARY_STEP),
    ],
)
def test_summaries(text: str, found: Summary | AnswerFault) -> None:
    assert parse_summary(text) == found


def test_an_endpoint_that_promised_an_object_must_give_one() -> None:
    text = "Body SUGGESTED_NEXT_STEP: Look."
    assert parse_summary(text, markers=False) is AnswerFault.NOT_JSON
    assert isinstance(parse_summary(summary(), markers=False), Summary)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["classification", "confidence", "suggested_action", "flags", "wants_human", "rationale"]
)


@given(st.text() | JSON.map(json.dumps))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(parse_verdict(text), Verdict | AnswerFault)
    assert isinstance(parse_summary(text), Summary | AnswerFault)


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_what_is_read_keeps_its_promises(members: dict[str, Any]) -> None:
    found = parse_verdict(verdict(**members))
    if isinstance(found, AnswerFault):
        return
    assert 0.0 <= found.confidence <= 1.0
    assert found.flags <= set(Flag)
    asks = found.action is SuggestedAction.ASK_CLARIFICATION
    assert asks == bool(found.buyer_text) == bool(found.seller_text)
    assert "because" not in repr(found)
