"""From facts to findings: the tables behind ``serbero doctor``, without any I/O."""

import io
from dataclasses import replace

import pytest

from serbero.cli.doctor_checks import local, network
from serbero.cli.doctor_checks.dm_test import Address, Exchange, dm_findings
from serbero.cli.doctor_checks.findings import Finding, Level, Report, broken, fine, note, warning
from serbero.cli.doctor_checks.local import DatabaseFacts, OutboxFacts
from serbero.cli.doctor_checks.network import RelayFacts
from serbero.cli.render import print_report
from serbero.config.problems import Problem
from serbero.delivery.judgement import MAX_POW_BITS
from serbero.model.people import Permission, Solver, Via
from serbero.nostr.inbox_list import InboxList
from serbero.nostr.keys import npub
from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.relays.information import RelayInformation

OWN = "9c65dc5be79eca61f880f25eb9833929b597c0b1f9b3df9e3088ef3a1513b04a"
NODE = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
URL = "wss://relay.example"
NOW = 1_793_000_000
OK, WARN, BROKEN = Level.OK, Level.WARNING, Level.BROKEN


def told(findings: list[Finding]) -> list[tuple[Level, str]]:
    """What a person reads first."""
    return [(each.level, each.message) for each in findings]


# --- this machine --------------------------------------------------------------------------


def test_problems_of_the_configuration_keep_their_place_and_remedy() -> None:
    problems = [
        Problem("mostro", "pubkey", "expected a key, found nothing", "write the node's npub"),
        Problem("", "", "cannot be read", ""),
    ]
    assert local.config_findings(problems, stops=True) == [
        broken("config", "[mostro].pubkey: expected a key, found nothing", "write the node's npub"),
        broken("config", "cannot be read", "see config.sample.toml"),
    ]
    assert [each.level for each in local.config_findings(problems, stops=False)] == [WARN, WARN]
    assert local.config_findings([], stops=False) == [fine("config", "read, nothing to mend")]


def test_the_nodes_own_key_is_no_key_for_us() -> None:
    assert local.key_findings(OWN, NODE) == [fine("key", f"{npub(OWN)} ({OWN})")]
    assert [each.level for each in local.key_findings(NODE, NODE)] == [BROKEN]


SOUND = DatabaseFacts(
    mode=0o600, fault=None, reference_version=5, own_revision="0001", holder=None, locked=False
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [(OK, "s.db is sound, schema 5 + 0001")]),
        (
            {"own_revision": "", "reference_version": 3},
            [(OK, "s.db is sound, schema 3")],
        ),
        (
            {"locked": True, "holder": 812},
            [(OK, "s.db is sound, schema 5 + 0001, daemon running (pid 812)")],
        ),
        ({"locked": True}, [(OK, "s.db is sound, schema 5 + 0001, daemon running")]),
        (
            {"mode": 0o644},
            [
                (OK, "s.db is sound, schema 5 + 0001"),
                (WARN, "s.db has mode 0644: other users can read who is told what"),
            ],
        ),
        (
            {"fault": "row 3 missing from index x", "mode": 0o644},
            [(BROKEN, "s.db is damaged: row 3 missing from index x")],
        ),
    ],
)
def test_database(changes: dict[str, object], expected: list[tuple[Level, str]]) -> None:
    values = {name: getattr(SOUND, name) for name in DatabaseFacts.__dataclass_fields__}
    facts = DatabaseFacts(**(values | changes))
    assert told(local.database_findings("s.db", facts)) == expected


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 6, 23), OK),
        ((3, 7, 0), WARN),
        ((3, 40, 1), WARN),
        ((3, 51, 2), WARN),
        ((3, 51, 3), OK),
        ((4, 0, 0), OK),
    ],
)
def test_sqlite_versions_with_the_reset_bug(version: tuple[int, int, int], level: Level) -> None:
    (finding,) = local.sqlite_findings(version, "pysqlite3")
    assert finding.level is level
    assert "SQLite " + ".".join(map(str, version)) + " through pysqlite3" in finding.message


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (OutboxFacts(0, 0, 0, 0), [(OK, "0 waiting, none given up in the last week")]),
        (OutboxFacts(2, 3_600, 0, 0), [(OK, "2 waiting, none given up in the last week")]),
        (OutboxFacts(2, 3_601, 0, 0), [(WARN, "2 messages waiting, the oldest for 60 minutes")]),
        (
            OutboxFacts(1, 100_000, 3, 1),
            [
                (
                    WARN,
                    "3 messages given up in the last week: no relay took them before their "
                    "deadline",
                ),
                (WARN, "1 message waiting, the oldest for 27 hours"),
                (
                    WARN,
                    "1 message of the last week reached no inbox relay of the solver, only other "
                    "relays",
                ),
            ],
        ),
    ],
)
def test_outbox(facts: OutboxFacts, expected: list[tuple[Level, str]]) -> None:
    assert told(local.outbox_findings(facts)) == expected


