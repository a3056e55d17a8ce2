"""Which models are asked, in which order, with which keys.

Keys come from the environment or from files it names, never from the configuration file. What is
wrong here costs mediation, not the daemon: it becomes a warning.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from serbero.config.environment import supplied
from serbero.config.models import FallbackEntry, ReasoningSection
from serbero.config.problems import Problem

OPENAI: Final = "openai"
ANTHROPIC: Final = "anthropic"
COMPATIBLE: Final = frozenset({"openai-compatible", "ppqai", "openclaw"})
"""Anybody's server that speaks OpenAI's protocol; the last two are names the reference reserved."""

OPENAI_BASE: Final = "https://api.openai.com/v1"
ANTHROPIC_BASE: Final = "https://api.anthropic.com"

_VARIABLE_NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_REMEDY: Final = "supply it, or set [reasoning].enabled = false; disputes are told of anyway"
_FALLBACK_REMEDY: Final = "supply it, or remove the block; the models before it are asked anyway"
_BASE_REMEDY: Final = "write the address, such as https://llm.example/v1"


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """One model behind one address.

    Attributes:
        provider: as configured.
        model: the provider's name of it.
        api_base: its address, None for the provider's own where we know none.
        key: what opens it.
    """

    provider: str
    model: str
    api_base: str | None
    key: SecretStr = field(repr=False)


@dataclass(slots=True)
class EndpointReader:
    """Resolves sections to endpoints.

    Attributes:
        environ: where the keys come from.
        ours: variables that hold something of ours, which no provider may ever get.
        warnings: extended by what is wrong.
        secrets: extended by every key found, so that no message repeats one.
    """

    environ: Mapping[str, str]
    ours: frozenset[str]
    warnings: list[Problem]
    secrets: list[str]

    def chain(
        self, section: ReasoningSection | None, fallbacks: Sequence[FallbackEntry | None]
    ) -> tuple[ModelEndpoint, ...]:
        """Return the models to ask in order; empty when reasoning is off or cannot be."""
        if section is None or not section.enabled:
            return ()
        first = self._endpoint(section, "reasoning", _REMEDY)
        rest = [
            self._endpoint(each, f"reasoning.fallback #{number}", _FALLBACK_REMEDY)
            for number, each in enumerate(fallbacks, 1)
            if each is not None
        ]
        return (first, *(each for each in rest if each)) if first else ()

    def _endpoint(
        self, section: ReasoningSection | FallbackEntry, place: str, remedy: str
    ) -> ModelEndpoint | None:
        provider = section.provider.strip()
        base = self._base(provider, section.api_base, place)
        key = self._key(section.api_key_env.strip(), place, remedy)
        if key is None or base == "":
            return None
        return ModelEndpoint(provider, section.model.strip(), base, SecretStr(key))

    def _base(self, provider: str, typed: str | None, place: str) -> str | None:
        """The address; None where the provider's library knows it, empty when there is none."""
        base = (typed or "").strip()
        if base and not _is_address(base):
            message = "expected https://host or http://host, found another text"
            self.warnings.append(Problem(place, "api_base", message, _BASE_REMEDY))
            return ""
        if base:
            return base
        if provider in COMPATIBLE:
            # A default host would be sent a key that belongs to another.
            message = f'provider = "{provider}" has no address of its own, and none is set'
            self.warnings.append(Problem(place, "api_base", message, _BASE_REMEDY))
            return ""
        return {OPENAI: OPENAI_BASE, ANTHROPIC: ANTHROPIC_BASE}.get(provider)

    def _key(self, name: str, place: str, remedy: str) -> str | None:
        if not name:
            section = place.partition(" #")[0]
            self._missing(
                place,
                f"configuration error: [{section}].api_key_env is empty"
                " but [reasoning].enabled = true",
                remedy,
            )
            return None
        if name in self.ours:
            message = f"expected the variable of the model's key, found ours ({name})"
            self._missing(place, message, remedy)
            return None
        given = supplied(self.environ, name)
        if not _VARIABLE_NAME.fullmatch(name):
            # People paste the key itself where its variable's name belongs.
            self.secrets.append(name)
        if given.value:
            self.secrets.append(given.value)
        if given.warning:
            self.warnings.append(given.warning)
        if given.fault:
            self._missing(place, f"{given.fault.where}: {given.fault.message}", remedy)
        elif given.value is None:
            self._missing(
                place,
                "configuration error: reasoning provider enabled"
                f" but credential env var `{name}` is unset or empty",
                remedy,
            )
        elif not _fits_header(given.value):
            self._missing(place, "expected a key in plain ASCII on one line", remedy)
            return None
        return given.value

    def _missing(self, place: str, message: str, remedy: str) -> None:
        self.warnings.append(Problem(place, "api_key_env", message, remedy))


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text
    return plain and port_is_one and parts.scheme in {"http", "https"} and bool(parts.hostname)


def _fits_header(key: str) -> bool:
    """Whether the key can be sent at all; a line break in it would start another header."""
    return key.isascii() and key.isprintable()
