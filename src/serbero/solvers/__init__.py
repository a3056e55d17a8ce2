"""What solvers may ask Serbero for, by a message from any Nostr client."""
