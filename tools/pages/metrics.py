"""``docs/metrics.md``: every series of our own, from the object that keeps them."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.metrics import MetricWrapperBase
from tools.pages import markdown, sentences
from tools.pages.markdown import code

from serbero.observe.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Series:
    """One metric as Prometheus shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def series() -> Iterator[Series]:
    """Every metric of ours, in order of their names."""
    metrics = Metrics()
    labels = {
        name: each._labelnames
        for each in vars(metrics).values()
        if isinstance(each, MetricWrapperBase)
        for name in (each._name,)
    }
    families = [each for each in metrics.registry.collect() if each.name.startswith("serbero_")]
    for family in sorted(families, key=lambda each: each.name):
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        names = tuple(labels.get(family.name, ()))
        yield Series(family.name + suffix, family.type, names, family.documentation)


def page() -> str:
    """Return the page."""
    told = sentences.read("metrics")
    found = list(series())
    sentences.matched("metrics", [each.name for each in found], told["metrics"])
    parts = [
        markdown.generated("`src/serbero/observe/metrics.py`"),
        "# Metrics",
        told["introduction"],
        "## What to watch",
        told["watch"],
        "## All metrics",
        told["all"],
    ]
    for each in found:
        facts = [each.kind, *(f"label {code(name)}" for name in each.labels)]
        text = f"{each.help} {told['metrics'][each.name]}"
        parts += [f"### `{each.name}`", f"*{', '.join(facts)}*", text]
    return markdown.page(*parts)
