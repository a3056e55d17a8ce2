"""The container's health check as a process, against the daemon's own endpoint."""

import asyncio
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.deploy.places import DEPLOY

from serbero.observe.health import Health
from serbero.observe.http import HttpServer
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock

SCRIPT = DEPLOY / "docker" / "healthcheck.py"
SECRET = "nsec1" + "q" * 58


def configured(folder: Path, listen: str) -> Path:
    path = folder / "config.toml"
    path.write_text(f'[serbero]\nprivate_key = "{SECRET}"\n[observe]\nhttp_listen = "{listen}"\n')
    return path


def check(config: Path | None, folder: Path) -> tuple[int, str]:
    """Run it as the image does; return its exit code and its one line."""
    environ = {name: value for name, value in os.environ.items() if name != "SERBERO_CONFIG"}
    if config is not None:
        environ["SERBERO_CONFIG"] = str(config)
    # As the first line of the script has it; the interpreter's own path is the image's.
    done = subprocess.run(
        [sys.executable, "-IS", SCRIPT],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert SECRET not in done.stdout
    [line] = done.stdout.splitlines()
    return done.returncode, line


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("shown", ["127.0.0.1:{}", "0.0.0.0:{}", "localhost:{}", " 127.0.0.1:{} "])
async def test_a_daemon_that_answers_is_alive(tmp_path: Path, shown: str) -> None:
    """Also one that is not ready: nothing hears here, and a restart would not mend that."""
    clock = FakeClock()
    server = HttpServer(("127.0.0.1", 0), Metrics(), Health(clock), clock)
    _, port = server.bind()
    serving = asyncio.create_task(server.run())
    try:
        config = configured(tmp_path, shown.format(port))
        assert await asyncio.to_thread(check, config, tmp_path) == (0, "alive")
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def test_the_configuration_of_the_working_directory_counts(tmp_path: Path) -> None:
    """As for Serbero itself, where the variable is unset or blank."""
    port = unused_port()
    configured(tmp_path, f"127.0.0.1:{port}")
    assert check(None, tmp_path) == (1, f"127.0.0.1:{port}: Connection refused")
    assert check(Path(" "), tmp_path) == (1, f"127.0.0.1:{port}: Connection refused")


def test_a_listener_that_is_something_else_is_not_alive(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = configured(tmp_path, f"127.0.0.1:{port}")
        with subprocess.Popen(
            [sys.executable, "-IS", SCRIPT],
            env={"SERBERO_CONFIG": str(config)},
            stdout=subprocess.PIPE,
            text=True,
        ) as asking:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            said, _ = asking.communicate()
    assert (asking.returncode, "503" in said) == (1, True)


@pytest.mark.parametrize("text", ["", "[observe]\n", '[observe]\nhttp_listen = ""\n'])
def test_nothing_to_ask_is_no_failure(tmp_path: Path, text: str) -> None:
    """What `init` writes has no address; the line says how to get a real check."""
    (tmp_path / "config.toml").write_text(text)
    code, line = check(tmp_path / "config.toml", tmp_path)
    assert code == 0
    assert "[observe].http_listen" in line


@pytest.mark.parametrize("listen", ["9464", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999", ":x"])
def test_an_address_that_is_none_is_told(tmp_path: Path, listen: str) -> None:
    code, line = check(configured(tmp_path, listen), tmp_path)
    assert code == 1
    assert "expected HOST:PORT" in line


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        ("[::]:9464", ("::1", 9464)),
        ("[::1]:9464", ("::1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("10.0.0.2:80", ("10.0.0.2", 80)),
    ],
)
def test_an_address_for_everybody_is_asked_at_home(listen: str, asked: tuple[str, int]) -> None:
    assert runpy.run_path(str(SCRIPT))["address"](listen) == asked


def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """By its path; a parser's words could hold the key."""
    code, line = check(tmp_path / "missing.toml", tmp_path)
    assert (code, "missing.toml: No such file" in line) == (1, True)
    broken = tmp_path / "broken.toml"
    broken.write_text(f'private_key = "{SECRET}')
    code, line = check(broken, tmp_path)
    assert (code, "no valid TOML" in line) == (1, True)
