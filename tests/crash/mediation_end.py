"""What a play leaves behind, held against what no number of crashes may change."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from nostr_sdk import Event
from tests.crash.end_state import EndState, Named, Names, dump, without_times
from tests.crash.mediation_plays import ANSWERS, QUESTIONS, Play, Say, TakeOver
from tests.crash.mediation_story import Scene

from serbero.clock import SystemClock
from serbero.messages.party import IDENTITY, Language
from serbero.model.lifecycle import TRANSITIONS, Lifecycle
from serbero.model.mediation import SESSION_TRANSITIONS, AuditKind, SessionState
from serbero.model.party import Party
from serbero.mostro import chat, legacy_chat
from serbero.mostro.chat import ChatMessage
from serbero.mostro.chat_keys import ChatKeys, derive
from serbero.nostr.wrap import GIFT_WRAP_KIND
from serbero.simulator.node_log import Did
from serbero.simulator.peer import RelayPeer
from serbero.store.engine import Store
from serbero.store.schema import transitions
from serbero.store.verification import verify

Row = dict[str, Any]

_ASSEMBLED = re.compile(r'"assembled_at":\d+')
_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\d\b|\b\d\d:\d\d\b")
"""As the brief dates what it quotes."""

OFTEN = frozenset(
    {
        AuditKind.START_ATTEMPT_STARTED.value,
        AuditKind.START_ATTEMPT_STOPPED.value,
        AuditKind.REASONING_VERDICT.value,
    }
)
"""What each life that dies before the session writes anew: how often is chance."""


async def held(scene: Scene, play: Play, blame: str) -> EndState:
    """Hold the end of a play against what it must be; return it in words that runs share.

    Raises:
        AssertionError: it is not what it must be.
    """
    # As the next start finds it: what a start takes up belongs to every run's end.
    Store.open(scene.home.database, SystemClock().now()).close()
    _check_node(scene, play, blame)
    for url in scene.node.relay_urls:
        for party in Party:
            await _check_party(scene, play, party, url, blame)
    scene.home.read(lambda tx: _check_database(tx, play, blame))
    words = _names(scene)
    tables = scene.home.read(lambda tx: dump(tx, words))
    return EndState(_comparable(tables), await _told(scene, play, words, blame))


# The node.


def _check_node(scene: Scene, play: Play, blame: str) -> None:
    """It got one message of ours that it acted on, a take, and no other action (INV-1)."""
    own = scene.home.keys.public_key().to_hex()
    ours = [each for each in scene.node.desk.received if own in (each.identity, each.sender)]
    assert {each.action for each in ours} == {"admin-take-dispute"}, blame
    outcomes = [each.verdict.outcome for each in ours if each.verdict is not None]
    assert outcomes == [Did.TOOK], f"{outcomes}\n{blame}"
    taken_over = any(isinstance(each, TakeOver) for each in play.scene)
    everything = [Did.TOOK, Did.TOOK_OVER] if taken_over else [Did.TOOK]
    assert scene.node.desk.outcomes() == everything, blame


# The parties.


async def _check_party(scene: Scene, play: Play, party: Party, url: str, blame: str) -> None:
    """A relay holds each question once, in as many envelopes as the party may need."""
    client, own = scene.parties[party], scene.home.keys.public_key().to_hex()
    assert not client.rejected, f"{client.rejected}\n{blame}"
    keys = derive(client.keys.secret_key().to_hex(), own)
    filters: dict[str, dict[str, Any]] = {
        "kind14": {"kinds": [chat.CHAT_KIND], "authors": [keys.author]},
        "gift-wrap": {"kinds": [GIFT_WRAP_KIND], "#p": [keys.legacy_address]},
    }
    expected = _questions(play, party)
    async with RelayPeer(url, keys=client.keys) as peer:
        for envelope, filter_ in filters.items():
            found = _read(await peer.fetch_all(filter_), keys, frozenset({client.public_key, own}))
            texts = sorted(each.text for each in found if each.author == own)
            if envelope == client.envelope:
                assert texts == sorted(expected), f"{texts}\n{blame}"
            else:  # the first question, as long as nobody knew which envelope its client reads
                assert texts in ([], expected[:1]), f"{texts}\n{blame}"
            assert len({each.inner_id for each in found}) == len(found), blame
    assert client.texts == expected, blame
    assert client.repeated() == {}, blame


def _read(events: Sequence[Event], keys: ChatKeys, authors: frozenset[str]) -> list[ChatMessage]:
    """What the envelopes of a channel hold."""
    now, found = SystemClock().now(), []
    for event in events:
        legacy = event.kind().as_u16() == GIFT_WRAP_KIND
        unwrap = legacy_chat.unwrap if legacy else chat.unwrap
        message = unwrap(event, keys, authors, now)
        assert isinstance(message, ChatMessage), message
        found.append(message)
    return found


def _questions(play: Play, party: Party) -> list[str]:
    """What a party must have heard, and nothing else."""
    name, line = party.value.capitalize(), IDENTITY[Language.ENGLISH]
    return [
        f"{f'Round {number}. ' if number else ''}{name}: {QUESTIONS[number][party]}\n\n{line}"
        for number in range(play.rounds)
    ]


# The solver.


async def _told(
    scene: Scene, play: Play, words: Names, blame: str
) -> Counter[tuple[str, str, str, str]]:
    """What each relay holds for the solver; everything once, by id and by text."""
    messages: Counter[tuple[str, str, str, str]] = Counter()
    for url in scene.node.relay_urls:
        there = await scene.solver.all_events(url)
        there = [each for each in there if each.sender == scene.home.keys.public_key().to_hex()]
        assert max(Counter(each.rumor_id for each in there).values()) == 1, blame
        assert max(Counter(each.text for each in there).values()) == 1, blame
        assert len(there) == sum(play.told.values()), f"{[m.text for m in there]}\n{blame}"
        for message in there:
            text = words.of(_MOMENT.sub("N", without_times(message.text)))
            messages[words.of(url), "<solver>", str(message.kind), text] += 1
    return messages


# The database.


def _check_database(tx: sa.Connection, play: Play, blame: str) -> None:
    assert tx.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"], blame
    assert tx.exec_driver_sql("PRAGMA foreign_key_check").all() == [], blame
    assert verify(tx, SystemClock().now(), deep=True).findings == (), blame
    trail = _rows(tx, "SELECT * FROM mediation_events ORDER BY id")
    [session] = _rows(tx, "SELECT * FROM mediation_sessions")
    _check_start(trail, blame)
    told = [each for each in trail if each["session_id"] == session["session_id"]]
    assert [each["kind"] for each in told] == list(play.session), f"{_kinds(trail)}\n{blame}"
    _check_path(told, session, blame)
    _check_rationales(tx, trail, blame)
    _check_history(tx, blame)
    summaries = tx.exec_driver_sql("SELECT count(*) FROM mediation_summaries").scalar()
    assert summaries == list(play.session).count(AuditKind.SUMMARY_GENERATED), blame
    said = {(step.party.value, ANSWERS[step.round][step.party]) for step in _sayings(play)}
    words = _rows(tx, "SELECT * FROM mediation_messages ORDER BY id")
    inbound = [(row["party"], row["content"]) for row in words if row["direction"] == "inbound"]
    assert len(inbound) == len(said), blame
    assert set(inbound) == said, blame
    assert not any(row["stale"] for row in words), blame


def _check_start(trail: Sequence[Row], blame: str) -> None:
    """The order of section 10 (INV-15), and a session only after its take (INV-16)."""
    names = _kinds(trail)
    taken = [
        place
        for place, row in enumerate(trail)
        if row["kind"] == AuditKind.TAKE_DISPUTE_ISSUED.value
        and json.loads(row["payload_json"])["outcome"] == "success"
    ]
    assert len(taken) == 1, f"{names}\n{blame}"
    order = [
        names.index(AuditKind.START_ATTEMPT_STARTED.value),
        names.index(AuditKind.REASONING_VERDICT.value),
        taken[0],
        names.index(AuditKind.SESSION_OPENED.value),
        names.index(AuditKind.CLASSIFICATION_PRODUCED.value),
        names.index(AuditKind.OUTBOUND_SENT.value),
    ]
    assert order == sorted(order), f"{names}\n{blame}"
    opened = order[3]
    assert not OFTEN & set(names[opened:]), f"{names}\n{blame}"
    # No attempt says more than it did: each verdict and each end is of an attempt that began.
    began = 0
    for name in names[:opened]:
        began += name == AuditKind.START_ATTEMPT_STARTED.value
        assert began, f"{names}\n{blame}"


def _check_path(told: Sequence[Row], session: Row, blame: str) -> None:
    """The session went a legal way, move by move, to its end."""
    place = SessionState.AWAITING_RESPONSE
    moves = {
        AuditKind.ESCALATION_RECOMMENDED.value: SessionState.ESCALATION_RECOMMENDED,
        AuditKind.SUPERSEDED_BY_HUMAN.value: SessionState.SUPERSEDED_BY_HUMAN,
        AuditKind.SESSION_CLOSED.value: SessionState.CLOSED,
    }
    for row in told:
        payload = json.loads(row["payload_json"])
        wanted = moves.get(row["kind"])
        if row["kind"] == AuditKind.STATE_TRANSITION.value:
            assert payload["from"] == place.value, f"{payload}\n{blame}"
            wanted = SessionState(payload["to"])
        if wanted is not None:
            assert wanted in SESSION_TRANSITIONS[place], f"{place} -> {wanted}\n{blame}"
            place = wanted
    assert place is SessionState.CLOSED, blame
    assert session["state"] == place.value, blame


def _check_rationales(tx: sa.Connection, trail: Sequence[Row], blame: str) -> None:
    """Each classification, verdict and summary names a rationale that is there."""
    kept = {row["rationale_id"]: row for row in _rows(tx, "SELECT * FROM reasoning_rationales")}
    named = {
        AuditKind.CLASSIFICATION_PRODUCED.value,
        AuditKind.REASONING_VERDICT.value,
        AuditKind.SUMMARY_GENERATED.value,
    }
    for row in trail:
        if row["kind"] in named:
            assert row["rationale_id"] in kept, f"{row}\n{blame}"
        if row["kind"] == AuditKind.CLASSIFICATION_PRODUCED.value:
            assert kept[row["rationale_id"]]["session_id"] == row["session_id"], f"{row}\n{blame}"
    answered = _rows(tx, "SELECT * FROM reasoning_calls WHERE purpose <> 'health'")
    calls = {row["rationale_id"] for row in answered}
    assert calls == set(kept), blame


def _check_history(tx: sa.Connection, blame: str) -> None:
    """The dispute went a legal way from new to resolved."""
    place = Lifecycle.NEW
    steps = tx.execute(sa.select(transitions).order_by(transitions.c.id)).all()
    for step in steps:
        assert step.from_state == place.value, f"{steps}\n{blame}"
        assert Lifecycle(step.to_state) in TRANSITIONS[place], f"{steps}\n{blame}"
        place = Lifecycle(step.to_state)
    assert place is Lifecycle.RESOLVED, f"{steps}\n{blame}"


def _rows(tx: sa.Connection, sql: str) -> list[Row]:
    return [dict(row) for row in tx.exec_driver_sql(sql).mappings()]


def _kinds(trail: Sequence[Row]) -> list[str]:
    return [each["kind"] for each in trail]


def _sayings(play: Play) -> Iterator[Say]:
    return (step for step in play.scene if isinstance(step, Say))


# In words that runs share.


def _names(scene: Scene) -> Names:
    dispute, node, own = scene.opened, scene.node, scene.home.keys.public_key().to_hex()
    order = node.order_of(dispute)
    names = {dispute.id: "<dispute>", dispute.id[:8]: "<dispute, short>", order.id: "<order>"}
    names |= {f'_at": {order.created_at}': '_at": N', f'_at": {order.taken_at}': '_at": N'}
    names |= {node.public_key: "<node>", own: "<us>", scene.solver.public_key: "<solver>"}
    for party, client in scene.parties.items():
        names[client.public_key] = f"<{party.value}>"
        keys = derive(client.keys.secret_key().to_hex(), own)
        names[keys.legacy_address] = f"<address of the {party.value}>"
        for number, inner in enumerate(client.echoes):
            names[inner] = f"<answer {number} of the {party.value}>"
    for place, revision in enumerate(dispute.revisions):
        names[revision.id().to_hex()] = f"<revision {place}>"
        names[revision.id().to_hex()[:16]] = f"<revision {place}, short>"
        names[f": {revision.created_at().as_secs()}"] = f": <time of revision {place}>"
    [session] = scene.home.read(lambda tx: _rows(tx, "SELECT session_id FROM mediation_sessions"))
    names[session["session_id"]] = "<session>"
    return Names(names | {url: f"<relay {n}>" for n, url in enumerate(node.relay_urls)})


def _comparable(tables: Mapping[str, Counter[Named]]) -> dict[str, Counter[Named]]:
    """The tables without what tells how often something was tried."""
    kept = {name: Counter(dict(_rows_kept(name, rows))) for name, rows in tables.items()}
    del kept["takes"]
    return kept


def _rows_kept(table: str, rows: Counter[Named]) -> Iterator[tuple[Named, int]]:
    for row, count in rows.items():
        values = dict(row)
        tried = (
            (table == "journal" and str(values["kind"]).startswith("take_"))
            or (table == "mediation_events" and values["kind"] in OFTEN)
            or (table == "dispute_events" and values["kind"] in OFTEN)
            or (table == "mediation_events" and '"failure"' in str(values["payload_json"]))
        )
        if tried:
            continue
        changed = {
            column: "set" for column in _CHANCE.get(table, ()) if values.get(column) is not None
        }
        for column, what in (("payload_json", _ASSEMBLED), ("rumor_json", _MOMENT)):
            if column in values:
                changed[column] = what.sub("N", str(values[column]))
        if table == "journal" and values["kind"] == "standing_changed":
            changed["dispute_id"] = "any"  # a start learns from takes, of which it has the ids
        if table == "dispute_state_transitions" and values["from_state"] in _ON_THE_WAY:
            changed["trigger"] = "any"  # the answer to our take and its event may come in any order
        once = table == "reasoning_calls" and values["session_id"] is None
        yield tuple((values | changed).items()), 1 if once else count


_ON_THE_WAY = {Lifecycle.NOTIFIED.value}
_CHANCE = {
    "dispute_events": ("event_id",),
    "pending_handoffs": ("event_id",),
    "mediation_messages": ("outer_event_id",),
    "standing": ("since",),
    "mediation_sessions": ("buyer_last_seen_inner_ts", "seller_last_seen_inner_ts"),
}
"""Row numbers after rows that are left out, clocks, and which of two envelopes was first."""
