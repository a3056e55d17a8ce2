"""``serbero stats``: right by a second reckoning, readable, and quick on years of disputes."""

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from tests.migrated import provide
from tests.store import reference_databases as reference
from tests.store.rig import T0
from typer.testing import CliRunner, Result

from serbero.cli.app import app
from serbero.cli.page import Page
from serbero.cli.stats_figures import Figures, figures, times
from serbero.cli.stats_page import document, show, spells_blocks
from serbero.store import sqlite
from serbero.store.engine import run_once
from serbero.store.statistics import Period, collect

DAY: Final = 86_400
WEEK: Final = 7 * DAY
MONDAY: Final = 1_766_966_400
"""2025-12-29 00:00 UTC."""
REAL: Final = (
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
)
TABLES: Final = (
    "disputes",
    "dispute_state_transitions",
    "notifications",
    "acknowledgements",
    "mediation_sessions",
    "mediation_events",
    "mediation_summaries",
    "escalation_dispatches",
    "outbox",
)
Rows = dict[str, list[dict[str, Any]]]


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*arguments: str, db: str = "serbero.db") -> Result:
    return CliRunner().invoke(app, ["stats", "--db", db, *arguments])


# --- a second reckoning ---------------------------------------------------------------------------

MOMENTS = st.integers(T0 - 3 * WEEK, T0 + WEEK) | st.sampled_from([T0, T0 + DAY])
ODD = MOMENTS | st.sampled_from(["soon", b"x", 1.5])
SOLVERS = st.sampled_from([*REAL, REAL[0].upper(), "npub1typo", "not a key"])
PAYLOADS = st.sampled_from(
    [
        '{"classification":"unclear"}',
        '{"classification":"suspected_fraud","trigger":"low_confidence"}',
        '{"trigger":"round_limit"}',
        "{}",
        "torn",
    ]
)


def table(**columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries(columns), max_size=8)


WHICH = st.integers(0, 4)
MADE = st.fixed_dictionaries(
    {
        "disputes": st.lists(
            st.fixed_dictionaries(
                {
                    "at": ODD,
                    "state": st.sampled_from(["new", "notified", "taken", "resolved", "odd"]),
                    "status": st.sampled_from(["initiated", "in-progress", "settled", "odd"]),
                    "solver": st.none() | SOLVERS,
                }
            ),
            min_size=5,
            max_size=5,
        ),
        "moves": table(
            which=WHICH,
            was=st.none() | st.just("new"),
            to=st.sampled_from(["new", "notified", "taken", "resolved"]),
            at=ODD,
        ),
        "told": table(
            which=WHICH,
            solver=SOLVERS,
            at=ODD,
            status=st.sampled_from(["sent", "failed", "odd"]),
            type=st.sampled_from(["initial", "assignment"]),
        ),
        "acks": table(which=WHICH, solver=st.sampled_from(REAL), at=MOMENTS),
        "sessions": table(
            which=WHICH,
            at=ODD,
            state=st.sampled_from(
                ["closed", "awaiting_response", "escalation_recommended", "summary_delivered"]
            ),
            ended=st.sampled_from([None, "superseded_by_human", "escalation_recommended"]),
            summary=st.booleans(),
        ),
        "events": table(
            kind=st.sampled_from(
                ["reasoning_verdict", "classification_produced", "handoff_prepared", "other"]
            ),
            at=ODD,
            payload=PAYLOADS,
        ),
        "dispatches": table(
            which=WHICH, at=ODD, status=st.sampled_from(["dispatched", "send_failed"])
        ),
        "messages": table(
            anchor=st.integers(0, 2),
            channel=st.sampled_from(["nip17", "mostro"]),
            state=st.sampled_from(["pending", "sent", "dead", "withdrawn"]),
            at=MOMENTS,
        ),
    }
)


