"""``serbero export``: a file that stands by itself, in which nobody's words are more than words."""

import base64
import hashlib
import json
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
from tests.mediation.replay_rig import (
    BUYER,
    BUYER_TRADE_KEY,
    SELLER,
    SELLER_TRADE_KEY,
    Case,
    conversation,
    purge,
)
from tests.store import reference_databases as reference
from tests.store.mediation_rig import ADDRESS
from tests.store.rig import Database
from typer.testing import CliRunner, Result

from serbero import __version__
from serbero.cli import export_case
from serbero.cli.app import app
from serbero.cli.export_html import STYLE

HOSTILE: Final = (
    "<script>alert(1)</script>",
    '"><img src=https://evil.example/x onerror=alert(1)>',
    "</blockquote></body><iframe srcdoc='x'>",
    "<!-- --><style>*{display:none}</style>&lt;b&gt;&#60;i>",
    "]]><svg onload=alert(1)> javascript:alert(1)",
    "\u202egnp.exe \u2066 \x1b]0;title\x07 \x00 \x85 \u2028",
    "'; DROP TABLE disputes; --",
)
KNOWN: Final = frozenset(
    {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "dl", "dt", "dd"}
) | frozenset(
    {
        "ol",
        "li",
        "span",
        "time",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "blockquote",
        "bdi",
        "code",
        "strong",
    }
)
ATTRIBUTES: Final = {
    "html": {"lang"},
    "meta": {"charset", "http-equiv", "name", "content"},
    "bdi": {"dir"},
}
CLASSES: Final = {"faint", "story", "more", "wide", "serbero"}


