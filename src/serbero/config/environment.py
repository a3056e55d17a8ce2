"""Values that come from the environment, directly or from a file it names.

``NAME`` holds a value; ``NAME_FILE`` names a file that holds it, as container and service
managers hand out secrets. Blank counts as absent everywhere. Both at once is refused: which
one wins would be a guess about a secret.
"""

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from serbero.config.problems import Problem

CONFIG_VARIABLE: Final = "SERBERO_CONFIG"
KEY_VARIABLE: Final = "SERBERO_PRIVATE_KEY"
DB_VARIABLE: Final = "SERBERO_DB_PATH"
LOG_VARIABLE: Final = "SERBERO_LOG"
DEFAULT_PATH: Final = "config.toml"

SECRET_FILE_BYTES: Final = 65_536
"""More than any key; keeps a wrong path, such as a log or a device, out of memory."""


@dataclass(frozen=True, slots=True)
class Supplied:
    """What the environment supplies under one name.

    Attributes:
        value: the trimmed value, None when absent or faulty; not shown in ``repr``.
        fault: why there is no value although one was meant to be given.
        warning: what to mend although the value can be used.
    """

    value: str | None = field(default=None, repr=False)
    fault: Problem | None = None
    warning: Problem | None = None


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """Return the trimmed value of ``name``, None when unset or blank."""
    return environ.get(name, "").strip() or None


def config_path(environ: Mapping[str, str]) -> Path:
    """Return ``$SERBERO_CONFIG`` if it is not blank, else ``config.toml`` here."""
    return Path(variable(environ, CONFIG_VARIABLE) or DEFAULT_PATH)


def supplied(environ: Mapping[str, str], name: str) -> Supplied:
    """Return what ``name`` or ``{name}_FILE`` supplies. Reads at most one file."""
    direct = variable(environ, name)
    file_name = f"{name}_FILE"
    path = variable(environ, file_name)
    if path is None:
        return Supplied(direct)
    if direct is not None:
        return Supplied(
            fault=Problem(
                "environment",
                name,
                f"expected one of {name} and {file_name}, found both",
                f"unset {name} or {file_name}",
            )
        )
    return secret_file(Path(path), section="environment", key=file_name)


def exposed(path: Path) -> bool:
    """Whether every user of the machine may read ``path``; False when that cannot be told."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False


def secret_file(path: Path, *, section: str, key: str) -> Supplied:
    """Return the trimmed content of a file; ``section`` and ``key`` name who asked for it."""
    try:
        with path.open("rb") as file:
            raw = file.read(SECRET_FILE_BYTES + 1)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        return _fault(section, key, f"expected a readable file, found: {reason}")
    except ValueError:
        return _fault(section, key, "expected the path of a file, found a text that cannot be one")
    if len(raw) > SECRET_FILE_BYTES:
        return _fault(
            section, key, f"expected a file of at most {SECRET_FILE_BYTES} bytes, found more"
        )
    try:
        value = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return _fault(section, key, "expected text in UTF-8, found other bytes")
    if not value:
        return _fault(section, key, "expected a secret in the file, found nothing")
    if not exposed(path):
        return Supplied(value)
    return Supplied(
        value,
        warning=Problem(
            section,
            key,
            "the file with the secret can be read by every user of this machine",
            "chmod 600 the file",
        ),
    )


def _fault(section: str, key: str, message: str) -> Supplied:
    return Supplied(fault=Problem(section, key, message, "name a file that holds the secret"))
