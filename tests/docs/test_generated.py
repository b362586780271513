"""Generated pages are up to date."""

from __future__ import annotations

import re
import tomllib

import pytest

from hubcheck.rulebook.rules import load_rules
from tests.docs import speed
from tests.docs.generated import CONTRIBUTING, TABLE, contributing_page, rules_page
from tests.docs.picture import PICTURE, picture, without_times
from tests.docs.tables import PAGE, compatibility_page


@pytest.mark.parametrize(
    ("file", "page"),
    [
        (TABLE, rules_page),
        (CONTRIBUTING, contributing_page),
        (PAGE, compatibility_page),
        (speed.PAGE, speed.speed_page),
    ],
)
def test_a_page_is_what_make_docs_writes(file, page):
    assert file.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_rule_states_the_version_that_had_it_first():
    for rule in load_rules().values():
        since = tomllib.loads(rule.file.read_text(encoding="utf-8")).get("since", "")
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", since), rule.id


def test_the_picture_shows_what_the_command_prints():
    shown = PICTURE.read_text(encoding="utf-8")
    assert without_times(shown) == without_times(picture()), "run `make docs`"
    assert "image-input/batch-size" in shown and "url(http" not in shown.replace('"', "")
