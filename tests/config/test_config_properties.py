"""Whatever stands in the file: a configuration or a ConfigError, and never a secret shown."""

import datetime as dt
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.keys import MODEL_KEY, NSEC, SECRET

from serbero.config.loader import from_document, loads
from serbero.config.models import LISTS, TABLES
from serbero.config.problems import ConfigError

HIDDEN = (SECRET, NSEC, MODEL_KEY)
ENVIRON = {"SERBERO_PRIVATE_KEY": NSEC, "SERBERO_REASONING_API_KEY": MODEL_KEY}

SECTIONS = {**TABLES, **LISTS}
KEYS = sorted({key for model in SECTIONS.values() for key in model.model_fields})

texts = st.text(max_size=40) | st.sampled_from([*HIDDEN, NSEC.upper(), f"wss://{NSEC}", "wss://a"])
scalars = (
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | texts
    | st.just(dt.date(2026, 1, 1))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(KEYS) | texts
tables = st.dictionaries(names, values, max_size=6)
documents = st.dictionaries(
    st.sampled_from(sorted(SECTIONS)) | texts,
    tables | st.lists(tables, max_size=3) | values,
    max_size=8,
)


def shown(document: dict[str, Any], environ: dict[str, str]) -> str:
    try:
        loaded = from_document(document, environ)
    except ConfigError as error:
        return f"{error!s} {error!r} {error.warnings!r}"
    return f"{loaded.warnings!r} {loaded.config.describe()!r}"


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_any_document_is_a_configuration_or_a_config_error(document: dict[str, Any]) -> None:
    text = shown(document, ENVIRON).lower()
    for secret in HIDDEN:
        assert secret.lower() not in text


def nearly_valid() -> dict[str, Any]:
    """Close to valid, so that the checks behind the first are reached as well."""
    return {
        "serbero": {"private_key": NSEC},
        "mostro": {"pubkey": "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"},
        "relays": [{"url": "wss://a"}],
        "solvers": [{"pubkey": "x"}],
        "reasoning": {"enabled": True},
    }


def with_value(section: str, key: str, value: object) -> dict[str, Any]:
    document = nearly_valid()
    if section in LISTS:
        document[section] = [{**document.get(section, [{}])[0], key: value}]
    else:
        document[section] = {**document.get(section, {}), key: value}
    return document


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_good_file_with_one_wild_value_shows_no_secret(data: st.DataObject) -> None:
    section = data.draw(st.sampled_from(sorted(SECTIONS)))
    key = data.draw(st.sampled_from(sorted(SECTIONS[section].model_fields)))
    document = with_value(section, key, data.draw(values))
    text = shown(document, {"SERBERO_REASONING_API_KEY": MODEL_KEY}).lower()
    for secret in HIDDEN:
        assert secret.lower() not in text


@pytest.mark.parametrize("section", SECTIONS)
def test_a_secret_pasted_anywhere_is_shown_nowhere(section: str) -> None:
    """Every secret as the value of every key, in a list there, and as the name of a key."""
    for secret in HIDDEN:
        documents = [with_value(section, secret, 1), {**nearly_valid(), secret: {}}]
        for key in SECTIONS[section].model_fields:
            documents += [with_value(section, key, each) for each in (secret, [secret])]
        for document in documents:
            text = shown(document, {"SERBERO_REASONING_API_KEY": MODEL_KEY}).lower()
            assert not [each for each in HIDDEN if each.lower() in text], text


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.text() | st.text(alphabet="[]{}=\"'\n#.,ab1\\ "))
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        loads(text, ENVIRON)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*ENVIRON, *(f"{k}_FILE" for k in ENVIRON)]), texts))
def test_any_environment_is_a_configuration_or_a_config_error(environ: dict[str, str]) -> None:
    text = shown({"serbero": {"private_key": SECRET}, "reasoning": {"enabled": True}}, environ)
    # A path is shown nowhere; the secrets in it, pasted there by mistake, neither.
    for secret in HIDDEN:
        assert secret not in text
