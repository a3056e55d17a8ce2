"""``[mostro]`` and ``[[relays]]``: the node whose disputes we watch, and where it is heard."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt, StrictStr

from serbero.config.models.base import DAY_SECONDS, YEAR_SECONDS, Section
from serbero.nostr.keys import KeyProblem, parse_public_key


def _node_key(text: str) -> str:
    try:
        parse_public_key(text)
    except KeyProblem as exc:
        raise ValueError(f"invalid key: invalid mostro pubkey: {exc}") from None
    return text.strip()


class MostroSection(Section):
    """``[mostro]``: the node whose disputes we watch."""

    pubkey: Annotated[StrictStr, AfterValidator(_node_key)] = Field(
        description="the node's public key, hex or npub"
    )
    reconcile_interval_seconds: StrictInt = Field(
        ge=1,
        le=DAY_SECONDS,
        default=300,
        description="how often open disputes are fetched beside the live stream",
    )
    cold_start_lookback_seconds: StrictInt = Field(
        ge=0,
        le=10 * YEAR_SECONDS,
        default=0,
        description="how far an empty database looks back for open disputes",
    )
    transport: Literal["auto", "nip44", "gift-wrap"] = Field(
        default="auto",
        description="how requests to the node travel; auto: as the node's info event says",
    )
    max_pow_bits: StrictInt = Field(
        ge=0,
        le=32,
        default=24,
        description="the most proof of work (leading zero bits) spent on a request to the node",
    )
    take_timeout_seconds: StrictInt = Field(
        ge=1,
        le=3600,
        default=60,
        description="after this long without an answer a take is given up, every attempt included",
    )

    @property
    def pubkey_hex(self) -> str:
        """The node's key as 64 lower-case hex digits."""
        return parse_public_key(self.pubkey)


class RelayEntry(Section):
    """``[[relays]]``: one relay to listen on and to publish to."""

    url: StrictStr = Field(description="wss://host, or ws://host within one machine")
