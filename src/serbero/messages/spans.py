"""Lengths of time as people say them."""

from typing import Final

from serbero.model.texts import Fixed

_MOMENT: Final = "less than a minute"
_MINUTE: Final = "1 minute"
_MINUTES: Final = "{minutes} minutes"
_HOURS: Final = "{hours} h {minutes} min"
_DAYS: Final = "{days} days {hours} h"

_FROM_HOURS: Final = 2 * 3600
_FROM_DAYS: Final = 2 * 86_400


def spelled(seconds: int) -> Fixed:
    """Say how long ``seconds`` are, rounded down."""
    minutes = max(0, seconds) // 60
    hours = minutes // 60
    if seconds >= _FROM_DAYS:
        return Fixed(_DAYS, days=hours // 24, hours=hours % 24)
    if seconds >= _FROM_HOURS:
        return Fixed(_HOURS, hours=hours, minutes=minutes % 60)
    if minutes > 1:
        return Fixed(_MINUTES, minutes=minutes)
    return Fixed(_MINUTE if minutes else _MOMENT)
