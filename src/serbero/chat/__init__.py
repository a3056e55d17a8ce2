"""The dispute chat: one channel with each party of a dispute that we hold."""
