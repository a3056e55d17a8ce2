"""What a solver is answered, and what is changed for it: one transaction a message."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from tests.store.rig import NODE, SENDER, T0, Database, dispute_id, key, revision

from serbero.escalation.deadline import EscrowDeadline
from serbero.intake.announcing import Audience
from serbero.model.ladder import Policy, Step
from serbero.model.notification import Channel
from serbero.model.people import Permission, Quiet, Solver
from serbero.solvers.desk import ANSWER_SECONDS, Answered, Desk, DeskSettings
from serbero.solvers.pace import Verdict
from serbero.solvers.reading import Question
from serbero.store import acknowledgements, ladders

HOUR = 3600
LEASE = 900
ANA = Solver(key(11), key(11), permission=Permission.WRITE, name="Ana")
BOB = Solver(
    key(12).upper(), key(12), permission=Permission.WRITE, name="Bob", quiet=Quiet.of("0:00-6:00")
)
EVE = Solver(key(13), key(13), name="Eve")
PEOPLE = (ANA, BOB, EVE)
READERS_SHORT = dispute_id(1)[:8]


@dataclass
class Office:
    """A desk on a database."""

    database: Database
    people: tuple[Solver, ...] = PEOPLE
    acknowledge: bool = True
    escrow: EscrowDeadline | None = None
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def audience(self) -> Audience:
        return Audience(SENDER, self.people, 86_400)

    @property
    def desk(self) -> Desk:
        def ends(_tx: object, _dispute: str) -> EscrowDeadline | None:
            return self.escrow

        how = DeskSettings(NODE, self.acknowledge, LEASE, None if self.escrow is None else ends)
        return Desk(self.audience, how, T0 - HOUR)

    def open(self, number: int = 1, *, status: str = "initiated", at: int = T0 - HOUR) -> str:
        made = revision(number, at=at)
        self.database.record(made, audience=Audience(SENDER, (), 86_400), now=at)
        if status != "initiated":
            later = revision(number, status, at=at + 1)
            self.database.record(later, audience=Audience(SENDER, (), 86_400), now=at + 1)
        return made.dispute_id

    def hand_over(self, number: int = 1) -> str:
        """A dispute a person is waited for."""
        dispute = self.open(number)
        policy = Policy((Step(600, "writers"),))
        self.database.run(ladders.begin, dispute, None, number, policy, T0 - 60)
        return dispute

    def put(self, text: str, *, of: Solver = ANA, now: int = T0, **how: Any) -> Answered | None:
        """One message; what was done about it."""
        identifier = how.pop("identifier", f"{next(self.numbers):064x}")
        verdict = how.pop("verdict", Verdict.ANSWER)
        channel = how.pop("channel", Channel.NIP17)
        assert of.hex is not None
        question = Question(identifier, of.hex, text, now, channel)
        return self.database.run(self.desk.answer, question, verdict, now * 1000)

    def ask(self, text: str, *, of: Solver = ANA, now: int = T0, **how: Any) -> str:
        """One message; what is answered."""
        before = self.database.one("SELECT coalesce(max(id), 0) FROM outbox")
        self.put(text, of=of, now=now, **how)
        [(rumor, recipient)] = self.database.rows(
            "SELECT rumor_json, recipient FROM outbox WHERE purpose = 'answer' AND id > ?", before
        )
        assert recipient == of.hex
        return str(json.loads(rumor)["content"])

    def journal(self, kind: str = "solver_command") -> list[dict[str, Any]]:
        rows = self.database.rows(
            "SELECT payload_json FROM journal WHERE kind = ? ORDER BY id", kind
        )
        return [json.loads(text) for (text,) in rows]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    database = Database(tmp_path / "serbero.db")
    yield Office(database)
    database.close()


def test_an_answer_is_a_row_of_the_outbox_on_the_channel_of_the_question(office: Office) -> None:
    office.put("help", of=BOB, channel=Channel.MOSTRO, identifier="ab" * 32)
    [row] = office.database.rows(
        "SELECT purpose, dispute_id, anchor, recipient, recipient_typed, channel, notif_type,"
        " deadline_at, state FROM outbox"
    )
    assert row == (
        "answer", None, "ab" * 32, BOB.hex, BOB.typed, "mostro", None, T0 + ANSWER_SECONDS,
        "pending",
    )  # fmt: skip
    assert office.database.rows("SELECT * FROM notifications") == []
    [rumor] = office.database.rows("SELECT rumor_json FROM outbox")
    assert ["e", "ab" * 32, "", "root"] in json.loads(rumor[0])["tags"]


def test_the_same_message_is_answered_once(office: Office) -> None:
    office.hand_over()
    assert office.put(f"ack {READERS_SHORT}", identifier="ab" * 32) is not None
    before = office.database.dump()
    assert office.put(f"ack {READERS_SHORT}", identifier="ab" * 32, now=T0 + 9) is None
    assert office.database.dump() == before


def test_the_journal_has_no_words(office: Office) -> None:
    dispute = office.hand_over()
    office.put(f"ack {dispute} my secret thoughts", identifier="ab" * 32)
    assert office.journal() == [
        {
            "solver": ANA.hex,
            "command": "ack",
            "outcome": "acknowledged",
            "channel": "nip17",
            "message_id": "ab" * 32,
        }
    ]
    assert (
        office.database.one("SELECT dispute_id FROM journal WHERE kind = 'solver_command'")
        == dispute
    )
    kept = {name: rows for name, rows in office.database.dump().items() if name != "outbox"}
    assert "secret" not in repr(kept)


def test_silence_writes_only_that_it_was_seen(office: Office) -> None:
    done = office.put("help", verdict=Verdict.SILENCE, identifier="ab" * 32)
    assert done == Answered("none", "silence", changed=False, rows=0)
    assert office.database.rows("SELECT * FROM outbox") == []
    assert office.journal() == []
    assert office.put("help", identifier="ab" * 32) is None


def test_too_much_is_said_once_and_obeyed_never(office: Office) -> None:
    office.hand_over()
    said = office.ask(f"ack {READERS_SHORT}", verdict=Verdict.SAY_SO)
    assert said == snapshot(
        "That was 20 messages within a minute. I read on in a minute; write what you need again"
        " then."
    )
    assert office.database.rows("SELECT * FROM acknowledgements") == []


def test_help_names_what_the_reader_can_do(office: Office) -> None:
    assert office.ask("help") == snapshot("""\
