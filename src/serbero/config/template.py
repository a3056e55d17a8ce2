"""The configuration that a new installation starts with.

Where a better behaviour than the reference's needs a key, it is switched on here: defaults
belong to files that exist already, this text to those that do not.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from serbero.model.people import Permission
from serbero.nostr.keys import npub

COLD_START_LOOKBACK_SECONDS: Final = 86_400
"""A first start also tells of disputes that were opened within the last day."""

RENOTIFICATION_BACKOFF: Final = 2.0
"""Each reminder waits twice as long as the one before, up to an hour."""

SESSION_DEADLINE_SECONDS: Final = 43_200
"""A mediation that found no end within half a day is a human's."""

HANDOFF_AGE_SECONDS: Final = 604_800
"""Nobody wants the hand-offs of last year when dispatching is switched on."""


CLOSED_DAYS: Final = 180
"""Half a year after its end nobody asks what was said; when and by whom stays."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a new configuration is made of.

    Attributes:
        node: the node's public key in hex.
        relays: addresses in normal form, at least one.
        solvers: public key in hex and permission of each.
        db_path: the database.
        private_key: our secret key as ``nsec``; None when the environment supplies it.
    """

    node: str
    relays: tuple[str, ...]
    solvers: tuple[tuple[str, Permission], ...]
    db_path: str
    private_key: str | None = field(repr=False)


def render(answers: Answers) -> str:
    """Return the text of a ``config.toml``."""
    return _TEMPLATE.format(
        private_key=_private_key(answers.private_key),
        db_path=quoted(answers.db_path),
        node=quoted(npub(answers.node)),
        lookback=COLD_START_LOOKBACK_SECONDS,
        relays="\n".join(f"[[relays]]\nurl = {quoted(each)}\n" for each in answers.relays),
        solvers=_solvers(answers.solvers),
        backoff=RENOTIFICATION_BACKOFF,
        session_deadline=SESSION_DEADLINE_SECONDS,
        handoff_age=HANDOFF_AGE_SECONDS,
        closed_days=CLOSED_DAYS,
    )


def quoted(text: str) -> str:
    """Return ``text`` as a TOML basic string."""
    # JSON's escapes are TOML's, except that TOML wants DEL escaped as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _private_key(nsec: str | None) -> str:
    if nsec is None:
        return "# The environment supplies it: SERBERO_PRIVATE_KEY or SERBERO_PRIVATE_KEY_FILE."
    return f"private_key = {quoted(nsec)}"


def _solvers(solvers: Iterable[tuple[str, Permission]]) -> str:
    blocks = [
        f"[[solvers]]\npubkey = {quoted(npub(key))}\npermission = {quoted(permission.value)}\n"
        for key, permission in solvers
    ]
    return "\n".join(blocks) or _NO_SOLVER


_NO_SOLVER: Final = """\
# Nobody is told of disputes yet.
#[[solvers]]
#pubkey = "npub1..."
#permission = "read"
"""

_TEMPLATE: Final = """\
# Serbero's configuration. Written by `serbero init`; config.sample.toml of the project explains
# every key. `serbero doctor` checks this file, the relays and the node.

[serbero]
# Serbero's own secret key. Whoever has it can speak as Serbero: keep this file to yourself.
{private_key}
db_path = {db_path}

[mostro]
# The node whose disputes are watched.
pubkey = {node}
# A first start also tells of disputes opened within this many seconds and still open.
cold_start_lookback_seconds = {lookback}

# Where disputes are heard and messages are sent. Two or more, so that one may fail.
{relays}
# Who is told. "read": may look and talk; "write": may settle and cancel at the node too. For a
# solver who reads in one of Mostro's own clients, add: via = "mostro", or "both".
{solvers}
[timeouts]
# A dispute nobody took is announced again after this time, and each time later by this factor.
renotification_seconds = 300
renotification_backoff = {backoff}

[identity]
# Show solvers' clients a name (marked as a bot) and where to answer.
publish = true
name = "Serbero"

[mediation]
# Ask both parties, decide nothing, hand over well. To switch it on: register Serbero at the node
# with :read, choose a model below, set both "enabled" to true, and run `serbero doctor`.
enabled = false
# A mediation that takes longer goes to a human.
session_deadline_seconds = {session_deadline}
# Of the first messages to the parties: en, es, pt, fr, de or it.
language = "en"

[reasoning]
# The model that is asked: "openai", "anthropic", or "openai-compatible" for any other server that
# speaks OpenAI's protocol, also one of your own.
enabled = false
provider = "openai"
model = "gpt-4o-mini"
# Needed for "openai-compatible".
#api_base = "http://127.0.0.1:11434/v1"
# The environment variable that holds the provider's key; with _FILE added, a file that does. The
# key itself never stands here.
api_key_env = "SERBERO_REASONING_API_KEY"

[prompts]
# What the model is told: the texts that come with Serbero. To change them, see `serbero prompts
# export`.
source = "packaged"

[escalation]
# Hand disputes that need a human to the solvers with write permission; the reminders go on until
# one of them answers `ack` or takes the dispute. To switch it on, set both to true.
enabled = false
acknowledge = false
# What was prepared longer ago than a week is not sent any more.
max_handoff_age_seconds = {handoff_age}
# Warn before the escrow of a dispute ends.
deadline_warnings = true

[observe]
# Health and Prometheus metrics; uncomment to serve them on this machine.
#http_listen = "127.0.0.1:9464"

[retention]
# What people wrote in a dispute is emptied so many days after its end; 0: never.
closed_days = {closed_days}

# Channels of your own that are told what happens; see config.sample.toml.
#[[alerts]]
#url = "ntfys://ntfy.example/a-topic-nobody-guesses"
"""
