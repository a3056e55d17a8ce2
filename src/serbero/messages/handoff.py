"""The hand-off message, ``escalation_handoff/v1``, byte for byte as the reference writes it.

Other programs parse it: lines and keys keep their place; new lines are only added at the end.
"""

from typing import Final

from serbero.model.handoff import HandoffPackage
from serbero.model.texts import Fixed, Outgoing

_HEAD: Final = "escalation_handoff/v1\nDispute: {dispute_id}\n"
_SESSION: Final = "Session: {session_id}\n"
_NO_SESSION: Final = "Session: <none — dispute-scoped handoff>\n"
_BODY: Final = (
    "Trigger: {trigger}\n"
    "\n"
    "Escalation required for dispute {dispute_id}. Trigger: {trigger}. This dispute was evaluated"
    " by Serbero's mediation assistance system and requires human judgment. Please run TakeDispute"
    " for dispute {dispute_id} on your Mostro instance to review the full context.\n"
    "\n"
    "Handoff payload (JSON):\n"
)
_OPEN: Final = '{{"dispute_id":"{dispute_id}",'
_OPEN_SESSION: Final = '"session_id":"{session_id}",'
_TRIGGER: Final = '"trigger":"{trigger}","evidence_refs":['
_REF: Final = '"{ref}"'
_COMMA: Final = ","
_PINS: Final = (
    '],"prompt_bundle_id":"{prompt_bundle_id}","policy_hash":"{policy_hash}","rationale_refs":['
)
_CLOSE: Final = '],"assembled_at":{assembled_at}}}'
_LINE_END: Final = "\n"


def handoff(package: HandoffPackage, *added: Fixed) -> Outgoing:
    """Return the message.

    Args:
        package: what is handed over.
        added: lines of ours, which stand at the end.

    Raises:
        BadFilling: a value of the package could be a sentence; it was not written by us.
    """
    about = {"dispute_id": package.dispute_id, "trigger": package.trigger}
    session = (
        Fixed(_NO_SESSION)
        if package.session_id is None
        else Fixed(_SESSION, session_id=package.session_id)
    )
    parts = [Fixed(_HEAD, dispute_id=package.dispute_id), session, Fixed(_BODY, **about)]
    parts += _payload(package)
    for line in added:
        parts += [Fixed(_LINE_END), line]
    return Outgoing(*parts)


def _payload(package: HandoffPackage) -> list[Fixed]:
    """The package as one line of JSON; no value of it needs an escape, which ``Fixed`` checks."""
    parts = [Fixed(_OPEN, dispute_id=package.dispute_id)]
    if package.session_id is not None:
        parts.append(Fixed(_OPEN_SESSION, session_id=package.session_id))
    parts.append(Fixed(_TRIGGER, trigger=package.trigger))
    parts += _refs(package.evidence_refs)
    parts.append(
        Fixed(
            _PINS,
            prompt_bundle_id=package.prompt_bundle_id,
            policy_hash=package.policy_hash,
        )
    )
    parts += _refs(package.rationale_refs)
    parts.append(Fixed(_CLOSE, assembled_at=package.assembled_at))
    return parts


def _refs(refs: tuple[str, ...]) -> list[Fixed]:
    parts: list[Fixed] = []
    for ref in refs:
        if parts:
            parts.append(Fixed(_COMMA))
        parts.append(Fixed(_REF, ref=ref))
    return parts
