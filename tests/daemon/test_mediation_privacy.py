"""What a whole mediation leaves behind, and where none of it may be found (INV-1, INV-26, 114)."""

import logging
from pathlib import Path

import pytest
from tests.daemon.mediation_model import BUYER_QUESTION, RATIONALE
from tests.daemon.mediation_rig import BUYER_ANSWER, SELLER_ANSWER, Case, mediating
from tests.keys import MODEL_KEY

from serbero.model.party import Party
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute

REPORT = "mediation_resolution_report/v1"
_SIMULATED = ("websockets",)
"""What the proxy before the relay says of its frames; the daemon has another library."""


async def whole(case: Case) -> Dispute:
    """A mediation from its first question to the final report."""
    dispute = await case.begun()
    await case.both_say()
    await case.until_state(dispute, "closed")
    await case.stage.elapse(2)
    await case.stage.node.resolve(dispute)
    await case.until_told(dispute, REPORT)
    return dispute


@pytest.mark.parametrize("protocol", [2, 1])
async def test_a_whole_mediation_asks_the_node_for_one_thing(
    tmp_path: Path, protocol: Protocol
) -> None:
    """Everything ever addressed to the node, opened: one `admin-take-dispute` (INV-1)."""
    async with mediating(tmp_path, protocol=protocol) as case:
        await whole(case)
        received = case.stage.node.desk.received
        assert [(each.action, each.identity) for each in received] == [
            ("admin-take-dispute", case.stage.own.public_key().to_hex())
        ]
        kinds = {row["notif_type"] for row in case.rows("SELECT notif_type FROM notifications")}
        assert not kinds & {"admin_settle", "admin_cancel"}


async def test_nothing_said_or_secret_is_in_a_log_at_any_level(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Our lines and those of every library, down to DEBUG (114); the rig looks at ours each time.

    The libraries' own lines are read as they are made: what an operator's filter lets through of
    them is less.
    """
    caplog.set_level(logging.DEBUG)
    async with mediating(tmp_path) as case:
        await whole(case)
        trade = [client.public_key for client in case.parties.values()]
        said = [RATIONALE, BUYER_QUESTION, BUYER_ANSWER, SELLER_ANSWER, MODEL_KEY, *trade]
        lines = repr(case.stage.logs.lines) + "\n".join(
            f"{record.getMessage()} {record.__dict__}"
            for record in caplog.records
            if not record.name.startswith(_SIMULATED)
        )
        assert [each for each in said if each in lines] == []
        assert case.stage.logs.named("session_evaluated")


async def test_the_checks_of_the_rig_find_what_they_look_for(tmp_path: Path) -> None:
    """A rig that cannot fail proves nothing: each leak, planted by hand, is found."""
    async with mediating(tmp_path) as case:
        dispute = await case.begun()
        await case.say(Party.BUYER, BUYER_ANSWER)
        await case.until_kind(dispute, "inbound_ingested")
        case.check()
        leaks = (BUYER_ANSWER, RATIONALE, BUYER_QUESTION, MODEL_KEY, case.seller.public_key)
        for leak in leaks:
            case.stage.logs.lines.append({"event": "leak", "level": "info", "words": f"x {leak}"})
            with pytest.raises(AssertionError):
                case.check()
            del case.stage.logs.lines[-1]
            case.execute(
                "INSERT INTO mediation_events (kind, payload_json, occurred_at)"
                " VALUES ('leak', json_object('x', :leak), 1)",
                leak=leak,
            )
            with pytest.raises(AssertionError):
                case.check()
            case.execute("DELETE FROM mediation_events WHERE kind = 'leak'")
        case.stage.logs.lines.append({"event": "any_fault", "level": "error"})
        with pytest.raises(AssertionError):
            case.check()
        del case.stage.logs.lines[-1]
        case.stage.node.desk.received[0].action = "admin-settle"
        with pytest.raises(AssertionError):
            case.check()
        case.stage.node.desk.received[0].action = "admin-take-dispute"
