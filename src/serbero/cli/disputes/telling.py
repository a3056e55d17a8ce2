"""What ``serbero disputes show`` does; loaded when it is run."""

import sys

import sqlalchemy as sa

from serbero.cli.disputes.show import document, show
from serbero.cli.page import Page, print_document, word
from serbero.cli.source import FAILED, Asked, Stop, dispute_meant
from serbero.clock import SystemClock
from serbero.store import dispute_story
from serbero.store.dispute_story import Story


def show_dispute(asked: Asked, beginning: str, *, every: bool) -> None:
    """``show``."""
    now = SystemClock().now()
    story = asked.read(lambda tx: story_meant(tx, beginning, now))
    if asked.as_json:
        print_document(document(story, now), sys.stdout)
    else:
        show(story, now, Page(sys.stdout), every=every)


def story_meant(tx: sa.Connection, beginning: str, now: int) -> Story:
    """Return everything on record about the dispute whose id begins like this.

    Raises:
        Stop: there is none, or there are several.
    """
    dispute_id = dispute_meant(tx, beginning)
    story = dispute_story.read(tx, dispute_id, now)
    if story is None:
        raise Stop(f"dispute {word(dispute_id)} is gone", FAILED)
    return story
