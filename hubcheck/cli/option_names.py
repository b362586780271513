"""Messages about keyword arguments of Python, in the options of a command."""

from __future__ import annotations

import re

import click


def in_option_names(text: str, command: click.Command) -> str:
    """Return a message with keyword arguments written as the options that stand for them.

    `grayscale=True` becomes `--grayscale`, `default='a'` `--default a`, `pixels=(0, 255)`
    `--pixels 0,255`, and any other tuple the option's metavar: `--image-size H,W`.
    """
    given = [param for param in command.params if isinstance(param, click.Option)]
    options = {param.opts[0].removeprefix("--").replace("-", "_"): param for param in given}
    options |= {param.name: param for param in given if param.name}
    names = "|".join(sorted(options, key=len, reverse=True))
    argument = re.compile(rf"(?<![\w.'\"-])({names})(?:=(True\b|'[^'\n]*'|\([^()\n]*\)|\{{[^{{}}\n]*\}})?)")

    def option(match: re.Match[str]) -> str:
        name, value = match[1], match[2] or ""
        spelled = options[name].opts[0]
        if value.startswith("'"):
            return f"{spelled} {value.strip(chr(39))}"
        if re.fullmatch(r"\([-\d., ]+\)", value):
            return f"{spelled} {value[1:-1].replace(' ', '')}"
        return f"{spelled} {options[name].metavar}" if value.startswith(("(", "{")) else spelled

    text = argument.sub(option, text)
    # Names with an underscore are no words of English: they are arguments even where nothing is assigned.
    bare = "|".join(name for name in options if "_" in name)
    return re.sub(rf"(?<![\w.'\"-])({bare})\b(?!\()", lambda match: options[match[1]].opts[0], text)
