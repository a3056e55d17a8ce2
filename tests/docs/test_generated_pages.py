"""The reference pages say what the code says: all of it, nothing else, and now."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.docs import reading
from tools import reference
from tools.pages import calls, commands, events, log_events, settings
from tools.pages.calls import Module, Scope, Unclear
from tools.pages.sentences import Mismatch, matched, read

from serbero.config.models import LISTS, NESTED, TABLES
from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import AuditKind, SessionState
from serbero.model.notification import NotificationType, Purpose
from serbero.observe.metrics import Metrics

SPOKEN = re.compile(
    r"""\b_log\.(?:debug|info|warning|error|exception|log)\(\s*(?:level,\s*)?"([^"]+)\""""
)
"""A line that is logged, as text."""


def page(name: str) -> str:
    return (reading.DOCS / name).read_text("utf-8")


def rows(text: str) -> set[str]:
    """What stands in code at the beginning of a row of a table."""
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


def part(text: str, heading: str) -> str:
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"no part {heading}"
    return rest.partition("\n## ")[0]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return reference.made()


def test_no_generated_page_is_stale(made: dict[str, str]) -> None:
    assert sorted(reference.stale(made)) == [], "run: python tools/reference.py"


def test_a_changed_and_a_missing_page_are_noticed(made: dict[str, str], tmp_path: Path) -> None:
    for name, text in made.items():
        (tmp_path / name).write_text(text, "utf-8")
    assert not reference.stale(made, tmp_path)
    (tmp_path / "metrics.md").write_text(made["metrics.md"] + "and more\n", "utf-8")
    (tmp_path / "events.md").unlink()
    assert set(reference.stale(made, tmp_path)) == {"events.md", "metrics.md"}


def test_every_setting_stands_in_the_part_of_its_section_and_no_other_does() -> None:
    text = page("configuration.md")
    headings = {f"[{name}]": model for name, model in TABLES.items()}
    headings |= {f"[[{name}]]": model for name, model in (*LISTS.items(), *NESTED.items())}
    for heading, model in headings.items():
        assert rows(part(text, f"`{heading}`")) == set(model.model_fields), heading
    assert text.count("\n## ") == len(headings) + 1  # and the environment


def test_every_variable_that_the_source_reads_is_explained() -> None:
    named = set(re.findall(r"SERBERO_[A-Z_]+", page("configuration.md")))
    in_source = {
        found
        for module in calls.modules()
        for found in re.findall(r'"(SERBERO_[A-Z_]+)"', module.path.read_text("utf-8"))
    }
    assert in_source
    assert in_source <= named
    assert named == settings.variables()


def test_every_command_and_every_option_has_its_place() -> None:
    text = page("commands.md")
    known = list(commands.commands())
    assert re.findall(r"^## `(.*)`$", text, re.MULTILINE) == [each.name for each in known]
    for each in known:
        shown = " ".join(rows(part(text, f"`{each.name}`")))
        for parameter in each.object.params:
            for name in parameter.opts if parameter.param_type_name == "option" else ():
                assert re.search(rf"(^|[ ,]){re.escape(name)}\b", shown), (each.name, name)


def test_every_command_says_its_exit_codes_and_every_option_what_it_does() -> None:
    silent = []
    for each in commands.commands():
        if not each.group and "Exit codes: 0" not in " ".join(str(each.object.help).split()):
            silent.append(each.name)
        for parameter in each.object.params:
            record = parameter.get_help_record(each.context)
            if record is not None and not record[1].partition("[")[0].strip():
                silent.append(f"{each.name} {record[0]}")
    assert silent == []


def test_every_metric_that_is_scraped_is_explained_and_no_other() -> None:
    scraped = re.findall(r"^# TYPE (serbero_\w+) (\w+)$", Metrics().render().decode(), re.MULTILINE)
    known = {name for name, _ in scraped if not name.endswith("_created")}
    text = page("metrics.md")
    assert set(re.findall(r"^### `(\w+)`$", text, re.MULTILINE)) == known
    assert set(re.findall(r"serbero_\w+", text)) == known


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("Lifecycle of a dispute", [each.value for each in Lifecycle]),
        ("States of a mediation", [each.value for each in SessionState]),
        ("Audit trail of mediation", [each.value for each in AuditKind]),
        ("Notifications", [each.value for each in NotificationType]),
    ],
)
def test_every_word_of_the_database_is_explained(heading: str, known: list[str]) -> None:
    assert rows(part(page("events.md"), heading)) == set(known)


def test_every_purpose_of_a_message_is_explained() -> None:
    assert {each.value for each in Purpose} <= rows(part(page("events.md"), "Outbox"))


def test_every_kind_the_journal_is_written_with_is_explained() -> None:
    """Found by text, beside the syntax trees that the page is made from."""
    found = set()
    for module in calls.modules():
        source = module.path.read_text("utf-8")
        found |= set(re.findall(r'journal\.write\(\s*tx,\s*"(\w+)"', source))
    assert found
    assert found <= rows(part(page("events.md"), "Journal"))


def test_every_line_that_can_be_logged_is_explained() -> None:
    """Found by text, beside the syntax trees that the page is made from."""
    found = set()
    for module in calls.modules():
        source = module.path.read_text("utf-8")
        found |= set(SPOKEN.findall(source))
    assert len(found) > 100
    assert found <= rows(page("log-events.md"))


# --- what the generators notice ---------------------------------------------------------------


def test_a_name_without_a_sentence_and_a_sentence_without_a_name_are_told() -> None:
    with pytest.raises(Mismatch, match=r"no sentence for new; .* for gone, which the code has no"):
        matched("log events", ["kept", "new"], {"kept": "", "gone": ""})


@pytest.mark.parametrize("known", [log_events.events, events.journal_events])
def test_the_sentences_are_compared_with_the_code(known: Callable[[], dict[str, object]]) -> None:
    name = "log_events" if known is log_events.events else "events"
    table = read(name)["events" if known is log_events.events else "journal"]
    with pytest.raises(Mismatch, match="no sentence for"):
        matched(name, known(), dict(list(table.items())[1:]))


SOURCE = """
import logging
import structlog
from serbero.model.taking import TakeState