I know these words:
open - disputes that are not closed
show 1a2b - one dispute, by the first characters of its id
ack 1a2b - you have it; the others are told
snooze 1a2b 2h - no reminders of it to you for 2 hours
mute 8h - what can wait, waits for 8 hours; mute off ends that
who - who has what
status - how things are

Nothing written here settles or cancels a dispute or changes a setting.\
""")
    assert "ack" not in office.ask("help", of=EVE)
    assert "snooze" in office.ask("help", of=EVE)
    office.acknowledge = False
    assert "snooze" not in office.ask("help")


def test_what_is_not_understood_gets_one_line(office: Office) -> None:
    said = office.ask("good morning")
    assert said == snapshot("I do not know that. Write help to see what I do.")
    assert "\n" not in said


@pytest.mark.parametrize("word", ["settle", "cancel", "release", "admin-settle", "config"])
def test_what_is_done_elsewhere_is_said_so(office: Office, word: str) -> None:
    dispute = office.hand_over()
    before = office.database.dump()
    assert "at the node" in office.ask(f"{word} {dispute}")
    changed = {name for name, rows in office.database.dump().items() if rows != before[name]}
    assert changed <= {"outbox", "journal", "commands_seen", "sqlite_sequence"}


def test_open_disputes_the_most_urgent_first(office: Office) -> None:
    assert office.ask("open") == "No dispute is open."
    office.open(1, status="in-progress", at=T0 - 3 * HOUR)
    office.open(2, at=T0 - 2 * HOUR)
    office.hand_over(3)
    office.open(4, status="settled")
    office.ask(f"ack {dispute_id(3)}")
    office.escrow = EscrowDeadline(T0 + 5 * HOUR, known=True)
    assert office.ask("open") == snapshot("""\
3 disputes are open:
3b38545b - new, 1h old, Ana has it until 00:15 UTC, escrow ends in 5h
157ef922 - new, 2h old, escrow ends in 5h
4fa0359d - taken, 3h old, escrow ends in 5h\
""")
    assert "escrow" not in office.ask("open", of=EVE)


def test_a_long_list_is_cut(office: Office) -> None:
    for number in range(1, 15):
        office.open(number)
    said = office.ask("open").split("\n")
    assert (len(said), said[-1]) == (12, "and 4 more")


def test_one_dispute(office: Office) -> None:
    dispute = office.hand_over()
    office.escrow = EscrowDeadline(T0 + 30 * HOUR, known=False)
    assert office.ask("show " + dispute[:4]) == snapshot("""\
