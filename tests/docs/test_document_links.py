"""Links between documents lead somewhere, on GitHub and on the site; every page can be found."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.docs import reading


def broken(page: str) -> Iterator[str]:
    """What is wrong with the links of a page."""
    for link in reading.links(page):
        if "://" in link.target or link.target.startswith("mailto:"):
            continue
        path, _, anchor = link.target.partition("#")
        target = (reading.ROOT / page).parent / path if path else reading.ROOT / page
        if not target.exists():
            yield f"{page}: {link.target}: no such file"
            continue
        inside = target.resolve().is_relative_to(reading.DOCS)
        if page.startswith("docs/") and not inside:
            yield f"{page}: {link.target} leaves docs/, and the site has no such page"
        if anchor and target.suffix == ".md":
            found = reading.headings(str(target.resolve().relative_to(reading.ROOT)))
            slugs = [(reading.github_slug(each), reading.site_slug(each)) for each in found]
            if slugs.count((anchor, anchor)) != 1:
                yield f"{page}: {link.target}: {slugs.count((anchor, anchor))} such headings"


@pytest.mark.parametrize("page", reading.pages())
def test_every_link_within_the_documents_leads_to_one_place(page: str) -> None:
    assert list(broken(page)) == []


def named(nav: Any) -> Iterator[str]:
    for each in nav:
        for target in each.values():
            yield from [target] if isinstance(target, str) else named(target)


def test_the_sites_menu_names_every_page_once() -> None:
    document = tomllib.loads((reading.ROOT / "zensical.toml").read_text("utf-8"))
    listed = sorted(named(document["project"]["nav"]))
    assert listed == sorted(Path(each).name for each in reading.pages() if "docs/" in each)


def test_every_page_can_be_reached_from_the_first_one() -> None:
    seen, waiting = set(), ["docs/index.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        for link in reading.links(page):
            path = link.target.partition("#")[0]
            if path and "://" not in path:
                found = str(((reading.ROOT / page).parent / path).resolve())
                name = str(Path(found).relative_to(reading.ROOT))
                if name not in seen and name in reading.pages():
                    waiting.append(name)
    assert {each for each in reading.pages() if each.startswith("docs/")} <= seen


def test_readme_leads_to_the_documentation() -> None:
    assert "docs/index.md" in {each.target for each in reading.links("README.md")}


def test_every_alert_rule_leads_to_a_heading() -> None:
    rules = (reading.ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8")
    led_to = set(re.findall(r"runbook: docs/troubleshooting\.md#(\S+)", rules))
    assert len(led_to) > 10
    assert rules.count("- alert:") == rules.count("runbook:")
    found = reading.headings("docs/troubleshooting.md")
    assert led_to <= {reading.github_slug(each) for each in found}
    assert led_to <= {reading.site_slug(each) for each in found}
