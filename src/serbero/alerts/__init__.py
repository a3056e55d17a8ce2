"""The operator's own channels: what happened, told in a few words through Apprise."""
