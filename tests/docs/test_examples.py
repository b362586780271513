"""Every example of the README and of the documentation is run, or at least made of options that exist."""

from __future__ import annotations

import re
import shlex
import warnings
from pathlib import Path

import click
import pytest

from hubcheck.cli.group import cli
from tests.docs.examples import PAGES, Session, blocks, commands
from tests.paths import ROOT

WITH_EXAMPLES = [page for page in PAGES if list(blocks(page.read_text(encoding="utf-8")))]


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.chdir(tmp_path)
    return Session(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page: Path, session: Session):
    with warnings.catch_warnings():
        # Of hubcheck.author: what it corrected.
        warnings.simplefilter("ignore")
        for block in blocks(page.read_text(encoding="utf-8")):
            session.run(block)


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_and_options_of_a_page_exist(page: Path):
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "console":
            for command, _ in commands(block):
                for call in re.split(r"&&|\||;", command.replace("\\\n", " ")):
                    words = shlex.split(call, comments=True)
                    if words[:1] == ["hubcheck"]:
                        parsed(words[1:])


def parsed(words: list[str]) -> None:
    """Parse a command line as hubcheck does; raise click's error for what does not exist."""
    command = cli.get_command(click.Context(cli), words[0]) if words[0] not in ("--version", "--help") else None
    if command is None:
        assert words[0] in ("--version", "--help"), words
        return
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"-h", "--help"}
    for word in words[1:]:
        assert not word.startswith("-") or word.split("=")[0] in known, (words, word)


def test_a_wrong_example_is_found(session: Session):
    """The test can tell: output that is not there, another exit code, code that fails, a block that nothing runs."""
    wrong = ("console\n$ echo a\nb", "console\n$ exit 3", "python\nassert False", "toml\na = 1", "console\n$ hubchek")
    for text in wrong:
        (block,) = blocks(f"```{text}\n```\n")
        with pytest.raises(AssertionError):
            session.run(block)
    with pytest.raises(AssertionError):
        parsed(["validate", "--no-such-option"])
