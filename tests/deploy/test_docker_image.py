"""The Dockerfile and compose file: what must not be in the image is not, what is named exists."""

import re
from fnmatch import fnmatch
from importlib.metadata import requires

import pytest
from tests.deploy.dockerfile import Instruction, Stage, instructions, stages
from tests.deploy.places import DEPLOY, PROJECT, read_yaml

from serbero.config.environment import CONFIG_VARIABLE, DB_VARIABLE, KEY_VARIABLE

DOCKER = DEPLOY / "docker"
BUILD, FINAL = stages(DOCKER / "Dockerfile")


def variables(stage: Stage) -> dict[str, str]:
    return {
        name: value.strip('"')
        for each in stage.all("ENV")
        for name, value in re.findall(r'(\w+)=("[^"]*"|\S+)', each.rest)
    }


def durations(healthcheck: dict[str, str]) -> dict[str, int]:
    return {
        name: int(value.removesuffix("s"))
        for name, value in healthcheck.items()
        if value.endswith("s")
    }


def test_both_stages_stand_on_one_exact_version() -> None:
    """Debian's slim image; a tag that moves would make two builds of one version differ."""
    assert BUILD.image == FINAL.image
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", BUILD.image)


def test_only_hashed_wheels_are_installed() -> None:
    """Whatever pip fetches is pinned by hash and a wheel; our own comes from this tree."""
    steps = [step for each in BUILD.all("RUN") for step in each.rest.split("&&")]
    installs = [each for each in steps if " install " in each]
    fetching = [each for each in installs if "--no-index" not in each]
    assert len(installs) == 3
    assert len(fetching) == 2
    for each in fetching:
        assert "--require-hashes --only-binary :all:" in each
    assert "--no-build-isolation --no-deps" in next(each for each in steps if "pip wheel" in each)


def test_what_builds_the_wheel_is_complete() -> None:
    """The names picked from the lock are all that the build backend stands on, and no more."""
    awk = next(each.rest for each in BUILD.all("RUN") if "awk" in each.rest)
    picked = re.search(r"\^\(([a-z|-]+)\)==", awk)
    assert picked
    needed: set[str] = set()
    wanted = ["hatchling", "editables"]
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed.add(name)
            # Markers would need a reader of their own; those of old Pythons end with a comma.
            wanted += [
                re.split(r"[^A-Za-z0-9_.-]", each)[0].lower().replace("_", "-")
                for each in requires(name) or []
                if "extra ==" not in each and "python_version < " not in each
            ]
    assert set(picked[1].split("|")) == needed
    lock = (PROJECT / "requirements-dev.lock").read_text()
    assert all(re.search(rf"(?m)^{name}==", lock) for name in needed)


def test_the_final_image_has_nothing_to_build_with() -> None:
    """It is not made of the first stage, and takes one folder from it."""
    assert FINAL.image.startswith("python:")
    taken = [each for each in FINAL.all("COPY") if "from" in each.flags]
    assert [(each.flags["from"], each.rest) for each in taken] == [
        (BUILD.name, "/opt/serbero /opt/serbero")
    ]
    [step] = FINAL.all("RUN")
    assert "apt" not in step.rest
    assert " install " not in step.rest.replace("install -d", "")
    assert "pip uninstall --yes" in step.rest
    assert not [each for each in FINAL.instructions if each.word == "ADD"]


def test_it_runs_as_a_number_that_owns_its_data_alone() -> None:
    """Root is the user of no step after it, and nothing but the volume is his."""
    user = FINAL.only("USER").rest
    uid, _, gid = user.partition(":")
    assert uid == gid
    assert int(uid) >= 10_000
    assert f"install -d -o {uid} -g {gid} -m 700 /data" in FINAL.only("RUN").rest
    assert FINAL.only("VOLUME").exec_form() == ["/data"]
    after = FINAL.instructions[FINAL.instructions.index(FINAL.only("USER")) :]
    assert not {each.word for each in after} & {"RUN", "COPY"}


def test_signals_reach_serbero_itself() -> None:
    """No shell in between, and a signal that it understands."""
    assert FINAL.only("ENTRYPOINT").exec_form() == ["serbero"]
    assert FINAL.only("CMD").exec_form() == ["run"]
    assert FINAL.only("STOPSIGNAL").rest == "SIGTERM"