dispute_id: 4fa0359d-ad63-5222-9186-a6b7a95f1bbe
state: new
initiator: buyer
opened: 2025-12-31 23:00 UTC (1h ago)
handed over: 2025-12-31 23:59 UTC (1m ago)
who has it: nobody yet
escrow ends: 2026-01-02 06:00 UTC (in 1d6h), estimated\
""")
    office.ask(f"ack {dispute}")
    assert office.ask("show " + dispute[:4].upper()).split("\n")[-2:] == snapshot(
        [
            "who has it: Ana, until 00:15 UTC (in 15m)",
            "escrow ends: 2026-01-02 06:00 UTC (in 1d6h), estimated",
        ]
    )
    said = office.ask("show " + dispute, of=EVE)
    assert "escrow" not in said
    assert "who has it: Ana" in said


def test_an_id_that_is_none_is_explained(office: Office) -> None:
    one, two = office.open(1), office.open(2)
    assert office.ask("show") == snapshot("""\
Which dispute? Write show and the first characters of its id.
157ef922
4fa0359d\
""")
    assert "too short" in office.ask("show " + one[:3])
    assert "No dispute begins with ffff0000" in office.ask("show ffff0000")
    twin = one[:8] + two[8:]
    office.database.record(revision(twin), audience=office.audience)
    said = office.ask("show " + one[:6])
    assert said.split("\n")[1:] == sorted([one, twin])
    assert one in office.ask("show " + one[:13])


def test_an_open_dispute_comes_before_closed_ones(office: Office) -> None:
    one = office.open(1)
    twin = one[:8] + dispute_id(2)[8:]
    for status, at in (("initiated", T0), ("settled", T0 + 1)):
        made = revision(twin, status, at)
        office.database.record(made, audience=Audience(SENDER, (), 1), now=at)
    assert one in office.ask("show " + one[:6])
    assert "state: resolved" in office.ask("show " + twin)


def test_disputes_of_another_node_are_not_there(office: Office) -> None:
    dispute = office.open(1)
    office.database.run(lambda tx: tx.exec_driver_sql("UPDATE disputes SET mostro_pubkey = 'ff'"))
    assert office.ask("open") == "No dispute is open."
    assert "No dispute begins" in office.ask("show " + dispute)


def test_ack_is_a_lease_and_the_others_are_told(office: Office) -> None:
    dispute = office.hand_over()
    done = office.put("ack " + dispute[:8])
    assert done is not None
    assert done.changed
    held = office.database.run(acknowledgements.counting, dispute, T0)
    assert held is not None
    assert (held.solver, held.expires_at) == (ANA.hex, T0 + LEASE)
    told = office.database.rows(
        "SELECT recipient FROM outbox WHERE purpose = 'escalation_acknowledged'"
    )
    assert EVE.hex in {each for (each,) in told}
    assert ANA.hex not in {each for (each,) in told}
    assert office.ask("ack " + dispute, of=BOB, now=T0 + 60) == snapshot(
        "Ana has 4fa0359d until 00:15 UTC (in 14m). Nothing was changed."
    )
    assert office.ask("ack " + dispute, now=T0 + 60) == snapshot(
        "You have 4fa0359d until 00:16 UTC (in 15m)."
    )
    assert office.ask("ack " + dispute, now=T0 + 5 * HOUR, of=BOB) == snapshot("""\
