"""When a subscription is asked again, as pure decisions."""

from hypothesis import given, settings
from hypothesis import strategies as st

from serbero.nostr.replies import parse_closed
from serbero.relays.hearing import TRANSITIONS, Signal, Stage, Wish
from serbero.relays.settings import RelaySettings

SETTINGS = RelaySettings()


def _asked(now: float = 0.0) -> Wish:
    wish = Wish("disputes", SETTINGS)
    wish.connected(now)
    wish.asking(now)
    return wish


def _next_request(wish: Wish, now: float) -> float:
    """Seconds until a REQ is due."""
    wish.tick(wish.due)
    return wish.due - now


def test_every_stage_has_a_row_and_ends_with_the_connection() -> None:
    assert set(TRANSITIONS) == set(Stage)
    for stage, row in TRANSITIONS.items():
        assert (Signal.LOST in row) is (stage is not Stage.DOWN)


def test_each_request_has_an_id_of_its_own() -> None:
    wish = _asked()
    first = wish.wire_id
    wish.renew(1.0)
    assert wish.asking(1.0) != first


def test_transient_closings_double_up_to_the_ceiling() -> None:
    wish, now, waits = _asked(), 0.0, []
    for _ in range(8):
        wish.closed(now, parse_closed("error: x"))
        waits.append(_next_request(wish, now))
        now = wish.due
        wish.asking(now)
        wish.heard(now, Signal.EOSE)
    assert waits == [1, 2, 4, 8, 16, 25, 25, 25]


def test_an_eose_followed_by_a_closing_does_not_forget_the_failures() -> None:
    wish = _asked()
    for _ in range(3):
        wish.heard(0.0, Signal.EOSE)
        wish.closed(0.0, parse_closed("rate-limited: x"))
        wish.asking(0.0)
    wish.heard(100.0, Signal.EOSE)
    wish.closed(100.0 + SETTINGS.stable_seconds, parse_closed("rate-limited: x"))
    assert wish.due == 100.0 + SETTINGS.stable_seconds + 1


def test_a_policy_is_told_once_and_asked_again_after_minutes() -> None:
    wish, now, waits, told = _asked(), 0.0, [], []
    for _ in range(6):
        told.append(wish.closed(now, parse_closed("restricted: not you")))
        waits.append(wish.due - now)
        now = wish.due
        wish.asking(now)
    assert waits == [300, 600, 1200, 2400, 3600, 3600]
    assert told == [True, False, False, False, False, False]
    wish.heard(now, Signal.EOSE)
    assert wish.closed(now, parse_closed("blocked: again")), "heard in between: news again"


def test_authentication_is_followed_by_a_request_at_once_but_not_for_ever() -> None:
    wish, immediate = _asked(), 0
    for _ in range(10):
        wish.closed(0.0, parse_closed("auth-required: x"))
        wish.authenticated(0.0)
        immediate += wish.due == 0.0
        wish.asking(0.0)
    assert immediate == 2


def test_silence_after_a_request_is_not_hearing() -> None:
    wish = _asked()
    wish.tick(SETTINGS.eose_timeout_seconds - 0.1)
    assert not wish.wants_request(1_000)
    wish.tick(SETTINGS.eose_timeout_seconds)
    assert wish.wants_request(1_000)
    assert wish.due == SETTINGS.eose_timeout_seconds + 1


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["eose", "auth", "policy", "error", "ok", "deaf"]), st.booleans()
        ),
        max_size=60,
    )
)
def test_no_relay_can_make_us_storm(words: list[str]) -> None:
    """However a relay answers, at most ten REQs fall into one minute of one connection."""
    wish, now = Wish("d", SETTINGS), 0.0
    wish.connected(now)
    requests = []
    for word in words:
        wish.tick(now)
        if wish.wants_request(now):
            requests.append(now)
            wish.asking(now)
        match word:
            case "eose":
                wish.heard(now, Signal.EOSE)
            case "auth":
                wish.closed(now, parse_closed("auth-required: x"))
            case "policy":
                wish.closed(now, parse_closed("blocked: x"))
            case "error":
                wish.closed(now, parse_closed("error: x"))
            case "ok":
                wish.authenticated(now)
            case _:
                wish.deaf(now, "x")
        due = wish.next_due()
        now = now + 0.05 if due is None else max(due, now + 0.05)
    for begin in requests:
        assert sum(begin <= each < begin + 60 for each in requests) <= 10
