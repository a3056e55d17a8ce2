"""Files with secrets: for their owner only, whole or not at all, never over another."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.keys import NSEC

from serbero.config.files import write_private
from serbero.config.loader import loads
from serbero.config.template import Answers, render
from serbero.model.people import Permission

NODE = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
ALICE = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_the_owner_may_read_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "config.toml"
    before = os.umask(umask)
    try:
        assert write_private(path, "x = 'ä'\n", overwrite=False) is None
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert path.read_text(encoding="utf-8") == "x = 'ä'\n"
    assert names(tmp_path) == ["config.toml"]


def test_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("old")
    with pytest.raises(FileExistsError):
        write_private(path, "new", overwrite=False)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["config.toml"]


def test_a_dangling_link_counts_as_existing(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_private(path, "new", overwrite=False)
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_replaced_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("first")
    path.chmod(0o644)
    assert write_private(path, "second", overwrite=True) == tmp_path / "config.toml.bak"
    assert write_private(path, "third", overwrite=True) == tmp_path / "config.toml.bak"
    assert path.read_text() == "third"
    assert (tmp_path / "config.toml.bak").read_text() == "second"
    assert mode(path) == mode(tmp_path / "config.toml.bak") == 0o600
    assert names(tmp_path) == ["config.toml", "config.toml.bak"]


def test_a_folder_that_is_missing_or_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "none" / "config.toml", "x", overwrite=False)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "folder", "x", overwrite=False)
    assert names(tmp_path) == ["folder"]


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
        str.strip
    ),
    st.lists(st.sampled_from(Permission), max_size=1),
    st.booleans(),
)
def test_every_new_configuration_loads(
    db_path: str, permissions: list[Permission], with_key: bool
) -> None:
    answers = Answers(
        node=NODE,
        relays=("wss://a.example", "wss://b.example/x?y=z"),
        solvers=tuple((ALICE, each) for each in permissions),
        db_path=db_path,
        private_key=NSEC if with_key else None,
    )
    loaded = loads(render(answers), {} if with_key else {"SERBERO_PRIVATE_KEY": NSEC})
    assert loaded.config.serbero.db_path == db_path.strip()
    assert loaded.config.mostro.pubkey_hex == NODE
    assert loaded.config.relay_urls == answers.relays
    assert [(each.hex, each.permission) for each in loaded.config.solvers] == list(answers.solvers)
    assert [each.section for each in loaded.warnings] == ([] if permissions else ["solvers"])
    assert NSEC not in repr(answers)


def test_a_new_configuration_has_the_better_values() -> None:
    answers = Answers(NODE, ("wss://a.example",), ((ALICE, Permission.READ),), "x.db", NSEC)
    found = loads(render(answers), {}).config
    assert found.mostro.cold_start_lookback_seconds == 86400
    assert found.timeouts.renotification_backoff == 2.0
    assert found.identity.publish