def fill(path: Path, made: Any) -> None:
    path.unlink(missing_ok=True)
    provide(path)
    with closing(sqlite.driver.connect(str(path))) as raw:

        def put(name: str, **values: object) -> None:
            marks = ", ".join("?" * len(values))
            raw.execute(
                f"INSERT OR IGNORE INTO {name} ({', '.join(values)}) VALUES ({marks})",  # noqa: S608
                tuple(values.values()),
            )

        for place, each in enumerate(made["disputes"]):
            put(
                "disputes",
                dispute_id=f"d{place}",
                event_id=f"e{place}",
                mostro_pubkey="n",
                initiator_role="buyer",
                dispute_status=each["status"],
                event_timestamp=T0,
                detected_at=each["at"],
                lifecycle_state=each["state"],
                assigned_solver=each["solver"],
            )
        for each in made["moves"]:
            put(
                "dispute_state_transitions",
                dispute_id=f"d{each['which']}",
                from_state=each["was"],
                to_state=each["to"],
                transitioned_at=each["at"],
            )
        for each in made["told"]:
            put(
                "notifications",
                dispute_id=f"d{each['which']}",
                solver_pubkey=each["solver"],
                sent_at=each["at"],
                status=each["status"],
                notif_type=each["type"],
            )
        for each in made["acks"]:
            put(
                "acknowledgements",
                dispute_id=f"d{each['which']}",
                solver=each["solver"],
                at=each["at"],
                expires_at=each["at"] + 900,
            )
        _fill_mediation(put, made)
        raw.commit()


def _fill_mediation(put: Callable[..., None], made: Any) -> None:
    for place, each in enumerate(made["sessions"]):
        session, dispute = f"s{place}", f"d{each['which']}"
        put(
            "mediation_sessions",
            session_id=session,
            dispute_id=dispute,
            state=each["state"],
            prompt_bundle_id="p",
            policy_hash="h",
            started_at=each["at"],
            last_transition_at=T0,
        )
        if each["ended"]:
            kind = each["ended"]
            put("mediation_events", session_id=session, kind=kind, occurred_at=T0)
        if each["summary"]:
            put(
                "mediation_summaries",
                session_id=session,
                dispute_id=dispute,
                classification="unclear",
                confidence=0.5,
                suggested_next_step="n",
                summary_text="t",
                prompt_bundle_id="p",
                policy_hash="h",
                generated_at=T0,
            )
    for each in made["events"]:
        payload = each["payload"]
        put("mediation_events", kind=each["kind"], occurred_at=each["at"], payload_json=payload)
    for place, each in enumerate(made["dispatches"]):
        put(
            "escalation_dispatches",
            dispatch_id=f"x{place}",
            dispute_id=f"d{each['which']}",
            handoff_event_id=place,
            target_solver="k",
            dispatched_at=each["at"],
            created_at=T0,
            status=each["status"],
        )
    for each in made["messages"]:
        settled = None if each["state"] == "pending" else each["at"]
        put(
            "outbox",
            dedupe_key=f"initial:d:{each['anchor']}:k:{each['channel']}",
            purpose="initial",
            anchor=str(each["anchor"]),
            recipient="k",
            recipient_typed="k",
            channel=each["channel"],
            rumor_id="r",
            urgency=0,
            created_at=T0,
            enqueued_ms=T0 * 1000,
            deadline_at=T0,
            state=each["state"],
            settled_at=settled,
        )


def everything(path: Path) -> Rows:
    with closing(sqlite.driver.connect(str(path))) as raw:
        found: Rows = {}
        for name in TABLES:
            cursor = raw.execute(f"SELECT * FROM {name} ORDER BY rowid")  # noqa: S608
            names = [each[0] for each in cursor.description]
            found[name] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return found


def of(values: Iterable[int]) -> dict[str, int | None]:
    """Percentiles by counting: the least value that so many of a hundred do not exceed."""
    some = [max(0, each) for each in values]
    ranks: dict[str, int | None] = {"count": len(some)}
    for rank in (50, 90, 99):
        enough = [
            each for each in some if 100 * sum(other <= each for other in some) >= rank * len(some)
        ]
        ranks[f"p{rank}"] = min(enough, default=None)
    return ranks