# --- relays, node, solvers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ({}, (Level.NOTE, "not compared: no relay told its time")),
        ({"a": 1.2}, (OK, "agrees with 1 relay")),
        ({"a": -29.9, "b": -29.0}, (OK, "agrees with 2 relays")),
        ({"a": 45.0}, (WARN, "45 s ahead of the relays")),
        ({"a": -400.0}, (WARN, "400 s behind the relays")),
        ({"a": 601.0}, (BROKEN, "601 s ahead of the relays: they refuse what we sign")),
        # One relay whose own clock is wrong does not accuse ours.
        ({"a": 0.2, "b": 9_000.0, "c": 0.4}, (OK, "agrees with 3 relays")),
    ],
)
def test_clock(offsets: dict[str, float], expected: tuple[Level, str]) -> None:
    assert told(network.clock_findings(offsets)) == [expected]


def facts(**changes: object) -> RelayFacts:
    """A relay that does everything, but for ``changes``."""
    well = {
        "url": URL,
        "connected": True,
        "answered": True,
        "written": PublishReply(PublishOutcome.ACCEPTED),
    }
    return RelayFacts(**(well | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (facts(), [(OK, "answers and takes our events")]),
        (
            facts(information=RelayInformation(auth_required=True)),
            [(OK, "answers and takes our events, after authentication")],
        ),
        (
            facts(connected=False, reason="Connection refused", answered=False, written=None),
            [(WARN, "no connection: Connection refused")],
        ),
        (
            facts(connected=False, answered=False, written=None),
            [(WARN, "no connection: no answer")],
        ),
        (
            facts(answered=False, answer_reason="restricted: not for you"),
            [(WARN, "connected, but does not answer for disputes: restricted: not for you")],
        ),
        (
            facts(
                answered=False,
                answer_reason="no answer in time",
                written=PublishReply(PublishOutcome.BLOCKED, "blocked: spam"),
            ),
            [
                (WARN, "connected, but does not answer for disputes: no answer in time"),
                (WARN, "does not take our events: blocked (blocked: spam)"),
            ],
        ),
        (
            facts(written=PublishReply(PublishOutcome.TIMEOUT)),
            [(WARN, "does not take our events: timeout")],
        ),
        (
            facts(written=PublishReply(PublishOutcome.DUPLICATE, "duplicate: have it")),
            [(OK, "answers and takes our events")],
        ),
    ],
)
def test_relay(seen: RelayFacts, expected: list[tuple[Level, str]]) -> None:
    found = network.relay_findings(seen)
    assert told(found) == expected
    assert {each.check for each in found} == {f"relay {URL}"}


def test_every_refusal_has_a_remedy() -> None:
    refusals = [each for each in PublishOutcome if not each.delivered]
    for outcome in refusals:
        (finding,) = network.relay_findings(facts(written=PublishReply(outcome)))
        assert finding.level is WARN
        assert finding.remedy


@pytest.mark.parametrize(
    ("information", "expected"),
    [
        (RelayInformation(), []),
        (
            RelayInformation(
                created_at_lower_limit=172_800,
                max_message_length=16_384,
                max_subscriptions=7,
                min_pow_difficulty=0,
            ),
            [],
        ),
        (
            RelayInformation(created_at_lower_limit=172_799),
            ["refuses events older than 172799 s; private messages are dated back by up to "
             "172800 s"],
        ),
        (RelayInformation(min_pow_difficulty=8), ["wants 8 bits of proof of work"]),
        (
            RelayInformation(min_pow_difficulty=28),
            [
                f"wants 28 bits of proof of work, more than {MAX_POW_BITS}: no message will go "
                "there"
            ],
        ),
        (
            RelayInformation(max_message_length=4_096, max_subscriptions=1),
            ["takes messages of 4096 bytes; ours may need 16384",
             "allows 1 subscriptions; up to 7 are in use at once"],
        ),
    ],
)  # fmt: skip
def test_limits(information: RelayInformation, expected: list[str]) -> None:
    assert told(network.limit_findings(URL, information)) == [(WARN, each) for each in expected]


