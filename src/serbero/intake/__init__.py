"""Dispute events in, decisions out: what is recorded, announced, reminded of, looked up again."""