def reckoned(rows: Rows, since: int, until: int) -> dict[str, Any]:
    """The document again, from all rows, one by one."""

    def within(at: object) -> bool:
        return isinstance(at, int) and since <= at < until

    def first(name: str, column: str, wanted: Callable[[dict[str, Any]], bool]) -> int | None:
        moments = [each[column] for each in rows[name] if wanted(each)]
        return min((each for each in moments if isinstance(each, int)), default=None)

    def moved(dispute: str, state: str) -> int | None:
        return first(
            "dispute_state_transitions",
            "transitioned_at",
            lambda each: (
                each["dispute_id"] == dispute
                and each["to_state"] == state
                and each["from_state"] is not None
            ),
        )

    def notified(dispute: str) -> int | None:
        when = moved(dispute, "notified")
        if when is not None:
            return when
        return first(
            "notifications",
            "sent_at",
            lambda each: (
                each["dispute_id"] == dispute
                and (each["status"], each["notif_type"]) == ("sent", "initial")
            ),
        )

    seen = [each for each in rows["disputes"] if within(each["detected_at"])]
    facts = {
        each["dispute_id"]: {
            "notify": notified(each["dispute_id"]),
            "take": moved(each["dispute_id"], "taken"),
            "resolve": moved(each["dispute_id"], "resolved"),
        }
        for each in seen
    }

    def spans(what: str, some: list[dict[str, Any]]) -> dict[str, int | None]:
        pairs = [(facts[each["dispute_id"]][what], each["detected_at"]) for each in some]
        return of(end - start for end, start in pairs if end is not None)

    def outcome(each: dict[str, Any]) -> str:
        if each["dispute_status"] in ("initiated", "in-progress"):
            return "unknown" if each["lifecycle_state"] == "resolved" else "open"
        return str(each["dispute_status"])

    def weeks() -> list[dict[str, Any]]:
        begins = sorted((each["detected_at"] - MONDAY) // WEEK for each in seen)
        found = []
        for number in range(begins[0], begins[-1] + 1) if begins else []:
            some = [each for each in seen if (each["detected_at"] - MONDAY) // WEEK == number]
            found.append(
                {
                    "begins_at": MONDAY + number * WEEK,
                    "disputes": len(some),
                    "told": sum(facts[each["dispute_id"]]["notify"] is not None for each in some),
                    "taken": sum(facts[each["dispute_id"]]["take"] is not None for each in some),
                    "resolved": sum(
                        facts[each["dispute_id"]]["resolve"] is not None for each in some
                    ),
                    "notify": spans("notify", some),
                    "take": spans("take", some),
                }
            )
        return found

    told = [each for each in rows["notifications"] if within(each["sent_at"])]
    acks = [each for each in rows["acknowledgements"] if within(each["at"])]
    keys = {each["solver_pubkey"] for each in told} | {each["solver"] for each in acks}
    keys |= {each["assigned_solver"] for each in seen} - {None}
    solvers = {}
    for key in {each.lower() if each.lower() in REAL else each for each in keys}:
        mine = {each for each in keys if key in (each, each.lower())}
        takes = [each for each in seen if each["assigned_solver"] in mine]
        counts = Counter(each["status"] for each in told if each["solver_pubkey"] in mine)
        solvers[key] = {
            "told": counts["sent"],
            "failed": counts["failed"],
            "takes": len(takes),
            "acknowledged": sum(each["solver"] in mine for each in acks),
            "take": spans("take", takes),
        }
    counts = Counter(each["status"] for each in told)
    return {
        "disputes": {
            "total": len(seen),
            "by_state": Counter(each["lifecycle_state"] for each in seen),
            "by_outcome": Counter(map(outcome, seen)),
        },
        "times": {each: spans(each, seen) for each in ("notify", "take", "resolve")},
        "weeks": weeks(),
        "solvers": solvers,
        "messages": {"sent": counts["sent"], "failed": counts["failed"]}
        | _messages(rows["outbox"], within),
        **_mediation(rows, within),
    }


def _mediation(rows: Rows, within: Callable[[object], bool]) -> dict[str, Any]:
    def ended(session: dict[str, Any]) -> str:
        about = session["session_id"]
        kinds = {each["kind"] for each in rows["mediation_events"] if each["session_id"] == about}
        kinds.add(session["state"])
        if "escalation_recommended" in kinds:
            return "handed_over"
        if "superseded_by_human" in kinds:
            return "ended_by_others"
        if not kinds & {"closed", "summary_delivered"}:
            return "under_way"
        has = any(each["session_id"] == about for each in rows["mediation_summaries"])
        return "summarised" if has else "ended_otherwise"

    def counted(kinds: set[str], key: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for each in rows["mediation_events"]:
            if each["kind"] in kinds and within(each["occurred_at"]):
                text = each["payload_json"]
                payload = {} if text == "torn" else json.loads(text)
                found[payload.get(key, "unknown")] += 1
        return found

    def human(dispatch: dict[str, Any]) -> int | None:
        moments = [
            each["transitioned_at"]
            for each in rows["dispute_state_transitions"]
            if each["dispute_id"] == dispatch["dispute_id"]
            and each["to_state"] in ("taken", "resolved")
        ]
        about = dispatch["dispute_id"]
        moments += [e["at"] for e in rows["acknowledgements"] if e["dispute_id"] == about]
        begun = dispatch["dispatched_at"]
        return min((e for e in moments if isinstance(e, int) and e >= begun), default=None)

    some = [each for each in rows["mediation_sessions"] if within(each["started_at"])]
    dispatches = [each for each in rows["escalation_dispatches"] if within(each["dispatched_at"])]
    done = [each for each in dispatches if each["status"] == "dispatched"]
    waits = [(human(each), each["dispatched_at"]) for each in done]
    prepared = counted({"handoff_prepared"}, "trigger")
    return {
        "mediations": {
            "total": len(some),
            "by_end": Counter(map(ended, some)),
            "verdicts": counted({"reasoning_verdict", "classification_produced"}, "classification"),
        },
        "handoffs": {
            "prepared": prepared.total(),
            "by_trigger": prepared,
            "dispatched": len(done),
            "failed": len(dispatches) - len(done),
            "to_human": of(end - begun for end, begun in waits if end is not None),
        },
    }


def _messages(outbox: list[dict[str, Any]], within: Callable[[object], bool]) -> dict[str, int]:
    """Both rows of a message on two channels are one."""
    both: dict[str, list[dict[str, Any]]] = {}
    for each in outbox:
        both.setdefault(each["anchor"], []).append(each)
    dead = waiting = 0
    for rows in both.values():
        states = {each["state"] for each in rows}
        lost = [each for each in rows if each["state"] == "dead"]
        if lost and not states & {"sent", "pending"}:
            dead += within(min(lost, key=lambda each: each["id"])["settled_at"])
        waiting += "pending" in states and "sent" not in states
    return {"dead": dead, "waiting": waiting}


@given(made=MADE, since=st.sampled_from([0, T0 - WEEK, T0]), weeks=st.sampled_from([1, 2, 99]))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_second_reckoning_agrees(tmp_path: Path, made: Any, since: int, weeks: int) -> None:
    path = tmp_path / "random.db"
    fill(path, made)
    period = Period(since, T0 - WEEK + weeks * WEEK)
    found: dict[str, Any] = document(
        figures(run_once(path, lambda tx: collect(tx, period))), period
    )
    expected = reckoned(everything(path), since, T0 - WEEK + weeks * WEEK)
    assert found.pop("since") == since
    found.pop("until")
    for each in found["weeks"]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", each.pop("begins_on"))
    found["solvers"] = {each.pop("solver"): each for each in found["solvers"]}
    for each in found["solvers"].values():
        assert each.pop("own") is False
    assert found == expected


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert times([]).ranks == {50: None, 90: None, 99: None}
    assert times([7]).ranks == {50: 7, 90: 7, 99: 7}
    assert times(range(1, 11)).ranks == {50: 5, 90: 9, 99: 10}
    assert times([-5, 3]).ranks == {50: 0, 90: 3, 99: 3}


# --- as people read it ----------------------------------------------------------------------------


@pytest.fixture
def shown(tmp_path: Path) -> Figures:
    """Three weeks of a small node."""
    path = tmp_path / "serbero.db"
    made: dict[str, list[dict[str, Any]]] = {"messages": []}
    begun = [MONDAY + 60, MONDAY + 3 * DAY, MONDAY + 15 * DAY, MONDAY + 15 * DAY + 90]
    states = ["resolved", "resolved", "taken", "notified"]
    made["disputes"] = [
        {"at": at, "state": state, "status": "initiated", "solver": None}
        for at, state in zip(begun, states, strict=True)
    ]
    made["disputes"][0] |= {"status": "settled", "solver": REAL[0]}
    made["disputes"][1] |= {"status": "seller-refunded"}
    made["moves"] = [
        {"which": which, "was": "new", "to": to, "at": begun[which] + after}
        for which, to, after in [
            *((each, "notified", each) for each in range(4)),
            *((each, "taken", 400 * (each + 1)) for each in range(3)),
            *((each, "resolved", 2 * DAY + each * 5000) for each in range(2)),
        ]
    ]
    made["told"] = [
        {"which": which, "solver": solver, "at": at, "status": "sent", "type": "initial"}
        for which, at in enumerate(begun)
        for solver in REAL
    ]
    made["told"][3]["status"] = "failed"
    made["acks"] = [{"which": 1, "solver": REAL[1], "at": begun[1] + 700}]
    made["sessions"] = [
        {"which": 1, "at": begun[1], "state": "closed", "ended": None, "summary": True},
        {
            "which": 2,
            "at": begun[2],
            "state": "closed",
            "ended": "escalation_recommended",
            "summary": False,
        },
    ]
    made["events"] = [
        {
            "kind": "classification_produced",
            "at": begun[1],
            "payload": '{"classification":"coordination_failure_resolvable"}',
        },
        {
            "kind": "handoff_prepared",
            "at": begun[1] + 600,
            "payload": '{"trigger":"low_confidence"}',
        },
    ]
    made["dispatches"] = [{"which": 1, "at": begun[1] + 610, "status": "dispatched"}]
    fill(path, made)
    return figures(run_once(path, lambda tx: collect(tx, Period(MONDAY, MONDAY + 3 * WEEK))))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(
    found: Figures, patch: pytest.MonkeyPatch, width: int, by: str | None, blocks: bool = True
) -> str:
    patch.setenv("COLUMNS", str(width))
    patch.setenv("TERM", "xterm")
    stream = Terminal()
    show(found, Period(MONDAY, MONDAY + 3 * WEEK), by, Page(stream), blocks)
    text = re.sub(r"\x1b\[[12]?m|\x1b\[0m", "", stream.getvalue())
    assert max(map(len, text.splitlines())) <= width
    return text


def test_the_overview(shown: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(shown, monkeypatch, 80, None) == snapshot("""\
From 2025-12-29 00:00:00 UTC until 2026-01-19 00:00:00 UTC

Disputes  4
  resolved  2  ██████████████████████████████
  notified  1  ███████████████
  taken     1  ███████████████

Outcomes
  open             2  ██████████████████████████████
  seller-refunded  1  ███████████████
  settled          1  ███████████████

By week, from Monday
  2025-12-29  2  ██████████████████████████████
  2026-01-05  0
  2026-01-12  2  ██████████████████████████████

From detection until
            count  p50          p90      p99
  told      4      1 s          3 s      3 s
  taken     3      13 min 20 s  20 min   20 min
  resolved  2      2 d          2 d 1 h  2 d 1 h

Mediations  2
  handed over  1  ██████████████████████████████
  summarised   1  ██████████████████████████████

Verdicts  1
  coordination_failure_resolvable  1  ██████████████████████████████

Hand-offs  1
  dispatched  1  ██████████████████████████████
  failed      0
                count  p50         p90         p99
  human has it  1      1 min 30 s  1 min 30 s  1 min 30 s

Messages to solvers
  sent      7  ██████████████████████████████
  failed    1  ████▎
  given up  0

Waiting now: 0. States and outcomes are today's. What each figure means: serbero
stats --help
""")


def test_the_overview_on_a_narrow_terminal_in_ascii(
    shown: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = printed(shown, monkeypatch, 48, None, blocks=False)
    assert text.isascii()
    assert text == snapshot("""\
From 2025-12-29 00:00:00 UTC until 2026-01-19
00:00:00 UTC

Disputes  4
  resolved  2  ##############################
  notified  1  ###############
  taken     1  ###############

Outcomes
  open             2  ##########################
  seller-refunded  1  #############
  settled          1  #############

By week, from Monday
  2025-12-29  2  ##############################
  2026-01-05  0
  2026-01-12  2  ##############################

From detection until
            count  p50          p90      p99
  told      4      1 s          3 s      3 s
  taken     3      13 min 20 s  20 min   20 min
  resolved  2      2 d          2 d 1 h  2 d 1 h

Mediations  2
  handed over  1  ##############################
  summarised   1  ##############################

Verdicts  1
  coordination_failure_resolvable  1  ##########

Hand-offs  1
  dispatched  1  ##############################
  failed      0
  human has it (1): p50 1 min 30 s, p90 1 min 30
  s, p99 1 min 30 s

Messages to solvers
  sent      7  ##############################
  failed    1  ####
  given up  0

Waiting now: 0. States and outcomes are today's.
What each figure means: serbero stats --help
""")


def test_by_week(shown: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(shown, monkeypatch, 80, "week") == snapshot("""\
From 2025-12-29 00:00:00 UTC until 2026-01-19 00:00:00 UTC

WEEK FROM   NEW  TOLD  TAKEN  CLOSED  UNTIL TOLD  UNTIL TAKEN
2025-12-29  2    2     2      2       under 1 s   6 min 40 s   ██████
2026-01-05  0    0     0      0       -           -
2026-01-12  2    2     1      0       2 s         20 min       ██████
Times are medians.
""")
    assert printed(shown, monkeypatch, 40, "week") == snapshot("""\
From 2025-12-29 00:00:00 UTC until
2026-01-19 00:00:00 UTC

WEEK FROM   NEW  TOLD  TAKEN  CLOSED
2025-12-29  2    2     2      2
2026-01-05  0    0     0      0
2026-01-12  2    2     1      0
Times are medians.
""")


def test_by_solver(shown: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "TAKES" not in printed(shown, monkeypatch, 40, "solver")
    assert printed(shown, monkeypatch, 80, "solver") == snapshot("""\
From 2025-12-29 00:00:00 UTC until 2026-01-19 00:00:00 UTC

SOLVER    TOLD  FAILED  ACKS  TAKES  MEDIAN TO TAKE
79be667e  4     0       0     1      6 min 40 s
f9308a01  3     1       1     0      -
Takes count only where the node said who took a dispute.
""")


def test_blocks_only_where_they_can_be_written() -> None:
    for encoding, able in (("utf-8", True), ("ascii", False), ("latin-1", False), ("cp437", False)):
        assert spells_blocks(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is able


def test_as_a_command(shown: Figures) -> None:
    done = run("--since", str(MONDAY), "--until", "2026-01-19", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["since"], said["until"]) == (MONDAY, MONDAY + 3 * WEEK)
    assert said["disputes"]["total"] == 4
    assert said["solvers"][0]["solver"] == REAL[0]
    for by in ((), ("--by", "week"), ("--by", "solver")):
        done = run("--since", str(MONDAY), *by)
        assert done.exit_code == 0
        assert REAL[0] not in done.stdout
        assert "\x1b" not in done.stdout
    assert "Disputes  0" in run("--since", "1h", "--until", "1h").stdout


@pytest.mark.parametrize("arguments", [("--by", "odd"), ("--since", "odd"), ("--until", "odd")])
def test_wrong_usage(shown: Figures, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_a_database_of_the_reference(tmp_path: Path, version: int) -> None:
    reference.create(tmp_path / "serbero.db", version)
    done = run("--since", "2026-01-01", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["disputes"]["total"] == 5
    assert sum(said["disputes"]["by_state"].values()) == 5
    assert said["times"]["notify"]["count"] == 4
    assert {each["solver"] for each in said["solvers"]} >= {"npub1typo"}
    assert run("--since", "2026-01-01").exit_code == 0


def test_an_empty_database(tmp_path: Path) -> None:
    provide(tmp_path / "serbero.db")
    for by in ((), ("--by", "week"), ("--by", "solver")):
        assert run(*by).exit_code == 0
    assert run(db="missing.db").exit_code == 1


def test_years_of_disputes_are_counted_without_sorting_them(large_database: Path) -> None:
    """What SQLite cannot sort in memory it sorts on the disk, for seconds."""
    run_statements: list[tuple[str, Any]] = []

    def note(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        run_statements.append((statement, parameters))

    def counted(tx: sa.Connection) -> Any:
        sa.event.listen(tx, "before_cursor_execute", note)
        found = figures(collect(tx, Period(0)))
        sa.event.remove(tx, "before_cursor_execute", note)
        plans = [
            (row[3], statement)
            for statement, parameters in run_statements
            if statement.startswith("SELECT")
            for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
        return found, plans

    found, plans = run_once(large_database, counted)
    assert found.disputes == 20_000
    assert found.sent > 190_000
    assert len(found.weeks) > 100
    sorted_ones = [statement for step, statement in plans if "TEMP B-TREE FOR" in step]
    assert not [each for each in sorted_ones if "FROM notifications" in each and "GROUP" in each]
    outbox = [step for step, _ in plans if re.match(r"SCAN outbox\b", step)]
    assert outbox == ["SCAN outbox USING INDEX ix_outbox_pending"]
