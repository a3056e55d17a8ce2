"""Attempts, waits, the chain of models, what is learned, and how every fault ends."""

import asyncio
import gzip
import json
import logging
import subprocess
import sys
from collections.abc import Sequence

import pytest
import structlog
from pydantic import SecretStr
from tests.keys import MODEL_KEY
from tests.reasoning.reasoning_rig import (
    asking,
    classify_request,
    endpoint,
    summarize_request,
)

from serbero.config.models import ReasoningSection
from serbero.config.reasoning import ModelEndpoint
from serbero.reasoning.calls import (
    Classified,
    FailureKind,
    OutputMode,
    ReasoningFailed,
    Summarised,
)
from serbero.reasoning.reasoner import HEALTHY_SECONDS, Reasoner
from serbero.simulator.clock import FakeClock, eventually, run_until
from serbero.simulator.model_endpoint import (
    HangsUp,
    ModelServer,
    Received,
    Says,
    Sends,
    Step,
    Waits,
    verdict,
)

SECRET_WORDS = "the buyer lives in Elm Street"
GOOD = Says(verdict())
MEGABYTE = json.dumps({"choices": [{"message": {"content": "x" * 1_000_000}}]}).encode()


def failed(outcome: object) -> ReasoningFailed:
    assert isinstance(outcome, ReasoningFailed), outcome
    return outcome


def error(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "invalid"}}).encode()


BOTH = pytest.mark.parametrize("provider", ["openai", "anthropic"])


@BOTH
@pytest.mark.parametrize(
    ("step", "kind", "reason", "status"),
    [
        (HangsUp(), FailureKind.UNREACHABLE, "no connection", None),
        (Sends(401, error(SECRET_WORDS)), FailureKind.UNREACHABLE, "http 401", 401),
        (Sends(403, b"<html>no"), FailureKind.UNREACHABLE, "http 403", 403),
        (Sends(404, error(SECRET_WORDS)), FailureKind.UNREACHABLE, "http 404", 404),
        (Sends(402), FailureKind.UNREACHABLE, "http 402 (quota exhausted)", 402),
        (Sends(429, b""), FailureKind.UNREACHABLE, "http 429", 429),
        (Sends(500, b"\xff\xfe" * 9), FailureKind.UNREACHABLE, "http 500", 500),
        (Sends(529, b"{"), FailureKind.UNREACHABLE, "http 529", 529),
        (Sends(302, b"", {"location": "/v1/x"}), FailureKind.UNREACHABLE, "http 302", 302),
        (
            Sends(200, b"<html>", {"content-type": "text/html"}),
            FailureKind.MALFORMED,
            "body-not-json",
            None,
        ),
        (Sends(200, b""), FailureKind.MALFORMED, "body-not-json", None),
        (Sends(200, b"\xff"), FailureKind.MALFORMED, "body-not-json", None),
        (Sends(200, b"[" * 90_000), FailureKind.MALFORMED, "body-not-json", None),
        (Sends(200, MEGABYTE), FailureKind.MALFORMED, "body-too-large", None),
        (
            Sends(200, gzip.compress(MEGABYTE * 9), {"content-encoding": "gzip"}),
            FailureKind.MALFORMED,
            "body-too-large",
            None,
        ),
        (
            Sends(200, b"no gzip", {"content-encoding": "gzip"}),
            FailureKind.MALFORMED,
            "body-not-json",
            None,
        ),
        (Sends(200, b'{"choices":', cut=4), FailureKind.MALFORMED, "body-cut", None),
        (Sends(200, b"{}"), FailureKind.MALFORMED, "body-shape", None),
        (Sends(200, b'{"choices":{},"content":"x"}'), FailureKind.MALFORMED, "body-shape", None),
        (Sends(200, b'{"choices":[7],"content":{}}'), FailureKind.MALFORMED, "body-shape", None),
        (
            Sends(
                200,
                b'{"choices":[{"message":{"content":"\\ud800"}}],'
                b'"content":[{"type":"text","text":"\\ud800"}]}',
            ),
            FailureKind.MALFORMED,
            "body-shape",
            None,
        ),
        (
            Sends(
                200,
                b'{"choices":[{"message":{"content":["a"]}}],"content":[{"type":"text"}]}',
            ),
            FailureKind.MALFORMED,
            "body-shape",
            None,
        ),
        (Says(" \n"), FailureKind.MALFORMED, "empty answer", None),
        (Says(verdict(), truncated=True), FailureKind.MALFORMED, "truncated", None),
        (Says(f"{SECRET_WORDS} {verdict()}"), FailureKind.MALFORMED, "not-json", None),
        (Says(verdict(classification=SECRET_WORDS)), FailureKind.MALFORMED, "label", None),
        (Says(verdict(flags=[SECRET_WORDS])), FailureKind.MALFORMED, "flags", None),
        (Says(verdict(seller_clarification=" ")), FailureKind.MALFORMED, "texts", None),
    ],
)
async def test_every_fault_ends_in_its_failure(
    provider: str, step: Step, kind: FailureKind, reason: str, status: int | None
) -> None:
    async with (
        ModelServer(step) as server,
        asking(endpoint(server.base, provider, "m")) as reasoner,
    ):
        found = failed(await reasoner.classify(classify_request(SECRET_WORDS)))
    assert (found.kind, found.reason, found.status) == (kind, reason, status)
    assert found.call.attempts == len(server.requests) == 1
    assert SECRET_WORDS not in f"{found!r} {found}"


