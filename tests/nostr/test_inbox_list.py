"""What a published list of inbox relays says, for whoever reads it."""

import pytest
from nostr_sdk import Event, Keys

from serbero.nostr.inbox_list import InboxList, inbox_list
from serbero.simulator.events import inbox_relays_event, signed

AUTHOR = Keys.generate()
HEX = AUTHOR.public_key().to_hex()
AT = 1_767_225_600


def read(*events: Event, allow_private: bool = False) -> InboxList | None:
    return inbox_list(HEX, events, allow_private=allow_private)


def test_no_list_is_not_an_empty_one() -> None:
    assert read() is None
    assert read(inbox_relays_event(Keys.generate(), AT, ["wss://a.example"])) is None
    assert read(inbox_relays_event(AUTHOR, AT, [])) == InboxList(AT, (), ())


@pytest.mark.parametrize("allow", [False, True])
def test_what_is_not_visited_is_kept_apart_for_people(allow: bool) -> None:
    event = inbox_relays_event(AUTHOR, AT, ["ws://10.0.0.1", "WSS://A.example/", "mailto:x\x1b[2J"])
    private = ("ws://10.0.0.1",)
    assert read(event, allow_private=allow) == InboxList(
        AT,
        ((*private, "wss://a.example") if allow else ("wss://a.example",)),
        (("mailto:x [2J",) if allow else (*private, "mailto:x [2J")),
    )


def test_a_list_of_thousands_is_read_as_far_as_a_person_would_write() -> None:
    tags = [["x", str(number)] for number in range(100)]
    event = signed(AUTHOR, 10050, "", [*tags, ["relay", "wss://late.example"]], AT)
    assert read(event) == InboxList(AT, (), ())
