"""What the database tells of our dealings with the node: disputes held, takes, open channels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from nostr_sdk import Event, NostrSdkError

from serbero.cli.doctor_checks.findings import Finding, counted, note, warning
from serbero.mediation.standing import registration
from serbero.model.taking import TakeState
from serbero.mostro.node_info import NodeInfo, parse_info_event
from serbero.store import inspection, node_info
from serbero.store.engine import run_once
from serbero.store.errors import StoreRejected, StoreUnavailable
from serbero.store.inspection import StandingRefusal

WINDOW_SECONDS: Final = 30 * 86_400
"""How far back takes are counted."""

_OUTCOMES: Final[Mapping[TakeState, str]] = {
    TakeState.TAKEN: "taken",
    TakeState.REFUSED: "refused",
    TakeState.NO_ANSWER: "unanswered",
    TakeState.INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, slots=True)
class TakingFacts:
    """Our dealings with the node.

    Attributes:
        held: disputes we hold now.
        channels: chats with parties that are open.
        outcomes: takes begun within :data:`WINDOW_SECONDS`, and those still open, by state.
        refusal: the node's last word on a take, if it stands; else None.
    """

    held: int
    channels: int
    outcomes: Mapping[TakeState, int]
    refusal: StandingRefusal | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What the database keeps of the node.

    Attributes:
        facts: None where there is no database, or one of before there were takes.
        info: the node's info event as last seen, None if none was.
    """

    facts: TakingFacts | None = None
    info: NodeInfo | None = None


def read_kept(path: Path, node: str, now: int) -> Kept:
    """Read the database, if it can be read; its troubles are told by another check.

    Args:
        path: the file.
        node: the node's key in hex.
        now: Unix seconds.
    """
    if not path.exists():
        return Kept()
    try:
        return run_once(path, lambda tx: _read(tx, node, now))
    except (StoreUnavailable, StoreRejected):
        return Kept()


def _read(tx: sa.Connection, node: str, now: int) -> Kept:
    if not inspection.has_takes(tx):
        return Kept()
    counts = inspection.count_custody(tx, now - WINDOW_SECONDS)
    facts = TakingFacts(
        counts.held, counts.channels, counts.takes, inspection.standing_refusal(tx, now)
    )
    return Kept(facts, _info(node_info.load(tx, node).info_event, node))


def _info(text: str | None, node: str) -> NodeInfo | None:
    if text is None:
        return None
    try:
        found = parse_info_event(Event.from_json(text), node)
    except NostrSdkError:
        return None
    return found if isinstance(found, NodeInfo) else None


def taking_findings(facts: TakingFacts | None, own_key: str) -> list[Finding]:
    """Findings of what was taken and refused; nothing where nothing ever was.

    Args:
        facts: what the database tells.
        own_key: ours, in hex.
    """
    if facts is None or not (facts.held or facts.channels or facts.outcomes):
        return []
    parts = [
        f"{counted(facts.held, 'dispute')} held",
        f"{counted(facts.outcomes.get(TakeState.OPEN, 0), 'take')} under way",
        f"{counted(facts.channels, 'chat')} open",
    ]
    ended = [f"{n} {_OUTCOMES[x]}" for x in _OUTCOMES if (n := facts.outcomes.get(x, 0))]
    lately = f"; takes of the last 30 days: {', '.join(ended)}" if ended else ""
    found = [note("takes", ", ".join(parts) + lately)]
    if facts.refusal is not None:
        found.append(
            warning(
                "takes",
                f"the node refused us dispute {facts.refusal.dispute_id} though it was open: "
                "this key is probably not registered there",
                registration(own_key),
            )
        )
    return found
