"""Asking again for ``serbero sessions replay``: which model, with which key and prompts."""

import asyncio
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from serbero.cli.page import word
from serbero.cli.source import FAILED, USAGE, Stop
from serbero.clock import SystemClock
from serbero.config.loader import from_document, load
from serbero.config.problems import ConfigError
from serbero.config.settings import Config
from serbero.mediation.replay import Answer, Left, Prompts, Step, ask
from serbero.reasoning import bundle
from serbero.reasoning.bundle import BundleProblem, PromptBundle
from serbero.reasoning.reasoner import Reasoner
from serbero.store.session_record import Record

Progress = Callable[[str], None]
"""Told what happens meanwhile, a line at a time."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to ask instead of what is configured; None for that.

    Attributes:
        api_key_env: the variable that holds the model's key.
        prompts: a folder with the five files.
    """

    provider: str | None = None
    model: str | None = None
    api_base: str | None = None
    api_key_env: str | None = None
    prompts: Path | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it.

    Attributes:
        provider: as asked, like ``model``.
        answers: one an asked classification, in order.
        left: those that could not be asked.
        unasked: those that were given up because the model could not be had.
    """

    record: Record
    provider: str
    model: str
    prompts: PromptBundle | None
    answers: tuple[Answer, ...]
    left: tuple[Left, ...]
    unasked: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that can be asked was."""
        return bool(self.answers) and all(each.asked for each in self.answers) and not self.unasked


def configured(path: Path, environ: Mapping[str, str], wishes: Wishes) -> Config:
    """Return the configuration with the one model to ask, reasoning switched on for it.

    Raises:
        Stop: it cannot be used, or does not say with which key.
    """
    try:
        load(path, environ)
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        section = document.get("reasoning", {})
        chosen = _block(section, wishes)
        overrides = {
            "model": wishes.model,
            "api_base": wishes.api_base,
            "api_key_env": wishes.api_key_env,
        }
        chosen |= {name: value for name, value in overrides.items() if value is not None}
        loaded = from_document(document | {"reasoning": chosen | {"enabled": True}}, environ)
    except ConfigError as error:
        raise Stop(str(error), USAGE) from None
    except OSError as error:
        raise Stop(f"{path}: {error.strerror}", USAGE) from None
    if not loaded.config.model_endpoints:
        why = [each.message for each in loaded.warnings if each.section == "reasoning"]
        raise Stop("\n".join(why) or "no model is configured", USAGE)
    return loaded.config


def _block(section: Mapping[str, Any], wishes: Wishes) -> dict[str, Any]:
    """The configured model that comes nearest: its key must not go to another provider."""
    own = {name: value for name, value in section.items() if name != "fallback"}
    if wishes.provider is None:
        return own
    for each in (own, *section.get("fallback", ())):
        if str(each.get("provider", "openai")).strip() == wishes.provider.strip():
            return own | {"api_base": None} | dict(each) if each is not own else own
    if wishes.api_key_env is None or wishes.model is None:
        message = (
            f"no model of provider {word(wishes.provider)} is configured: name one with --model,"
            " and the variable that holds its key with --api-key-env"
        )
        raise Stop(message, USAGE)
    kept = {name: value for name, value in own.items() if name != "api_base"}
    return kept | {"provider": wishes.provider}


def prompts_for(
    config: Config, stored: Mapping[str, Mapping[str, bytes]], wishes: Wishes
) -> Prompts:
    """Return the prompts to ask with: those of a folder, else each call's own.

    Args:
        config: names bundles whose bytes may be those of a call that are not kept.
        stored: label to bytes of the bundles the database keeps, by hash.
        wishes: the folder, if one is named.

    Raises:
        Stop: the folder's files cannot be used.
    """
    if wishes.prompts is not None:
        try:
            return Prompts({}, bundle.load_folder(wishes.prompts))
        except BundleProblem as problem:
            raise Stop(str(problem), USAGE) from None
    known = [bundle.packaged()]
    for make in (lambda: bundle.load(config.prompts), *map(_rebuilding, stored.values())):
        try:
            known.append(make())
        except BundleProblem:
            continue
    return Prompts({each.policy_hash: each for each in known})


def _rebuilding(parts: Mapping[str, bytes]) -> Callable[[], PromptBundle]:
    return lambda: PromptBundle.of(parts)


def run(
    record: Record,
    planned: Sequence[Step | Left],
    config: Config,
    instead: PromptBundle | None,
    progress: Progress,
) -> Replayed:
    """Ask everything that can be asked, one after the other.

    Raises:
        Stop: there is nothing on record, or the model cannot be used at all.
    """
    if not planned:
        raise Stop(f"session {word(record.session.session_id)} has no verdict on record", FAILED)
    steps = [each for each in planned if isinstance(each, Step)]
    endpoint = config.model_endpoints[0]
    answers = asyncio.run(_ask(steps, config, progress)) if steps else []
    return Replayed(
        record=record,
        provider=endpoint.provider,
        model=endpoint.model,
        prompts=instead,
        answers=tuple(answers),
        left=tuple(each for each in planned if isinstance(each, Left)),
        unasked=tuple(steps[len(answers) :]),
    )


async def _ask(steps: Sequence[Step], config: Config, progress: Progress) -> list[Answer]:
    # One model alone: that another stood in for it would make the comparison worthless.
    endpoint = config.model_endpoints[0]
    reasoner = Reasoner([endpoint], config.reasoning, SystemClock())
    answers: list[Answer] = []
    host = urlsplit(endpoint.api_base or "").hostname or "the provider's own address"
    progress(f"loading {endpoint.provider}, to ask {endpoint.model} at {host}")
    try:
        for problem in await reasoner.prepare():
            raise Stop(problem, FAILED)
        for number, step in enumerate(steps, 1):
            name = "opening" if step.judgement.opening else f"verdict {step.judgement.number}"
            progress(f"asking about the {name} ({number} of {len(steps)})")
            answers.append(await ask(step, reasoner))
            if not answers[-1].asked:
                break
    finally:
        await reasoner.close()
    return answers
