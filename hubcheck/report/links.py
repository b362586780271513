"""Links from the names of rules to their pages in the documentation."""

from __future__ import annotations

import re
from functools import cache

from hubcheck.rulebook.rules import load_rules

DOCUMENTATION = ""
"""The address of the documentation, with a slash at the end. Until it has a public one, there are no links."""


def linked(text: str, documentation: str = "") -> str:
    """Return text for a terminal in which the names of the rules that ship with hubcheck link to their pages (OSC 8).

    Source: "Hyperlinks in terminal emulators", gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda.
    """
    address = documentation or DOCUMENTATION
    if not address:
        return text
    end = "\x1b\\"
    return _names().sub(lambda rule: f"\x1b]8;;{address}rules/{rule[0]}.html{end}{rule[0]}\x1b]8;;{end}", text)


@cache
def _names() -> re.Pattern[str]:
    """What matches the names of rules, after a style too, but not in paths."""
    names = sorted(map(re.escape, load_rules()), key=len, reverse=True)
    return re.compile(rf"(?:(?<=\x1b\[\dm)|(?<=\x1b\[\d\dm)|(?<![\w/.-]))(?:{'|'.join(names)})(?![\w/.-])")
