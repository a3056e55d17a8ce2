"""When the daemon counts as ready and degraded, and what is logged about it."""

from structlog.testing import capture_logs

from serbero.observe.health import Health, Part, PartState, Voice
from serbero.simulator.clock import FakeClock


def all_well(clock: FakeClock) -> Health:
    health = Health(clock)
    for part in Part:
        health.set(part, ok=True)
    return health


def test_at_the_start_it_is_not_ready(clock: FakeClock) -> None:
    health = Health(clock)
    assert not health.ready
    assert health.degraded == (
        "store: not reported yet",
        "relays: not reported yet",
        "intake: not reported yet",
    )


def test_ready_when_the_needed_parts_are(clock: FakeClock) -> None:
    health = Health(clock)
    seen = []
    for part in (Part.STORE, Part.RELAYS, Part.INTAKE):
        health.set(part, ok=True)
        seen.append(health.ready)
    assert seen == [False, False, True]
    assert health.degraded == ()


def test_what_is_not_needed_only_degrades(clock: FakeClock) -> None:
    health = all_well(clock)
    health.set(Part.DELIVERY, ok=False, reason="no relay takes messages")
    assert health.ready
    assert health.degraded == ("delivery: no relay takes messages",)


def test_what_is_needed_takes_readiness_away_and_gives_it_back(clock: FakeClock) -> None:
    health = all_well(clock)
    health.set(Part.STORE, ok=False, reason="disk full")
    assert not health.ready
    health.set(Part.STORE, ok=True)
    assert health.ready


async def test_a_change_is_logged_once(clock: FakeClock) -> None:
    health = Health(clock)
    with capture_logs() as logs:
        health.set(Part.RELAYS, ok=True)
        health.set(Part.RELAYS, ok=False, reason="1 of 3 hear")
        health.set(Part.RELAYS, ok=False, reason="1 of 3 hear")
        await clock.advance(40)
        health.set(Part.RELAYS, ok=False, reason="0 of 3 hear")
        await clock.advance(20)
        health.set(Part.RELAYS, ok=True)
        health.set(Part.RELAYS, ok=True)
    assert logs == [
        {"event": "degraded", "log_level": "warning", "part": "relays", "reason": "1 of 3 hear"},
        {"event": "degraded", "log_level": "warning", "part": "relays", "reason": "0 of 3 hear"},
        {"event": "recovered", "log_level": "info", "part": "relays", "after_seconds": 60},
    ]


async def test_since_is_the_change_not_the_last_report(clock: FakeClock) -> None:
    health = Health(clock)
    began = clock.now()
    health.set(Part.STORE, ok=False, reason="locked")
    await clock.advance(5)
    health.set(Part.STORE, ok=False, reason="read-only")
    assert health.parts()[Part.STORE] == PartState(ok=False, reason="read-only", since=began)
    health.set(Part.STORE, ok=True, reason="ignored")
    assert health.parts()[Part.STORE] == PartState(ok=True, reason="", since=began + 5)


def test_a_part_that_not_everybody_has_is_none_until_it_reports(clock: FakeClock) -> None:
    """Without mediation nothing may look as if mediation had failed."""
    health = Health(clock)
    assert Part.MEDIATION not in health.parts()
    health.set(Part.MEDIATION, ok=False, reason="the node refuses us")
    assert not health.parts()[Part.MEDIATION].ok
    assert "mediation: the node refuses us" in health.degraded
    assert not health.ready, "for other reasons"
    for part in (Part.STORE, Part.RELAYS, Part.INTAKE):
        health.set(part, ok=True)
    assert health.ready


def test_a_part_that_several_speak_of_works_while_none_complains(clock: FakeClock) -> None:
    health = Health(clock)
    said: dict[str, str] = {}
    model, standing = Voice(health, said, "model"), Voice(health, said, "standing")
    model.set(Part.MEDIATION, ok=False, reason="no model")
    standing.set(Part.MEDIATION, ok=False, reason="no standing")
    model.set(Part.MEDIATION, ok=True)
    assert health.parts()[Part.MEDIATION].reason == "no standing"
    assert "mediation: no standing" in health.degraded
    standing.set(Part.MEDIATION, ok=True)
    assert health.parts()[Part.MEDIATION].ok


def test_a_listener_hears_of_changes_alone() -> None:
    health = Health(FakeClock(start=1_000))
    heard: list[tuple[Part, bool]] = []
    health.tell(lambda part, state: heard.append((part, state.ok)))
    for ok in (True, True, False, False, True):
        health.set(Part.RELAYS, ok=ok, reason="some")
    health.set(Part.NODE, ok=False, reason="none")
    health.set(Part.NODE, ok=False, reason="another reason")
    assert heard == [
        (Part.RELAYS, True),
        (Part.RELAYS, False),
        (Part.RELAYS, True),
        (Part.NODE, False),
    ]