@pytest.mark.parametrize(
    ("provider", "body", "reason"),
    [
        ("openai", b'{"choices":[]}', "empty choices"),
        ("openai", b'{"choices":[{"message":{"content":null}}]}', "empty choices"),
        ("anthropic", b'{"content":[]}', "empty content"),
        ("anthropic", b'{"content":[{"type":"thinking"}]}', "empty content"),
    ],
)
async def test_an_answer_without_content(provider: str, body: bytes, reason: str) -> None:
    async with (
        ModelServer(Sends(body=body)) as server,
        asking(endpoint(server.base, provider)) as reasoner,
    ):
        assert failed(await reasoner.health()).reason == reason


async def test_nobody_listens() -> None:
    async with ModelServer() as server:
        gone = server.base
    async with asking(endpoint(gone)) as reasoner:
        found = failed(await reasoner.classify(classify_request()))
    assert str(found) == "reasoning provider unreachable: no connection"


async def test_a_summary_may_come_with_markers_where_none_was_promised() -> None:
    text = "Both agree.\nSUGGESTED_NEXT_STEP: Look.\nRATIONALE: Why."
    async with ModelServer(Says(text)) as server:
        for mode in ("auto", "json"):
            async with asking(endpoint(server.base), output_mode=mode) as reasoner:
                found = await reasoner.summarize(summarize_request())
                assert isinstance(found, Summarised)
                assert found.summary.next_step == "Look."
        async with asking(endpoint(server.base), output_mode="schema") as reasoner:
            assert failed(await reasoner.summarize(summarize_request())).raw == text


# --- attempts and waits


@BOTH
@pytest.mark.parametrize(
    "first",
    [
        Sends(500),
        Sends(503),
        Sends(408),
        Sends(429),
        HangsUp(),
        Sends(200, b'{"choices":[]}', cut=3),
    ],
)
async def test_what_may_pass_is_tried_again(provider: str, first: Step) -> None:
    clock = FakeClock()
    async with ModelServer(first, GOOD) as server:
        target = endpoint(server.base, provider)
        async with asking(target, clock=clock, followup_retry_count=1) as reasoner:
            asked = asyncio.create_task(reasoner.classify(classify_request()))
            await run_until(clock, asked.done, limit_seconds=25)
            found = await asked
    assert isinstance(found, Classified)
    assert found.call.attempts == len(server.requests) == 2
    assert found.call.latency_ms == 500
    assert (found.call.input_tokens, found.call.output_tokens) == (100, 20)
    first_request, second = server.requests
    assert first_request.body == second.body


