"""What a channel reads: every event alone and many together, and nothing that is not ours."""

import re
import string

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from serbero.messages.alerts import SINGLY, letter, trial
from serbero.model.alerts import Alert, AlertEvent, Fact, Turn
from serbero.model.notification import Purpose
from serbero.observe.health import Part

ID = "3f2b8a1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c"
AT = 1_795_428_000


def told(event: AlertEvent, dispute_id: str | None = ID, **facts: str | int) -> str:
    written = letter([Alert(event, "x", AT, dispute_id, facts)])
    return f"{written.title}\n--\n{written.body}"


def test_each_event() -> None:
    every = [
        told(AlertEvent.NEW_DISPUTE, role="seller"),
        told(AlertEvent.NEW_DISPUTE, again=1),
        told(AlertEvent.UNATTENDED, number=3),
        told(AlertEvent.ESCALATED),
        told(AlertEvent.DEAD_LETTER, to="solver", purpose="escalation_handoff"),
        told(AlertEvent.DEGRADED, None, part="store", turn="begun"),
        told(AlertEvent.DEGRADED, None, part="store", turn="over", seconds=7_500),
        told(AlertEvent.UNAUTHORIZED, None, turn="begun"),
        told(AlertEvent.UNAUTHORIZED, None, turn="over"),
    ]
    assert "\n\n".join(every) == snapshot("""\
Serbero: new dispute 3f2b8a1c
--
A dispute was opened by the seller.
dispute 3f2b8a1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c
2026-11-23 10:00:00 UTC

Serbero: new dispute 3f2b8a1c
--
A dispute was opened again.
dispute 3f2b8a1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c
2026-11-23 10:00:00 UTC

Serbero: nobody has taken a dispute 3f2b8a1c
--
Nobody has taken this dispute. Solvers are reminded (reminder 3).
dispute 3f2b8a1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c
2026-11-23 10:00:00 UTC

Serbero: a dispute needs a human 3f2b8a1c
--
This dispute needs a human. Solvers are told.
dispute 3f2b8a1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c
2026-11-23 10:00:00 UTC

Serbero: a message was given up 3f2b8a1c
--
A message to a solver was given up: no relay took it until its deadline (the hand-off to a human).
dispute 3f2b8a1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c
2026-11-23 10:00:00 UTC

Serbero: something does not work
--
The database does not take writes. Nobody is told of anything until it does.
`serbero doctor` says what to do.
2026-11-23 10:00:00 UTC

Serbero: works again
--
The database takes writes again, after 2 h 5 min.
2026-11-23 10:00:00 UTC

Serbero: standing at the node
--
The node does not let Serbero take disputes. `serbero doctor` says what to do.
2026-11-23 10:00:00 UTC

Serbero: standing at the node
--
The node lets Serbero take disputes again.
2026-11-23 10:00:00 UTC\
""")


def test_several_one_by_one_and_many_counted() -> None:
    few = [Alert(AlertEvent.ESCALATED, "1", AT, ID), Alert(AlertEvent.NEW_DISPUTE, "2", AT, ID)]
    many = [
        *few,
        *(Alert(AlertEvent.UNATTENDED, str(n), AT + n, f"{n:08x}{ID[8:]}") for n in range(12)),
        Alert(AlertEvent.DEGRADED, "3", AT, None, {Fact.PART: "store", Fact.TURN: "begun"}),
        Alert(AlertEvent.DEGRADED, "4", AT + 90, None, {Fact.PART: "store", Fact.TURN: "over"}),
    ]
    written = [letter(few), letter(many, late=True)]
    assert "\n\n".join(f"{each.title}\n--\n{each.body}" for each in written) == snapshot("""\
Serbero: 2 alerts
--
This dispute needs a human. Solvers are told.
dispute 3f2b8a1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c
2026-11-23 10:00:00 UTC

A dispute was opened.
dispute 3f2b8a1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c
2026-11-23 10:00:00 UTC

Serbero: 16 alerts
--
1 new dispute: 3f2b8a1c
12 reminders of disputes that nobody has taken: 00000000, 00000001, 00000002, 00000003, 00000004, 00000005, 00000006, 00000007, 00000008, 00000009 and 2 more
1 dispute that needs a human: 3f2b8a1c
The database takes writes again.
between 2026-11-23 10:00:00 and 2026-11-23 10:01:30 UTC
This channel could not be reached for a while: some of it is old news.\
""")  # noqa: E501 - as it is sent


def test_the_test_message_says_that_it_is_one() -> None:
    assert "test" in trial().title
    assert "Nothing has happened" in trial().body


def test_every_part_and_every_purpose_has_words_of_its_own() -> None:
    parts = {
        told(AlertEvent.DEGRADED, None, part=part, turn=turn) for part in Part for turn in Turn
    }
    assert len(parts) == 2 * len(Part)
    assert not any("A part of the daemon" in each for each in parts)
    purposes = {told(AlertEvent.DEAD_LETTER, to="solver", purpose=each) for each in Purpose}
    assert len(purposes) == len(Purpose)


def test_what_is_grave_is_marked_so() -> None:
    def grave(event: AlertEvent, **facts: str) -> bool:
        return letter([Alert(event, "x", AT, ID, facts)]).grave

    assert not grave(AlertEvent.NEW_DISPUTE)
    assert grave(AlertEvent.ESCALATED)
    assert grave(AlertEvent.DEGRADED, turn="begun")
    assert not grave(AlertEvent.DEGRADED, turn="over")


PLANTED = [
    "npub1" + "q" * 58,
    "ab" * 32,
    "wss://relay.example/?token=abc",
    "Please pay me at once",
    "lnbc1" + "z" * 40,
    "{dispute_id}",
    "\x1b[31m",
]


def test_what_is_planted_in_a_row_does_not_come_out() -> None:
    """Rows may be written by hand, or by a fault of ours: only known words get through."""
    for text in PLANTED:
        for event in AlertEvent:
            facts: dict[str, str | int] = dict.fromkeys(Fact, text)
            alert = Alert(event, text, AT, text, facts)
            for alerts in ([alert], [alert] * SINGLY, [alert] * (SINGLY + 1)):
                written = letter(alerts)
                assert text not in written.title + written.body
                assert text[:8] not in written.title + written.body


_WORDS = re.compile(r"[A-Za-z0-9 .,:;()'`\-\n]*")


@given(
    st.lists(
        st.builds(
            Alert,
            st.sampled_from(AlertEvent),
            st.text(max_size=5),
            st.integers(-(2**63), 2**63 - 1),
            st.one_of(st.none(), st.uuids().map(str), st.text(string.printable, max_size=40)),
            st.dictionaries(
                st.sampled_from(Fact), st.one_of(st.text(max_size=20), st.integers()), max_size=4
            ),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_row_makes_it_fail_or_long(alerts: list[Alert]) -> None:
    written = letter(alerts, late=True)
    assert _WORDS.fullmatch(written.title)
    assert _WORDS.fullmatch(written.body)
    assert len(written.title) < 80
    assert len(written.body) < 2_000
