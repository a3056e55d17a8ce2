"""What solvers read about a mediation, byte for byte: other programs parse it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.mediation.policy import Deliver, decide_summary, quote
from serbero.messages import handover
from serbero.messages.handover import Entry, Labelled, LeftOut, Report
from serbero.model.mediation import SessionState, Trigger
from serbero.model.party import Party
from serbero.model.reasoning import Classification, Summary
from serbero.model.texts import Outgoing

DISPUTE = "0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10"
SESSION = "7d1be1a2-0c67-4c11-9a7b-2f3c1f6f8a55"
T0 = 1_767_225_600
"""2026-01-01T00:00:00Z."""
LABEL = Labelled(Classification.COORDINATION_FAILURE_RESOLVABLE, 0.8)


def released(body: str, next_step: str) -> Deliver:
    decided = decide_summary(Summary(body=body, next_step=next_step, rationale=""))
    assert isinstance(decided, Deliver)
    return decided


@pytest.mark.parametrize("trigger", list(Trigger))
def test_a_session_is_escalated(trigger: Trigger) -> None:
    assert handover.session_escalated(SESSION, DISPUTE, trigger).text == (
        "Mediation session 7d1be1a2-0c67-4c11-9a7b-2f3c1f6f8a55 "
        "(dispute 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10) escalated \u2014 "
        f"trigger: {trigger.value}. Needs human judgment."
    )


@pytest.mark.parametrize("trigger", list(Trigger))
def test_a_dispute_is_escalated_before_any_take(trigger: Trigger) -> None:
    assert handover.escalated_before_take(DISPUTE, trigger).text == (
        "Dispute 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10 escalated before mediation take \u2014 "
        f"trigger: {trigger.value}. Serbero ran the reasoning verdict and the policy layer said "
        "this dispute is not a mediation candidate. No session was opened. Needs human judgment."
    )


def test_a_summary_names_its_dispute_and_leaves_the_decision() -> None:
    words = released(
        "The buyer says that the payment was sent on Monday.\n\nThe seller has not seen it yet.",
        "Ask the bank statement of both.",
    )
    text = handover.summary(DISPUTE, SESSION, LABEL, words.body, words.next_step).text
    assert text == (
        "Mediation summary for dispute 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10\n"
        "session: 7d1be1a2-0c67-4c11-9a7b-2f3c1f6f8a55\n"
        "classification: coordination_failure_resolvable (confidence 0.80)\n"
        "\n"
        "The buyer says that the payment was sent on Monday.\n"
        "\n"
        "The seller has not seen it yet.\n"
        "\n"
        "Suggested next step: Ask the bank statement of both.\n"
        "\n"
        "Serbero assists; the decision is yours."
    )


def test_the_type_checker_refuses_words_nobody_vetted() -> None:
    """Each line needs its ignore, or the type checker reports the ignore as unused."""
    step = released("The buyer says so.", "Look at the receipt.").next_step
    with pytest.raises(TypeError):
        handover.summary(DISPUTE, SESSION, LABEL, "release the funds", step)  # type: ignore[arg-type]
    said = Entry(Party.BUYER, ours=False, at=T0, received_at=T0, words="I paid")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        handover.brief(DISPUTE, SESSION, [said], LeftOut())
    with pytest.raises(TypeError):
        handover.size(said)


# --- the final report ---------------------------------------------------------------------------


def report(**values: Any) -> Report:
    given: dict[str, Any] = {
        "dispute_id": DISPUTE,
        "status": "settled",
        "session_id": SESSION,
        "state": "closed",
        "label": LABEL,
        "messaged": 2,
    }
    return Report(**given | values)


def test_a_report_of_a_session() -> None:
    assert handover.resolution_report(report()).text == (
        "mediation_resolution_report/v1\n"
        "Dispute: 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10\n"
        "Session: 7d1be1a2-0c67-4c11-9a7b-2f3c1f6f8a55\n"
        "Classification: coordination_failure_resolvable (confidence 0.80)\n"
        "Outbound party messages: 2\n"
        "Final dispute status: settled\n"
        "\n"
        "Dispute closed with final status `settled`. "
        "Session 7d1be1a2-0c67-4c11-9a7b-2f3c1f6f8a55 was in state `closed`. "
        "Serbero's last recorded classification was `coordination_failure_resolvable` "
        "(confidence 0.80). "
        "Serbero messaged both parties before the dispute was resolved externally."
    )


def test_a_report_without_session_and_label() -> None:
    bare = report(session_id=None, state=None, label=None, messaged=0, status="seller-refunded")
    assert handover.resolution_report(bare).text == (
        "mediation_resolution_report/v1\n"
        "Dispute: 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10\n"
        "Session: <none \u2014 dispute-scoped handoff>\n"
        "Classification: <none recorded>\n"
        "Outbound party messages: 0\n"
        "Final dispute status: seller-refunded\n"
        "\n"
        "Dispute closed with final status `seller-refunded`. "
        "No mediation session was opened for this dispute. "
        "No classification was recorded. "
        "No outbound party-facing messages were dispatched."
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"session_id": None, "no_session": "take_failed"},
            "No mediation session was opened \u2014 reasoning cleared the dispute for mediation "
            "but the take-dispute exchange with Mostro did not complete.",
        ),
        (
            {"session_id": None, "no_session": "escalated_before"},
            "No mediation session was opened \u2014 the reasoning verdict recommended escalation "
            "before any take was issued.",
        ),
        (
            {"session_id": None, "no_session": "unsaid"},
            "No mediation session was opened for this dispute.",
        ),
        ({"state": "escalation_recommended"}, f"Session {SESSION} was in state `escalation_rec"),
        ({"state": None}, f"Session {SESSION} was active."),
        ({"state": "a state of nobody {x}"}, f"Session {SESSION} was active."),
        ({"label": None}, "No classification was recorded."),
        ({"messaged": 0}, "No outbound party-facing messages were dispatched."),
        (
            {"messaged": 1},
            "Serbero messaged one party before the dispute was resolved externally.",
        ),
        (
            {"messaged": 3},
            "Serbero messaged both parties before the dispute was resolved externally.",
        ),
    ],
)
def test_the_narratives_sentences(values: dict[str, Any], sentence: str) -> None:
    told = report(**values)
    assert sentence in handover.narrative(told).text
    whole = handover.resolution_report(told).text
    assert whole.endswith("\n\n" + handover.narrative(told).text)


@pytest.mark.parametrize("state", list(SessionState))
def test_every_state_has_its_name(state: SessionState) -> None:
    told = handover.narrative(report(state=state.value)).text
    assert f"was in state `{state.value}`." in told


@given(st.text(), st.text(), st.text(), st.text(), st.integers())
def test_whatever_another_program_stored_a_report_can_be_made(
    dispute: str, session: str, state: str, why: str, messaged: int
) -> None:
    told = report(
        dispute_id=dispute, session_id=session, state=state, no_session=why, messaged=messaged
    )
    for each in (told, report(session_id=None, no_session=why)):
        text = handover.resolution_report(each).text
        assert len(text.split("\n")) == 8


# --- the brief ----------------------------------------------------------------------------------


def entry(party: Party, words: str, **values: Any) -> Entry:
    given: dict[str, Any] = {"ours": False, "at": T0, "received_at": T0}
    return Entry(party=party, words=quote(words), **given | values)


def test_a_brief() -> None:
    entries = [
        entry(Party.BUYER, "Buyer: Have you paid?", ours=True),
        entry(Party.SELLER, "Seller: Has it arrived?", ours=True, unsure=True),
        entry(Party.BUYER, "Yes.\nOn Monday.", at=T0 + 61, received_at=T0 + 62),
        entry(
            Party.SELLER, "attachment: image/png, a.png, 12 bytes", at=T0, received_at=T0 + 90_000
        ),
        entry(Party.SELLER, "No!", at=T0 + 200, received_at=T0 + 100, unsure=True),
    ]
    assert handover.brief(DISPUTE, SESSION, entries, LeftOut(buyer=12, seller=1)).text == (
        "Mediation brief for dispute 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10\n"
        "session: 7d1be1a2-0c67-4c11-9a7b-2f3c1f6f8a55\n"
        "\n"
        "A person has taken this dispute. Serbero asked the parties before that, in a chat that "
        'only Serbero can read, so it is quoted here. Lines that begin with ">" are quoted: what '
        "they say is not checked. Keys, payment addresses and links are taken out.\n"
        "\n"
        "2026-01-01 00:00 UTC, Serbero to the buyer:\n"
        "> Buyer: Have you paid?\n"
        "\n"
        "2026-01-01 00:00 UTC, Serbero to the seller (it may not have arrived):\n"
        "> Seller: Has it arrived?\n"
        "\n"
        "2026-01-01 00:01 UTC, the buyer:\n"
        "> Yes.\n"
        "> On Monday.\n"
        "\n"
        "2026-01-01 00:00 UTC, the seller, received 2026-01-02 01:00 UTC:\n"
        "> attachment: image/png, a.png, 12 bytes\n"
        "\n"
        "2026-01-01 00:01 UTC, the seller (Serbero did not take this into account):\n"
        "> No!\n"
        "\n"
        "Older messages left out to keep this short: 0 of Serbero, 12 of the buyer, 1 of the "
        "seller.\n"
        "\n"
        "Serbero writes nothing more to the parties.\n"
        "Serbero assists; the decision is yours."
    )


def test_nothing_left_out_is_not_mentioned() -> None:
    text = handover.brief(DISPUTE, SESSION, [entry(Party.BUYER, "Hi")], LeftOut()).text
    assert "left out" not in text


@given(st.text(), st.integers(), st.integers(), st.booleans(), st.booleans())
def test_nothing_quoted_passes_for_a_line_of_ours(
    words: str, at: int, received_at: int, ours: bool, unsure: bool
) -> None:
    said = entry(Party.BUYER, words, at=at, received_at=received_at, ours=ours, unsure=unsure)
    text = handover.brief(DISPUTE, SESSION, [said], LeftOut()).text
    empty = handover.brief(DISPUTE, SESSION, [], LeftOut()).text
    unquoted = [line for line in text.splitlines() if not line.startswith(">")]
    # Beside the frame: a blank line, and the heading.
    assert len(unquoted) == len(empty.splitlines()) + 2
    assert set(empty.splitlines()) < set(unquoted)


@given(st.text(), st.booleans())
def test_the_size_of_an_entry_is_what_it_adds_to_a_message(words: str, ours: bool) -> None:
    def escaped(entries: list[Entry]) -> int:
        text = handover.brief(DISPUTE, SESSION, entries, LeftOut()).text
        return len(json.dumps(text, ensure_ascii=False).encode())

    said = entry(Party.SELLER, words, ours=ours)
    assert handover.size(said) == escaped([said]) - escaped([])


def test_texts_for_solvers_are_outgoing() -> None:
    said = [entry(Party.BUYER, "Hi")]
    assert isinstance(handover.brief(DISPUTE, SESSION, said, LeftOut()), Outgoing)
    assert isinstance(handover.narrative(report()), Outgoing)
