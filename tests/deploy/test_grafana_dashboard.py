"""The dashboard: it imports, shows every metric, and asks for nothing that is not there."""

import json
from itertools import combinations
from typing import Any

import pytest
from tests.deploy.places import DEPLOY
from tests.deploy.promql import check, exposed, families, read_query

BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "serbero.json").read_text())
PANELS: list[dict[str, Any]] = BOARD["panels"]
GRAPHS = [each for each in PANELS if each["type"] != "row"]
SINCE_FOREVER = {"Given up, 24 h"}


def expressions() -> list[tuple[str, str]]:
    """Title and expression of every question, with the variables filled in."""
    found = [(each["title"], target["expr"]) for each in GRAPHS for target in each["targets"]]
    found += [(each["name"], each["expr"]) for each in BOARD["annotations"]["list"]]
    return found


@pytest.mark.parametrize(("title", "expression"), expressions())
def test_it_asks_for_what_is_there(title: str, expression: str) -> None:
    query = check(expression)
    for asked in query.metrics:
        # Whoever watches two nodes must see the one he chose.
        assert ("job", "=~", "$job") in asked.matchers
        assert ("instance", "=~", "$instance") in asked.matchers
        kind = exposed()[asked.name][1]
        if kind == "counter" and title not in SINCE_FOREVER:
            assert asked.inside in {"rate", "increase"}
    if "[" in expression and title not in SINCE_FOREVER | {"Starts"}:
        assert "[$__rate_interval]" in expression


def test_it_shows_every_metric() -> None:
    asked = {
        each.name for _, expression in expressions() for each in read_query(expression).metrics
    }
    shown = {exposed()[each][0] for each in asked}
    assert set(families()) <= shown
    assert {"process_resident_memory_bytes", "process_cpu_seconds"} <= shown


def test_a_legend_names_labels_that_the_answer_has() -> None:
    for panel in GRAPHS:
        for target in panel["targets"]:
            query = read_query(target["expr"])
            labels = set(query.grouped)
            if not labels:
                labels |= {"job", "instance"}
                labels |= {one for each in query.metrics for one in exposed()[each.name][2]}
            named = {part.split("}}")[0] for part in target["legendFormat"].split("{{")[1:]}
            assert named <= labels, panel["title"]


def test_it_can_be_imported() -> None:
    """Grafana asks for the data source, and gives the board an id of its own."""
    [source] = BOARD["__inputs"]
    assert (source["type"], source["pluginId"]) == ("datasource", "prometheus")
    assert BOARD["id"] is None
    assert BOARD["uid"]
    assert BOARD["schemaVersion"] >= 36
    required = {each["id"] for each in BOARD["__requires"]}
    assert {each["type"] for each in GRAPHS} | {"grafana", "prometheus"} == required
    chosen, *variables = BOARD["templating"]["list"]
    assert (chosen["type"], chosen["query"]) == ("datasource", "prometheus")
    assert chosen["current"]["value"] == "${" + source["name"] + "}"
    assert [each["name"] for each in variables] == ["job", "instance"]
    for each in [*variables, *GRAPHS, *BOARD["annotations"]["list"]]:
        assert each["datasource"] == {"type": "prometheus", "uid": "${" + chosen["name"] + "}"}
    for each in variables:
        assert each["definition"] == each["query"]["query"]
        assert "serbero_build_info" in each["definition"]


def test_panels_have_ids_and_places_of_their_own() -> None:
    assert len({each["id"] for each in PANELS}) == len(PANELS)
    cells: list[tuple[str, set[tuple[int, int]]]] = []
    for each in PANELS:
        place = each["gridPos"]
        assert place["x"] + place["w"] <= 24
        columns = range(place["x"], place["x"] + place["w"])
        rows = range(place["y"], place["y"] + place["h"])
        cells.append((each["title"], {(x, y) for x in columns for y in rows}))
    for (one, mine), (other, theirs) in combinations(cells, 2):
        assert not mine & theirs, f"{one} lies on {other}"


def test_every_question_of_a_panel_has_a_letter_of_its_own() -> None:
    for panel in GRAPHS:
        letters = [each["refId"] for each in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)
