"""What was seen of the conversation, and whether it is what Serbero promises. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from serbero.model.party import Party
from serbero.simulator.demo_ledger import percentile
from serbero.simulator.node_messages import Protocol

TOOK: Final = "took"
"""What the node did with a take that gave Serbero the dispute."""

OUR_ENVELOPES: Final[Mapping[Protocol, int]] = {1: 2, 2: 1}
"""How often a message goes out before Serbero knows what the party reads."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as a party's client opened it.

    Attributes:
        inner_id: id of the signed event inside, hex.
        author: who signed that, hex.
        seconds: since it was handed to Serbero.
    """

    inner_id: str
    author: str
    seconds: float


@dataclass(slots=True)
class Side:
    """One party's half of the conversation; messages by the id of their inner event, hex.

    Attributes:
        envelope: what its client reads and writes.
        asked: what Serbero was told to say, in order.
        read: what the client opened, each envelope of it.
        written: what the party wrote, in order.
        heard: what Serbero accepted, in order.
        kept: what its database remembers of this chat, messages of its own included.
        answer_seconds: from the party's writing to Serbero's accepting, each.
        on_relay: events of the conversation when a person had taken over.
        at_end: the same at the end.
        late: what Serbero agreed to say after the takeover.
    """

    envelope: str
    asked: list[str] = field(default_factory=list)
    read: list[Reading] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    kept: frozenset[str] = frozenset()
    answer_seconds: list[float] = field(default_factory=list)
    on_relay: frozenset[str] = frozenset()
    at_end: frozenset[str] = frozenset()
    late: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Record:
    """Everything that was seen.

    Attributes:
        protocol: what the node speaks.
        serbero: its key, hex.
        outcomes: what the node did with each take of Serbero's.
        take_seconds: how long the take took; None where none succeeded.
        leaks: what was found where it must not be.
        sides: the parties.
        complete: whether the conversation came to its end.
    """

    protocol: Protocol
    serbero: str = ""
    outcomes: list[str] = field(default_factory=list)
    take_seconds: float | None = None
    leaks: list[str] = field(default_factory=list)
    sides: dict[Party, Side] = field(default_factory=dict)
    complete: bool = False

    def problems(self) -> list[str]:
        """Say what was expected and what was found; empty when every promise was kept."""
        if not self.complete:
            return ["expected a conversation to its end, found none"]
        found = []
        if self.outcomes != [TOOK]:
            shown = ", ".join(self.outcomes) or "none"
            found.append(f"expected one take of Serbero's at the node, found {shown}")
        for party, side in self.sides.items():
            found += _of_side(party, side, self)
        if self.leaks:
            found.append(f"expected no secrets on disk, found {'; '.join(self.leaks)}")
        return found

    @property
    def to_party_ms(self) -> float | None:
        """Median time from the script's word to the party's client, milliseconds."""
        return _median_ms([each.seconds for side in self.sides.values() for each in side.read])

    @property
    def to_serbero_ms(self) -> float | None:
        """Median time from a party's writing to Serbero, milliseconds."""
        return _median_ms([each for side in self.sides.values() for each in side.answer_seconds])

    @property
    def take_ms(self) -> float | None:
        """How long the take took, milliseconds."""
        return None if self.take_seconds is None else round(self.take_seconds * 1000, 3)


def _of_side(party: Party, side: Side, record: Record) -> list[str]:
    found = []
    read = [each.inner_id for each in side.read]
    if read != side.asked:
        found.append(
            f"expected the {party} to read {len(side.asked)} messages, each once and in order, "
            f"found {len(read)} ({len(set(read) & set(side.asked))} of them right)"
        )
    if strangers := [each for each in side.read if each.author != record.serbero]:
        found.append(f"expected Serbero to write to the {party}, found {strangers[0].author[:8]}")
    kept = side.kept - {*side.asked, *side.late}
    for who, held in (("Serbero", side.heard), ("its database", sorted(kept))):
        if sorted(held) != sorted(side.written):
            found.append(
                f"expected {who} to hold {len(side.written)} answers of the {party}, each once, "
                f"found {len(held)} ({len(set(held) & set(side.written))} of them right)"
            )
    wanted = expected_events(side, record.protocol)
    if len(side.on_relay) != wanted:
        found.append(
            f"expected {wanted} events of the {party}'s chat on the relay, found "
            f"{len(side.on_relay)}"
        )
    if side.late:
        found.append(f"expected Serbero to refuse to write to the {party} now, found it agreed")
    if later := side.at_end - side.on_relay:
        found.append(
            f"expected no more events of the {party}'s chat after the takeover, found {len(later)}"
        )
    return found


def expected_events(side: Side, protocol: Protocol) -> int:
    """How many events the relay holds of a chat in which Serbero speaks first.

    The first message goes out in every envelope, later ones in that which the party wrote in.
    """
    first, later = side.asked[:1], side.asked[1:]
    return len(first) * OUR_ENVELOPES[protocol] + len(later) + len(side.written)


def _median_ms(seconds: Sequence[float]) -> float | None:
    middle = percentile(sorted(seconds), 0.5)
    return None if middle is None else round(middle * 1000, 3)
