"""What a node's message means for a solver, in old and new nodes' words."""

from typing import Any, Final

import pytest
from tests.mostro.transport_vectors import V1, V2, named

from serbero.mostro.answers import (
    CannotDo,
    ClosedByParties,
    OtherNotice,
    SolverAdded,
    TookDispute,
    read_answer,
)
from serbero.mostro.dispute_info import parse_dispute_info
from serbero.mostro.message import (
    Action,
    CantDo,
    DisputePayload,
    Message,
    OtherPayload,
    Payload,
    PeerPayload,
    TextMessage,
    parse_message,
)

DISPUTE: Final = "0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10"
ORDER: Final = "6a1f4e0c-9f3d-4c59-b4a4-3a8a2f7f5d21"
KEY: Final = "49248080aac7aae17d0baffaa78224684f8697bd440e8adef05936145338c069"
INFO: Final = parse_dispute_info({"id": ORDER})


def notice(
    action: str,
    payload: Payload | None = None,
    *,
    request_id: int | None = None,
    about: str | None = ORDER,
    wrapper: str = "order",
) -> Message:
    return Message(wrapper, 2, request_id, about, action, payload)


@pytest.mark.parametrize("vectors", [V1, V2], ids=["v1", "v2"])
def test_the_vectors_take(vectors: dict[str, Any]) -> None:
    case = named(vectors["valid"], "reply-admin-took-dispute")
    message = parse_message(case["message_json"])
    assert isinstance(message, Message)
    answer = read_answer(message)
    assert isinstance(answer, TookDispute)
    assert (answer.dispute_id, answer.request_id, answer.info.order_id) == (DISPUTE, 1001, ORDER)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("reply-cant-do", CannotDo(1001, DISPUTE, "invalid_pubkey")),
        ("notice-parties-took", OtherNotice("admin-took-dispute")),
        ("notice-dispute-initiated", OtherNotice("dispute-initiated-by-you")),
        ("notice-admin-settled", OtherNotice("admin-settled")),
        ("notice-user-released", ClosedByParties(ORDER, DISPUTE, Action.RELEASED)),
    ],
)
def test_the_vectors_other_messages(name: str, answer: object) -> None:
    message = parse_message(named(V2["valid"], name)["message_json"])
    assert isinstance(message, Message)
    assert read_answer(message) == answer


@pytest.mark.parametrize("wrapper", ["order", "dispute", "cant-do", "tomorrow"])
def test_wrappers_mean_nothing(wrapper: str) -> None:
    took = notice(
        "admin-took-dispute", DisputePayload(DISPUTE, INFO), about=DISPUTE, wrapper=wrapper
    )
    refused = notice("cant-do", CantDo(None), about=None, wrapper=wrapper)
    assert isinstance(read_answer(took), TookDispute)
    assert read_answer(refused) == CannotDo(None, None, None)


@pytest.mark.parametrize(
    ("payload", "about"),
    [
        (None, DISPUTE),
        (PeerPayload(KEY), ORDER),
        (DisputePayload(DISPUTE, None), DISPUTE),
        (DisputePayload(DISPUTE, INFO), ORDER),
        (OtherPayload("order"), DISPUTE),
    ],
    ids=["nothing", "what a party gets", "no facts", "two ids", "documented long ago"],
)
def test_a_take_that_tells_no_facts_is_none(payload: Payload | None, about: str) -> None:
    assert read_answer(notice("admin-took-dispute", payload, about=about)) == OtherNotice(
        "admin-took-dispute"
    )


def test_the_dispute_is_named_by_the_payload() -> None:
    took = notice("admin-took-dispute", DisputePayload(DISPUTE, INFO), about=None, request_id=9)
    assert INFO is not None
    assert read_answer(took) == TookDispute(DISPUTE, 9, INFO)


CLOSINGS: Final = ["released", "cooperative-cancel-accepted"]


@pytest.mark.parametrize("action", CLOSINGS)
@pytest.mark.parametrize("wrapper", ["order", "dispute"])
def test_the_parties_closed_it_themselves(action: str, wrapper: str) -> None:
    closed = notice(action, DisputePayload(DISPUTE, None), wrapper=wrapper)
    assert read_answer(closed) == ClosedByParties(ORDER, DISPUTE, Action(action))


@pytest.mark.parametrize("action", CLOSINGS)
@pytest.mark.parametrize(
    ("payload", "request_id"),
    [(None, 7), (None, None), (DisputePayload(DISPUTE, None), 7), (OtherPayload("order"), None)],
)
def test_an_answer_to_a_request_of_ours_is_no_such_news(
    action: str, payload: Payload | None, request_id: int | None
) -> None:
    """An own ``admin-settle`` of a cancelled order is answered in the same word."""
    assert read_answer(notice(action, payload, request_id=request_id)) == OtherNotice(action)


@pytest.mark.parametrize("payload", [None, TextMessage("no"), OtherPayload("why")])
def test_a_refusal_without_a_reason(payload: Payload | None) -> None:
    assert read_answer(notice("cant-do", payload, request_id=5)) == CannotDo(5, ORDER, None)


def test_a_solver_was_added() -> None:
    added = notice("admin-add-solver", about=None, request_id=3, wrapper="dispute")
    assert read_answer(added) == SolverAdded(3)


@pytest.mark.parametrize("action", ["send-dm", "admin-canceled", "future-action"])
def test_everything_else_is_for_the_log(action: str) -> None:
    assert read_answer(notice(action, TextMessage("x"))) == OtherNotice(action)
