"""Untrusted text is made safe to print."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubcheck.util.text import printable


@given(st.text())
def test_the_result_can_be_printed_in_one_line(text: str) -> None:
    assert printable(text).isprintable()


@given(st.text(alphabet=st.characters(exclude_categories=("C", "Z")), max_size=600))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_control_characters_are_shown_as_python_escapes_them() -> None:
    assert printable("a\x1b[2J\nb\u202ec") == r"a\x1b[2J\nb\u202ec"


def test_text_that_is_too_long_loses_its_middle() -> None:
    shown = printable("a" * 1000 + "b" * 1000, max_length=21)
    assert shown == "aaaaaaaaa...bbbbbbbbb"
