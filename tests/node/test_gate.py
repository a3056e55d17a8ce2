"""Which events from strangers cost us any cryptography."""

from serbero.node.gate import LATE_SECONDS, MAX_CHARACTERS, WRAPS_A_SECOND, Gate
from serbero.simulator.clock import FakeClock


def wrap(number: int = 0, content: str = "x") -> dict[str, object]:
    return {"kind": 1059, "id": f"{number:064x}", "content": content}


def test_gift_wraps_are_opened_only_while_an_answer_is_due() -> None:
    gate = Gate(FakeClock())
    assert not gate.lets_in(wrap(), expecting=False)
    assert gate.lets_in(wrap(), expecting=True)
    assert gate.lets_in({**wrap(), "kind": 14}, expecting=False)


async def test_a_late_answer_is_let_in_for_a_while() -> None:
    clock = FakeClock()
    gate = Gate(clock)
    gate.expect_late_answers()
    await clock.advance(LATE_SECONDS - 1)
    assert gate.lets_in(wrap(), expecting=False)
    await clock.advance(2)
    assert not gate.lets_in(wrap(), expecting=False)


async def test_a_flood_costs_so_many_a_second_and_no_more() -> None:
    clock = FakeClock()
    gate = Gate(clock)
    for _ in range(3):
        passed = sum(gate.lets_in(wrap(number), expecting=True) for number in range(5_000))
        assert passed == WRAPS_A_SECOND
        await clock.advance(1)


def test_what_no_answer_can_be_is_not_opened() -> None:
    gate = Gate(FakeClock())
    assert not gate.lets_in(wrap(content="x" * (MAX_CHARACTERS + 1)), expecting=True)
    assert gate.lets_in(wrap(1), expecting=True)
    gate.refuse(f"{1:064x}")
    assert not gate.lets_in(wrap(1), expecting=True)
