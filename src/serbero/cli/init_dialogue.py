"""What ``serbero init`` does: from a few answers to a configuration that runs.

Asks in a terminal; takes flags anywhere. Never prints a secret, never overwrites unasked.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import typer
from nostr_sdk import Keys
from rich.console import Console

from serbero.config.addresses import relay_address
from serbero.config.environment import (
    DEFAULT_PATH,
    KEY_VARIABLE,
    Supplied,
    secret_file,
    supplied,
)
from serbero.config.files import write_private
from serbero.config.loader import loads
from serbero.config.models import DEFAULT_DATABASE
from serbero.config.problems import ConfigError
from serbero.config.template import Answers, render
from serbero.model.people import Permission
from serbero.nostr.keys import looks_secret, npub, parse_public_key, parse_secret_key

FIRST_RELAY: Final = "wss://relay.mostro.network"
"""Offered for the first relay: the one that Mostro's own clients start with."""

_USAGE: Final = 2
_FAILED: Final = 1

T = TypeVar("T")
SolverAnswer = tuple[str, Permission]


@dataclass(slots=True)
class _Draft:
    """What is known so far. ``keys`` from the environment are not written to the file."""

    node: str | None = None
    relays: list[str] = field(default_factory=list)
    solvers: list[SolverAnswer] = field(default_factory=list)
    keys: Keys | None = field(default=None, repr=False)
    keys_from_environment: bool = False
    db_path: str | None = None
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def check_own_key(self) -> None:
        """Serbero's key must be nobody else's."""
        if self.keys is not None and (reason := self.taken(self.keys)):
            self.problems.append(reason)

    def taken(self, keys: Keys) -> str | None:
        """Say whose key it is already, None if nobody's."""
        own = keys.public_key().to_hex()
        if own == self.node:
            return "Serbero's key: expected a key of its own, found the node's"
        if own in {key for key, _ in self.solvers}:
            return "Serbero's key: expected a key of its own, found a solver's"
        return None


@dataclass(frozen=True, slots=True)
class Given:
    """What the flags say; None where one was left out."""

    node: str | None
    relays: list[str]
    solvers: list[str]
    private_key_file: Path | None
    db: str | None


def write_configuration(given: Given, output: Path, *, force: bool, asks: bool) -> None:
    """Ask what is missing, if ``asks`` and somebody is there, and write the configuration.

    Raises:
        typer.Exit: with 1 interrupted or not writable, 2 wrong usage; nothing is written then.
    """
    out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    err = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if os.path.lexists(output) and not force:
        _stop(err, [f"{output} exists already; --force replaces it (and keeps the old one)"])
    draft = _from_flags(given)
    _own_key_given(draft, given.private_key_file, os.environ)
    draft.check_own_key()
    if draft.problems:
        _stop(err, draft.problems)
    if not asks or not _somebody_there():
        _without_asking(draft, err)
    else:
        _ask_for_the_rest(draft, out)
    keys = draft.keys or Keys.generate()
    warnings = _write(draft, keys, output, force=force, err=err)
    _say_what_next(out, npub(keys.public_key().to_hex()), keys, output)
    for each in (*draft.warnings, *warnings):
        err.print(f"note: {each}", style="yellow")


# --- answers from flags ---------------------------------------------------------------------------


def read_solver(text: str) -> SolverAnswer:
    """Return key and permission of ``KEY``, ``KEY:read`` or ``KEY:write``.

    Raises:
        ValueError: it is none of these; says what was expected and found.
    """
    body = text.strip()
    key, colon, suffix = body.rpartition(":")
    if not colon or key.lower() == "nostr" or looks_secret(body):
        return parse_public_key(body), Permission.READ
    if suffix.strip().lower() not in {"read", "write"}:
        raise ValueError(
            "expected KEY, KEY:read or KEY:write; found another ending after the colon"
        )
    return parse_public_key(key), Permission(suffix.strip().lower())


