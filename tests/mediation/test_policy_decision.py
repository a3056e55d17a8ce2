"""The order of the rules, each in its decided form."""

import dataclasses
import math
from typing import Any, cast

import pytest

from serbero.mediation.policy import (
    Ask,
    Decision,
    Deliver,
    Escalate,
    Facts,
    Finding,
    NoAnswer,
    Summarize,
    acts_now,
    decide,
    decide_summary,
    opening,
)
from serbero.model.mediation import EscalationReason, Trigger
from serbero.model.reasoning import (
    Classification,
    Flag,
    SuggestedAction,
    Summary,
    Verdict,
    WantsHuman,
)

BUYER = "Have you sent the payment, and when?"
SELLER = "Have you received the payment, and when did you look?"
LATER = Facts(evaluations=1, pairs_put=1, max_rounds=3, party_texts=2)


def verdict(
    action: str = "ask_clarification",
    label: str = "coordination_failure_resolvable",
    confidence: float = 0.9,
    flags: tuple[str, ...] = (),
    buyer: str | None = BUYER,
    seller: str | None = SELLER,
    wants_human: str = "none",
) -> Verdict:
    return Verdict(
        classification=Classification(label),
        confidence=confidence,
        action=SuggestedAction(action),
        buyer_text=buyer,
        seller_text=seller,
        flags=frozenset(Flag(flag) for flag in flags),
        wants_human=cast("WantsHuman", wants_human),
    )


def facts(**changes: Any) -> Facts:
    return dataclasses.replace(LATER, **changes)


def escalation(decision: Decision | Deliver) -> tuple[str, str]:
    assert isinstance(decision, Escalate)
    return str(decision.trigger), str(decision.reason)


ALL_FLAGS = ("fraud_risk", "conflicting_claims", "authority_boundary_attempt")


@pytest.mark.parametrize("confidence", [0.0, 0.1, 0.49, 0.5, 1.0, math.nan, math.inf, -1.0, 7.0])
@pytest.mark.parametrize("action", list(SuggestedAction))
@pytest.mark.parametrize("label", list(Classification))
def test_grave_flags_win_over_everything(action: str, label: str, confidence: float) -> None:
    """Rows 1 to 3: fraud before conflict before authority; a label counts as its flag."""
    said = verdict(action, label, confidence, ALL_FLAGS)
    assert escalation(decide(said, LATER)) == ("fraud_indicator", "fraud_flag")
    if label != "suspected_fraud":
        said = verdict(action, label, confidence, ALL_FLAGS[1:])
        assert escalation(decide(said, LATER)) == ("conflicting_claims", "conflict_flag")
        if label != "conflicting_claims":
            said = verdict(action, label, confidence, ALL_FLAGS[2:])
            assert escalation(decide(said, LATER)) == (
                "authority_boundary_attempt",
                "authority_flag",
            )


@pytest.mark.parametrize("action", list(SuggestedAction))
@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("suspected_fraud", ("fraud_indicator", "fraud_label")),
        ("conflicting_claims", ("conflicting_claims", "conflict_label")),
    ],
)
def test_grave_labels_escalate_without_their_flag(
    action: str, label: str, expected: tuple[str, str]
) -> None:
    """The reference lets ``suspected_fraud`` ask on; ours does not."""
    assert escalation(decide(verdict(action, label), LATER)) == expected


@pytest.mark.parametrize("flag", ["low_info", "unresponsive_party"])
def test_other_flags_change_nothing(flag: str) -> None:
    assert isinstance(decide(verdict(flags=(flag,)), LATER), Ask)


@pytest.mark.parametrize("who", ["buyer", "seller", "both"])
@pytest.mark.parametrize("action", list(SuggestedAction))
def test_a_person_wanted_by_the_models_account(action: str, who: str) -> None:
    said = verdict(action, wants_human=who)
    assert escalation(decide(said, LATER)) == ("low_confidence", "human_requested")


def test_a_person_wanted_by_the_parties_words() -> None:
    asked = Facts(evaluations=1, pairs_put=1, max_rounds=3, party_texts=2, human_requested=True)
    assert escalation(decide(verdict(), asked)) == ("low_confidence", "human_requested")
    said = verdict(flags=("fraud_risk",))
    assert escalation(decide(said, asked)) == ("fraud_indicator", "fraud_flag")


@pytest.mark.parametrize("confidence", [math.nan, math.inf, -math.inf, -0.01, 1.01, 1e300])
def test_confidence_out_of_range(confidence: float) -> None:
    for action in SuggestedAction:
        assert escalation(decide(verdict(action, confidence=confidence), LATER)) == (
            "invalid_model_output",
            "confidence_out_of_range",
        )


