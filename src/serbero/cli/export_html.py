"""HTML that only we write: whatever others wrote can be nothing but text in it."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from serbero.cli.page import words

STYLE: Final = """
:root { color-scheme: light dark; --text: #1b1f24; --faint: #5b6470; --line: #d5dae1;
  --ground: #ffffff; --card: #f5f7f9; --accent: #8a4b00; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ed; --faint: #9aa4b1; --line: #363d47; --ground: #14171b;
    --card: #1d2127; --accent: #f0a860; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground);
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; overflow-wrap: anywhere; }
p { margin: .4rem 0; }
.faint, dt, th, time { color: var(--faint); }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .2rem 1rem;
  margin: .6rem 0; }
dt, dd { margin: 0; }
dd, li, blockquote, td bdi { overflow-wrap: anywhere; }
td time { white-space: nowrap; }
code { font: .85em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
bdi { unicode-bidi: isolate; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--line); }
ol.story { list-style: none; padding: 0; margin: 0; }
ol.story li { display: grid; grid-template-columns: 10.5rem 1fr; gap: 0 .8rem; padding: .15rem 0; }
ol.story .more { grid-column: 2; color: var(--faint); font-size: .9rem; }
time { font-variant-numeric: tabular-nums; font-size: .875rem; }
blockquote { margin: .3rem 0 1rem; padding: .5rem .8rem; background: var(--card);
  border-left: 3px solid var(--line); white-space: pre-wrap; }
.serbero { border-left-color: var(--accent); }
@media (max-width: 40rem) {
  ol.story li, ol.story .more, dl { display: block; } ol.story li { padding: .35rem 0; }
  ol.story time { margin-right: .6rem; }
  dd { margin-bottom: .4rem; } }
@media print {
  :root { --text: #000; --ground: #fff; --card: #fff; --faint: #444; --line: #999; }
  body { font-size: 10pt; max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; } tr, li { break-inside: avoid; } .wide { overflow: visible; } }
"""

_POLICY: Final = "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"


class Html(str):
    """A piece of a page. Made by this module's functions alone, of what was escaped."""

    __slots__ = ()


SPACE: Final = Html(" ")


def text(said: object) -> Html:
    """Return any value as text: nothing invisible, no controls, no markup."""
    return Html(escape(words(str(said)), quote=True))


def foreign(said: object) -> Html:
    """Return what somebody else wrote, its writing direction kept to itself."""
    return Html(f'<bdi dir="auto">{text(said)}</bdi>')


def element(name: str, *content: Html, style: str = "") -> Html:
    """Return an element; ``name`` and ``style`` are words of our own."""
    attribute = f' class="{style}"' if style else ""
    return Html(f"<{name}{attribute}>{''.join(content)}</{name}>")


def code(said: object) -> Html:
    """Return an id or a hash."""
    return element("code", text(said))


def quote(said: str, *, ours: bool = False) -> Html:
    """Return somebody's words, set apart."""
    return element("blockquote", foreign(said), style="serbero" if ours else "")


def facts(rows: Iterable[tuple[str, Html]]) -> Html:
    """Return names with their values."""
    pairs = (element("dt", text(name)) + element("dd", value) for name, value in rows)
    return element("dl", *map(Html, pairs))


def table(titles: Sequence[str], rows: Iterable[Sequence[Html]]) -> Html:
    """Return a table that scrolls where it is too wide; nothing to see where it has no rows."""
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    if not body:
        return element("p", text("None on record."), style="faint")
    head = element("tr", *(element("th", text(each)) for each in titles))
    whole = element("table", element("thead", head), element("tbody", *body))
    return element("div", whole, style="wide")


def whole_page(title: str, *content: Html) -> str:
    """Return a page that stands by itself: our one style sheet, no script, nothing loaded."""
    allowed = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(allowed)}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="robots" content="noindex">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(content)
        + "\n</body>\n</html>\n"
    )