@pytest.mark.parametrize("step", [Sends(401), Sends(404), Says("{}"), Sends(402), Sends(302)])
async def test_what_will_not_pass_is_asked_once(step: Step) -> None:
    async with (
        ModelServer(step, GOOD) as server,
        asking(endpoint(server.base), followup_retry_count=5) as reasoner,
    ):
        assert isinstance(await reasoner.classify(classify_request()), ReasoningFailed)
    assert len(server.requests) == 1


async def test_attempts_are_one_more_than_retries_and_wait_longer_each_time() -> None:
    clock = FakeClock()
    async with (
        ModelServer(Sends(500)) as server,
        asking(endpoint(server.base), clock=clock, followup_retry_count=3) as reasoner,
    ):
        asked = asyncio.create_task(reasoner.classify(classify_request()))
        await run_until(clock, asked.done, limit_seconds=25)
        found = failed(await asked)
    assert found.call.attempts == len(server.requests) == 4
    assert found.call.latency_ms == 500 + 1000 + 2000


@BOTH
async def test_an_endpoint_that_names_its_wait_gets_it(provider: str) -> None:
    clock = FakeClock()
    async with ModelServer(Sends(429, b"", {"Retry-After": "17"}), GOOD) as server:
        target = endpoint(server.base, provider)
        async with asking(target, clock=clock, followup_retry_count=1) as reasoner:
            asked = asyncio.create_task(reasoner.classify(classify_request()))
            await eventually(lambda: len(server.requests) == 1 and clock.until_next() == 17)
            await clock.advance(16.9)
            assert len(server.requests) == 1
            # From here on the only sleeper is the new request's deadline, which must not come.
            await clock.advance(0.2)
            await eventually(asked.done)
            assert isinstance(await asked, Classified)


@pytest.mark.parametrize("asked_for", ["3600", "nan", "-5", "soon", "1e999"])
async def test_a_wait_that_is_none_or_too_long(asked_for: str) -> None:
    """An hour is not waited for; what is no number is not believed."""
    clock = FakeClock()
    step = Sends(503, b"", {"retry-after": asked_for})
    async with (
        ModelServer(step, GOOD) as server,
        asking(endpoint(server.base), clock=clock, followup_retry_count=1) as reasoner,
    ):
        asked = asyncio.create_task(reasoner.classify(classify_request()))
        await run_until(clock, asked.done, limit_seconds=25)
        found = await asked
    if asked_for == "3600":
        assert failed(found).retry_after == 3600
        assert len(server.requests) == 1
    else:
        assert isinstance(found, Classified)


async def test_the_deadline_holds_for_the_whole_request() -> None:
    clock = FakeClock()
    async with ModelServer(Waits(GOOD)) as server:
        target = endpoint(server.base)
        async with asking(target, clock=clock, request_timeout_seconds=7) as reasoner:
            asked = asyncio.create_task(reasoner.classify(classify_request()))
            await eventually(lambda: server.busy == 1)
            await clock.advance(6.9)
            assert not asked.done()
            await clock.advance(0.2)
            found = failed(await asked)
            assert str(found) == "reasoning provider timed out"
            assert found.kind is FailureKind.TIMEOUT
            # The request was given up, not left behind, and the next one finds a way.
            server.then(GOOD)
            again = asyncio.create_task(reasoner.classify(classify_request()))
            await eventually(again.done)
            assert isinstance(await again, Classified)
            server.release()


async def test_a_deadline_of_nothing_is_a_second() -> None:
    assert ReasoningSection(request_timeout_seconds=0).timeout_seconds == 1


async def test_no_more_calls_at_once_than_allowed() -> None:
    async with (
        ModelServer(Waits(GOOD)) as server,
        asking(endpoint(server.base), max_concurrent_calls=3) as reasoner,
    ):
        calls = [asyncio.create_task(reasoner.classify(classify_request())) for _ in range(9)]
        await eventually(lambda: server.busy == 3)
        server.release()
        found = await asyncio.gather(*calls)
    assert all(isinstance(each, Classified) for each in found)
    assert (server.busiest, len(server.requests)) == (3, 9)


