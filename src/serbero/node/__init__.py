"""Our dealings with the Mostro node: what it says of itself, and taking a dispute."""