DOWN = facts(connected=False, answered=False, written=None)
MUTE = facts(written=PublishReply(PublishOutcome.POW))


@pytest.mark.parametrize(
    ("relays", "wanted", "expected"),
    [
        ([facts(), facts()], 1, [(OK, "2 of 2 hear, 2 take our events")]),
        ([facts(), DOWN], 1, [(OK, "1 of 2 hear, 1 take our events")]),
        ([facts(), DOWN], 2, [(BROKEN, "1 of 2 answer for disputes, 2 needed")]),
        ([facts(), MUTE], 0, [(OK, "2 of 2 hear, 1 take our events")]),
        ([facts()], 1, [(WARN, "only one is configured: while it is down no dispute is seen")]),
        ([MUTE], 1, [(BROKEN, "none of 1 takes our events: nobody is told")]),
        (
            [DOWN, DOWN],
            0,
            [(BROKEN, "none of 2 can be reached: no dispute is seen, nobody is told")],
        ),
    ],
)
def test_relays_together(
    relays: list[RelayFacts], wanted: int, expected: list[tuple[Level, str]]
) -> None:
    assert told(network.relays_findings(relays, wanted)) == expected


SOLVER = Solver(typed=npub(OWN), hex=OWN, permission=Permission.WRITE)
BY_MOSTRO = "write, via mostro (send-dm): messages go to"
SHARED = "the configured relays and the node's (at most 5)"


@pytest.mark.parametrize(
    ("solver", "inbox", "looked", "expected"),
    [
        (
            Solver(typed="npub1x", hex=None, problem="found 6 characters"),
            None,
            True,
            (BROKEN, "invalid pubkey: found 6 characters"),
        ),
        (
            Solver(typed=OWN, hex=OWN, relays=("wss://a", "wss://b")),
            None,
            False,
            (OK, "read, inbox relays configured: wss://a wss://b"),
        ),
        (
            SOLVER,
            InboxList(NOW, ("wss://a",), ()),
            True,
            (OK, "write, inbox relays published: wss://a"),
        ),
        (SOLVER, None, False, (WARN, "inbox relays not looked up")),
        (
            SOLVER,
            None,
            True,
            (
                WARN,
                "write, publishes no inbox relays (kind 10050): messages go only to the "
                "configured relays and the node's (at most 5)",
            ),
        ),
        (
            SOLVER,
            InboxList(NOW, (), ("ws://10.0.0.1",)),
            True,
            (
                WARN,
                "write, publishes only inbox relays that are not visited: ws://10.0.0.1: messages "
                "go only to the configured relays and the node's (at most 5)",
            ),
        ),
        # Mostro's own clients have no inbox relays, and need none.
        (replace(SOLVER, via=Via.MOSTRO), None, True, (OK, f"{BY_MOSTRO} {SHARED}")),
        (replace(SOLVER, via=Via.MOSTRO), None, False, (OK, f"{BY_MOSTRO} {SHARED}")),
        (
            replace(SOLVER, via=Via.MOSTRO),
            InboxList(NOW, (), ("ws://10.0.0.1",)),
            True,
            (OK, f"{BY_MOSTRO} {SHARED}"),
        ),
        (
            replace(SOLVER, via=Via.MOSTRO, relays=("wss://a", "wss://b")),
            None,
            True,
            (OK, f"{BY_MOSTRO} {SHARED} and wss://a wss://b"),
        ),
        (
            replace(SOLVER, via=Via.MOSTRO),
            InboxList(NOW, ("wss://a",), ()),
            True,
            (OK, f"{BY_MOSTRO} {SHARED} and wss://a"),
        ),
        # Half of both is private messages.
        (
            replace(SOLVER, via=Via.BOTH),
            None,
            True,
            (
                WARN,
                "write, via both (private messages and send-dm), publishes no inbox relays (kind "
                f"10050): messages go only to {SHARED}",
            ),
        ),
        (
            replace(SOLVER, via=Via.BOTH, relays=("wss://a",)),
            None,
            True,
            (
                OK,
                "write, via both (private messages and send-dm), inbox relays configured: wss://a",
            ),
        ),
    ],
)
def test_solver(
    solver: Solver, inbox: InboxList | None, looked: bool, expected: tuple[Level, str]
) -> None:
    assert told(network.solver_findings(solver, inbox, looked=looked)) == [expected]


