"""``[delivery]``: how long and how patiently a message is sent."""

from pydantic import Field, StrictBool, StrictInt

from serbero.config.models.base import DAY_SECONDS, YEAR_SECONDS, Section


class DeliverySection(Section):
    """``[delivery]``: how long and how patiently a message is sent."""

    deadline_seconds: StrictInt = Field(
        ge=1,
        le=YEAR_SECONDS,
        default=DAY_SECONDS,
        description="after this long without any relay a message is given up, loudly",
    )
    backoff_initial_seconds: StrictInt = Field(
        ge=1,
        le=3600,
        default=2,
        description="wait after the first failed attempt; doubles from there",
    )
    backoff_max_seconds: StrictInt = Field(
        ge=1, le=DAY_SECONDS, default=300, description="longest wait between two attempts"
    )
    expiration_days: StrictInt = Field(
        ge=1,
        le=3650,
        default=30,
        description="after this long relays may delete a message (NIP-40)",
    )
    publish_timeout_seconds: StrictInt = Field(
        ge=1, le=300, default=10, description="how long a relay may take to answer a publish"
    )
    allow_private_relays: StrictBool = Field(
        default=False,
        description="use unencrypted or private inbox relays that were learned from the network",
    )
