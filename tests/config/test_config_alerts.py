"""The operator's own channels: addresses are secrets, and what is wrong costs one channel."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.keys import SECRET

from serbero.config.alerts import AlertChannel
from serbero.config.loader import loads
from serbero.config.settings import Loaded
from serbero.model.alerts import AlertEvent

NODE = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
URL = "ntfys://ntfy.example/a-topic-nobody-guesses"
HEAD = (
    f'[serbero]\nprivate_key = "{SECRET}"\n[mostro]\npubkey = "{NODE}"\n'
    '[[relays]]\nurl = "wss://relay.example"\n'
    '[[solvers]]\npubkey = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"\n'
)


def load(*blocks: str, environ: Mapping[str, str] | None = None) -> Loaded:
    entries = "".join(f"[[alerts]]\n{each}\n" for each in blocks)
    return loads(HEAD + entries, environ or {})


def told(loaded: Loaded) -> str:
    """All that anybody may be shown of it."""
    warnings = "\n".join(map(str, loaded.warnings))
    return f"{warnings}\n{loaded.config!r}\n{loaded.config.describe()}"


def test_one_that_is_as_it_should_be() -> None:
    loaded = load(f"url = '{URL}'")
    (channel,) = loaded.config.alerts
    assert channel == AlertChannel("alerts-1", SecretStr(URL), frozenset(AlertEvent))
    assert loaded.warnings == ()
    assert dict(loaded.config.describe())["alerts"] == "alerts-1"
    assert "nobody" not in told(loaded)


def test_names_events_and_order() -> None:
    loaded = load(f"url = '{URL}'\nname = ' phone '\nevents = ['escalated']", f"url = '{URL}/2'")
    assert [(each.name, each.events) for each in loaded.config.alerts] == [
        ("phone", {AlertEvent.ESCALATED}),
        ("alerts-2", frozenset(AlertEvent)),
    ]


@pytest.mark.parametrize("form", ["", "_FILE"])
def test_an_address_may_come_from_the_environment(tmp_path: Path, form: str) -> None:
    value = URL
    if form:
        (tmp_path / "address").write_text(f"{URL}\n")
        (tmp_path / "address").chmod(0o600)
        value = str(tmp_path / "address")
    loaded = load("url_env = 'OPS_CHANNEL'", environ={f"OPS_CHANNEL{form}": value})
    assert [each.url.get_secret_value() for each in loaded.config.alerts] == [URL]
    assert loaded.warnings == ()
    assert "nobody" not in told(loaded)


@pytest.mark.parametrize(
    ("block", "key"),
    [
        ("name = 'x'", "url"),
        (f"url = '{URL}'\nurl_env = 'OPS'", "url"),
        ("url = '   '", "url"),
        ("url = 'nobody-guesses-this'", "url"),
        ("url = 'ntfys://nobody guesses.example/x'", "url"),
        ("url = 'ntfys://[nobody/x'", "url"),
        ("url_env = 'UNSET'", "url_env"),
        ("url_env = 'SERBERO_PRIVATE_KEY'", "url_env"),
    ],
)
def test_what_is_wrong_costs_one_channel_and_stops_nothing(block: str, key: str) -> None:
    loaded = load(block, f"url = '{URL}'\nname = 'well'")
    assert [each.name for each in loaded.config.alerts] == ["well"]
    (problem,) = loaded.warnings
    assert (problem.section, problem.key) == ("alerts #1", key)
    assert problem.remedy
    assert "nobody" not in told(loaded)


def test_two_of_a_name() -> None:
    loaded = load(f"url = '{URL}'\nname = 'x'", f"url = '{URL}/2'\nname = 'x'")
    assert [each.url.get_secret_value() for each in loaded.config.alerts] == [URL]
    assert [(each.section, each.key) for each in loaded.warnings] == [("alerts #2", "name")]


@pytest.mark.parametrize("name", [URL, "a-topic-nobody-guesses", "nobody\\u0007guesses"])
def test_a_name_that_would_show_the_address_or_drive_the_terminal(name: str) -> None:
    """Names stand in logs; people paste an address into every line there is."""
    loaded = load(f'url = "{URL}"\nname = "{name[:40]}"')
    assert [each.name for each in loaded.config.alerts] == ["alerts-1"]
    assert [each.key for each in loaded.warnings] == ["name"]
    assert "nobody" not in told(loaded)


def test_a_name_of_the_service_is_a_good_name() -> None:
    loaded = load(f"url = '{URL}'\nname = 'ntfy'")
    assert (loaded.config.alerts[0].name, loaded.warnings) == ("ntfy", ())


def test_a_channel_that_is_told_of_nothing_is_pointed_out() -> None:
    loaded = load(f"url = '{URL}'\nevents = []")
    assert [(each.section, each.key) for each in loaded.warnings] == [("alerts #1", "events")]
