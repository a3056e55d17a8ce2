"""The prompt bundle: its hash, its bytes, and what is wrong with it."""

import json
from pathlib import Path

import pytest

from serbero.config.models import PromptsSection
from serbero.reasoning.bundle import (
    MAX_FILE_BYTES,
    PARTS,
    BundleProblem,
    PromptBundle,
    file_names,
    load,
    load_folder,
    packaged,
)
from serbero.reasoning.bundle_check import oddities

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "policy_hash.json").read_text())
CASES = {case["name"]: case for case in VECTORS["cases"]}


def of(case: dict[str, dict[str, str]]) -> PromptBundle:
    return PromptBundle.of({label: text.encode() for label, text in case["inputs"].items()})


@pytest.mark.parametrize("name", CASES)
def test_the_hash_is_the_references(name: str) -> None:
    assert of(CASES[name]).policy_hash == CASES[name]["policy_hash"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label, name in file_names().items():
        (tmp_path / name).write_bytes(f"{label}\r\n\ufeff ".encode())
    return tmp_path


def section(folder: Path) -> PromptsSection:
    keys = [name for name in PromptsSection.model_fields if name.endswith("_path")]
    return PromptsSection(
        **{key: str(folder / name) for key, name in zip(keys, file_names().values(), strict=True)}
    )


def test_bytes_are_kept_as_they_are(folder: Path) -> None:
    bundle = load(section(folder))
    assert bundle.text("classification") == "classification\r\n\ufeff "
    assert bundle == load_folder(folder) == PromptBundle.of(dict(bundle.parts()))


def test_every_byte_and_every_place_counts(folder: Path) -> None:
    whole = load_folder(folder)
    parts = dict(whole.parts())
    hashes = {whole.policy_hash}
    for label in PARTS:
        hashes.add(PromptBundle.of(parts | {label: parts[label] + b" "}).policy_hash)
    swapped = parts | {"system": parts["escalation"], "escalation": parts["system"]}
    hashes.add(PromptBundle.of(swapped).policy_hash)
    assert len(hashes) == 7


def test_the_first_file_that_fails_is_named(folder: Path) -> None:
    names = file_names()
    (folder / names["message_templates"]).unlink()
    (folder / names["escalation"]).unlink()
    with pytest.raises(BundleProblem) as caught:
        load(section(folder))
    assert str(caught.value) == (
        "failed to load Phase 3 prompt bundle: failed to read prompt bundle file for"
        f" `escalation_policy_path` at {folder / names['escalation']}:"
        " No such file or directory (os error 2)"
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff\xfe", "stream did not contain valid UTF-8"),
        ("\ud800".encode("utf-8", "surrogatepass"), "stream did not contain valid UTF-8"),
        (b"x" * (MAX_FILE_BYTES + 1), "larger than 262144 bytes"),
        # Without lengths in the hashed bytes, a NUL would let two bundles have one hash.
        (b"a\0b", "it holds a NUL byte"),
    ],
)
def test_bytes_that_cannot_be_a_prompt(folder: Path, raw: bytes, reason: str) -> None:
    (folder / file_names()["mediation_style"]).write_bytes(raw)
    with pytest.raises(BundleProblem, match=reason) as caught:
        load_folder(folder)
    assert caught.value.key == "mediation_style_path"
    parts = dict(packaged().parts()) | {"mediation_style": raw}
    with pytest.raises(BundleProblem, match=reason):
        PromptBundle.of(parts)


def test_a_stored_bundle_must_be_whole() -> None:
    with pytest.raises(BundleProblem, match="missing"):
        PromptBundle.of({"system": b"x"})


def test_a_path_that_is_none(folder: Path) -> None:
    broken = section(folder).model_copy(update={"system_instructions_path": "a\0b"})
    with pytest.raises(BundleProblem, match="cannot be a path"):
        load(broken)


def test_the_packaged_bundle_is_complete() -> None:
    bundle = load(PromptsSection(source="packaged"))
    assert bundle == packaged()
    assert oddities(bundle) == []
    assert bundle.bundle_id == "phase3-default"


def test_the_packaged_templates_for_parties_hold_no_forbidden_words() -> None:
    """A model that repeats them must not be stopped for it."""
    text = packaged().text("message_templates").lower()
    for phrase in ("release funds", "release the funds", "settle", "cancel", "admin", "close the"):
        assert phrase not in text


def test_oddities_are_told() -> None:
    parts = dict(packaged().parts())
    classification = parts["classification"].replace(b"suspected_fraud", b"fraud")
    odd = PromptBundle.of(
        parts
        | {
            "system": b" \n",
            "classification": classification,
            "escalation": parts["escalation"].replace(b"round_limit", b"limit"),
            "mediation_style": "\ufeffplain".encode(),
            "message_templates": b"x" * 40_000,
        }
    )
    assert [(each.key, each.message) for each in oddities(odd)] == [
        ("system_instructions_path", "it says nothing"),
        ("classification_policy_path", "it does not mention suspected_fraud"),
        ("escalation_policy_path", "it does not mention round_limit"),
        (
            "mediation_style_path",
            "it begins with a byte order mark, which the model sees",
        ),
        ("message_templates_path", "it has 40000 bytes; every call pays for them"),
    ]