class Reader(HTMLParser):
    """Reads a page as a browser would: elements, attributes, texts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.others: list[str] = []
        self.quotes: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], "an element was left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "blockquote":
            self.quotes.append("")
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "blockquote" in self._open:
            self.quotes[-1] += data
        if "style" not in self._open:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def foreign(self) -> list[object]:
        """Elements and attributes that are not ours."""
        found: list[object] = list(self.others)
        for tag, attributes in self.elements:
            if tag not in KNOWN or not set(attributes) <= ATTRIBUTES.get(tag, set()) | {"class"}:
                found.append((tag, attributes))
            if attributes.get("class", "story") not in CLASSES:
                found.append((tag, attributes))
        return found


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*arguments: str, db: Path | str = "serbero.db") -> Result:
    return CliRunner().invoke(app, ["export", *arguments, "--db", str(db)])


def page(dispute: str, *arguments: str, db: Path | str = "serbero.db") -> Reader:
    done = run(dispute, "--html", "--output", "-", *arguments, db=db)
    assert done.exit_code == 0, done.output
    return Reader(done.stdout)


def document(dispute: str, *arguments: str, db: Path | str = "serbero.db") -> dict[str, Any]:
    done = run(dispute, "--json", *arguments, db=db)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_document(database: Database) -> None:
    case = conversation(database)
    found = document(case.dispute[:8])
    assert (found["format"], found["kind"]) == (1, "serbero-case-file")
    assert found["serbero_version"] == __version__
    assert found["schema"]["reference"] == 5
    told = found["case"]
    assert told["dispute_id"] == case.dispute
    [session] = told["sessions"]
    said = [each["text"] for each in session["transcript"] if each["from"] != "serbero"]
    assert "Nothing has arrived." in said
    assert [each["classification"] for each in session["verdicts"]][-1] == "conflicting_claims"
    [handoff] = [each for each in session["events"] if each["kind"] == "handoff_prepared"]
    assert handoff["payload"]["trigger"] == "conflicting_claims"
    assert handoff["policy_hash"] == case.pins.policy_hash
    known = {each["rationale_id"] for each in told["rationales"]}
    named = {each["rationale_id"] for each in session["events"]} - {None}
    assert named
    assert named <= known
    assert all(each["text"] for each in told["rationales"])
    whole = json.dumps(found)
    for address in (BUYER_TRADE_KEY, SELLER_TRADE_KEY, *ADDRESS.values()):
        assert address not in whole


def test_the_hash_is_of_the_rows_alone(database: Database) -> None:
    """The same an hour later, another after the smallest change; anybody can compute it."""
    case = conversation(database)

    def digest(now: int) -> object:
        found = database.run(export_case.read, case.dispute, now)
        return export_case.document(found, now, chat=True)["case_sha256"]

    first = digest(case.now)
    assert digest(case.now + 3600) == first
    found = document(case.dispute)
    assert found["case_sha256"] == first
    plain = json.dumps(found["case"], sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(plain.encode()).hexdigest() == first
    assert f"SHA-256 of the case{first}" in page(case.dispute).text
    with database.engine.begin() as tx:
        tx.exec_driver_sql("UPDATE mediation_messages SET content = content || '!' WHERE id = 3")
    assert digest(case.now) != first


def test_the_page_tells_all(database: Database) -> None:
    case = conversation(database)
    found = page(case.dispute)
    assert found.foreign() == []
    for part in (
        case.dispute,
        "opened by the buyer",
        "Nothing has arrived.",
        "conflicting_claims 0.90",
        case.pins.policy_hash,
        "handoff_prepared",
        f"Serbero {__version__}",
    ):
        assert part in found.text
    for address in (BUYER_TRADE_KEY, SELLER_TRADE_KEY, *ADDRESS.values()):
        assert address not in found.text


def test_the_page_stands_by_itself(database: Database) -> None:
    """Nothing is loaded, nothing is run: the policy allows one style sheet, by its hash."""
    text = run(conversation(database).dispute, "--html", "--output", "-").stdout
    allowed = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    [policy] = [
        attributes["content"]
        for tag, attributes in Reader(text).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    )
    assert text[text.index("<style>") + 7 : text.index("</style>")] == STYLE
    assert "url(" not in STYLE
    assert "@import" not in STYLE


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_stay_texts(database: Database, hostile: str) -> None:
    """Wherever a party, a model, a relay or another program wrote it."""
    case = Case(database)
    case.begin()
    case.hears(BUYER, hostile)
    case.hears(SELLER, hostile * 3000)
    with database.engine.begin() as tx:
        for statement in (
            "UPDATE reasoning_rationales SET rationale_text = ?",
            "UPDATE mediation_events SET kind = ? WHERE kind = 'inbound_ingested'",
            "UPDATE mediation_sessions SET current_classification = ?",
            "UPDATE mediation_sessions SET prompt_bundle_id = ?",
            "UPDATE disputes SET dispute_status = ?",
            "UPDATE disputes SET initiator_role = ?",
            "UPDATE outbox SET purpose = ?",
            "UPDATE outbox SET recipient_typed = ?",
            "INSERT INTO outbox_targets (outbox_id, relay, source, state, reason, updated_at)"
            " SELECT id, ?1, ?1, ?1, ?1, 0 FROM outbox",
            "INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status, error_message,"
            " notif_type) SELECT dispute_id, ?1, 5, ?1, ?1, ?1 FROM disputes",
            "INSERT INTO journal (at, dispute_id, kind, payload_json) SELECT 5, dispute_id, ?1,"
            " json_object('solver', ?1, ?1, ?1) FROM disputes",
        ):
            tx.exec_driver_sql(statement, (hostile,))
    found = page(case.dispute)
    assert found.foreign() == []
    assert not set("\u202e\u2066\x1b\x07\x00\x85\u2028") & set(found.text)
    readable = "".join(each for each in hostile if each.isascii() and each.isprintable())
    compared = "".join("".join(found.quotes).split())
    assert "".join(readable.split()) in compared
    assert document(case.dispute)["case"]["sessions"][0]["transcript"][-1]["text"] in (
        hostile,
        hostile * 3000,
    )


def test_without_the_chat(database: Database) -> None:
    case = conversation(database)
    found = document(case.dispute, "--without-chat")
    assert found["chat_included"] is False
    messages = found["case"]["sessions"][0]["transcript"]
    assert len(messages) == 8
    assert {each["text"] for each in messages} == {None}
    shown = page(case.dispute, "--without-chat")
    assert "8 messages, left out of this file." in shown.text
    for words in ("Nothing has arrived.", "I sent it on Monday."):
        assert words not in shown.text
        assert words not in json.dumps(found)


def test_after_a_purge(database: Database) -> None:
    case = conversation(database)
    purge(database)
    assert "(emptied by a purge)" in page(case.dispute).text
    assert document(case.dispute)["case"]["sessions"][0]["purged"] is True


def test_where_it_is_written(database: Database, tmp_path: Path) -> None:
    """Beside other files, for the owner alone, and over nothing unless that is asked for."""
    dispute = conversation(database).dispute
    done = run(dispute, "--html")
    path = tmp_path / f"dispute-{dispute[:8]}.html"
    assert (done.exit_code, done.stdout) == (0, "")
    assert path.name in done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("mine")
    again = run(dispute, "--html")
    assert again.exit_code == 1
    assert "--force overwrites it" in again.stderr
    assert path.read_text() == "mine"
    path.chmod(0o644)
    assert run(dispute, "--html", "--force").exit_code == 0
    assert path.read_text().startswith("<!doctype html>")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run(dispute, "--json", "--output", "case.json").exit_code == 0
    assert json.loads((tmp_path / "case.json").read_text())["format"] == 1
    (tmp_path / "link").symlink_to("elsewhere")
    assert run(dispute, "--json", "--output", "link").exit_code == 1
    assert not (tmp_path / "elsewhere").exists()
    nowhere = run(dispute, "--json", "--output", "no/such/folder/case.json")
    assert nowhere.exit_code == 1
    assert "No such file or directory" in nowhere.stderr
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_wrong_usage(database: Database) -> None:
    dispute = conversation(database).dispute
    for formats in ((), ("--html", "--json")):
        done = run(dispute, *formats)
        assert done.exit_code == 2
        assert "expected one of --html and --json" in done.stderr
    assert run("12345678", "--json").exit_code == 1
    assert run("abc", "--html").exit_code == 2


@pytest.mark.parametrize("version", range(1, 6))
def test_a_database_of_the_reference(tmp_path: Path, version: int) -> None:
    path = tmp_path / "theirs.db"
    reference.create(path, version)
    for dispute in (reference.TAKEN, reference.NEVER):
        found = page(dispute, db=path)
        assert found.foreign() == []
        assert f"shared tables version {version}, Serbero's own none" in found.text
        assert document(dispute, db=path)["schema"] == {"reference": version, "serbero": None}
