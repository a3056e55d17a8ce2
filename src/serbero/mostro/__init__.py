"""The Mostro protocol as bytes and values: no sockets, no clock."""