_log = structlog.get_logger(__name__)
_SAYS = {1: (logging.INFO, "first"), 2: (logging.ERROR, "second")}
_WORDS = {"a": "mapped"}


def told(kind, state: TakeState, *, sure):
    _log.info("either" if sure else "or", dispute_id=kind, **_about(kind))
    _log.warning(_WORDS.get(kind, "else"))
    level, event = _SAYS[kind]
    _log.log(level, event)
    loud = _log.debug if sure else _log.error
    loud("by_name")
    write(f"take_{state.value}", {"always": 1} | {"sometimes": 2})
    handed("given")


def handed(text):
    _log.info(text)


def _about(kind):
    about = {"relay": 1}
    about["later"] = 2
    return about
"""


def planted(tmp_path: Path, source: str) -> Module:
    path = tmp_path / "planted.py"
    path.write_text(source, "utf-8")
    return Module(path, "serbero.planted")


def test_computed_names_levels_and_fields_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = planted(tmp_path, SOURCE)
    monkeypatch.setattr(calls, "modules", lambda: (module,))
    calls._calls_by_name.cache_clear()
    try:
        found = log_events.events()
    finally:
        calls._calls_by_name.cache_clear()
    names = ("by_name", "either", "else", "first", "given", "mapped", "or", "second")
    assert tuple(sorted(found)) == names
    assert found["either"].fields == {"dispute_id", "relay", "later"}
    assert (found["first"].levels, found["second"].levels) == ({"info"}, {"error"})
    assert found["by_name"].levels == {"debug", "error"}


def test_enumerations_in_a_name_and_merged_mappings_are_spelled_out(tmp_path: Path) -> None:
    module = planted(tmp_path, SOURCE)
    scope = Scope(module, module.functions["told"])
    [call] = [
        each
        for each, _ in module.calls()
        if isinstance(each.func, ast.Name) and each.func.id == "write"
    ]
    assert calls.keys(call.args[1], scope) == {"always", "sometimes"}
    [name] = calls.values(call.args[0], scope)
    assert isinstance(name.node, ast.JoinedStr)


@pytest.mark.parametrize(
    "line",
    [
        "_log.info(name_from_elsewhere)",
        "_log.log(level_from_elsewhere, 'event')",
        "keep(_log.info)",
        "logger = structlog.get_logger(__name__)",
    ],
)
def test_what_cannot_be_followed_is_an_error_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    header = "import structlog\n_log = structlog.get_logger(__name__)\n"
    module = planted(tmp_path, f"{header}{line}\n")
    monkeypatch.setattr(calls, "modules", lambda: (module,))
    with pytest.raises(Unclear):
        log_events.events()


def test_the_payload_of_a_kind_is_what_its_writer_puts_in() -> None:
    found = events.audit_payloads()
    assert found["handoff_prepared"] >= {"trigger", "policy_hash", "assembled_at", "session_id"}
    assert found["session_opened"] == set()
    assert events.journal_events()["acknowledged"] == {"solver", "expires_at"}