@pytest.mark.parametrize(
    "value", [True, "0.9", None, 10**400], ids=["bool", "text", "none", "huge"]
)
def test_confidence_of_a_wrong_type(value: object) -> None:
    said = verdict(confidence=cast("float", value))
    assert escalation(decide(said, LATER))[0] == "invalid_model_output"


def test_values_outside_the_vocabulary() -> None:
    for said in (
        Verdict(cast("Classification", "fine"), 0.9, SuggestedAction.SUMMARIZE),
        Verdict(Classification.UNCLEAR, 0.9, cast("SuggestedAction", "settle")),
        Verdict(
            Classification.UNCLEAR,
            0.9,
            SuggestedAction.ESCALATE,
            flags=frozenset({cast("Flag", "great")}),
        ),
        verdict(wants_human="everybody"),
    ):
        assert escalation(decide(said, LATER)) == ("invalid_model_output", "unknown_value")


@pytest.mark.parametrize("confidence", [0, 0.2])
@pytest.mark.parametrize("evaluations", [0, 1, 2, 3])
def test_asking_without_confidence_is_allowed_early(evaluations: int, confidence: float) -> None:
    decided = decide(verdict(confidence=confidence), facts(evaluations=evaluations))
    assert isinstance(decided, Ask)


def test_asking_without_confidence_ends_with_the_fourth_follow_up() -> None:
    decided = decide(verdict(confidence=0.2), facts(evaluations=4))
    assert escalation(decided) == ("low_confidence", "confidence_low")


def test_only_asking_is_allowed_without_confidence() -> None:
    for action in ("summarize", "escalate"):
        decided = decide(verdict(action, confidence=0.49), LATER)
        assert escalation(decided) == ("low_confidence", "confidence_low")
    assert isinstance(decide(verdict("summarize", confidence=0.5), LATER), Summarize)


def test_the_model_may_escalate() -> None:
    for label in (
        "coordination_failure_resolvable",
        "unclear",
        "not_suitable_for_mediation",
    ):
        decided = decide(verdict("escalate", label), LATER)
        assert escalation(decided) == ("reasoning_unavailable", "model_escalated")


@pytest.mark.parametrize("action", ["ask_clarification", "summarize"])
@pytest.mark.parametrize("confidence", [0.5, 1.0])
def test_not_suitable_ends_it(action: str, confidence: float) -> None:
    decided = decide(verdict(action, "not_suitable_for_mediation", confidence), LATER)
    assert escalation(decided) == ("invalid_model_output", "not_suitable")


def test_not_suitable_ends_it_even_where_asking_needs_no_confidence() -> None:
    decided = decide(verdict(label="not_suitable_for_mediation", confidence=0.1), opening(2))
    assert escalation(decided) == ("invalid_model_output", "not_suitable")


@pytest.mark.parametrize("label", ["coordination_failure_resolvable", "unclear"])
def test_asking_releases_both_texts(label: str) -> None:
    decided = decide(verdict(label=label), LATER)
    assert isinstance(decided, Ask)
    assert (decided.buyer.words, decided.seller.words) == (BUYER, SELLER)


@pytest.mark.parametrize("blank", [None, "", "  \n", "\u200b\u202e", "…"])
@pytest.mark.parametrize("party", ["buyer", "seller"])
def test_a_question_to_one_party_only_is_invalid(party: str, blank: str | None) -> None:
    """The reference says ``reasoning_unavailable``; an empty text is invalid output with us."""
    said = verdict(buyer=blank) if party == "buyer" else verdict(seller=blank)
    decided = decide(said, LATER)
    assert escalation(decided) == ("invalid_model_output", "text_stopped")
    assert isinstance(decided, Escalate)
    assert Finding.EMPTY in decided.findings


@pytest.mark.parametrize("party", ["buyer", "seller"])
def test_one_hostile_text_stops_both(party: str) -> None:
    order = "The dispute is now closed."
    said = verdict(buyer=order) if party == "buyer" else verdict(seller=order)
    decided = decide(said, LATER)
    assert decided == Escalate(
        Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
        EscalationReason.TEXT_STOPPED,
        (Finding.AUTHORITY,),
    )


def test_a_text_may_be_as_long_as_its_limit() -> None:
    long = "Have you sent it, and when? " * 43
    assert len(long.strip()) > 1_200
    fits = long[:1_200].strip()
    assert isinstance(decide(verdict(buyer=fits), LATER), Ask)
    decided = decide(verdict(buyer=long), LATER)
    assert isinstance(decided, Escalate)
    assert decided.findings == (Finding.TOO_LONG,)
    assert decided.trigger == "invalid_model_output"


