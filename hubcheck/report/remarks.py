"""What modules of a run have in common, said once: skipped and suppressed rules, absent devices and the sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hubcheck.engine.module_report import ModuleReport
from hubcheck.report import describe
from hubcheck.util.text import listed, plural


class Remarks:
    """The remarks on the modules that were added."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, str], dict[str, None]] = {}
        self._modules: Counter[tuple[str, str]] = Counter()

    def add(self, module: ModuleReport) -> None:
        """Add what is to be said of a module."""
        grouped = describe.grouped_reasons(module, only_decided=True)
        if module.verdict != "incomplete":  # else it is said with the module
            grouped += [("undecided", reason, rules) for reason, rules in describe.undecided_rules(module).items()]
        rows = [((word, describe.common_reason(reason)), rules) for word, reason, rules in grouped]
        rows += [(row, []) for row in describe.absent_devices(module)]
        rows += [(row, []) for row in describe.unchecked_lines(module) if row[0] != "incomplete"]
        rows += [(row, []) for row in describe.sandbox_lines(module)]
        for key in dict(rows):
            self._modules[key] += 1
        for key, rules in rows:
            self._rules.setdefault(key, {}).update(dict.fromkeys(rules))

    def rows(self, modules: int, *, most: int, hint: str = "") -> Iterator[tuple[str, str]]:
        """Yield label and text: first the reasons that concern most rules, and "" for a label like the one before.

        Args:
            modules: how many there are; what concerns all of them is said without a number.
            most: how many reasons are said.
            hint: where the others are.
        """
        reasons, others = [], []
        for (word, reason), count in self._modules.items():
            where = "" if count == modules else f" in {plural(count, 'module')}"
            if rules := list(self._rules[word, reason]):
                names = listed(rules) if word in describe.SUPPRESSIONS.values() else plural(len(rules), "rule")
                reasons.append((word, -count * len(rules), f"{names}{where}: {reason}"))
            else:
                others.append((word, reason + (where and f" ({where.strip()})")))
        labels = set[str]()
        reasons.sort(key=lambda row: (row[0] != "undecided", row))
        for word, _, text in reasons[:most]:
            yield "" if word in labels else word, text
            labels.add(word)
        more = len(reasons) - most
        if more > 0:
            yield "", f"{plural(more, 'more reason')}{hint}"
        yield from others
