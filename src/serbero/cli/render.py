"""Reports for people: a table on a terminal, plain lines in a pipe."""

import json
from collections.abc import Mapping
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from serbero.cli.doctor_checks.findings import Finding, Level, Report

_STYLES: Final[Mapping[Level, str]] = {
    Level.OK: "green",
    Level.NOTE: "cyan",
    Level.WARNING: "yellow",
    Level.BROKEN: "bold red",
}


def print_json(document: object, stream: TextIO) -> None:
    """Write one JSON document and a line break."""
    stream.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def print_report(report: Report, stream: TextIO) -> None:
    """Show a report: coloured and wrapped on a terminal, one line a finding elsewhere."""
    if not stream.isatty():
        stream.writelines(_line(finding) + "\n" for finding in report.findings)
        stream.write(_summary(report) + "\n")
        return
    console = Console(file=stream)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=max(20, console.width // 3))
    table.add_column(overflow="fold")
    for finding in report.findings:
        style = _STYLES[finding.level]
        # Text, not markup: a relay's words may look like markup.
        message = Text(finding.message)
        if finding.remedy:
            message.append(f"\n→ {finding.remedy}", style="dim")
        table.add_row(Text(finding.level.value, style=style), Text(finding.check), message)
    console.print(table)
    console.print(Text(_summary(report), style=_STYLES[report.worst]))


def _line(finding: Finding) -> str:
    remedy = f" -> {finding.remedy}" if finding.remedy else ""
    return f"{finding.level.value:<8} {finding.check}: {finding.message}{remedy}"


def _summary(report: Report) -> str:
    counts = dict.fromkeys(Level, 0)
    for finding in report.findings:
        counts[finding.level] += 1
    if report.ok:
        return f"all well ({counts[Level.OK]} checks)"
    plural = "" if counts[Level.WARNING] == 1 else "s"
    return f"{counts[Level.BROKEN]} broken, {counts[Level.WARNING]} warning{plural}"
