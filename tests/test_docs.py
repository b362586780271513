"""Generated pages are fresh."""

from __future__ import annotations

from tests.docs import TABLE, rules_page


def test_the_table_of_rules_is_what_make_docs_writes():
    assert TABLE.read_text(encoding="utf-8") == rules_page(), "run `make docs`"
