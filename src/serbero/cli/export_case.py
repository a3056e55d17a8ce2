"""A case file as a document: everything on record about a dispute, with what proves it.

``case`` is made of rows alone, so two exports of the same rows have the same ``case_sha256``: of
the compact JSON of ``case``, keys in order, everything beyond ASCII escaped.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero import __version__
from serbero.cli.disputes import show, telling
from serbero.cli.page import without_addresses
from serbero.cli.sessions import show as session_show
from serbero.cli.sessions import transcript
from serbero.store import dispute_story_sources as sources
from serbero.store.audit_trail import AuditEvent
from serbero.store.dispute_story import Story
from serbero.store.dispute_story_sources import RationaleRecord, Schema
from serbero.store.session_record import Record

FORMAT: Final = 1
"""Raised when a key changes its meaning or goes; new keys do not raise it."""
_OF_THE_MOMENT: Final = ("words", "next", "awaited", "acknowledged_by")
"""What depends on when it is asked."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a case file is made of."""

    story: Story
    rationales: tuple[RationaleRecord, ...]
    schema: Schema


def read(tx: sa.Connection, beginning: str, now: int) -> Case:
    """Return everything on record about the dispute whose id begins like this.

    Raises:
        Stop: there is none, or there are several.
    """
    story = telling.story_meant(tx, beginning, now)
    sessions = [each.session.session_id for each in story.sessions]
    named = {each.rationale_id for each in story.events} - {None}
    found = sources.rationales(tx, sessions, sorted(filter(None, named)))
    return Case(story, tuple(found), sources.schema(tx))


def document(case: Case, now: int, *, chat: bool) -> dict[str, object]:
    """Return the file as a document; ``now`` is Unix seconds, without ``chat`` nobody's words."""
    told = show.document(case.story, now)
    standing = {name: told.pop(name) for name in _OF_THE_MOMENT}
    told["sessions"] = [_session(each, chat=chat) for each in case.story.sessions]
    told["events"] = [_event(each) for each in case.story.events]
    told["rationales"] = [_rationale(each) for each in case.rationales]
    return {
        "format": FORMAT,
        "kind": "serbero-case-file",
        "exported_at": now,
        "serbero_version": __version__,
        "schema": {"reference": case.schema.reference, "serbero": case.schema.own},
        "chat_included": chat,
        "standing": standing,
        "case_sha256": digest(told),
        "case": told,
    }


def digest(case: object) -> str:
    """Return the SHA-256 of a case's rows."""
    return hashlib.sha256(
        json.dumps(case, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    ).hexdigest()


def _session(record: Record, *, chat: bool) -> dict[str, object]:
    told = session_show.document(record)
    told["events"] = [_event(each) for each in (*record.before, *record.events)]
    said = transcript.document(record)
    messages = said["messages"]
    if not chat and isinstance(messages, list):
        messages = [each | {"text": None} for each in messages]
    return told | {"transcript": messages, "purged": record.purged, "ending": said["ending"]}


def _event(event: AuditEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "at": event.at,
        "session_id": event.session_id,
        "kind": event.kind,
        "payload": without_addresses(event.payload),
        "rationale_id": event.rationale_id,
        "prompt_bundle_id": None if event.pins is None else event.pins.bundle_id,
        "policy_hash": None if event.pins is None else event.pins.policy_hash,
    }


def _rationale(row: RationaleRecord) -> dict[str, object]:
    return {
        "rationale_id": row.rationale_id,
        "session_id": row.session_id,
        "provider": row.provider,
        "model": row.model,
        "prompt_bundle_id": row.prompt_bundle_id,
        "policy_hash": row.policy_hash,
        "generated_at": row.generated_at,
        "text": row.words,
    }
