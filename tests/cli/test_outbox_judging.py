"""When a message may be tried again or dropped, decided from plain values."""

from dataclasses import replace
from typing import Any, Final

import pytest
from tests.store.rig import SENDER, T0, key

from serbero.cli.outbox.judging import cannot_drop, cannot_retry, consequence, untrue
from serbero.model.lifecycle import UNATTENDED, Lifecycle
from serbero.model.notification import Channel, OutboxState, Purpose
from serbero.store.outbox_steering import Facts
from serbero.store.outbox_work import Row

OPEN: Final = Facts(
    lifecycle="notified",
    opening_event_id="ee",
    reopened=False,
    held=False,
    reminding=False,
    acknowledged=False,
    speaking=False,
    session_state=None,
    later=False,
    under_way=False,
    others=False,
    author=SENDER,
)
"""A dispute nobody took, and a message that is the only one."""


def message(purpose: Purpose, state: OutboxState = OutboxState.DEAD, anchor: str = "ee") -> Row:
    return Row(
        id=7,
        purpose=purpose,
        dispute_id="d",
        anchor=anchor,
        recipient=key(1),
        recipient_typed=key(1),
        notif_type=None,
        rumor_json="{}",
        enqueued_ms=T0 * 1000,
        created_at=T0,
        deadline_at=T0 + 60,
        state=state,
        channel=Channel.CHAT if purpose is Purpose.PARTY_MESSAGE else Channel.NIP17,
    )


HELD: Final[dict[str, Any]] = {"lifecycle": "waiting", "held": True}
SPEAKS: Final[dict[str, Any]] = HELD | {"speaking": True, "session_state": "awaiting_response"}
HANDED: Final[dict[str, Any]] = {"lifecycle": "escalated", "held": True}
CLOSED: Final[dict[str, Any]] = {"lifecycle": "resolved"}
LATER: Final[dict[str, Any]] = {"later": True}


@pytest.mark.parametrize(
    ("purpose", "around"),
    [
        (Purpose.INITIAL, {"lifecycle": "new"}),
        (Purpose.INITIAL, {}),
        (Purpose.RENOTIFICATION, {}),
        (Purpose.ASSIGNMENT, {"lifecycle": "taken"}),
        (Purpose.ASSIGNMENT, CLOSED),
        (Purpose.PARTY_MESSAGE, SPEAKS),
        (Purpose.PARTY_MESSAGE, SPEAKS | {"session_state": None}),
        (Purpose.MEDIATION_SUMMARY, HELD | LATER),
        (Purpose.MEDIATION_ESCALATION, HANDED),
        (Purpose.MEDIATION_BRIEF, {"lifecycle": "taken"}),
        (Purpose.RESOLUTION_REPORT, CLOSED),
        (Purpose.HANDOFF, {"lifecycle": "taken"}),
        (Purpose.REMINDER, HANDED | {"reminding": True}),
        (Purpose.ACKNOWLEDGED, HANDED | {"acknowledged": True}),
        (Purpose.DIGEST, LATER),
        (Purpose.ANSWER, CLOSED),
    ],
)
def test_still_true(purpose: Purpose, around: dict[str, Any]) -> None:
    assert untrue(message(purpose), replace(OPEN, **around), T0) is None


