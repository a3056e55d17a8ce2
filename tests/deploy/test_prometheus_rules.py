"""The alert rules: they ask for what is there, and lead to what is to be done."""

import re
import shutil
import subprocess
from typing import Any

import pytest
from tests.deploy.places import DEPLOY, PROJECT, read_yaml
from tests.deploy.promql import check, exposed, read_query

from serbero.model.notification import OutboxState
from serbero.observe.health import NEEDED, ON_REQUEST, Part

FOLDER = DEPLOY / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in read_yaml(FOLDER / "alerts.yml")["groups"] for rule in group["rules"]
]
TROUBLESHOOTING = PROJECT / "docs" / "troubleshooting.md"


def anchors() -> set[str]:
    """What the head of the rules promises to be in the documentation."""
    head = (FOLDER / "alerts.yml").read_text().partition("groups:")[0]
    return set(re.findall(r"#([a-z][a-z-]+)", head))


def named(name: str) -> dict[str, Any]:
    [found] = [each for each in RULES if each["alert"] == name]
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_what_is_there(rule: dict[str, Any]) -> None:
    query = check(rule["expr"])
    values = {
        "serbero_part_ok": ("part", {each.value for each in Part}),
        "serbero_messages_total": ("result", {each.value for each in OutboxState}),
    }
    for asked in query.metrics:
        label, known = values.get(asked.name, ("", set()))
        for one, _, value in asked.matchers:
            if one == label:
                assert set(value.split("|")) <= known
        # Every exporter has these; ours are told apart by their names.
        if not asked.name.startswith("serbero_"):
            assert ("job", "=", "serbero") in asked.matchers


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_what_it_means_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook"}
    assert annotations["summary"].endswith(".")
    assert "{{" not in annotations["summary"]
    page, _, anchor = annotations["runbook"].partition("#")
    assert page == "docs/troubleshooting.md"
    assert anchor in anchors()
    query = read_query(rule["expr"])
    labels = query.grouped or {"job", "instance"} | {
        one for asked in query.metrics for one in exposed()[asked.name][2]
    }
    used = set(re.findall(r"\$labels\.(\w+)", annotations["description"]))
    assert used <= labels


def test_every_promised_symptom_is_led_to() -> None:
    led = {each["annotations"]["runbook"].partition("#")[2] for each in RULES}
    assert led == anchors()
    assert len(RULES) == len({each["alert"] for each in RULES})
    if TROUBLESHOOTING.exists():
        titles = re.findall(
            r"(?m)^#{1,4} +(.+?)(?: +\{ *#([a-z-]+) *\})?$", TROUBLESHOOTING.read_text()
        )
        there = {own or _slug(title) for title, own in titles}
        assert anchors() <= there


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).strip().replace(" ", "-")


def test_not_ready_is_what_readyz_says() -> None:
    [asked] = read_query(named("SerberoNotReady")["expr"]).metrics
    [(_, _, parts)] = [each for each in asked.matchers if each[0] == "part"]
    assert set(parts.split("|")) == {each.value for each in NEEDED}
    told = " ".join(each["expr"] for each in RULES)
    # The other parts have alarms of their own, by part or by what the part watches.
    assert {f'part="{each.value}"' in told for each in (Part.NODE, Part.MEDIATION)} == {True}
    assert "serbero_escalation_discrepancies" in told
    assert "serbero_outbox_oldest_pending_seconds" in told
    assert set(Part) == NEEDED | ON_REQUEST | {Part.NODE, Part.DELIVERY}


def test_a_single_time_is_seen_where_it_matters() -> None:
    """The first count of a series is no increase; each such rule looks at its appearance, too."""
    seen = 0
    for rule in RULES:
        query = read_query(rule["expr"])
        counters = [each for each in query.metrics if each.inside == "increase"]
        if not counters or rule["alert"] == "SerberoModelFailing":
            continue
        seen += 1
        [counted] = counters
        others = [each for each in query.metrics if each.inside != "increase"]
        assert [each.name for each in others] == [counted.name] * 2
        assert [each.shifted for each in others] == [False, True]
        assert all(each.matchers == counted.matchers for each in others)
        [window] = re.findall(r"increase\([^\[]*\[(\w+)\]", rule["expr"])
        assert f"offset {window}" in rule["expr"]
    assert seen == 5


def test_the_example_scrapes_under_the_name_the_rules_select() -> None:
    config = read_yaml(FOLDER / "prometheus.yml")
    [scrape] = config["scrape_configs"]
    assert scrape["job_name"] == "serbero"
    assert scrape["static_configs"] == [{"targets": ["127.0.0.1:9464"]}]
    assert config["rule_files"] == ["alerts.yml"]


def test_each_rule_has_a_test_of_prometheus_own() -> None:
    """Run here too where promtool is installed; by hand otherwise."""
    tests = (FOLDER / "alerts_test.yml").read_text()
    assert [each["alert"] for each in RULES if each["alert"] not in tests] == []
    if shutil.which("promtool") is None:
        return
    for command in (["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(
            ["promtool", *command], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        "serbero_disputs",
        'serbero_disputes{stat="new"}',
        "rate(serbero_disputes[5m])",
        "rate(serbero_dispute_events[5m])",
        "sum by (outcom) (rate(serbero_dispute_events_total[5m]))",
        "sum by (le) (rate(serbero_relay_canary_seconds[5m]))",
        "histogram_quantile(0.5, rate(serbero_relay_canary_seconds_bucket[5m]))",
        "rate(serbero_dispute_events_total)",
        "sum(serbero_disputes",
    ],
)
def test_the_check_notices(wrong: str) -> None:
    with pytest.raises((AssertionError, IndexError)):
        check(wrong)
