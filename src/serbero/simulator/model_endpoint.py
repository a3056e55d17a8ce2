"""A language model's HTTP endpoint that says what it is told to, well or badly.

Speaks OpenAI's chat completions and Anthropic's messages over a real socket on the loopback
interface, and remembers the exact bytes of every request.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from serbero.clock import Clock, SystemClock

_MAX_REQUEST: Final = 4 * 1024 * 1024
_TEXTS: Final = {200: "OK", 302: "Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came.

    Attributes:
        headers: names in lower case.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def user(self) -> str:
        """What the user message says."""
        content = self.json["messages"][-1]["content"]
        return content if isinstance(content, str) else "".join(each["text"] for each in content)


@dataclass(frozen=True, slots=True)
class Says:
    """The model answers, in the protocol of the request.

    Attributes:
        text: its words; where the request offers a function, the function's arguments.
        tokens: input and output, None to say nothing of them.
        truncated: it stopped at a length limit.
    """

    text: str
    tokens: tuple[int, int] | None = (100, 20)
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Sends:
    """The endpoint sends these bytes.

    Attributes:
        cut: end the connection after so many bytes of the body, though more were announced.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass(frozen=True, slots=True)
class HangsUp:
    """The connection ends without an answer."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The endpoint takes its time.

    Attributes:
        seconds: on the endpoint's clock; None waits until :meth:`ModelServer.release`.
        then: what it does after that.
    """

    then: "Step"
    seconds: float | None = None


Step = Says | Sends | HangsUp | Waits
Script = Callable[[Received], Step]


class ModelServer:
    """An endpoint; use it as an asynchronous context manager.

    Args:
        *steps: what it does, request by request; the last one is repeated.
        script: decides for every request instead.
        clock: what waiting with a duration is measured on; None takes the machine's.

    Attributes:
        requests: everything received, in order.
    """

    def __init__(
        self, *steps: Step, script: Script | None = None, clock: Clock | None = None
    ) -> None:
        self.requests: list[Received] = []
        self._steps = list(steps)
        self._script = script
        self._clock = clock or SystemClock()
        self._released = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.busy = 0
        """Requests under way now."""
        self.busiest = 0
        """The most requests that were ever under way at once."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def host(self) -> str:
        """The address without a path, ``http://127.0.0.1:port``."""
        if self._server is None:
            raise RuntimeError("the endpoint is not started: use `async with`")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def base(self) -> str:
        """The address as ``api_base`` usually has it."""
        return f"{self.host}/v1"

    def release(self) -> None:
        """Let everybody on who waits without a duration, now and later."""
        self._released.set()

    def then(self, *steps: Step) -> None:
        """Replace what is left of the steps."""
        self._steps = list(steps)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                self.busy += 1
                self.busiest = max(self.busiest, self.busy)
                try:
                    alive = await self._do(self._next(request), request, writer)
                finally:
                    self.busy -= 1
                if not alive:
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _next(self, request: Received) -> Step:
        if self._script is not None:
            return self._script(request)
        if not self._steps:
            return Sends(500, b"no step is left")
        return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]

    async def _do(self, step: Step, request: Received, writer: asyncio.StreamWriter) -> bool:
        """Do one step; whether the connection is still good."""
        while isinstance(step, Waits):
            if step.seconds is None:
                await self._released.wait()
            else:
                await self._clock.sleep(step.seconds)
            step = step.then
        if isinstance(step, HangsUp):
            return False
        sends = _spoken(step, request) if isinstance(step, Says) else step
        head = {"content-type": "application/json", **sends.headers}
        head["content-length"] = str(len(sends.body))
        lines = [f"HTTP/1.1 {sends.status} {_TEXTS.get(sends.status, 'Some Status')}"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        writer.write("\r\n".join((*lines, "", "")).encode())
        writer.write(sends.body if sends.cut is None else sends.body[: sends.cut])
        await writer.drain()
        return sends.cut is None


async def _read(reader: asyncio.StreamReader) -> Received | None:
    """One request, or None at the connection's end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        length = min(int(headers.get("content-length", "0")), _MAX_REQUEST)
        return Received(method, path, headers, await reader.readexactly(length))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return None


def _spoken(says: Says, request: Received) -> Sends:
    """The answer in the protocol that was asked in."""
    asked = request.json
    tools = asked.get("tools")
    anthropic = request.path.split("?")[0].endswith("/messages")
    value = _message(says, tools) if anthropic else _completion(says, tools)
    return Sends(body=json.dumps(value, ensure_ascii=False).encode())


def _completion(says: Says, tools: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": says.text}
    if tools:
        function = {"name": tools[0]["function"]["name"], "arguments": says.text}
        call = {"id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    finish = "length" if says.truncated else "stop"
    value: dict[str, Any] = {"choices": [{"message": message, "finish_reason": finish}]}
    if says.tokens:
        value["usage"] = {"prompt_tokens": says.tokens[0], "completion_tokens": says.tokens[1]}
    return value


def _message(says: Says, tools: Any) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": says.text}
    if tools:
        name, given = tools[0]["name"], json.loads(says.text)
        block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": given}
    stop = "max_tokens" if says.truncated else "end_turn"
    value: dict[str, Any] = {"type": "message", "content": [block], "stop_reason": stop}
    if says.tokens:
        value["usage"] = {"input_tokens": says.tokens[0], "output_tokens": says.tokens[1]}
    return value


def verdict(**members: Any) -> str:
    """Return the text of a verdict that asks both sides, changed by ``members``."""
    plain = {
        "classification": "coordination_failure_resolvable",
        "confidence": 0.8,
        "suggested_action": "ask_clarification",
        "buyer_clarification": "When did you send the payment, and by which method?",
        "seller_clarification": "Have you looked for the payment in your account?",
        "rationale": "Neither side was heard yet.",
        "flags": [],
    }
    return json.dumps(plain | members, ensure_ascii=False)


def summary(**members: Any) -> str:
    """Return the text of a summary, changed by ``members``."""
    plain = {
        "summary": "The buyer says the payment was sent; the seller found it meanwhile.",
        "suggested_next_step": "Check both statements and decide.",
        "rationale": "Both accounts agree.",
    }
    return json.dumps(plain | members, ensure_ascii=False)
