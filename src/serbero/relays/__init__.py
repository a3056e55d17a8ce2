"""The one place that speaks to relays: connections, hearing, publishing, asking.

:class:`~serbero.relays.pool.RelayPool` is what the rest of the daemon uses. Below it, one
:class:`~serbero.relays.link.RelayLink` a relay; the decisions are pure modules:
:mod:`~serbero.relays.schedule` (when to connect), :mod:`~serbero.relays.hearing` (when to ask
again), :mod:`~serbero.relays.canary` (whether we are heard), :mod:`~serbero.nostr.addresses`.
"""
