"""Look at everything a dispute's way depends on, and say what to mend."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from serbero.cli.doctor_checks import local, network, node
from serbero.cli.doctor_checks.alerts import examine_alerts
from serbero.cli.doctor_checks.database import examine_database
from serbero.cli.doctor_checks.dm_test import (
    Address,
    Correspondence,
    Progress,
    dm_findings,
)
from serbero.cli.doctor_checks.findings import Finding, Report
from serbero.cli.doctor_checks.mediation import examine_mediation, read_mediation
from serbero.cli.doctor_checks.node import NodeSeen, Terms
from serbero.cli.doctor_checks.probes import find_inboxes, find_node, measure_work, probe_relay
from serbero.cli.doctor_checks.store_test import run_store_test, store_findings
from serbero.cli.doctor_checks.taking import Kept, read_kept, taking_findings
from serbero.cli.render import print_json, print_report
from serbero.clock import Clock, SystemClock
from serbero.config.environment import LOG_VARIABLE, variable
from serbero.config.loader import load
from serbero.config.problems import ConfigError, Problem
from serbero.config.settings import Config, Loaded
from serbero.nostr.addresses import loggable
from serbero.nostr.inbox_list import InboxList
from serbero.observe.logging import configure_logging
from serbero.relays.pool import RelayPool
from serbero.relays.settings import RelaySettings

_SILENT_LOGS: Final = "off"
"""The findings say it all; ``SERBERO_LOG`` shows more."""


def _quiet(_line: str) -> None:
    """No progress wanted."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What beyond looking is asked for.

    Attributes:
        dm_test_seconds: how long to wait for solvers' answers; None sends them nothing.
        store_test: whether to try if the relays keep kind 14.
        send_test: whether to send each of the operator's channels a test message.
        progress: told what happens meanwhile, a line at a time.
    """

    dm_test_seconds: float | None = None
    store_test: bool = False
    send_test: bool = False
    progress: Progress = field(default=_quiet)


async def examine(
    path: Path, environ: Mapping[str, str], clock: Clock, wishes: Wishes | None = None
) -> Report:
    """Examine the installation described by the file ``path`` and ``environ``.

    Changes nothing: neither configuration nor database; to relays goes one ephemeral event
    each, to a model one ``ping`` where mediation is on, and beyond that only what ``wishes`` asks
    for. A running daemon is not disturbed.
    """
    try:
        loaded = load(path, environ)
    except ConfigError as exc:
        findings = local.config_findings(exc.problems, stops=True)
        if exc.warnings:
            findings += local.config_findings(exc.warnings, stops=False)
        return Report(tuple(findings))
    config = loaded.config
    findings = local.config_findings(_without_solvers(loaded), stops=False)
    findings += local.key_findings(config.public_key, config.mostro.pubkey_hex)
    findings += await asyncio.to_thread(examine_database, config.db_path, clock.now())
    kept = await asyncio.to_thread(read_kept, config.db_path, config.mostro.pubkey_hex, clock.now())
    findings += taking_findings(kept.facts, config.public_key)
    wishes = wishes or Wishes()
    told, seen = await _examine_network(config, kept, clock, wishes)
    findings += told
    about = (config.db_path, config.mostro.pubkey_hex, clock.now())
    facts = await asyncio.to_thread(read_mediation, *about)
    info = node.used(seen.info, kept.info, clock.now())
    findings += await examine_mediation(config, facts, info, clock, wishes.progress)
    findings += await examine_alerts(config.alerts, clock, send_test=wishes.send_test)
    return Report(tuple(findings))


def _without_solvers(loaded: Loaded) -> list[Problem]:
    """The configuration's warnings but for unusable solvers, who have findings of their own."""
    told = {each.problem for each in loaded.config.solvers}
    return [x for x in loaded.warnings if x.message not in told and x.section != "solvers"]


