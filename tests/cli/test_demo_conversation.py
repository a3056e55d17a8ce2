"""What the demo's conversation is judged by: every promise can be found broken."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from serbero.model.party import Party
from serbero.simulator.demo_record import Reading, Record, Side, expected_events
from serbero.simulator.demo_script import CLIENTS, everything_said
from serbero.simulator.demo_traces import leaks, secrets_of
from serbero.simulator.orders import Order

SERBERO = "a" * 64
STRANGER = "b" * 64


def side(party: str, answers: int) -> Side:
    """A party that was asked, answered and was thanked, as it should be."""
    written = [f"{party} answer {number}" for number in range(answers)]
    asked = [f"{party} question", f"{party} thanks"]
    events = frozenset(f"{party} event {number}" for number in range(2 + answers))
    return Side(
        envelope="kind14",
        asked=asked,
        read=[Reading(each, SERBERO, 0.02) for each in asked],
        written=written,
        heard=list(reversed(written)),
        kept=frozenset(written + asked),
        answer_seconds=[0.01] * answers,
        on_relay=events,
        at_end=events,
    )


def good() -> Record:
    return Record(
        protocol=2,
        serbero=SERBERO,
        outcomes=["took"],
        take_seconds=0.1,
        sides={Party.BUYER: side("buyer", 2), Party.SELLER: side("seller", 1)},
        complete=True,
    )


def test_a_conversation_as_it_should_be() -> None:
    record = good()
    assert record.problems() == []
    assert (record.take_ms, record.to_party_ms, record.to_serbero_ms) == (100.0, 20.0, 10.0)


def test_one_that_never_came_to_its_end() -> None:
    assert Record(2).problems() == ["expected a conversation to its end, found none"]
    assert Record(2).to_party_ms is Record(2).to_serbero_ms is Record(2).take_ms is None


def buyer(change: Callable[[Side], object]) -> Callable[[Record], object]:
    return lambda record: change(record.sides[Party.BUYER])


def one_event_more(of: Side) -> None:
    of.on_relay = of.at_end = of.on_relay | {"more"}


BROKEN: list[tuple[str, Callable[[Record], object], str]] = [
    ("two takes", lambda r: r.outcomes.append("took-again"), "one take .*, found took, took-again"),
    ("refused", lambda r: setattr(r, "outcomes", ["refused"]), "one take .*, found refused"),
    ("no take", lambda r: r.outcomes.clear(), "one take .*, found none"),
    (
        "spoke on",
        buyer(lambda s: s.late.append("one more")),
        "Serbero to refuse to write to the buyer now, found it agreed",
    ),
    ("leaked", lambda r: r.leaks.append("the preimage in x.db"), "found the preimage in x.db"),
    (
        "read twice",
        buyer(lambda s: s.read.append(s.read[0])),
        r"buyer to read 2 messages, .* found 3 \(2 of them right\)",
    ),
    ("not read", buyer(lambda s: s.read.clear()), r"the buyer to read 2 messages, .* found 0"),
    (
        "read another",
        buyer(lambda s: s.read.__setitem__(1, Reading("elsewhere", SERBERO, 0.0))),
        r"buyer to read 2 messages, .* found 2 \(1 of them right\)",
    ),
    (
        "somebody else wrote",
        buyer(lambda s: s.read.__setitem__(0, Reading("buyer question", STRANGER, 0.0))),
        "expected Serbero to write to the buyer, found bbbbbbbb",
    ),
    (
        "heard once of two",
        buyer(lambda s: s.heard.pop()),
        r"expected Serbero to hold 2 answers of the buyer, each once, found 1",
    ),
    (
        "heard twice",
        buyer(lambda s: s.heard.append(s.heard[0])),
        r"expected Serbero to hold 2 answers of the buyer, each once, found 3 \(2 ",
    ),
    (
        "not kept",
        buyer(lambda s: setattr(s, "kept", frozenset(s.asked))),
        r"expected its database to hold 2 answers of the buyer, each once, found 0",
    ),
    (
        "in more envelopes than needed",
        buyer(one_event_more),
        "expected 4 events of the buyer's chat on the relay, found 5",
    ),
    (
        "after the takeover",
        buyer(lambda s: setattr(s, "at_end", s.at_end | {"late"})),
        "expected no more events of the buyer's chat after the takeover, found 1",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "said"), [each[1:] for each in BROKEN], ids=[b[0] for b in BROKEN]
)
def test_each_broken_promise_is_named(spoil: Callable[[Record], object], said: str) -> None:
    record = good()
    spoil(record)
    [problem] = record.problems()
    assert re.search(said, problem)


def test_on_the_old_protocol_the_first_message_goes_out_twice() -> None:
    assert expected_events(side("buyer", 2), 2) == 4
    assert expected_events(side("buyer", 2), 1) == 5
    assert set(CLIENTS[1].values()) == {"gift-wrap", "kind14"}


# --- the search for secrets -----------------------------------------------------------------------


async def search(folder: Path, order: Order) -> list[str]:
    files = (folder / "serbero.db", folder / "serbero.log")
    return await leaks(*files, secrets_of(order), everything_said())


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (tmp_path / "serbero.db").write_bytes(b"SQLite format 3\0" + b"nothing much")
    (tmp_path / "serbero.log").write_text('{"event": "ready"}\n')
    return Order(buyer="1" * 64, seller="2" * 64)


async def test_clean_files_hold_nothing(tmp_path: Path, order: Order) -> None:
    assert await search(tmp_path, order) == []


@pytest.mark.parametrize("file", ["serbero.db", "serbero.db-wal", "serbero.log"])
@pytest.mark.parametrize("name", ["the preimage", "the payment hash", "the buyer's invoice"])
async def test_a_secret_is_found_in_each_file(
    tmp_path: Path, order: Order, file: str, name: str
) -> None:
    secret = secrets_of(order)[name]
    with (tmp_path / file).open("ab") as out:
        out.write(b"...\xff" + secret.upper().encode() + b"...")
    assert await search(tmp_path, order) == [f"{name} in {file}"]


async def test_a_secret_is_found_as_the_bytes_it_names(tmp_path: Path, order: Order) -> None:
    (tmp_path / "serbero.db").write_bytes(b"\0" * 5_000 + bytes.fromhex(order.preimage))
    assert await search(tmp_path, order) == ["the preimage in serbero.db"]


async def test_words_may_stand_in_the_database_and_not_in_the_log(
    tmp_path: Path, order: Order
) -> None:
    name, text = next(iter(everything_said().items()))
    (tmp_path / "serbero.db").write_text(text)
    assert await search(tmp_path, order) == []
    (tmp_path / "serbero.log").write_text(json.dumps({"event": f'he said: "{text}"'}))
    assert await search(tmp_path, order) == [f"{name} in serbero.log"]
