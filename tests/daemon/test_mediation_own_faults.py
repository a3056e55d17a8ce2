"""Faults of our own that come again and again: what they cost, and whom they leave alone."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from tests.daemon.mediation_model import asks, once_answered, summarizes
from tests.daemon.mediation_rig import mediating, mediation

from serbero.reasoning.calls import Purpose

_REFUSE = "CREATE TRIGGER broken BEFORE INSERT ON {} WHEN {} BEGIN SELECT RAISE(ABORT, 'no'); END"
OF_A_SESSION = "NEW.session_id IS NOT NULL AND NEW.kind = "


def refuse(tx: sa.Connection, table: str, when: str) -> None:
    """Let the database refuse some rows from now on, as a damaged index would."""
    tx.exec_driver_sql(_REFUSE.format(table, when))


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["classification_produced", "summary_generated"])
async def test_what_cannot_be_recorded_is_asked_three_times_and_no_more(
    tmp_path: Path, kind: str
) -> None:
    """A verdict that the database refuses cost a call every half minute, for ever."""
    purpose = Purpose.CLASSIFY if kind == "classification_produced" else Purpose.SUMMARIZE
    async with mediating(tmp_path, once_answered(summarizes())) as case:
        case.expected |= {"evaluation_failed"}
        dispute = await case.begun()
        calls = len(case.model.of(dispute, purpose))
        await case.daemon.parts.base.store.transact(
            refuse, "mediation_events", f"{OF_A_SESSION}'{kind}'"
        )
        await case.both_say()
        await case.until_state(dispute, "escalation_recommended", seconds=300)
        assert case.pair(dispute)[0]["trigger"] == "reasoning_unavailable"
        assert len(case.model.of(dispute, purpose)) == calls + 3
        await case.until(lambda: case.escalations(dispute), "the solver is told")


@pytest.mark.soak
async def test_what_cannot_even_be_handed_over_is_asked_less_and_less(tmp_path: Path) -> None:
    async with mediating(tmp_path, once_answered(asks(flags=["fraud_risk"]))) as case:
        case.expected |= {"evaluation_failed"}
        dispute = await case.begun()
        calls = len(case.model.of(dispute))
        await case.daemon.parts.base.store.transact(
            refuse, "mediation_events", "NEW.kind = 'handoff_prepared'"
        )
        await case.both_say()
        await case.stage.elapse(900)
        assert case.state(dispute) == "awaiting_response"
        assert 3 <= len(case.model.of(dispute)) - calls <= 6


async def test_a_start_that_cannot_be_recorded_is_not_made_again_at_once(tmp_path: Path) -> None:
    """Neither the verdict nor that it failed: one call in five minutes, not one after the other."""
    async with mediating(tmp_path) as case:
        case.expected |= {"start_attempt_failed"}
        await case.daemon.parts.base.store.transact(
            refuse, "mediation_events", "NEW.kind = 'reasoning_verdict'"
        )
        await case.daemon.parts.base.store.transact(refuse_starts)
        dispute = await case.dispute()
        await case.until(lambda: case.stage.logs.named("start_attempt_failed"), "it failed")
        await case.stage.elapse(120)
        assert len(case.model.of(dispute)) == 1
        lines = case.stage.logs.lines
        lines[:] = [line for line in lines if line["event"] != "start_attempt_failed"]


@pytest.mark.soak
async def test_a_start_that_fails_again_and_again_goes_to_a_human(tmp_path: Path) -> None:
    async with mediating(tmp_path) as case:
        case.expected |= {"start_attempt_failed", "start_given_up"}
        await case.daemon.parts.base.store.transact(
            refuse, "mediation_events", "NEW.kind = 'reasoning_verdict'"
        )
        dispute = await case.dispute()
        named = case.stage.logs.named
        await case.until(lambda: named("start_given_up"), "it is given up", seconds=900)
        assert len(case.model.of(dispute)) == 5
        await case.until(lambda: case.escalations(dispute), "the solvers are told")
        await case.stage.elapse(3600)
        assert len(case.model.of(dispute)) == 5


def refuse_starts(tx: sa.Connection) -> None:
    tx.exec_driver_sql(
        "CREATE TRIGGER no_starts BEFORE INSERT ON mediation_starts"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
    )


async def test_a_library_that_does_not_load_leaves_open_sessions_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing begins, one line says why, and the clocks of what is open run on."""
    name = "serbero.reasoning.backends"
    load = importlib.import_module

    def broken(wanted: str, package: str | None = None) -> ModuleType:
        if wanted == name:
            raise ImportError("a library of the provider is of another version")
        return load(wanted, package)

    silence = {"party_response_timeout_seconds": 400}
    async with mediation(tmp_path, mediation=silence) as case:
        case.expected |= {"mediation_unavailable"}
        async with case.running():
            dispute = await case.begun()
        monkeypatch.setattr(importlib, "import_module", broken)
        async with case.running():
            await case.both_say()
            await case.until_state(dispute, "escalation_recommended", seconds=200)
            assert case.pair(dispute)[0]["trigger"] == "reasoning_unavailable"
            assert case.stage.logs.named("part_failed") == []
            assert len(case.stage.logs.named("mediation_bring_up_failed")) == 1
            # Their tracebacks are what an operator needs.
            named = {"mediation_bring_up_failed", "evaluation_failed"}
            lines = case.stage.logs.lines
            lines[:] = [line for line in lines if line["event"] not in named]
