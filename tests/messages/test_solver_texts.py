"""The solver texts, byte for byte: other programs parse them."""

from serbero.messages import solver
from serbero.nostr.rumor import direct_message

DISPUTE = "0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10"
TAKER = "ab" * 32


def test_new_dispute() -> None:
    assert solver.new_dispute(DISPUTE, "buyer", 1_767_225_600) == (
        "New Mostro dispute requires attention.\n"
        "dispute_id: 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10\n"
        "initiator: buyer\n"
        "event_timestamp: 1767225600\n"
        "status: initiated"
    )


def test_new_dispute_of_an_unknown_initiator() -> None:
    lines = solver.new_dispute(DISPUTE, "unknown", 1).split("\n")
    assert lines[2] == "initiator: unknown"


def test_still_unattended() -> None:
    assert solver.still_unattended(DISPUTE, 300) == (
        "Mostro dispute is still unattended.\n"
        "dispute_id: 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10\n"
        "lifecycle_state: notified\n"
        "time_elapsed_seconds: 300"
    )


def test_taken() -> None:
    assert solver.dispute_taken(DISPUTE, TAKER) == (
        "Mostro dispute has been taken.\n"
        "dispute_id: 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10\n"
        "assigned_solver: abababababababababababababababababababababababababababababababab\n"
        "lifecycle_state: taken"
    )


def test_taken_by_nobody_knows_whom() -> None:
    assert "\nassigned_solver: unknown\n" in solver.dispute_taken(DISPUTE, None)


def test_no_text_ends_with_a_newline_or_holds_a_carriage_return() -> None:
    texts = (
        solver.new_dispute(DISPUTE, "seller", 1),
        solver.still_unattended(DISPUTE, 0),
        solver.dispute_taken(DISPUTE, None),
    )
    for text in texts:
        assert text == text.strip()
        assert "\r" not in text


def test_subject() -> None:
    assert solver.subject(DISPUTE) == "Dispute 0f9c2b51"


def test_the_whole_message_as_it_is_stored() -> None:
    """The bytes of the final rumor: what every solver's client sees after two decryptions."""
    rumor = direct_message(
        sender="11" * 32,
        recipient="22" * 32,
        text=solver.new_dispute(DISPUTE, "buyer", 1_767_225_600),
        created_at=1_767_225_601,
        subject=solver.subject(DISPUTE),
        root=None,
    )
    assert rumor.json == (
        '{"pubkey":"1111111111111111111111111111111111111111111111111111111111111111",'
        '"created_at":1767225601,"kind":14,'
        '"tags":[["p","2222222222222222222222222222222222222222222222222222222222222222"],'
        '["subject","Dispute 0f9c2b51"]],'
        '"content":"New Mostro dispute requires attention.\\n'
        "dispute_id: 0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10\\ninitiator: buyer\\n"
        'event_timestamp: 1767225600\\nstatus: initiated",'
        f'"id":"{rumor.id}"}}'
    )


def test_a_dispute_we_hold_ends_with_one_more_line() -> None:
    plain = solver.dispute_taken("a" * 36, "b" * 64)
    ours = solver.dispute_taken("a" * 36, "b" * 64, by_serbero=True)
    assert ours == (
        f"{plain}\nnote: held by Serbero (mediation); a human can take it over at any time"
    )