def test_variables_are_the_ones_serbero_reads() -> None:
    given = variables(FINAL)
    assert given[CONFIG_VARIABLE] == "/etc/serbero/config.toml"
    assert given[DB_VARIABLE].startswith("/data/")
    assert given["PATH"].startswith("/opt/serbero/bin:")
    assert KEY_VARIABLE not in given
    labels = FINAL.only("LABEL").rest
    for name in ("title", "description", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_the_health_check_answers_before_docker_gives_up() -> None:
    check = FINAL.only("HEALTHCHECK")
    assert durations(check.flags)["timeout"] > 4
    command = check.rest.removeprefix("CMD ")
    script = next(each for each in FINAL.all("COPY") if "healthcheck.py" in each.rest)
    assert command == f'["{script.rest.rpartition("/")[2]}"]'
    assert script.flags["chmod"] == "755"


def _sent(path: str, rules: list[str]) -> bool:
    """Whether a build would be sent ``path``: the last rule that matches decides."""
    verdict = True
    parents = [path.rsplit("/", depth)[0] for depth in range(path.count("/") + 1)]
    for rule in rules:
        pattern = rule.removeprefix("!")
        if pattern.startswith("**/"):
            parts = path.split("/")
            matches = any(fnmatch(part, pattern[3:]) for part in parts)
        else:
            matches = any(fnmatch(each, pattern) for each in parents)
        if matches:
            verdict = rule.startswith("!")
    return verdict


def test_the_build_is_sent_what_it_copies_and_nothing_secret() -> None:
    rules = [
        line
        for line in (PROJECT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    copies = [each for stage in (BUILD, FINAL) for each in stage.all("COPY")]
    sources = [
        source for each in copies if "from" not in each.flags for source in each.rest.split()[:-1]
    ]
    assert "src" in sources
    for source in sources:
        assert (PROJECT / source).exists()
        assert _sent(source, rules)
    assert _sent("src/serbero/store/schema.py", rules)
    for other in [
        "config.toml",
        "serbero.db",
        "serbero.db-wal",
        ".git/config",
        ".venv/bin/python",
        "deploy/docker/secrets/serbero-key",
        "deploy/docker/config/config.toml",
        "src/serbero/__pycache__/clock.cpython-313.pyc",
    ]:
        assert not _sent(other, rules)


def test_what_an_operator_puts_beside_it_is_kept_out_of_git() -> None:
    ignored = (DOCKER / ".gitignore").read_text().split("\n")
    service = read_yaml(DOCKER / "compose.yaml")["services"]["serbero"]
    secrets = read_yaml(DOCKER / "compose.yaml")["secrets"]
    beside = [each.split(":")[0] for each in service["volumes"] if each.startswith("./")]
    beside += [each["file"] for each in secrets.values()]
    assert len(beside) == 2
    for each in beside:
        assert f"/{each.split('/')[1]}/" in ignored


def test_compose_shuts_it_in() -> None:
    service = read_yaml(DOCKER / "compose.yaml")["services"]["serbero"]
    wanted = {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "user": FINAL.only("USER").rest,
        "restart": "unless-stopped",
        "init": True,
    }
    assert {each: service[each] for each in wanted} == wanted
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)
    [temporary] = service["tmpfs"]
    assert {"noexec", "nosuid", "nodev"} <= set(temporary.partition(":")[2].split(","))
    options = service["logging"]["options"]
    assert service["logging"]["driver"] == "local"
    assert int(options["max-file"]) > 1
    assert options["max-size"].endswith("m")


def test_compose_gives_what_the_image_expects() -> None:
    document = read_yaml(DOCKER / "compose.yaml")
    service = document["services"]["serbero"]
    [secret] = service["secrets"]
    image = variables(FINAL)
    assert service["environment"] == {
        CONFIG_VARIABLE: image[CONFIG_VARIABLE],
        DB_VARIABLE: image[DB_VARIABLE],
        f"{KEY_VARIABLE}_FILE": f"/run/secrets/{secret}",
    }
    assert secret in document["secrets"]
    assert service["volumes"] == ["data:/data", "./config:/etc/serbero:ro"]
    assert "data" in document["volumes"]
    built = DOCKER / service["build"]["context"]
    assert built.resolve() == PROJECT
    assert (built / service["build"]["dockerfile"]).resolve() == DOCKER / "Dockerfile"
    check = FINAL.only("HEALTHCHECK")
    assert service["healthcheck"]["test"] == ["CMD", check.rest.split('"')[1]]
    compose = {
        name.replace("_", "-"): str(value)
        for name, value in service["healthcheck"].items()
        if name != "test"
    }
    assert compose == check.flags
    assert int(service["stop_grace_period"].removesuffix("s")) > 5


def test_the_reader_of_dockerfiles_reads() -> None:
    """Continued lines, comments within them, flags, and RUN's own options left alone."""
    text = "FROM a AS b\n# no\nRUN x --y=1 \\\n# within\n  && z\nCOPY --from=b --chmod=755 c d\n"
    assert instructions(text) == [
        Instruction("FROM", {}, "a AS b"),
        Instruction("RUN", {}, "x --y=1   && z"),
        Instruction("COPY", {"from": "b", "chmod": "755"}, "c d"),
    ]
    with pytest.raises(AssertionError):
        instructions("RUN x \\")
