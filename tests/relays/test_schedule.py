"""When a relay may be tried again."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from serbero.relays.schedule import ConnectSchedule
from serbero.relays.settings import RelaySettings


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["failed", "lost at once", "lost late"]),
            st.floats(0, 1, exclude_max=True),
        ),
        max_size=40,
    )
)
def test_attempts_are_never_closer_than_ten_seconds(history: list[tuple[str, float]]) -> None:
    numbers = RelaySettings()
    schedule, now, attempts = ConnectSchedule(numbers), 5.0, []
    for what, draw in history:
        now = max(now, schedule.due())
        attempts.append(now)
        schedule.attempted(now)
        match what:
            case "failed":
                schedule.failed(draw)
            case "lost at once":
                schedule.lost(0.0, draw)
            case _:
                now += 3_600
                schedule.lost(3_600, draw)
                assert schedule.due() <= now, "a connection that lasted may return at once"
        assert schedule.due() - attempts[-1] <= numbers.reconnect_ceiling_seconds + 1e-6
    gaps = [b - a for a, b in itertools.pairwise(attempts)]
    assert all(gap >= numbers.reconnect_seconds - 1e-6 for gap in gaps)


def test_the_first_attempt_is_immediate() -> None:
    assert ConnectSchedule(RelaySettings()).due() <= 0