def _from_flags(given: Given) -> _Draft:
    draft = _Draft(db_path=(given.db or "").strip() or None)
    if given.node is not None:
        draft.node = _flag(draft, "--node", parse_public_key, given.node)
    for text in given.relays:
        address = _flag(draft, "--relay", relay_address, text)
        if address and address not in draft.relays:
            draft.relays.append(address)
    for text in given.solvers:
        answer = _flag(draft, "--solver", read_solver, text)
        if answer and answer[0] in {key for key, _ in draft.solvers}:
            draft.problems.append("--solver: the same solver twice")
        elif answer:
            draft.solvers.append(answer)
    return draft


def _flag(draft: _Draft, flag: str, read: Callable[[str], T], text: str) -> T | None:
    try:
        return read(text)
    except ValueError as exc:
        draft.problems.append(f"{flag}: {exc}")
        return None


def _own_key_given(draft: _Draft, path: Path | None, environ: Mapping[str, str]) -> None:
    """Take our key from the file named by the flag, or from where the daemon will find it."""
    given = supplied(environ, KEY_VARIABLE)
    if path is not None:
        if given != Supplied():
            draft.problems.append(
                f"--private-key-file: the environment has {KEY_VARIABLE} or {KEY_VARIABLE}_FILE,"
                " which would win over the file; unset it or leave the flag out"
            )
            return
        given = secret_file(path, section="", key="--private-key-file")
    else:
        draft.keys_from_environment = given.value is not None
    if given.fault:
        draft.problems.append(str(given.fault))
    if given.warning:
        draft.warnings.append(str(given.warning))
    if given.value:
        flag = "--private-key-file" if path else f"${KEY_VARIABLE}"
        draft.keys = _flag(draft, flag, parse_secret_key, given.value)


def _without_asking(draft: _Draft, err: Console) -> None:
    missing = []
    if draft.node is None:
        missing.append("--node: expected the node's public key, found nothing")
    if not draft.relays:
        missing.append("--relay: expected at least one relay, found none")
    if missing and not _somebody_there():
        missing.append("nobody can be asked here: input or output is no terminal")
    if missing:
        _stop(err, missing)


# --- answers from a person ------------------------------------------------------------------------


def _somebody_there() -> bool:
    """Whether questions can be seen and answered; a service manager may close both ends."""
    ends = (sys.stdin, sys.stdout)
    return all(each is not None and each.isatty() for each in ends)


def _ask_for_the_rest(draft: _Draft, out: Console) -> None:
    """Ask for what no flag gave; a bad answer is asked again, with the reason."""
    out.print("Serbero needs to know a few things. Ctrl-C leaves without writing.\n", style="bold")
    try:
        if draft.node is None:
            draft.node = _ask(out, "Public key of the Mostro node (npub or hex)", parse_public_key)
        if not draft.relays:
            _ask_relays(draft, out)
        if not draft.solvers:
            _ask_solvers(draft, out)
        if draft.keys is None:
            draft.keys = _ask_own_key(draft, out)
        if draft.db_path is None:
            draft.db_path = _ask(out, "Database file", str, default=DEFAULT_DATABASE)
    except (EOFError, KeyboardInterrupt):
        out.print("\nNothing was written.")
        raise typer.Exit(_FAILED) from None
    out.print()


def _ask(
    out: Console,
    question: str,
    read: Callable[[str], T],
    *,
    default: str | None = None,
    secret: bool = False,
) -> T:
    """Ask until ``read`` takes the answer; an empty answer is ``default``, if there is one."""
    hint = f" [{default}]" if default else ""
    while True:
        answer = out.input(
            f"{question}{hint}: ", password=secret, markup=False, emoji=False
        ).strip()
        try:
            return read(answer or default or "")
        except ValueError as exc:
            out.print(f"  {exc}", style="red")


