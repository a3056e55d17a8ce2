"""The unit files: what must be forbidden is, and what they name exists."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.deploy.places import PROJECT, SYSTEMD
from tests.deploy.units import Sections, environment, read_unit

from serbero.config.environment import CONFIG_VARIABLE, DB_VARIABLE, KEY_VARIABLE
from serbero.config.models import ReasoningSection

EXPOSURE = 1.5
"""What `systemd-analyze security` may say at most, of 10; it says 1.2 and 0.5 on systemd 252."""

SHUT_IN = {
    "User": "serbero",
    "Group": "serbero",
    "StateDirectory": "serbero",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "DevicePolicy": "closed",
    "PrivateIPC": "yes",
    "PrivateUsers": "yes",
    "RemoveIPC": "yes",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "ProtectProc": "invisible",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "LimitCORE": "0",
}

DAEMON = {
    "Type": "notify",
    "NotifyAccess": "main",
    "WatchdogSec": "60",
    "Restart": "on-failure",
    "RestartPreventExitStatus": "2",
    "TimeoutStopSec": "10",
    "LimitNOFILE": "4096",
    "ConfigurationDirectory": "serbero",
    "ConfigurationDirectoryMode": "0750",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
}

BACKUP = {
    "Type": "oneshot",
    "PrivateNetwork": "yes",
    "ProcSubset": "pid",
    "RestrictAddressFamilies": "AF_UNIX",
}

OTHERS = {
    "Unit": {"Description", "Documentation", "Wants", "After", "StartLimitIntervalSec"}
    | {"ConditionPathExists"},
    "Service": {"ExecStart", "Environment", "EnvironmentFile", "LoadCredential", "LogNamespace"}
    | {"WorkingDirectory", "TimeoutStartSec", "RestartSec", "SyslogIdentifier", "TasksMax"}
    | {"MemoryHigh", "MemoryMax", "SystemCallFilter", "Nice", "IOSchedulingClass"},
    "Install": {"WantedBy"},
    "Timer": {"OnCalendar", "RandomizedDelaySec", "Persistent"},
    "Journal": {"Storage", "Compress", "SystemMaxUse", "MaxRetentionSec", "MaxFileSec"}
    | {"RateLimitIntervalSec"},
}
"""Further directives of systemd 252 that may be used; a name that is none of these is mistyped."""

DROP_INS = sorted((SYSTEMD / "serbero.service.d").glob("*.conf.example"))
FILES = [*sorted(SYSTEMD.glob("*.service")), *SYSTEMD.glob("*.timer"), *DROP_INS]
FILES += SYSTEMD.glob("journald@*.conf")


def service(name: str) -> dict[str, list[str]]:
    return read_unit(SYSTEMD / f"{name}.service")["Service"]


def megabytes(value: str) -> int:
    assert value.endswith("M")
    return int(value[:-1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_directive_is_one(path: Path) -> None:
    """A mistyped one would only be warned of, and left out."""
    known = {**OTHERS, "Service": OTHERS["Service"] | {*SHUT_IN, *DAEMON, *BACKUP}}
    unit = read_unit(path)
    assert unit
    for section, directives in unit.items():
        assert set(directives) <= known[section]


@pytest.mark.parametrize(
    ("name", "wanted"), [("serbero", SHUT_IN | DAEMON), ("serbero-backup", SHUT_IN | BACKUP)]
)
def test_what_must_be_forbidden_is(name: str, wanted: dict[str, str]) -> None:
    given = service(name)
    assert {each: given.get(each) for each in wanted} == {
        each: [value] for each, value in wanted.items()
    }
    assert given["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]


def test_the_key_is_a_credential() -> None:
    """It stands in no variable, and under the name that is handed over."""
    given = service("serbero")
    [credential] = given["LoadCredential"]
    name, source = credential.split(":")
    assert environment(given) == {
        CONFIG_VARIABLE: "/etc/serbero/config.toml",
        f"{KEY_VARIABLE}_FILE": f"%d/{name}",
    }
    assert source == "/etc/serbero/serbero-key"


def test_the_daemon_has_the_time_and_room_it_needs() -> None:
    """Over what it promises: stopped within 5 s, under 220 MB; and never given up."""
    given = service("serbero")
    assert megabytes(given["MemoryMax"][0]) > megabytes(given["MemoryHigh"][0]) > 220
    unit = read_unit(SYSTEMD / "serbero.service")
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert unit["Install"] == {"WantedBy": ["multi-user.target"]}


def test_the_model_s_key_has_the_name_that_is_looked_for() -> None:
    given = read_unit(SYSTEMD / "serbero.service.d/model.conf.example")["Service"]
    variable = ReasoningSection.model_fields["api_key_env"].default
    name = given["LoadCredential"][0].partition(":")[0]
    assert environment(given) == {f"{variable}_FILE": f"%d/{name}"}


def test_a_key_in_the_configuration_needs_no_credential() -> None:
    given = service("serbero")
    changes = read_unit(SYSTEMD / "serbero.service.d/key-in-config.conf.example")["Service"]
    assert changes["LoadCredential"] == [""]
    both = {"Environment": given["Environment"] + changes["Environment"]}
    assert environment(both) == {CONFIG_VARIABLE: environment(given)[CONFIG_VARIABLE]}
    # Read in the order of their names: the model's key must not be taken back again.
    assert [each.name for each in DROP_INS].index("key-in-config.conf.example") < [
        each.name for each in DROP_INS
    ].index("model.conf.example")


def test_the_journal_s_settings_are_those_of_the_namespace() -> None:
    drop_in = read_unit(SYSTEMD / "serbero.service.d/journal.conf.example")
    [namespace] = drop_in["Service"]["LogNamespace"]
    journal = read_unit(SYSTEMD / f"journald@{namespace}.conf")["Journal"]
    assert journal["Storage"] == ["persistent"]
    assert {"SystemMaxUse", "MaxRetentionSec"} <= set(journal)


def test_the_backup_runs_what_is_there() -> None:
    given = service("serbero-backup")
    program, directory, keep = given["ExecStart"][0].split()
    script = PROJECT / Path(program).relative_to("/opt/serbero")
    assert os.access(script, os.X_OK)
    assert Path(directory).is_relative_to("/var/lib/serbero")
    assert keep == "14"
    assert environment(given) == {
        "SERBERO": service("serbero")["ExecStart"][0].split()[0],
        DB_VARIABLE: "/var/lib/serbero/serbero.db",
    }
    timer = read_unit(SYSTEMD / "serbero-backup.timer")
    assert timer["Timer"]["Persistent"] == ["yes"] or timer["Timer"]["Persistent"] == ["true"]
    assert re.fullmatch(r"\*-\*-\* \d\d:\d\d:\d\d", timer["Timer"]["OnCalendar"][0])


def test_the_user_is_made_with_the_service_s_name() -> None:
    [line] = [
        each
        for each in (SYSTEMD / "sysusers-serbero.conf").read_text().splitlines()
        if not each.startswith("#")
    ]
    assert line.split()[:2] == ["u", service("serbero")["User"][0]]


def _installed(folder: Path) -> list[Path]:
    """The units as systemd would find them, with programs that exist on this machine."""
    units = []
    for path in [*SYSTEMD.glob("*.service"), *SYSTEMD.glob("*.timer")]:
        text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", path.read_text())
        units.append(folder / path.name)
        units[-1].write_text(text)
    (folder / "serbero.service.d").mkdir()
    for path in DROP_INS:
        (folder / "serbero.service.d" / path.stem).write_text(path.read_text())
    return units


def exec_start(unit: Sections) -> list[str]:
    return unit.get("Service", {}).get("ExecStart", [])


def test_systemd_takes_them_as_they_are(tmp_path: Path) -> None:
    """By its own word where it is installed; the tests above do without."""
    units = _installed(tmp_path)
    assert {each.name for each in units} == {
        "serbero.service",
        "serbero-backup.service",
        "serbero-backup.timer",
    }
    services = [each for each in units if exec_start(read_unit(each)) != []]
    assert len(services) == 2
    if shutil.which("systemd-analyze") is None:
        return
    verdict = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    assert (verdict.returncode, verdict.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=yes"]
    command.append(f"--threshold={EXPOSURE * 10:.0f}")
    for each in services:
        told = subprocess.run(
            [*command, each],
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stdout.splitlines()[-1:]