def test_a_solver_who_reads_on_a_configured_relay_is_met_there_whatever_its_address() -> None:
    published = InboxList(NOW, (), ("no address", "ws://10.0.0.1/"))
    found = network.solver_findings(
        SOLVER, published, looked=True, configured=("wss://a", "ws://10.0.0.1")
    )
    assert told(found) == [
        (OK, "write, inbox relays published: ws://10.0.0.1/, configured here"),
    ]


def test_without_a_usable_solver_nobody_is_told() -> None:
    bad = Solver(typed="x", hex=None, problem="no key")
    assert network.solvers_findings([SOLVER, bad]) == []
    assert [each.level for each in network.solvers_findings([bad])] == [BROKEN]


TAKEN = PublishReply(PublishOutcome.ACCEPTED)
REFUSED = PublishReply(PublishOutcome.BLOCKED, "blocked: no")


@pytest.mark.parametrize(
    ("inbox", "replies", "after", "expected"),
    [
        ((), {"a": TAKEN, "b": REFUSED}, 3.4, (OK, "answered after 3 s; 1 relay took it")),
        # The relay's OK got lost; the answer did not.
        (
            (),
            {"a": PublishReply(PublishOutcome.TIMEOUT)},
            9.0,
            (OK, "answered after 9 s; 0 relays took it"),
        ),
        ((), {"a": TAKEN}, None, (WARN, "1 relay took the message; no answer within 120 s")),
        (
            ("b",),
            {"a": TAKEN, "b": REFUSED},
            None,
            (WARN, "1 relay took the message, none of the solver's own; no answer within 120 s"),
        ),
        (
            ("b",),
            {"a": REFUSED, "b": PublishReply(PublishOutcome.TIMEOUT)},
            None,
            (BROKEN, "no relay took the test message (a: blocked: no, b: timeout)"),
        ),
    ],
)
def test_dm(
    inbox: tuple[str, ...],
    replies: dict[str, PublishReply],
    after: float | None,
    expected: tuple[Level, str],
) -> None:
    exchange = Exchange(Address(OWN, inbox), replies, after)
    assert told(dm_findings(exchange, 120.0)) == [expected]


# --- the report ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ((), 0),
        ((fine("a", "x"),), 0),
        ((fine("a", "x"), note("b", "y")), 0),
        ((fine("a", "x"), warning("b", "y", "z")), 1),
        ((broken("a", "x", "z"), warning("b", "y", "z"), fine("c", "w")), 2),
    ],
)
def test_exit_code_is_the_worst_finding(findings: tuple[Finding, ...], code: int) -> None:
    report = Report(findings)
    assert (report.exit_code, report.ok) == (code, code == 0)


def test_no_fault_without_a_remedy() -> None:
    with pytest.raises(ValueError, match="without a remedy"):
        Finding("relays", Level.WARNING, "down")


REPORT = Report(
    (
        fine("key", "npub1x"),
        warning("relay wss://[red]a", "says [bold]hello[/bold]", "do this"),
        broken("solvers", "nobody", "do that"),
    )
)


def test_json_form() -> None:
    assert REPORT.as_json() == {
        "ok": False,
        "findings": [
            {"check": "key", "level": "ok", "message": "npub1x", "remedy": ""},
            {
                "check": "relay wss://[red]a",
                "level": "warning",
                "message": "says [bold]hello[/bold]",
                "remedy": "do this",
            },
            {"check": "solvers", "level": "broken", "message": "nobody", "remedy": "do that"},
        ],
    }


def test_piped_it_is_one_line_a_finding() -> None:
    stream = io.StringIO()
    print_report(REPORT, stream)
    assert stream.getvalue() == (
        "ok       key: npub1x\n"
        "warning  relay wss://[red]a: says [bold]hello[/bold] -> do this\n"
        "broken   solvers: nobody -> do that\n"
        "1 broken, 1 warning\n"
    )


def test_on_a_terminal_a_peers_words_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    print_report(REPORT, stream)
    shown = stream.getvalue()
    assert "\x1b[" in shown
    assert "says [bold]hello[/bold]" in shown
    assert "[red]a" in shown
    assert "→ do that" in shown
    assert "1 broken, 1 warning" in shown
