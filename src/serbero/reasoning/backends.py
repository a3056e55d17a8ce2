"""Endpoints as pydantic-ai reaches them. Loading this module loads the providers' libraries.

A model's ``request`` is called directly: an agent's preparation of messages would rewrite what a
party typed (``<system>``, ``<|im_start|>``) and so let a party change the prompt, and its retries
would not be counted. One request here is one HTTP request.
"""

import difflib
import inspect
import logging
import pkgutil
from collections.abc import Mapping
from typing import Any, Final

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import providers
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, infer_model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from serbero.config.reasoning import ANTHROPIC, COMPATIBLE, OPENAI, ModelEndpoint
from serbero.reasoning.calls import OutputMode, Prompt, Reply, Trouble
from serbero.reasoning.dialects import CHAT, MESSAGES
from serbero.reasoning.schemas import AnswerForm
from serbero.reasoning.troubles import FOREIGN, trouble
from serbero.reasoning.wire import Wire

_OURS: Final = frozenset({OPENAI, ANTHROPIC, *COMPATIBLE})
_BASE_NAMES: Final = ("base_url", "api_base", "azure_endpoint")
_KEY_NAMES: Final = ("api_key", "token")
_PROFILE: Final = {
    # One behaviour for every name: what an endpoint refuses is learned from its refusal, not
    # guessed from the name of the model.
    "supports_tools": True,
    "supports_json_schema_output": True,
    "supports_json_object_output": True,
    "openai_supports_reasoning": False,
}


for _name in ("anthropic", "openai", "httpx2", "httpcore2"):
    # At a finer level they log whole requests, and requests hold what parties said. No filter of
    # ours and no variable of theirs may ask for that.
    logging.getLogger(_name).setLevel(logging.WARNING)


class ProviderProblem(Exception):  # noqa: N818 - named for what it says
    """A provider cannot be used as configured; the text says why, without any secret."""


class Backend:
    """One endpoint, ready to be asked.

    Raises:
        ProviderProblem: the provider is unknown, needs a library that is not installed, or takes
            other credentials than a key.
    """

    def __init__(self, endpoint: ModelEndpoint) -> None:
        key = endpoint.key.get_secret_value()
        self.speaks_anthropic = endpoint.provider == ANTHROPIC
        if endpoint.provider in COMPATIBLE or endpoint.provider == OPENAI:
            self._http, self._model = _chat(endpoint, key)
        elif endpoint.provider == ANTHROPIC:
            self._http, self._model = _messages(endpoint, key)
        else:
            self._http, self._model = _other(endpoint, key)

    async def ask(
        self,
        prompt: Prompt,
        form: AnswerForm | None,
        mode: OutputMode,
        *,
        temperature: float | None,
        max_tokens: int | None,
    ) -> Reply | Trouble:
        """Send one request. Has no deadline of its own: cancel it.

        Args:
            prompt: what is asked.
            form: what the answer shall look like; None for a health check.
            mode: how that is asked for.
            temperature: None to leave it out.
            max_tokens: the longest answer; None for the endpoint's own limit.
        """
        settings = ModelSettings(max_retries=0)
        if temperature is not None:
            settings["temperature"] = temperature
        if max_tokens is not None:
            settings["max_tokens"] = max_tokens
        try:
            response = await self._model.request(
                _messages_of(prompt), settings, _parameters(form, mode)
            )
        except FOREIGN as error:
            return trouble(error)
        return _reply(response)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _chat(endpoint: ModelEndpoint, key: str) -> tuple[Wire, Model]:
    http = Wire(CHAT, key)
    client = AsyncOpenAI(
        base_url=(endpoint.api_base or "").rstrip("/"),
        api_key=key,
        max_retries=0,
        timeout=None,
        http_client=http,
    )
    provider = OpenAIProvider(openai_client=client)
    return http, OpenAIChatModel(endpoint.model, provider=provider, profile=_profile())


def _messages(endpoint: ModelEndpoint, key: str) -> tuple[Wire, Model]:
    http = Wire(MESSAGES, key)
    # The library adds /v1 itself.
    base = (endpoint.api_base or "").rstrip("/").removesuffix("/v1")
    client = AsyncAnthropic(
        base_url=base, api_key=key, max_retries=0, timeout=None, http_client=http
    )
    provider = AnthropicProvider(anthropic_client=client)
    return http, AnthropicModel(endpoint.model, provider=provider, profile=_profile())


