"""The events a Mostro node publishes, as pure builders.

Shapes follow the node's own code (mostro: src/nip33.rs `new_dispute_event`, `info_to_tags`,
src/main.rs, src/scheduler.rs). Every time is an argument, in whole seconds since the epoch.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from nostr_sdk import Event, EventBuilder, Keys, Kind, Tag, Timestamp

KIND_PROFILE: Final = 0
KIND_GIFT_WRAP: Final = 1059
KIND_RELAY_LIST: Final = 10002
KIND_INBOX_RELAYS: Final = 10050
KIND_AUTH: Final = 22242
KIND_INFO: Final = 38385
KIND_DISPUTE: Final = 38386

DISPUTE_LIFE_SECONDS: Final = 90 * 86_400
"""Default life of a revision (mostro: src/config/types.rs `dispute_days`)."""

INSTANCE_NAME: Final = "Simulated Node"

Tags = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class DisputeStyle:
    """How a node version writes its dispute events.

    Attributes:
        opened_tag: the tag that holds the opening time: ``created_at`` since 0.18.5,
            ``published_at`` in later nodes, None before.
        initiator: whether the ``initiator`` tag is there (since 0.16.0).
        expires: whether the ``expiration`` tag is there (since 0.16.3).
        instance: the second value of the ``y`` tag; None leaves it out.
        own_endings: whether a dispute that the parties close themselves ends in a status of its
            own, and the assigned solver is told (0.19.1).
        knows_solvers_at_once: whether a take makes its author known to the first-contact gate
            at once, and not at the next refresh (0.19).
    """

    opened_tag: str | None = "created_at"
    initiator: bool = True
    expires: bool = True
    instance: str | None = INSTANCE_NAME
    own_endings: bool = False
    knows_solvers_at_once: bool = False


CURRENT: Final = DisputeStyle()
OLDER: Final = DisputeStyle(opened_tag=None, instance=None)
NEWER: Final = DisputeStyle(opened_tag="published_at", own_endings=True, knows_solvers_at_once=True)


def signed(keys: Keys, kind: int, content: str, tags: Tags, created_at: int) -> Event:
    """A signed event with exactly these tags, in this order."""
    unsigned = (
        EventBuilder(Kind(kind), content)
        .tags([Tag.parse(list(tag)) for tag in tags])
        .custom_created_at(Timestamp.from_secs(created_at))
        .finalize_unsigned(keys.public_key())
    )
    return keys.sign_event(unsigned)


def dispute_tags(
    dispute_id: str,
    status: str,
    created_at: int,
    *,
    initiator: str = "buyer",
    opened_at: int | None = None,
    style: DisputeStyle = CURRENT,
    life_seconds: int = DISPUTE_LIFE_SECONDS,
) -> list[list[str]]:
    """The tags of one revision, in the node's order.

    Args:
        dispute_id: the ``d`` tag.
        status: the ``s`` tag.
        created_at: when the revision is stamped; the expiration counts from it.
        initiator: ``buyer`` or ``seller``.
        opened_at: when the dispute was opened; None takes ``created_at``.
        style: which node version writes.
        life_seconds: from the stamp to the expiration.
    """
    tags = [["d", dispute_id]]
    if style.expires:
        tags.append(["expiration", str(created_at + life_seconds)])
    tags.append(["s", status])
    if style.initiator:
        tags.append(["initiator", initiator])
    if style.opened_tag is not None:
        tags.append([style.opened_tag, str(created_at if opened_at is None else opened_at)])
    tags.append(["y", "mostro"] if style.instance is None else ["y", "mostro", style.instance])
    tags.append(["z", "dispute"])
    return tags


def dispute_event(
    keys: Keys,
    dispute_id: str,
    status: str,
    created_at: int,
    *,
    initiator: str = "buyer",
    opened_at: int | None = None,
    style: DisputeStyle = CURRENT,
) -> Event:
    """One revision of a dispute (kind 38386), signed."""
    tags = dispute_tags(
        dispute_id, status, created_at, initiator=initiator, opened_at=opened_at, style=style
    )
    return signed(keys, KIND_DISPUTE, "", tags, created_at)


def info_tags(
    node_hex: str,
    *,
    protocol_version: int | None = 2,
    pow_bits: int = 0,
    first_contact_bits: int | None = None,
    instance: str | None,
) -> list[list[str]]:
    """The tags of an info event; ``protocol_version`` None is a node older than 0.18.0."""
    tags = [["d", node_hex], ["mostro_version", "0.18.5"], ["mostro_commit_hash", "0" * 40]]
    if protocol_version is not None:
        tags.append(["protocol_version", str(protocol_version)])
    first_contact = pow_bits if first_contact_bits is None else first_contact_bits
    tags += [["pow", str(pow_bits)], ["pow_first_contact", str(first_contact)]]
    tags += [
        ["max_order_amount", "1000000"],
        ["min_order_amount", "100"],
        ["expiration_hours", "24"],
        ["expiration_seconds", "900"],
        ["fiat_currencies_accepted", "USD,EUR,ARS"],
        ["max_orders_per_response", "10"],
        ["fee", "0.006"],
        ["hold_invoice_expiration_window", "300"],
        ["hold_invoice_cltv_delta", "144"],
        ["invoice_expiration_window", "300"],
        ["lnd_version", "0.18.0-beta"],
        ["lnd_node_pubkey", "02" + "0" * 64],
        ["lnd_commit_hash", "v0.18.0-beta"],
        ["lnd_node_alias", "simulated"],
        ["lnd_chains", "bitcoin"],
        ["lnd_networks", "regtest"],
        ["lnd_uris", ""],
        ["bond_enabled", "false"],
    ]
    tags.append(["y", "mostro"] if instance is None else ["y", "mostro", instance])
    tags.append(["z", "info"])
    return tags


def info_event(
    keys: Keys,
    created_at: int,
    *,
    protocol_version: int | None = 2,
    pow_bits: int = 0,
    first_contact_bits: int | None = None,
    instance: str | None = INSTANCE_NAME,
    omit: Collection[str] = (),
    extra: Tags = (),
) -> Event:
    """The node's info event (kind 38385), signed; tags named in ``omit`` are left out."""
    tags = info_tags(
        keys.public_key().to_hex(),
        protocol_version=protocol_version,
        pow_bits=pow_bits,
        first_contact_bits=first_contact_bits,
        instance=instance,
    )
    kept = [tag for tag in tags if tag[0] not in omit]
    return signed(keys, KIND_INFO, "", [*kept, *extra], created_at)


def profile_event(keys: Keys, created_at: int, content: str) -> Event:
    """A profile (kind 0); ``content`` is its JSON text."""
    return signed(keys, KIND_PROFILE, content, [], created_at)


def relay_list_event(keys: Keys, created_at: int, urls: Iterable[str]) -> Event:
    """The node's relay list (kind 10002): ``r`` tags without a marker."""
    return signed(keys, KIND_RELAY_LIST, "", [["r", url] for url in urls], created_at)


def inbox_relays_event(keys: Keys, created_at: int, urls: Iterable[str]) -> Event:
    """A person's inbox relays (kind 10050, NIP-17)."""
    return signed(keys, KIND_INBOX_RELAYS, "", [["relay", url] for url in urls], created_at)


def auth_event(keys: Keys, created_at: int, url: str, challenge: str) -> Event:
    """The answer to a relay's challenge (kind 22242, NIP-42)."""
    tags = [["relay", url], ["challenge", challenge]]
    return signed(keys, KIND_AUTH, "", tags, created_at)
