"""Bodies of strangers: reduced to what is read, or refused."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.reasoning.dialects import CHAT, MESSAGES, BadBody, Dialect

DIALECTS = pytest.mark.parametrize("dialect", [CHAT, MESSAGES])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["message", "content", "text", "type", "tool_calls", "function", "name", "input"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(st.fixed_dictionaries({"message": JSON}) | JSON, max_size=2),
        "content": st.lists(
            st.fixed_dictionaries({"type": st.sampled_from(["text", "tool_use"]), "text": JSON})
            | JSON,
            max_size=3,
        ),
        "stop_reason": JSON,
        "usage": st.dictionaries(
            st.sampled_from(["prompt_tokens", "completion_tokens", "input_tokens"]), JSON
        ),
    },
)


def reduced(dialect: Dialect, raw: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(dialect.answer_body(raw))
    except BadBody:
        return None
    assert isinstance(value, dict)
    return value


@DIALECTS
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_an_answer_or_refused(dialect: Dialect, raw: bytes) -> None:
    reduced(dialect, raw)


@DIALECTS
@given(ANSWERS)
def test_what_is_kept_is_well_formed(dialect: Dialect, answer: dict[str, Any]) -> None:
    kept = reduced(dialect, json.dumps(answer).encode())
    if kept is None:
        return
    texts = (
        [kept["choices"][0]["message"]["content"]]
        if dialect is CHAT
        else [each.get("text") for each in kept["content"]]
    )
    assert all(each is None or isinstance(each, str) for each in texts)
    assert set(kept) <= {
        "id", "object", "created", "model", "choices", "usage",
        "type", "role", "content", "stop_reason", "stop_sequence",
    }  # fmt: skip


@pytest.mark.parametrize("depth", [100, 900, 5_000, 100_000])
@DIALECTS
def test_depth(dialect: Dialect, depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    call = b'{"type":"tool_use","name":"x","input":' + deep + b"}"
    reduced(dialect, b'{"content":[' + call + b'],"choices":[{"message":' + deep + b"}]}")


def test_a_request_in_the_references_order() -> None:
    body = {
        "messages": [
            {"role": "user", "content": [{"text": "a", "type": "text"}]},
            {"role": "user", "content": [{"text": "b", "type": "text", "cache_control": {}}]},
        ],
        "stream": False,
        "tools": [],
        "temperature": 0.0,
        "model": "m",
    }
    sent = json.loads(CHAT.request_body(json.dumps(body).encode()))
    assert list(sent) == ["model", "messages", "temperature", "tools"]
    assert sent["messages"][0] == {"role": "user", "content": "a"}
    assert sent["messages"][1] == body["messages"][1]  # type: ignore[index]
