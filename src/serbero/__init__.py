"""Serbero: the dispute coordination daemon beside a Mostro node."""

__version__ = "0.1.0"
