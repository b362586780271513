"""Names of rules link to their pages once the documentation has an address."""

from __future__ import annotations

from hubcheck.report.links import linked

ADDRESS = "https://docs.example/"


def link(rule: str) -> str:
    return f"\x1b]8;;{ADDRESS}rules/{rule}.html\x1b\\{rule}\x1b]8;;\x1b\\"


def test_names_of_rules_are_links_wherever_they_stand():
    text = "error \x1b[1moutput/width\x1b[0m, skipped: image-input/batch-size, output/batch-size (needs it)"
    expected = text
    for rule in ("output/width", "image-input/batch-size", "output/batch-size"):
        expected = expected.replace(rule, link(rule), 1)
    assert linked(text, ADDRESS) == expected


def test_paths_and_rules_of_ones_own_are_no_links():
    for text in ("exports/output/width", "output/width/saved_model.pb", "house/ten-classes", "output/widths"):
        assert linked(text, ADDRESS) == text


def test_without_an_address_nothing_is_a_link():
    assert linked("output/width") == "output/width"
