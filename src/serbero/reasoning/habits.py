"""What an endpoint was found to accept. Kept in memory: a restart learns it anew. Pure."""

from dataclasses import dataclass
from typing import Final, Self

from serbero.config.reasoning import ANTHROPIC, ModelEndpoint
from serbero.reasoning.calls import OutputMode, Purpose, Trouble

_COLD: Final = "gpt-5"
"""Models whose name starts so take no temperature; as the reference has it."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one request is put.

    Attributes:
        temperature: whether one is sent.
    """

    mode: OutputMode
    temperature: bool


@dataclass(slots=True)
class Habits:
    """The forms one endpoint takes.

    With ``auto`` a classification is asked for as JSON, and by the prompt alone where the
    endpoint refuses that; a summary always by the prompt alone, as the reference asks for it.

    Attributes:
        chosen: the configured mode; None for ``auto``.
    """

    chosen: OutputMode | None
    _without_json: bool = False
    _without_temperature: bool = False

    @classmethod
    def of(cls, configured: str) -> Self:
        """Start with the value of ``[reasoning].output_mode``."""
        return cls(None if configured == "auto" else OutputMode(configured))

    def form(self, purpose: Purpose, endpoint: ModelEndpoint) -> Form:
        """How the next request is put."""
        warm = not (self._without_temperature or endpoint.model.startswith(_COLD))
        return Form(self._mode(purpose, endpoint), warm)

    def refused(self, purpose: Purpose, form: Form, trouble: Trouble) -> bool:
        """Learn from a refusal; whether another form is worth a request."""
        if not trouble.rejected:
            return False
        if trouble.blames_temperature and form.temperature:
            self._without_temperature = True
            return True
        automatic = self.chosen is None and purpose is Purpose.CLASSIFY
        if automatic and form.mode is OutputMode.JSON:
            self._without_json = True
            return True
        # Refused in its plainest form too: then the form was not to blame.
        self._without_json = False
        return False

    def _mode(self, purpose: Purpose, endpoint: ModelEndpoint) -> OutputMode:
        if purpose is Purpose.HEALTH:
            return OutputMode.PLAIN
        if self.chosen is not None:
            return self.chosen
        jsonless = self._without_json or endpoint.provider == ANTHROPIC
        if purpose is Purpose.SUMMARIZE or jsonless:
            return OutputMode.PLAIN
        return OutputMode.JSON