def _ask_relays(draft: _Draft, out: Console) -> None:
    out.print("Relays, one a line; use the node's own, better two than one.", style="dim")
    draft.relays.append(_ask(out, "Relay", relay_address, default=FIRST_RELAY))
    while address := _ask(out, "Another relay (Enter: no more)", _optional(relay_address)):
        if address not in draft.relays:
            draft.relays.append(address)


def _ask_solvers(draft: _Draft, out: Console) -> None:
    out.print("Solvers, one a line: a public key, with :write if it may settle.", style="dim")
    while answer := _ask(out, "Solver (Enter: no more)", _optional(read_solver)):
        if answer[0] in {key for key, _ in draft.solvers}:
            out.print("  that solver is in the list already", style="red")
        else:
            draft.solvers.append(answer)
    if not draft.solvers:
        out.print("  nobody will be told of disputes until you add one", style="yellow")


def _ask_own_key(draft: _Draft, out: Console) -> Keys:
    def read(text: str) -> Keys:
        keys = parse_secret_key(text) if text else Keys.generate()
        if reason := draft.taken(keys):
            raise ValueError(reason)
        return keys

    return _ask(out, "Serbero's own secret key (hidden; Enter: make a new one)", read, secret=True)


def _optional(read: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: read(text) if text else None


# --- writing and telling --------------------------------------------------------------------------


def _write(draft: _Draft, keys: Keys, output: Path, *, force: bool, err: Console) -> list[str]:
    """Write the file if the daemon would take it; return what it would warn of."""
    nsec = keys.secret_key().to_bech32()
    text = render(
        Answers(
            node=draft.node or "",
            relays=tuple(draft.relays),
            solvers=tuple(draft.solvers),
            db_path=draft.db_path or DEFAULT_DATABASE,
            private_key=None if draft.keys_from_environment else nsec,
        )
    )
    try:
        warnings = [str(each) for each in loads(text, {KEY_VARIABLE: nsec}).warnings]
    except ConfigError as exc:
        _stop(err, [str(each) for each in exc.problems])
    try:
        backup = write_private(output, text, overwrite=force)
    except OSError as exc:
        err.print(
            f"serbero init: {output} cannot be written: {exc.strerror or exc}; name a file in a "
            "folder you may write to with --output",
            style="red",
        )
        raise typer.Exit(_FAILED) from None
    if backup:
        warnings.append(f"the configuration that stood there before is kept as {backup}")
    return warnings


def _say_what_next(out: Console, name: str, keys: Keys, output: Path) -> None:
    named = "" if output == Path(DEFAULT_PATH) else f" --config {shlex.quote(str(output))}"
    out.print(f"Wrote {output}, readable by you only.\n", style="bold green")
    out.print("Serbero's public key", style="bold")
    out.print(f"  npub  {name}")
    out.print(f"  hex   {keys.public_key().to_hex()}\n")
    out.print("1. Register it at the node, once, from the node's own key:", style="bold")
    out.print(f"     admin-add-solver  {name}:read")
    out.print("   With :read it can never settle or cancel; without, the node allows both. The")
    out.print("   node answers nothing if the key was ever used there, so take a fresh one.")
    out.print("   Telling solvers of disputes works without it; mediation needs it.\n")
    out.print("2. Tell the solvers where to look:", style="bold")
    out.print("   Disputes arrive as private messages (NIP-17) from the npub above, on the relays")
    out.print("   of this configuration and on each solver's own inbox relays (kind 10050). Some")
    out.print("   clients show a first message under requests: follow the npub once. Who reads in")
    out.print(
        '   one of Mostro\'s own clients gets via = "mostro" (or "both") below [[solvers]].\n'
    )
    out.print("3. Check, then start:", style="bold")
    out.print(f"     serbero doctor{named}\n     serbero run{named}\n")
    out.print("Mediation is off. [mediation] and [reasoning] in the file say how to switch it on.")


def _stop(err: Console, problems: list[str]) -> NoReturn:
    """Print every problem and leave with the code for wrong usage."""
    for each in problems:
        err.print(f"serbero init: {each}", style="red")
    raise typer.Exit(_USAGE)
