"""What a prompt asks, read back from its text: about which dispute, and who said what. Pure.

A scripted model that serves several conversations at once cannot go by the order of its calls; it
answers by what stands in the prompt, as a real one does.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from serbero.model.party import Party
from serbero.reasoning.calls import Purpose
from serbero.reasoning.prompt import PING, SUMMARY_CONTRACT

_DISPUTE: Final = re.compile(r"^dispute_id: (\S+)$", re.MULTILINE)
_BLOCK: Final = re.compile(
    r'^<transcript entries="\d+" left_out="\d+">$(.*?)^</transcript>$', re.MULTILINE | re.DOTALL
)
_LINE: Final = re.compile(r'^\[\d+\] (buyer|seller|serbero): (".*)$', re.MULTILINE)
_NOTHING: Final[Mapping[Party, tuple[str, ...]]] = dict.fromkeys(Party, ())


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the model.

    Attributes:
        purpose: what for.
        dispute_id: about which dispute; empty for a health check.
        said: what each party has said so far.
    """

    purpose: Purpose
    dispute_id: str = ""
    said: Mapping[Party, tuple[str, ...]] = field(default_factory=lambda: _NOTHING, repr=False)

    @property
    def lines(self) -> int:
        """Messages of both parties together."""
        return sum(map(len, self.said.values()))

    @property
    def rounds(self) -> int:
        """How often both have answered."""
        return min(map(len, self.said.values()))


def read_prompt(user: str) -> Asked | None:
    """Return what a user message asks, None where it is none of Serbero's."""
    if user.strip() == PING.user:
        return Asked(Purpose.HEALTH)
    dispute, block = _DISPUTE.search(user), _BLOCK.search(user)
    if dispute is None or block is None:
        return None
    purpose = Purpose.SUMMARIZE if SUMMARY_CONTRACT in user else Purpose.CLASSIFY
    said = {party: tuple(_texts(block[1], party)) for party in Party}
    return Asked(purpose, dispute[1], said)


def _texts(block: str, party: Party) -> list[str]:
    """A party's lines; of one whose middle was left out, its beginning."""
    lines = [found[2] for found in _LINE.finditer(block) if found[1] == party.value]
    return [json.JSONDecoder().raw_decode(line)[0] for line in lines]
