"""Every format says the same facts."""

from __future__ import annotations

import pytest

from hubcheck.report.formats import FORMATS, render
from tests.report.facts import READERS, truth, unescaped


@pytest.mark.parametrize("name", READERS)
def test_every_format_says_the_same_facts(name, whole):
    told, true = READERS[name](render(whole, name), whole), truth(whole)
    for part in ("findings", "verdicts", "counted", "skipped", "suppressed"):
        if getattr(told, part) is not None:
            assert getattr(told, part) == getattr(true, part), part


def test_no_format_is_left_out():
    assert set(READERS) == set(FORMATS)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "gitlab"])
def test_every_format_tells_what_the_configuration_need_not_say(name, whole):
    assert len(whole.notices) == 1
    flat = " ".join(unescaped(render(whole, name)).split())
    assert "output/key-prefix holds for 'modules/named' now; the entry can go" in flat


def test_a_level_of_the_configuration_is_the_finding_s(whole):
    assert {(f.rule, f.level) for f in whole.findings if f.rule.startswith("classification/")} == {
        ("classification/documentation", "warning")
    }
