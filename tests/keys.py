"""Secrets for tests that show secrets: made up, nobody's, and visibly so.

Tests to which the key does not matter make a fresh one instead (``Keys.generate()``).
"""

from nostr_sdk import Keys

SECRET = "5e" * 32
"""A secret key as hex."""

_KEYS = Keys.parse(SECRET)
NSEC = _KEYS.secret_key().to_bech32()
"""The same as bech32."""
OWN = _KEYS.public_key().to_hex()
"""Its public half."""
OTHER_NSEC = Keys.parse("fa" * 32).secret_key().to_bech32()
"""Another person's."""

MODEL_KEY = "sk-" + "fake" * 4
"""What a model provider's key looks like."""
