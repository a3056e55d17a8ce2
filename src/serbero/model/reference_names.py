"""Strings the reference implementation puts on disk, on the wire or into logs.

Other programs match them, so they keep their spelling even where ours would be another.
"""

from typing import Final

TRIGGER_INITIAL_NOTIFICATION: Final = "initial_notification"
"""``dispute_state_transitions.trigger`` of new -> notified."""
TRIGGER_RESOLVED_EXTERNALLY: Final = "dispute_resolved_externally"
"""``dispute_state_transitions.trigger`` of any -> resolved."""
TRIGGER_CATCH_UP: Final = "catch_up"
"""Ours: the trigger of new -> notified when a reference row proves the announcement."""
TRIGGER_REOPENED: Final = "reopened:"
"""Ours: prefix of the trigger of any -> new; the revision's event id follows."""

NOTIFICATION_SENT: Final = "sent"
NOTIFICATION_FAILED: Final = "failed"
ERROR_INVALID_PUBKEY: Final = "invalid pubkey: "
"""Prefix of ``notifications.error_message`` for a solver key that cannot be one."""
ERROR_SEND_FAILED: Final = "notification error: gift-wrap send failed: "
"""Prefix of ``notifications.error_message`` for an attempt that reached no relay."""

UNKNOWN: Final = "unknown"
"""Printed and stored where a role or an assigned solver is not known."""

PROMPT_SYSTEM: Final = "./prompts/phase3-system.md"
PROMPT_CLASSIFICATION: Final = "./prompts/phase3-classification.md"
PROMPT_ESCALATION_POLICY: Final = "./prompts/phase3-escalation-policy.md"
PROMPT_MEDIATION_STYLE: Final = "./prompts/phase3-mediation-style.md"
PROMPT_MESSAGE_TEMPLATES: Final = "./prompts/phase3-message-templates.md"
"""Defaults of ``[prompts]``, relative to the working directory."""

PROMPT_BUNDLE_ID: Final = "phase3-default"
"""``prompt_bundle_id`` of every row; which bundle it was is told by ``policy_hash``."""
PROMPT_HASH_DOMAIN: Final = "serbero/phase3"
"""What the byte string behind ``policy_hash`` starts with."""
SUMMARY_NEXT_STEP_MARKER: Final = "SUGGESTED_NEXT_STEP:"
SUMMARY_RATIONALE_MARKER: Final = "RATIONALE:"
"""What stands before the second and third part of a summary written as plain text."""