async def _examine_network(
    config: Config, kept: Kept, clock: Clock, wishes: Wishes
) -> tuple[list[Finding], NodeSeen]:
    pool = RelayPool(
        keys=config.keys,
        clock=clock,
        urls=config.relay_urls,
        settings=RelaySettings(
            publish_timeout_seconds=float(config.delivery.publish_timeout_seconds)
        ),
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            driving = tasks.create_task(pool.run(), name="relay pool")
            told = await _ask_around(pool, config, kept, clock, wishes)
            driving.cancel()
    finally:
        await pool.close()
    return told


async def _ask_around(
    pool: RelayPool, config: Config, kept: Kept, clock: Clock, wishes: Wishes
) -> tuple[list[Finding], NodeSeen]:
    wishes.progress(f"asking {' '.join(map(loggable, config.relay_urls))}")
    async with asyncio.TaskGroup() as tasks:
        probing = [
            tasks.create_task(probe_relay(pool, config, clock, url)) for url in config.relay_urls
        ]
    probed = [each.result() for each in probing]
    relays = [each.facts for each in probed]
    ahead = {x.facts.url: x.clock_ahead for x in probed if x.clock_ahead is not None}
    reachable = [each.hex for each in config.solvers if each.reachable and each.hex is not None]
    seen = await find_node(pool, config.mostro.pubkey_hex, clock.now())
    inboxes, looked = await find_inboxes(
        pool, reachable, allow_private=config.delivery.allow_private_relays
    )
    findings = network.clock_findings(ahead)
    findings += network.relays_findings(relays, config.observe.min_hearing_relays)
    for each in relays:
        findings += network.relay_findings(each)
    findings += _node_findings(seen, kept, config, clock)
    findings += network.solvers_findings(config.solvers)
    for solver in config.solvers:
        inbox = inboxes.get(solver.hex or "")
        findings += network.solver_findings(
            solver, inbox, looked=looked > 0, configured=config.relay_urls
        )
    if wishes.store_test:
        wishes.progress("asking each relay to keep a message")
        tried = await run_store_test(pool, config.keys, clock, config.relay_urls)
        findings += [finding for each in tried for finding in store_findings(each)]
    if wishes.dm_test_seconds is not None:
        private = config.delivery.allow_private_relays
        beside = node.relays_beside(seen, config.relay_urls, allow_private=private)
        findings += await _dm_test(pool, config, clock, wishes, inboxes, beside)
    return findings, seen


def _node_findings(seen: NodeSeen, kept: Kept, config: Config, clock: Clock) -> list[Finding]:
    wanted = config.mostro
    terms = Terms(
        transport=wanted.transport,
        max_bits=wanted.max_pow_bits,
        patience_seconds=wanted.take_timeout_seconds,
        own_key=config.public_key,
        tries_per_second=measure_work(config.keys, wanted.pubkey_hex, clock),
    )
    private = config.delivery.allow_private_relays
    found = node.node_findings(seen, kept.info, terms, clock.now())
    return found + node.relay_list_findings(seen, config.relay_urls, allow_private=private)


async def _dm_test(
    pool: RelayPool,
    config: Config,
    clock: Clock,
    wishes: Wishes,
    inboxes: Mapping[str, InboxList],
    beside: Sequence[str],
) -> list[Finding]:
    """Write and listen as the daemon does: on the node's relays (``beside``) as well."""
    addresses = [
        Address(
            each.hex,
            each.relays or (inboxes[each.hex].usable if each.hex in inboxes else ()),
            each.via.channels,
        )
        for each in config.solvers
        if each.reachable and each.hex is not None
    ]
    wait = wishes.dm_test_seconds or 0.0
    letters = Correspondence(config.keys, addresses, clock)
    pool.listen_also(beside)
    pool.subscribe(letters.subscription())
    await letters.run(pool, (*config.relay_urls, *beside), wait, wishes.progress)
    return [finding for each in letters.exchanges for finding in dm_findings(each, wait)]


def run_doctor(path: Path, environ: Mapping[str, str], wishes: Wishes, *, as_json: bool) -> int:
    """Examine, print to standard output, and return the exit code: 0, 1 warnings, 2 broken."""
    configure_logging(variable(environ, LOG_VARIABLE) or _SILENT_LOGS, "console", sys.stderr)
    watched = as_json or sys.stdout.isatty() or wishes.dm_test_seconds is not None
    wishes = replace(wishes, progress=_say if watched else _quiet)
    report = asyncio.run(examine(path, environ, SystemClock(), wishes))
    if as_json:
        print_json(report.as_json(), sys.stdout)
    else:
        print_report(report, sys.stdout)
    return report.exit_code


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
