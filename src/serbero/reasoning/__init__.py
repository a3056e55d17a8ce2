"""Asking a language model about a dispute: what goes out, what may come back, nothing else."""
