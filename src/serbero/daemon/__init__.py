"""The daemon: builds the parts, supervises them in one task group, stops them in order."""