async def test_who_waits_for_another_attempt_takes_nobodys_place() -> None:
    clock = FakeClock()
    limited = Sends(429, b"", {"retry-after": "50"})
    async with ModelServer(limited, GOOD) as server:
        settings = {"max_concurrent_calls": 1, "followup_retry_count": 1}
        async with asking(endpoint(server.base), clock=clock, **settings) as reasoner:
            slow = asyncio.create_task(reasoner.classify(classify_request()))
            await eventually(lambda: clock.until_next() == 50)
            assert isinstance(await reasoner.classify(classify_request()), Classified)
            assert not slow.done()
            await run_until(clock, slow.done, limit_seconds=60)
            assert isinstance(await slow, Classified)


# --- the chain


async def ask_chain(
    firsts: Sequence[Step], last: Step, **settings: int
) -> tuple[Classified | ReasoningFailed, list[int]]:
    clock = FakeClock()
    async with ModelServer(*firsts) as one, ModelServer(last) as two:
        chain = (endpoint(one.base, "openai", "first"), endpoint(two.base, "anthropic", "second"))
        async with asking(*chain, clock=clock, **settings) as reasoner:
            asked = asyncio.create_task(reasoner.classify(classify_request()))
            await run_until(clock, asked.done, limit_seconds=25)
            return await asked, [len(one.requests), len(two.requests)]


@pytest.mark.parametrize("step", [Sends(500), Sends(429), HangsUp(), Sends(402)])
async def test_the_next_model_is_asked_when_one_cannot_be_had(step: Step) -> None:
    found, counts = await ask_chain([step], GOOD, followup_retry_count=0)
    assert isinstance(found, Classified)
    assert (found.call.provider, found.call.model) == ("anthropic", "second")
    assert counts == [1, 1]
    assert found.call.attempts == 2


async def test_every_model_gets_its_attempts() -> None:
    found, counts = await ask_chain([Sends(503)], Sends(500), followup_retry_count=2)
    assert counts == [3, 3]
    assert failed(found).call.attempts == 6
    assert (failed(found).reason, failed(found).call.model) == ("http 503", "first")


@pytest.mark.parametrize("step", [Sends(401), Sends(400), Says("nonsense"), Sends(200, b"<html>")])
async def test_a_model_that_answered_badly_is_not_replaced(step: Step) -> None:
    found, counts = await ask_chain([step], GOOD)
    assert isinstance(found, ReasoningFailed)
    assert counts[1] == 0


async def test_a_hanging_model_is_replaced_after_its_deadline() -> None:
    found, counts = await ask_chain([Waits(GOOD)], GOOD, request_timeout_seconds=9)
    assert isinstance(found, Classified)
    assert found.call.model == "second"
    assert counts == [1, 1]


# --- what is learned


def picky(request: Received) -> Step:
    if "response_format" in request.json:
        return Sends(400, error("response_format is not supported"))
    if "temperature" in request.json:
        return Sends(422, error("Unsupported value: temperature"))
    return GOOD


async def test_what_an_endpoint_refuses_is_learned_once() -> None:
    async with ModelServer(script=picky) as server, asking(endpoint(server.base)) as reasoner:
        first = await reasoner.classify(classify_request())
        assert isinstance(first, Classified), first
        assert (first.call.attempts, first.call.output_mode) == (3, OutputMode.PLAIN)
        second = await reasoner.classify(classify_request())
        assert isinstance(second, Classified)
        assert second.call.attempts == 1
        assert await reasoner.health() is None
    assert len(server.requests) == 5


async def test_many_calls_learn_together() -> None:
    async with ModelServer(script=picky) as server, asking(endpoint(server.base)) as reasoner:
        found = await asyncio.gather(*(reasoner.classify(classify_request()) for _ in range(20)))
    assert all(isinstance(each, Classified) for each in found)


async def test_a_refusal_of_something_else_teaches_nothing() -> None:
    async with (
        ModelServer(Sends(400, error("no such model"))) as server,
        asking(endpoint(server.base), followup_retry_count=3) as reasoner,
    ):
        found = failed(await reasoner.classify(classify_request()))
        assert (found.reason, found.call.attempts) == ("http 400", 2)
        server.then(GOOD)
        good = await reasoner.classify(classify_request())
        assert isinstance(good, Classified)
        assert good.call.output_mode is OutputMode.JSON


