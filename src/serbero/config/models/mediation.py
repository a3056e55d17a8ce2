"""``[mediation]`` and ``[chat]``: asking the parties, and hearing what they answer."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictInt

from serbero.config.models.base import DAY_SECONDS, Count, Count32, Section, lower_case


class MediationSection(Section):
    """``[mediation]``: asking the parties, deciding nothing; needs ``[reasoning]`` too."""

    enabled: StrictBool = Field(default=False, description="mediate; needs [reasoning] as well")
    max_rounds: Count32 = Field(
        default=2,
        description="pairs of questions put to the parties before a human is asked; 0: none",
    )
    party_response_timeout_seconds: Count = Field(
        default=1800, description="how long a party may stay silent; 0: for ever"
    )
    solver_auth_retry_initial_seconds: Count = Field(
        default=60, description="first wait after the node refused a take for lack of standing"
    )
    solver_auth_retry_max_interval_seconds: Count = Field(
        default=3600, description="longest wait between two such attempts"
    )
    solver_auth_retry_max_total_seconds: Count = Field(
        default=DAY_SECONDS, description="after this long the attempts end"
    )
    solver_auth_retry_max_attempts: Count32 = Field(
        default=24, description="after this many the attempts end"
    )
    max_concurrent_starts: StrictInt = Field(
        ge=1, le=1000, default=8, description="disputes looked at for mediation at once"
    )
    settle_seconds: StrictInt = Field(
        ge=0,
        le=300,
        default=5,
        description="quiet after a party's message before the model is asked again",
    )
    start_deadline_seconds: Count = Field(
        default=3600,
        description="so long after the first failed start an unjudged dispute goes to a human",
    )
    session_deadline_seconds: Count = Field(
        default=0,
        description="after this long a mediation goes to a human, whatever its state; 0: never",
    )
    language: Annotated[
        Literal["en", "es", "pt", "fr", "de", "it"], BeforeValidator(lower_case)
    ] = Field(
        default="en",
        description="of the first messages to the parties, later each party's own:"
        " en, es, pt, fr, de or it",
    )


class ChatSection(Section):
    """``[chat]``: the parties' answers."""

    inbound_fetch_interval_seconds: Count = Field(
        default=10, description="a safety fetch of the chats beside the live stream"
    )
    legacy: Literal["auto", "never", "always"] = Field(
        default="auto",
        description="write in the envelope of older clients too; auto: as the party does, and on"
        " protocol 2 never without the current one",
    )
