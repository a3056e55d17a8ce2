"""Guided mediation: ask both sides, decide nothing, hand over well.

``engine`` is the door: what the daemon connects. ``starting`` begins a session, ``conversing``
leads it, ``summarising`` and ``escalating`` end it from our side, ``ending`` from everybody
else's, ``clocks`` when time has passed. What may be said and done is ``policy``'s alone.
"""
