"""The two wire formats as the reference speaks them: requests to the key, answers to what is read.

The libraries above are stricter about answers than the endpoints in use are, and add things to
requests that some endpoints refuse. Both are put straight here. Pure.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from serbero.mostro.untrusted import is_unicode

_MOST_TOKENS: Final = 10**9
_CHAT_ORDER: Final = ("model", "messages", "response_format", "temperature")
_MESSAGES_ORDER: Final = ("model", "max_tokens", "system", "messages", "temperature")
_CHAT_FINISHES: Final = frozenset({"stop", "length", "tool_calls", "content_filter"})
_STOPS: Final = {
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "tool_use": "tool_use",
}


class WireFault(StrEnum):
    """Why the body of a successful HTTP answer cannot be used."""

    TOO_LARGE = "body-too-large"
    CUT = "body-cut"
    """The connection ended in the middle of it."""
    NOT_JSON = "body-not-json"
    SHAPE = "body-shape"
    EMPTY_CHOICES = "empty choices"
    EMPTY_CONTENT = "empty content"


class BadBody(Exception):  # noqa: N818 - carries a fault, is none
    """A successful answer without a usable body."""

    def __init__(self, fault: WireFault) -> None:
        self.fault = fault
        super().__init__(fault)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one protocol is put straight.

    Attributes:
        headers: key to the headers that carry it, in lower case; besides content type, length,
            host and agent nothing else is sent.
        order: a request's members in the reference's order; others follow.
        answer: keeps of a parsed answer what is read. Raises BadBody.
    """

    headers: Callable[[str], Mapping[str, str]]
    order: tuple[str, ...]
    answer: Callable[[object], dict[str, Any]]

    def request_body(self, raw: bytes) -> bytes:
        """Return a library's request as the reference would send it."""
        value: dict[str, Any] = json.loads(raw)
        if value.get("stream") is False:
            del value["stream"]
        if isinstance(value.get("messages"), list):
            value["messages"] = [_plain_content(each) for each in value["messages"]]
        first = {name: value.pop(name) for name in self.order if name in value}
        return _dumped(first | value)

    def answer_body(self, raw: bytes) -> bytes:
        """Return an endpoint's answer reduced to what is read, in the full official form.

        Raises:
            BadBody: it is none.
        """
        try:
            return _dumped(self.answer(json.loads(raw)))
        except (ValueError, RecursionError):
            raise BadBody(WireFault.NOT_JSON) from None


def _chat_answer(value: object) -> dict[str, Any]:
    """Reduce an answer of OpenAI's chat completions; of the choices the first is read."""
    if not isinstance(value, dict) or not isinstance(value.get("choices"), list):
        raise BadBody(WireFault.SHAPE)
    if not value["choices"]:
        raise BadBody(WireFault.EMPTY_CHOICES)
    choice = value["choices"][0]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise BadBody(WireFault.SHAPE)
    kept = _chat_message(message)
    finish = choice.get("finish_reason")
    reason = finish if isinstance(finish, str) and finish in _CHAT_FINISHES else "stop"
    usage = _usage(value.get("usage"), "prompt_tokens", "completion_tokens")
    answer: dict[str, Any] = {
        "id": "answer",
        "object": "chat.completion",
        "created": 0,
        "model": "answer",
        "choices": [{"index": 0, "message": kept, "finish_reason": reason}],
    }
    if usage:
        answer["usage"] = usage | {"total_tokens": sum(usage.values())}
    return answer


def _chat_message(message: Mapping[str, Any]) -> dict[str, Any]:
    content, calls = message.get("content"), message.get("tool_calls")
    if isinstance(calls, list) and calls:
        return {"role": "assistant", "content": None, "tool_calls": [_chat_call(calls[0])]}
    if content is None:
        raise BadBody(WireFault.EMPTY_CHOICES)
    return {"role": "assistant", "content": _text(content)}


def _chat_call(call: object) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise BadBody(WireFault.SHAPE)
    kept = {"name": _text(function.get("name")), "arguments": _text(function.get("arguments"))}
    return {"id": "call", "type": "function", "function": kept}


def _messages_answer(value: object) -> dict[str, Any]:
    """Reduce an answer of Anthropic's messages: its texts in order, or its function call."""
    if not isinstance(value, dict) or not isinstance(value.get("content"), list):
        raise BadBody(WireFault.SHAPE)
    blocks = [each for each in value["content"] if isinstance(each, dict)]
    texts = [_text(each.get("text")) for each in blocks if each.get("type") == "text"]
    calls = [each for each in blocks if each.get("type") == "tool_use"]
    content: list[dict[str, Any]] = []
    if texts:
        content.append({"type": "text", "text": "".join(texts)})
    content += [_messages_call(each) for each in calls[:1]]
    if not content:
        raise BadBody(WireFault.EMPTY_CONTENT)
    stop = value.get("stop_reason")
    named = _STOPS.get(stop, "end_turn") if isinstance(stop, str) else "end_turn"
    return {
        "id": "answer",
        "type": "message",
        "role": "assistant",
        "model": "answer",
        "content": content,
        "stop_reason": named,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0}
        | _usage(value.get("usage"), "input_tokens", "output_tokens"),
    }


def _messages_call(block: Mapping[str, Any]) -> dict[str, Any]:
    given = block.get("input")
    if not isinstance(given, dict):
        raise BadBody(WireFault.SHAPE)
    name = _text(block.get("name"))
    if not is_unicode(json.dumps(given, ensure_ascii=False)):
        raise BadBody(WireFault.SHAPE)
    return {"type": "tool_use", "id": "call", "name": name, "input": given}


def _usage(usage: object, *names: str) -> dict[str, int]:
    """The counts if all are there and can be counts."""
    if not isinstance(usage, dict):
        return {}
    counts = {name: usage.get(name) for name in names}
    fine = all(
        isinstance(each, int) and not isinstance(each, bool) and 0 <= each <= _MOST_TOKENS
        for each in counts.values()
    )
    return {name: int(each) for name, each in counts.items() if each is not None} if fine else {}


def _text(value: object) -> str:
    if not isinstance(value, str) or not is_unicode(value):
        raise BadBody(WireFault.SHAPE)
    return value


def _plain_content(message: object) -> object:
    """A message whose content is one block of text, with that text as its content."""
    if not isinstance(message, dict):
        return message
    match message.get("content"):
        case [{"type": "text", "text": str(text), **rest}] if not rest:
            return message | {"content": text}
    return message


def _dumped(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


CHAT: Final = Dialect(
    headers=lambda key: {"authorization": f"Bearer {key}"},
    order=_CHAT_ORDER,
    answer=_chat_answer,
)
"""OpenAI's chat completions."""

MESSAGES: Final = Dialect(
    headers=lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
    order=_MESSAGES_ORDER,
    answer=_messages_answer,
)
"""Anthropic's messages."""
