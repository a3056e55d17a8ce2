"""A case file as a page for people: every part of the document, in the order it is read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serbero.cli.disputes.entry import Entry
from serbero.cli.disputes.words import MESSAGES, TYPES, because, took
from serbero.cli.export_html import (
    SPACE,
    Html,
    code,
    element,
    facts,
    foreign,
    quote,
    table,
    text,
    whole_page,
)
from serbero.cli.page import moment
from serbero.cli.sessions.words import STATES, label_words, plain
from serbero.cli.solver_keys import solver_name

_NOTHING = text("-")
_PURGED = "(emptied by a purge)"

Document = Mapping[str, Any]


def page(document: Document, story: Sequence[Entry]) -> str:
    """Return the page.

    Args:
        document: a case file.
        story: what happened, as people read it.
    """
    case = document["case"]
    parts = [
        *_head(document),
        element("h2", text("What happened")),
        element("p", text("All times are UTC."), style="faint"),
        element("ol", *map(_entry, story), style="story"),
    ]
    for session in case["sessions"]:
        parts += _session(session, document)
    parts += _told(case)
    parts += _rows(case)
    return whole_page(f"Dispute {case['dispute_id']}", *parts)


def _head(document: Document) -> list[Html]:
    case, standing = document["case"], document["standing"]
    schema = document["schema"]
    chat = "included" if document["chat_included"] else "left out"
    return [
        element("h1", text("Dispute"), SPACE, code(case["dispute_id"])),
        element("p", text(standing["words"])),
        facts(
            (
                ("Next", text(standing["next"])),
                ("Awaited", text(standing["awaited"])),
                ("State", text(f"{case['state']}, at the node {case['status']}")),
                ("Opened", _at(case["opened_at"], f", by the {case['initiator']}")),
                ("Detected", _at(case["detected_at"])),
                ("Assigned", _key(case["assigned_solver"])),
                ("Solvers told", text(case["solvers_told"])),
                ("Node", code(case["node"])),
                ("Revision", code(case["event_id"])),
                ("Exported", _at(document["exported_at"])),
                ("By", text(f"Serbero {document['serbero_version']}, format {document['format']}")),
                (
                    "Database",
                    text(
                        f"shared tables version {schema['reference'] or 'unknown'}, "
                        f"Serbero's own {schema['serbero'] or 'none'}"
                    ),
                ),
                ("Chat", text(chat)),
                ("SHA-256 of the case", code(document["case_sha256"])),
            )
        ),
    ]


def _entry(entry: Entry) -> Html:
    more = [element("span", foreign(each), style="more") for each in entry.more]
    return element("li", _time(entry.at), element("span", foreign(entry.words)), *more)


def _session(session: Document, document: Document) -> list[Html]:
    label = label_words(session["classification"], session["confidence"])
    parts = [
        element("h2", text("Mediation session"), SPACE, code(session["session_id"])),
        facts(
            (
                ("State", text(plain(STATES, session["state"]))),
                ("Why", text(session["why"])),
                ("Verdict", text(label)),
                ("Began", _at(session["started_at"])),
                ("Rounds", text(session["rounds"])),
                ("Prompts", text(session["prompt_bundle_id"])),
                ("Policy hash", code(session["policy_hash"])),
            )
        ),
        element("p", text(session["ending"])),
        element("h3", text("Transcript")),
        *_transcript(session, document),
        element("h3", text("Verdicts")),
        table(
            ("Time", "Label", "Decision", "Why", "Model", "Took"),
            map(_verdict, session["verdicts"]),
        ),
    ]
    return parts + _outcome(session)


def _transcript(session: Document, document: Document) -> list[Html]:
    messages: Sequence[Document] = session["transcript"]
    if not messages:
        return [element("p", text("Nothing that was said is on record."), style="faint")]
    if not document["chat_included"]:
        said = f"{len(messages)} messages, left out of this file."
        return [element("p", text(said), style="faint")]
    parts = []
    for each in messages:
        ours = each["from"] == "serbero"
        who = f"Serbero to the {each['to']}" if ours else f"The {each['from']}"
        notes = [] if each["sent"] else ["no relay took it"]
        if each["stale"]:
            notes.append("came too late, counts for nothing")
        note = f"({'; '.join(notes)})" if notes else ""
        parts.append(
            element("p", _time(each["at"]), SPACE, element("strong", text(who)), SPACE, text(note))
        )
        parts.append(quote(each["text"] or _PURGED, ours=ours))
    return parts


def _verdict(row: Document) -> Sequence[Html]:
    call = row["call"]
    why = ", ".join(
        str(each) for each in (row["trigger"], row["reason"], *row["findings"]) if each is not None
    )
    return (
        _time(row["at"]),
        foreign(label_words(row["classification"], row["confidence"])),
        text(row["decision"]),
        foreign(why) if why else _NOTHING,
        _NOTHING if call is None else foreign(f"{call['provider']}/{call['model']}"),
        _NOTHING if call is None else text(took(call["latency_ms"])),
    )


def _outcome(session: Document) -> list[Html]:
    parts = []
    summary = session["summary"]
    if summary is not None:
        parts += [
            element("h3", text("Summary for the solvers")),
            quote(summary["text"] or _PURGED, ours=True),
            element("p", text("Suggested next step"), style="faint"),
            quote(summary["suggested_next_step"] or _PURGED, ours=True),
        ]
    prepared = [each for each in session["events"] if each["kind"] == "handoff_prepared"]
    if prepared:
        parts.append(element("h3", text("Hand-off")))
        parts += [_payload(each["payload"]) for each in prepared]
    return parts


def _told(case: Document) -> list[Html]:
    return [
        element("h2", text("Every message")),
        table(
            ("Enqueued", "What", "To", "By", "Became", "After", "Relays"),
            map(_delivery, case["deliveries"]),
        ),
        element("h2", text("Notifications")),
        table(
            ("Time", "Type", "Solver", "Status", "Error"),
            (
                (
                    _time(each["sent_at"]),
                    text(because(TYPES, each["type"])),
                    _key(each["solver"]),
                    text(each["status"]),
                    foreign(each["error"]) if each["error"] else _NOTHING,
                )
                for each in case["notifications"]
            ),
        ),
    ]


def _delivery(row: Document) -> Sequence[Html]:
    relays = "; ".join(_relay(each) for each in row["relays"])
    return (
        _time(row["created_at"]),
        text(because(MESSAGES, row["purpose"])),
        text("a party") if row["to_party"] else _key(row["solver"]),
        text(row["channel"]),
        text(row["state"]),
        _NOTHING if row["delivery_ms"] is None else text(took(row["delivery_ms"])),
        foreign(relays),
    )


def _relay(row: Document) -> str:
    said = f"{row['relay']}: {row['state']}"
    if row["round_trip_ms"] is not None:
        said += f" in {took(row['round_trip_ms'])}"
    return f"{said} ({row['reason']})" if row["reason"] else said


def _rows(case: Document) -> list[Html]:
    events = [*case["events"], *(each for s in case["sessions"] for each in s["events"])]
    unique = {each["id"]: each for each in events}
    return [
        element("h2", text("What the model gave as its reasons")),
        *_reasons(case["rationales"]),
        element("h2", text("Hand-offs that were dispatched")),
        table(
            ("Time", "Id", "To", "Status"),
            (
                (
                    _time(each["dispatched_at"]),
                    code(each["dispatch_id"]),
                    _keys(each["target_solver"]),
                    text(each["status"]),
                )
                for each in case["dispatches"]
            ),
        ),
        element("h2", text("Audit rows")),
        table(
            ("Id", "Time", "Kind", "Payload", "Pins"),
            map(_event, (unique[each] for each in sorted(unique))),
        ),
        element("h2", text("Journal")),
        table(
            ("Time", "Kind", "Payload"),
            (
                (_time(each["at"]), text(each["kind"]), _payload(each["payload"]))
                for each in case["journal"]
            ),
        ),
    ]


def _reasons(rows: Sequence[Document]) -> Iterable[Html]:
    if not rows:
        yield element("p", text("None on record."), style="faint")
    for each in rows:
        model = foreign(f"{each['provider']}/{each['model']}, rationale")
        time, rationale = _time(each["generated_at"]), code(each["rationale_id"])
        yield element("p", time, SPACE, model, SPACE, rationale)
        yield quote(each["text"] or _PURGED)


def _event(row: Document) -> Sequence[Html]:
    hashes = [each for each in (row["prompt_bundle_id"], row["policy_hash"]) if each]
    rationale = [f"rationale {row['rationale_id']}"] if row["rationale_id"] else []
    return (
        text(row["id"]),
        _time(row["at"]),
        text(row["kind"]),
        _payload(row["payload"]),
        code(" ".join(map(str, hashes + rationale))),
    )


def _payload(payload: object) -> Html:
    return code(json.dumps(payload, ensure_ascii=False, sort_keys=True, indent=None))


def _at(at: int | None, more: str = "") -> Html:
    return text("not on record" + more if at is None else f"{moment(at)} UTC{more}")


def _time(at: int | None) -> Html:
    return element("time", text("?" if at is None else moment(at)))


def _key(key: str | None) -> Html:
    return _NOTHING if key is None else text(solver_name(key))


def _keys(keys: str) -> Html:
    return text(", ".join(solver_name(each.strip()) for each in keys.split(",")))
