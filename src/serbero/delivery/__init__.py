"""The outbox worker: claim, wrap, publish, record, reschedule; and where recipients read."""
