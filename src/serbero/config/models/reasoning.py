"""``[reasoning]``, ``[[reasoning.fallback]]`` and ``[prompts]``: the models, and what they read."""

from typing import Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr

from serbero.config.models.base import Count, Count32, Section
from serbero.model import reference_names


class ReasoningSection(Section):
    """``[reasoning]``: the model that mediation asks. The key itself never stands here."""

    enabled: StrictBool = Field(default=False, description="ask a model at all")
    provider: StrictStr = Field(
        default="openai",
        description="openai, openai-compatible, anthropic, or another name pydantic-ai knows",
    )
    model: StrictStr = Field(default="gpt-4o-mini", description="the provider's name of the model")
    api_base: StrictStr | None = Field(
        default=None,
        description="where the provider is reached; absent: the provider's own address",
    )
    # Not in repr: people paste the key itself here.
    api_key_env: StrictStr = Field(
        default="SERBERO_REASONING_API_KEY",
        repr=False,
        description="name of the environment variable that holds the key",
    )
    request_timeout_seconds: Count = Field(
        default=30, description="how long one answer may take; at least 1"
    )
    followup_retry_count: Count32 = Field(default=1, description="further attempts after the first")
    output_mode: Literal["auto", "json", "tool", "schema"] = Field(
        default="auto",
        description="how the endpoint is made to answer in form; auto: json, or what it accepts",
    )
    max_concurrent_calls: StrictInt = Field(
        ge=1, le=1000, default=8, description="requests to models under way at once"
    )
    max_output_tokens: StrictInt = Field(
        ge=0,
        le=1_000_000,
        default=0,
        description="longest answer asked for; 0: the provider's limit (anthropic: 2048 or 4096)",
    )

    @property
    def timeout_seconds(self) -> int:
        """How long one answer may take, at least a second."""
        return max(1, self.request_timeout_seconds)


class FallbackEntry(Section):
    """``[[reasoning.fallback]]``: another model, asked when those before it cannot be had."""

    provider: StrictStr = Field(description="as [reasoning].provider")
    model: StrictStr = Field(description="the provider's name of the model")
    api_base: StrictStr | None = Field(
        default=None,
        description="where the provider is reached; absent: the provider's own address",
    )
    # Not in repr: people paste the key itself here.
    api_key_env: StrictStr = Field(
        repr=False, description="name of the environment variable that holds this provider's key"
    )


class PromptsSection(Section):
    """``[prompts]``: the five files of the prompt bundle, relative to the working directory."""

    source: Literal["files", "packaged"] = Field(
        default="files", description="files: those below; packaged: those that come with Serbero"
    )
    system_instructions_path: StrictStr = Field(
        default=reference_names.PROMPT_SYSTEM, description="what the model is told first"
    )
    classification_policy_path: StrictStr = Field(
        default=reference_names.PROMPT_CLASSIFICATION, description="how disputes are classified"
    )
    escalation_policy_path: StrictStr = Field(
        default=reference_names.PROMPT_ESCALATION_POLICY, description="when a human is asked"
    )
    mediation_style_path: StrictStr = Field(
        default=reference_names.PROMPT_MEDIATION_STYLE, description="how parties are spoken to"
    )
    message_templates_path: StrictStr = Field(
        default=reference_names.PROMPT_MESSAGE_TEMPLATES, description="wording to start from"
    )
