"""Which models are asked: the chain, its addresses and its keys."""

import pytest
from tests.keys import MODEL_KEY, NSEC, SECRET

from serbero.config.loader import loads
from serbero.config.problems import ConfigError, Problem
from serbero.config.settings import Loaded

BASE = f"""
[serbero]
private_key = "{SECRET}"
[mostro]
pubkey = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
[[relays]]
url = "wss://relay.example"
[[solvers]]
pubkey = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
[mediation]
enabled = true
[reasoning]
enabled = true
"""
KEYS = {"SERBERO_REASONING_API_KEY": MODEL_KEY, "SECOND": "sk-second", "THIRD": "sk-third"}
SECOND = """
[[reasoning.fallback]]
provider = "anthropic"
model = "claude-x"
api_key_env = "SECOND"
"""
THIRD = """
[[reasoning.fallback]]
provider = "ollama"
model = "small"
api_base = "http://10.0.0.5:11434/v1"
api_key_env = "THIRD"
"""


def load(more: str, environ: dict[str, str] = KEYS) -> Loaded:
    return loads(BASE + more, environ)


def chain(loaded: Loaded) -> list[tuple[str, str, str | None, str]]:
    return [
        (each.provider, each.model, each.api_base, each.key.get_secret_value())
        for each in loaded.config.model_endpoints
    ]


def only_warning(loaded: Loaded) -> Problem:
    (warning,) = loaded.warnings
    return warning


def test_the_defaults() -> None:
    loaded = load("")
    assert chain(loaded) == [("openai", "gpt-4o-mini", "https://api.openai.com/v1", MODEL_KEY)]
    assert loaded.warnings == ()


def test_a_chain_in_its_order() -> None:
    loaded = load(SECOND + THIRD)
    assert chain(loaded)[1:] == [
        ("anthropic", "claude-x", "https://api.anthropic.com", "sk-second"),
        ("ollama", "small", "http://10.0.0.5:11434/v1", "sk-third"),
    ]
    assert MODEL_KEY not in repr(loaded)
    assert "sk-second" not in repr(loaded)


def test_nothing_is_asked_while_reasoning_is_off() -> None:
    loaded = loads(BASE.replace("true", "false") + SECOND, {})
    assert (chain(loaded), loaded.warnings) == ([], ())


@pytest.mark.parametrize("provider", ["openai-compatible", "ppqai", "openclaw"])
def test_a_compatible_server_needs_an_address(provider: str) -> None:
    """A default would send the key to a host it does not belong to."""
    for base in ("", 'api_base = " "\n'):
        loaded = load(f'provider = "{provider}"\n{base}{SECOND}')
        assert only_warning(loaded).where == "[reasoning].api_base"
        assert chain(loaded) == []
    loaded = load(f'provider = "{provider}"\napi_base = "https://llm.example"\n')
    assert chain(loaded)[0][2] == "https://llm.example"


@pytest.mark.parametrize(
    "base",
    [
        "llm.example",
        "ftp://llm.example",
        "https://",
        "https://h:x",
        "https://h/ x",
        "https://h\u00e9",
    ],
)
def test_an_address_that_is_none(base: str) -> None:
    loaded = load(f'api_base = "{base}"\n')
    assert only_warning(loaded).where == "[reasoning].api_base"
    assert chain(loaded) == []


def test_a_fallback_that_cannot_be_used_is_left_out() -> None:
    loaded = load(SECOND + THIRD, {k: v for k, v in KEYS.items() if k != "SECOND"})
    assert [each[0] for each in chain(loaded)] == ["openai", "ollama"]
    assert only_warning(loaded).where == "[[reasoning.fallback]] #1.api_key_env"
    assert "SECOND" in only_warning(loaded).message


def test_without_its_first_model_nothing_is_asked() -> None:
    loaded = load(SECOND, {"SECOND": "sk-second"})
    assert chain(loaded) == []


def test_no_provider_gets_a_key_of_ours() -> None:
    ours = SECOND.replace('"SECOND"', '"SERBERO_PRIVATE_KEY"')
    loaded = load(ours, KEYS | {"SERBERO_PRIVATE_KEY": NSEC})
    assert len(chain(loaded)) == 1
    assert "found ours" in only_warning(loaded).message


def test_a_key_that_would_start_another_header() -> None:
    loaded = load("", {"SERBERO_REASONING_API_KEY": "sk-a\r\nx-evil: 1"})
    assert chain(loaded) == []
    assert "one line" in only_warning(loaded).message
    assert "evil" not in f"{loaded!r}"


@pytest.mark.parametrize(
    ("block", "where", "said"),
    [
        (SECOND.replace("model", "modle"), "[[reasoning.fallback]] #1.model", "missing field"),
        (SECOND.replace('"claude-x"', "5"), "[[reasoning.fallback]] #1.model", "found an integer"),
        ("fallback = 3\n", "[reasoning.fallback]", "expected an array of tables"),
        ("[reasoning.fallback]\nmodel = 'x'\n", "[reasoning.fallback]", "found a table"),
        ('output_mode = "xml"\n', "[reasoning].output_mode", "`auto`, `json`, `tool` or `schema`"),
        ("max_concurrent_calls = 0\n", "[reasoning].max_concurrent_calls", "1 or more"),
        ("max_output_tokens = -1\n", "[reasoning].max_output_tokens", "0 or more"),
        ('[prompts]\nsource = "net"\n', "[prompts].source", "`files` or `packaged`"),
    ],
)
def test_wrong_kinds_stop_the_daemon(block: str, where: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(block)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert said in problem.message


def test_a_misspelt_key_of_a_fallback_is_told() -> None:
    loaded = load(SECOND + 'api_bse = "x"\n')
    assert only_warning(loaded).where == "[[reasoning.fallback]] #1.api_bse"
    assert only_warning(loaded).remedy == "did you mean api_base?"
