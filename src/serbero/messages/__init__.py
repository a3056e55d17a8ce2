"""Every text a person reads. Templates filled with ids, roles, states and times; nothing else."""