You have 4fa0359d until 05:15 UTC (in 15m); whoever knows of it is told.
Now take it at the node, in Mostrix or with your own client.
Need longer? Write ack 4fa0359d again.\
""")


def test_ack_of_what_nobody_waits_for(office: Office) -> None:
    before_any = office.open(1)
    assert "was not handed over" in office.ask("ack " + before_any)
    taken = office.open(2, status="in-progress")
    assert "taken" in office.ask("ack " + taken)
    closed = office.open(3, status="settled")
    assert "closed already" in office.ask("ack " + closed)
    assert office.database.rows("SELECT * FROM acknowledgements") == []


def test_a_readers_ack_is_explained(office: Office) -> None:
    dispute = office.hand_over()
    assert "write permission" in office.ask("ack " + dispute, of=EVE)
    assert office.database.rows("SELECT * FROM acknowledgements") == []


def test_ack_without_an_id_names_what_waits(office: Office) -> None:
    one, two = office.hand_over(1), office.hand_over(2)
    office.open(3)
    office.ask("ack " + one)
    assert office.ask("ack").split("\n")[1:] == [two[:8]]
    assert len(office.database.rows("SELECT * FROM acknowledgements")) == 1


@pytest.mark.parametrize("command", ["ack", "snooze"])
def test_switched_off_they_name_the_key_and_change_nothing(office: Office, command: str) -> None:
    dispute = office.hand_over()
    office.acknowledge = False
    said = office.ask(f"{command} {dispute}")
    assert "acknowledge = true under [escalation]" in said
    for table in ("acknowledgements", "snoozes"):
        assert office.database.rows(f"SELECT * FROM {table}") == []  # noqa: S608


def test_snooze(office: Office) -> None:
    dispute = office.hand_over()
    assert office.ask(f"snooze {dispute[:8]} 2h", of=EVE) == snapshot(
        "You are not reminded of 4fa0359d until 02:00 UTC (in 2h). Others are."
    )
    assert office.database.run(ladders.snoozing, dispute, T0 + 2 * HOUR - 1) == {EVE.hex}
    assert "No reminders of a hand-off" in office.ask("snooze " + office.open(2))
    assert "until" in office.ask(f"snooze {dispute[:8]} 90d")
    assert ANA.hex not in office.database.run(ladders.snoozing, dispute, T0 + 86_400)


def test_mute_and_its_end(office: Office) -> None:
    assert office.ask("mute 8h") == snapshot(
        """\
What can wait is held back until 2026-01-01 08:00 UTC (in 8h).
New disputes and hand-offs still reach you. Write mute off to end it.\
"""
    )
    assert office.database.run(ladders.muted, T0) == {ANA.hex: T0 + 8 * HOUR}
    assert office.ask("mute off", now=T0 + 60) == snapshot("Your mute is over.")
    assert office.database.run(ladders.muted, T0 + 60) == {}
    office.acknowledge = False
    assert "held back" in office.ask("mute")


def test_who(office: Office) -> None:
    dispute = office.hand_over()
    assert office.ask("who", of=EVE) == "Nobody has said ack."
    office.ask("ack " + dispute)
    office.ask("mute", of=EVE)
    assert office.ask("who") == snapshot("""\
Ana has 4fa0359d until 00:15 UTC (in 15m)

On call now:
Ana, write
Bob, write, quiet
Eve, read, mute\
""")
    assert office.ask("who", of=EVE) == snapshot("Ana has 4fa0359d until 00:15 UTC (in 15m)")


def test_status(office: Office) -> None:
    office.hand_over(1)
    office.open(2, status="in-progress")
    office.ask("mute 2h")
    assert office.ask("status") == snapshot("""\
Serbero runs, since 2025-12-31 23:00 UTC (1h).
open disputes: 2
- new: 1
- taken: 1
handed over and nobody has it: 1
you: Ana, write
your mute: until 2026-01-01 02:00 UTC (in 2h)\
""")
    office.acknowledge = False
    assert "nobody has it" not in office.ask("status", of=EVE)


def test_names_are_what_is_configured_today(office: Office) -> None:
    dispute = office.hand_over()
    office.ask("ack " + dispute)
    office.people = (BOB, EVE)
    assert f"somebody has {dispute[:8]}" in office.ask("who", of=BOB)


ENTRY = st.sampled_from(
    [
        "help", "open", "who", "status", "show", "ack", "snooze", "mute", "off", "settle", "2h",
        "1d", "0000", "ffff", "hello", "\ud800", "-", "/", "9" * 40,
        dispute_id(1), dispute_id(1)[:4], dispute_id(2)[:8], dispute_id(3),
    ]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(ENTRY, max_size=4).map(" ".join), st.sampled_from(PEOPLE), st.booleans())
def test_whatever_is_said_is_answered_in_a_few_lines(
    office: Office, text: str, of: Solver, acknowledge: bool
) -> None:
    if not office.database.rows("SELECT * FROM disputes"):
        office.hand_over(1)
        office.open(2, status="in-progress")
        office.open(3, status="settled")
    office.acknowledge = acknowledge
    said = office.ask(text, of=of)
    assert 0 < len(said) < 900
    assert said == said.strip()
