"""Nostr envelopes and words that are not Mostro's: keys, rumors, gift wraps, relay replies."""