async def test_a_chosen_mode_is_kept() -> None:
    async with (
        ModelServer(Sends(400, error("response_format"))) as server,
        asking(endpoint(server.base), output_mode="json") as reasoner,
    ):
        assert failed(await reasoner.classify(classify_request())).call.attempts == 1


# --- health


async def test_health_is_assumed_until_something_fails() -> None:
    clock = FakeClock()
    async with (
        ModelServer(Sends(500)) as server,
        asking(endpoint(server.base), clock=clock) as reasoner,
    ):

        def healthy() -> bool:
            return reasoner.healthy

        assert healthy()
        assert isinstance(await reasoner.health(), ReasoningFailed)
        assert not healthy()
        server.then(Says("pong"))
        assert await reasoner.health() is None
        assert healthy()
        await clock.advance(HEALTHY_SECONDS - 1)
        assert healthy()
        await clock.advance(2)
        assert not healthy()
        server.then(Says("nonsense"))
        assert isinstance(await reasoner.classify(classify_request()), ReasoningFailed)
        assert healthy(), "an answer that is none comes from somebody who is there"


# --- configuration


async def test_an_unknown_provider_is_told_with_the_nearest_names() -> None:
    async with asking(ModelEndpoint("olama", "m", None, SecretStr(MODEL_KEY))) as reasoner:
        (problem,) = await reasoner.prepare()
        assert "unknown reasoning provider 'olama'; did you mean ollama" in problem
        assert "openai-compatible" in problem
        found = failed(await reasoner.classify(classify_request()))
    assert (found.kind, found.reason, found.call.attempts) == (FailureKind.UNKNOWN, problem, 0)


async def test_a_provider_without_its_library_says_so() -> None:
    async with asking(ModelEndpoint("groq", "m", None, SecretStr(MODEL_KEY))) as reasoner:
        (problem,) = await reasoner.prepare()
    assert "install" in problem
    assert MODEL_KEY not in problem


async def test_a_provider_that_takes_no_key() -> None:
    target = ModelEndpoint("openai-codex", "m", None, SecretStr(MODEL_KEY))
    async with asking(target) as reasoner:
        (problem,) = await reasoner.prepare()
    assert "not opened by a key" in problem


async def test_a_broken_first_model_leaves_the_second() -> None:
    async with ModelServer(GOOD) as server:
        broken = ModelEndpoint("nothing", "m", None, SecretStr(MODEL_KEY))
        async with asking(broken, endpoint(server.base)) as reasoner:
            assert len(await reasoner.prepare()) == 1
            assert isinstance(await reasoner.classify(classify_request()), Classified)


def test_without_a_model_there_is_no_reasoner() -> None:
    with pytest.raises(ValueError, match="at least one model"):
        Reasoner((), ReasoningSection(), FakeClock())


def test_importing_the_room_loads_no_providers() -> None:
    program = (
        "import sys, serbero.reasoning.reasoner, serbero.reasoning.bundle_check\n"
        "import serbero.cli.app\n"
        "print([n for n in ('pydantic_ai', 'openai', 'anthropic', 'httpx2') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


# --- what is not told


@BOTH
async def test_no_key_and_no_text_in_logs(provider: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    def keep(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
        told.append(repr(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], cache_logger_on_first_use=False)
    steps: list[Step] = [
        Says(verdict(rationale=SECRET_WORDS)),
        Says(SECRET_WORDS),
        Sends(401, error(f"{SECRET_WORDS} {MODEL_KEY}")),
        Sends(500, error(SECRET_WORDS)),
    ]
    try:
        async with (
            ModelServer(*steps) as server,
            asking(endpoint(server.base, provider)) as reasoner,
        ):
            found = [await reasoner.classify(classify_request(SECRET_WORDS)) for _ in steps]
            shown = f"{found!r} {reasoner!r} {vars(reasoner)!r}"
    finally:
        structlog.configure(**before)
    everything = f"{shown} {told} {caplog.text}"
    assert len(told) >= len(steps)
    assert "reasoning_failed" in everything
    assert SECRET_WORDS not in everything
    assert MODEL_KEY not in everything
    assert "When did you send the payment" not in everything