def test_a_megabyte_is_not_even_read() -> None:
    decided = decide(verdict(buyer="a" * 1_000_000), LATER)
    assert isinstance(decided, Escalate)
    assert decided.findings == (Finding.TOO_LONG,)


def test_rounds_are_pairs_put() -> None:
    """The reference counts answers and stops before it has read them."""
    assert isinstance(decide(verdict(), facts(pairs_put=2, max_rounds=3)), Ask)
    for put in (3, 4):
        decided = decide(verdict(), facts(pairs_put=put, max_rounds=3))
        assert escalation(decided) == ("round_limit", "rounds_used_up")
    assert isinstance(decide(verdict("summarize"), facts(pairs_put=3)), Summarize)
    decided = decide(verdict("escalate"), facts(pairs_put=3))
    assert escalation(decided)[0] == "reasoning_unavailable"


def test_the_limit_waits_for_the_second_answer_too() -> None:
    waiting = Facts(evaluations=1, pairs_put=3, max_rounds=3, party_texts=1, open_question=True)
    decided = decide(verdict(), waiting)
    assert isinstance(decided, Ask)
    assert not acts_now(decided, waiting)


def test_only_questions_wait_for_answers() -> None:
    waiting = Facts(evaluations=1, pairs_put=1, max_rounds=3, party_texts=1, open_question=True)
    for said in (verdict("summarize"), verdict("escalate")):
        assert acts_now(decide(said, waiting), waiting)
    assert not acts_now(decide(verdict(), waiting), waiting)
    assert acts_now(decide(verdict(), LATER), LATER)


def test_a_summary_before_anybody_spoke_is_invalid() -> None:
    """The reference summarizes an empty transcript after taking the dispute."""
    decided = decide(verdict("summarize"), opening(2))
    assert escalation(decided) == ("invalid_model_output", "summary_without_answers")
    assert isinstance(decide(verdict("summarize"), facts(party_texts=1)), Summarize)


def test_an_unclear_matter_is_not_summarized() -> None:
    decided = decide(verdict("summarize", "unclear"), LATER)
    assert escalation(decided) == ("invalid_model_output", "summary_of_other_label")


def test_before_a_take_nobody_was_asked_and_nobody_spoke() -> None:
    known = opening(2)
    assert known == Facts(evaluations=0, pairs_put=0, max_rounds=2, party_texts=0)
    assert not known.open_question
    assert not known.human_requested


def test_no_answer() -> None:
    assert escalation(decide(NoAnswer(), LATER)) == ("reasoning_unavailable", "reasoning_failed")
    assert escalation(decide(NoAnswer(crossed_boundary=True), LATER)) == (
        "authority_boundary_attempt",
        "reasoning_failed",
    )
    assert escalation(decide_summary(NoAnswer()))[0] == "reasoning_unavailable"


def test_a_summary_is_delivered_tidied() -> None:
    decided = decide_summary(
        Summary(body="Both agree\u200b that  it was paid.", next_step="Ask the seller to look.")
    )
    assert isinstance(decided, Deliver)
    assert decided.body.words == "Both agree that it was paid."
    assert decided.next_step.words == "Ask the seller to look."


def test_a_summary_without_a_next_step_is_invalid() -> None:
    """The reference calls it an authority boundary attempt; empty is invalid with us."""
    decided = decide_summary(Summary(body="Both agree that it was paid.", next_step=" "))
    assert escalation(decided) == ("invalid_model_output", "text_stopped")


@pytest.mark.parametrize(
    "phrase",
    [
        "admin-settle",
        "admin_settle",
        "admin-cancel",
        "admin_cancel",
        "release funds",
        "release the funds",
        "settle the trade",
        "settle funds",
        "cancel trade",
        "cancel the trade",
        "force close",
        "force-close",
        "move funds",
        "transfer funds",
        "disburse funds",
        "close the dispute",
    ],
)
@pytest.mark.parametrize("shape", [str, str.upper, str.title])
def test_the_references_phrases_stop_a_summary_and_a_question(
    phrase: str, shape: type[str]
) -> None:
    words = f"It was said that one did not {shape(phrase)}s here."
    for decided in (
        decide_summary(Summary(body=words, next_step="Ask the seller to look.")),
        decide_summary(Summary(body="Both agree that it was paid.", next_step=words)),
        decide(verdict(seller=words), LATER),
    ):
        assert escalation(decided) == ("authority_boundary_attempt", "text_stopped")