def _profile() -> Any:
    return dict(_PROFILE)


def _other(endpoint: ModelEndpoint, key: str) -> tuple[Wire, Model]:
    """Any other provider pydantic-ai knows, by the name it has there."""
    http = Wire()

    def made(name: str) -> providers.Provider[Any]:
        kind = _provider_class(name)
        return kind(**_arguments(kind, endpoint, key, http))

    try:
        return http, infer_model(f"{endpoint.provider}:{endpoint.model}", made)
    except (UserError, ImportError) as error:
        # Such texts name settings and packages; the key is cut out all the same.
        text = str(error).replace(key, "(not repeated)")
        raise ProviderProblem(f"provider {endpoint.provider!r}: {text}") from None


def _provider_class(name: str) -> type[providers.Provider[Any]]:
    try:
        return providers.infer_provider_class(name)
    except ValueError:
        known = known_providers()
        near = difflib.get_close_matches(name.lower()[:64], known, n=3)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ProviderProblem(
            f"configuration error: unknown reasoning provider {name!r}{meant}"
            f" Known: {', '.join(known)}"
        ) from None


def known_providers() -> list[str]:
    """Every name ``[reasoning].provider`` may have, installed or not."""
    modules = (each.name for each in pkgutil.iter_modules(providers.__path__))
    names = {name.replace("_", "-") for name in modules if not name.startswith("_")}
    return sorted({name for name in names if _is_known(name)} | _OURS)


def _is_known(name: str) -> bool:
    try:
        providers.infer_provider_class(name)
    except ImportError:
        return True
    except ValueError:
        return False
    return True


def _arguments(kind: type[Any], endpoint: ModelEndpoint, key: str, http: Wire) -> dict[str, Any]:
    """What a provider of that kind is made of."""
    accepted = inspect.signature(kind.__init__).parameters
    key_name = next((name for name in _KEY_NAMES if name in accepted), None)
    if key_name is None or "http_client" not in accepted:
        raise ProviderProblem(
            f"provider {endpoint.provider!r} is not opened by a key; choose another"
        )
    given: dict[str, Any] = {key_name: key, "http_client": http}
    if endpoint.api_base is None:
        return given
    base_name = next((name for name in _BASE_NAMES if name in accepted), None)
    if base_name is not None:
        return given | {base_name: endpoint.api_base}
    if "openai_client" not in accepted:
        raise ProviderProblem(f"provider {endpoint.provider!r} has one address; remove api_base")
    client = AsyncOpenAI(
        base_url=endpoint.api_base, api_key=key, max_retries=0, timeout=None, http_client=http
    )
    return {"openai_client": client}


def _messages_of(prompt: Prompt) -> list[ModelMessage]:
    system = [] if prompt.system is None else [SystemPromptPart(prompt.system)]
    return [ModelRequest(parts=[*system, UserPromptPart(prompt.user)])]


def _parameters(form: AnswerForm | None, mode: OutputMode) -> ModelRequestParameters:
    """The mode in pydantic-ai's words. No template: the prompt already says what is wanted."""
    if form is None or mode is OutputMode.PLAIN:
        return ModelRequestParameters(output_mode="text")
    if mode is OutputMode.TOOL:
        tool = ToolDefinition(
            name=form.name,
            description=form.purpose,
            parameters_json_schema=_copied(form.schema),
            kind="output",
        )
        return ModelRequestParameters(
            output_mode="tool", output_tools=[tool], allow_text_output=False
        )
    wanted = OutputObjectDefinition(json_schema=_copied(form.schema), name=form.name, strict=True)
    return ModelRequestParameters(
        output_mode="native" if mode is OutputMode.SCHEMA else "prompted",
        output_object=wanted,
        prompted_output_template=False,
        allow_text_output=mode is OutputMode.JSON,
    )


def _copied(schema: Mapping[str, Any]) -> dict[str, Any]:
    # The libraries may change what they get.
    return {
        name: _copied(value) if isinstance(value, Mapping) else value
        for name, value in schema.items()
    }


def _reply(response: ModelResponse) -> Reply:
    calls = [each for each in response.parts if isinstance(each, ToolCallPart)]
    texts = [each.content for each in response.parts if isinstance(each, TextPart)]
    usage = response.usage
    return Reply(
        text=calls[0].args_as_json_str() if calls else "".join(texts),
        input_tokens=usage.input_tokens or None,
        output_tokens=usage.output_tokens or None,
        truncated=response.finish_reason == "length",
    )
