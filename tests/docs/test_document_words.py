"""The documents speak of the program, not of how it came to be."""

import re

import pytest
from tests.docs import reading

UNWANTED = re.compile(
    r"(?i)\bphases?\b|\btickets?\b|\bTODO\b|\bFIXME\b|\bsprints?\b|\bmilestones?\b|\bcolleagues?\b"
    r"|(?<![\w/])#\d+\b|\bissue \d+|/home/\w|\bwork ?tree\b"
)
"""Words of how it was made. Names in code, such as the reference's, are not looked at."""


def unwanted(text: str) -> list[str]:
    return [each.group() for each in UNWANTED.finditer(text)]


@pytest.mark.parametrize("page", reading.pages())
def test_a_document_has_no_word_of_how_it_was_made(page: str) -> None:
    found = [(line, unwanted(text)) for line, text in reading.prose(page) if unwanted(text)]
    assert found == []


@pytest.mark.parametrize("text", ["in phase 3", "see #12", "fixes issue 4", "under /home/x"])
def test_such_a_word_is_noticed(text: str) -> None:
    assert unwanted(text)


@pytest.mark.parametrize("text", ["the emphases of a paraphrase", "a solver's first hour"])
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert not unwanted(text)
