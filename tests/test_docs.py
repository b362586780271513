"""Generated pages are up to date."""

from __future__ import annotations

import pytest

from tests.docs import CONTRIBUTING, TABLE, contributing_page, rules_page


@pytest.mark.parametrize(("file", "page"), [(TABLE, rules_page), (CONTRIBUTING, contributing_page)])
def test_a_page_is_what_make_docs_writes(file, page):
    assert file.read_text(encoding="utf-8") == page(), "run `make docs`"
