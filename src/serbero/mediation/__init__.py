"""Guided mediation: ask both sides, decide nothing, hand over well."""