@pytest.mark.parametrize(
    ("purpose", "around"),
    [
        *((each, LATER) for each in (Purpose.INITIAL, Purpose.RENOTIFICATION)),
        *((Purpose.INITIAL, {"lifecycle": each}) for each in Lifecycle if each not in UNATTENDED),
        (Purpose.RENOTIFICATION, {"lifecycle": "taken"}),
        (Purpose.ASSIGNMENT, {}),
        (Purpose.ASSIGNMENT, {"lifecycle": "taken"} | LATER),
        (Purpose.PARTY_MESSAGE, SPEAKS | LATER),
        (Purpose.PARTY_MESSAGE, SPEAKS | {"speaking": False}),
        (Purpose.PARTY_MESSAGE, SPEAKS | {"session_state": "summary_pending"}),
        (Purpose.PARTY_MESSAGE, SPEAKS | CLOSED),
        (Purpose.MEDIATION_SUMMARY, {"reopened": True}),
        (Purpose.MEDIATION_SUMMARY, CLOSED),
        (Purpose.MEDIATION_ESCALATION, CLOSED),
        (Purpose.MEDIATION_BRIEF, CLOSED),
        (Purpose.RESOLUTION_REPORT, {"lifecycle": "new"}),
        (Purpose.HANDOFF, CLOSED),
        (Purpose.REMINDER, HANDED),
        (Purpose.REMINDER, HANDED | {"reminding": True, "acknowledged": True}),
        (Purpose.REMINDER, {"lifecycle": "taken", "reminding": True}),
        (Purpose.REMINDER, HANDED | {"reminding": True} | LATER),
        (Purpose.ACKNOWLEDGED, HANDED),
    ],
)
def test_true_no_more(purpose: Purpose, around: dict[str, Any]) -> None:
    assert untrue(message(purpose), replace(OPEN, **around), T0) is not None


def test_a_warning_is_true_until_what_it_warns_of() -> None:
    warning = message(Purpose.DEADLINE_WARNING, anchor=f"{T0 + 9}.1800.{T0}")
    assert untrue(warning, OPEN, T0 + 8) is None
    assert untrue(warning, OPEN, T0 + 9) is not None
    assert untrue(replace(warning, anchor="odd"), OPEN, T0) is not None


def test_what_must_not_go_out_at_all() -> None:
    dead = message(Purpose.INITIAL)
    assert cannot_retry(dead, OPEN, SENDER, None) is None
    assert "purge" in str(cannot_retry(dead, replace(OPEN, author=None), SENDER, None))
    assert "another key" in str(cannot_retry(dead, OPEN, "cc" * 32, None))
    odd = replace(OPEN, lifecycle="odd")
    assert "does not know" in str(cannot_retry(dead, odd, SENDER, None))


WAITS: Final = OutboxState.PENDING


@pytest.mark.parametrize(
    ("purpose", "state", "around"),
    [
        (Purpose.INITIAL, WAITS, {"lifecycle": "new"}),
        (Purpose.INITIAL, OutboxState.DEAD, {"lifecycle": "new"}),
        (Purpose.HANDOFF, WAITS, HANDED | {"under_way": True}),
        (Purpose.MEDIATION_ESCALATION, WAITS, HANDED),
        (Purpose.MEDIATION_ESCALATION, WAITS, {}),
    ],
)
def test_promises_are_kept_unless_somebody_else_keeps_them(
    purpose: Purpose, state: OutboxState, around: dict[str, Any]
) -> None:
    facts = replace(OPEN, **around)
    assert cannot_drop(message(purpose, state), facts) is not None
    assert cannot_drop(message(purpose, state), replace(facts, others=True)) is None
    if purpose is not Purpose.INITIAL:
        somebody = replace(facts, lifecycle="taken", held=False)
        assert cannot_drop(message(purpose, state), somebody) is None
        assert cannot_drop(message(purpose, OutboxState.DEAD), facts) is None


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.MEDIATION_ESCALATION}))
def test_anything_else_may_be_dropped(purpose: Purpose) -> None:
    assert cannot_drop(message(purpose, WAITS), OPEN) is None
    assert cannot_drop(message(purpose, OutboxState.DEAD), OPEN) is None


def test_what_follows_is_said() -> None:
    summary = message(Purpose.MEDIATION_SUMMARY, WAITS)
    assert "human" in str(consequence(summary, OPEN))
    assert consequence(summary, replace(OPEN, others=True)) is None
    assert consequence(replace(summary, state=OutboxState.DEAD), OPEN) is None
    question = message(Purpose.PARTY_MESSAGE, WAITS)
    assert "human" in str(consequence(question, replace(OPEN, **SPEAKS)))
    assert consequence(question, OPEN) is None
