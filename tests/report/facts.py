"""Facts of a report: what they are for the project of tests.report.reports, and how to read them from each format."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from xml.etree import ElementTree

import hubcheck
from hubcheck.report import text as text_report
from hubcheck.report.formats import render
from hubcheck.report.text_lines import TextStyle

WEIRD = "modules/a <b> & `c`, 100%: | é"
IMAGES = 'image_feature_vector · inputs["images"]'
DROPOUT = 'variant train · image_feature_vector · outputs["default"] · node dropout/SelectV2 (SelectV2)'
VERDICTS = {"passed": "conforms", "failed": "violates", "incomplete": "incomplete"}
KINDS = {"ignored": "ignore", "expected": "xfail", "known": "baseline"}
RULES = r"(?:`?[a-z0-9-]+/[a-z0-9-]+`?(?:, )?)+"


@dataclass
class Facts:
    """Facts by module key; None is what a format has no place for."""

    findings: set[tuple[str, str, str]] = field(default_factory=set)
    """Module, rule and location."""
    verdicts: dict[str, str] | None = field(default_factory=dict)
    counts: dict[str, dict[str, int]] | None = field(default_factory=dict)
    """How many rules have each status."""
    skipped: set[tuple[str, str, str]] | None = field(default_factory=set)
    """Module, rule and reason."""
    suppressed: set[tuple[str, str, str, str]] | None = field(default_factory=set)
    """Module, rule, kind and reason."""

    def add_reasons(self, key: str, word: str, rules: str, reason: str) -> None:
        """Add a row of rules that are skipped or suppressed for one reason."""
        assert self.skipped is not None and self.suppressed is not None
        for rule in rules.replace("`", "").split(", "):
            if word == "skipped":
                self.skipped.add((key, rule, reason))
            else:
                self.suppressed.add((key, rule, KINDS[word], reason))


FINDINGS = {
    ("modules/batch", "image-input/batch-size", IMAGES),
    ("modules/classes", "classification/documentation", "image_classification"),
    ("modules/dropout", "output/no-dropout", DROPOUT),
    (WEIRD, "image-input/batch-size", IMAGES),
}
FAILED = {"modules/batch", "modules/dropout", WEIRD}
SUPPRESSED = {("modules/named", "image-input/name", "ignore", "Consumers | still *call* it so, until 2.0.")}


def counted(text: str) -> dict[str, int]:
    """The counts of a text such as "36 passed, 1 failed"."""
    return {word: int(number) for number, word in (part.split(" ", 1) for part in text.split(", ")) if number != "0"}


def from_json(report: hubcheck.Report) -> Facts:
    return from_documents(json.loads(render(report, "json"))["modules"], report)


def from_jsonl(report: hubcheck.Report) -> Facts:
    *modules, last = map(json.loads, render(report, "jsonl").splitlines())
    assert last["exit_code"] == 1
    return from_documents(modules, report)


def from_documents(modules: Iterable[dict[str, Any]], report: hubcheck.Report) -> Facts:
    facts = Facts()
    assert facts.verdicts is not None and facts.counts is not None
    for module in modules:
        key = module["path"].removeprefix(f"{report.project_root}/")
        facts.verdicts[key] = module["verdict"]
        levels = {rule: {f["level"] for f in module["findings"] if f["rule"] == rule} for rule in rules_of(module)}
        facts.counts[key] = dict(Counter(words(outcome, levels) for outcome in module["outcomes"]))
        facts.findings |= {(key, found["rule"], located(found["where"])) for found in module["findings"]}
        for outcome in module["outcomes"]:
            if outcome["status"] == "skipped":
                facts.add_reasons(key, "skipped", outcome["rule"], outcome["reason"])
        facts.suppressed |= {
            (key, item["finding"]["rule"], item["kind"], item["reason"]) for item in module.get("suppressed", ())
        }
    return facts


def rules_of(module: dict[str, Any]) -> set[str]:
    return {finding["rule"] for finding in module["findings"]}


def words(outcome: dict[str, Any], levels: dict[str, set[str]]) -> str:
    """What people read for an outcome: only errors fail in this project."""
    found = levels.get(outcome["rule"], set())
    if outcome["status"] != "failed" or "error" in found:
        return outcome["status"]
    return "with warnings" if "warning" in found else "with notes"


def located(where: dict[str, Any]) -> str:
    """The location as text, for what the project has."""
    parts = [f"variant {where['variant']}"] if where["variant"] == "train" else []
    parts += [where["signature"]] if where["signature"] else []
    parts += [f'{where["side"]}["{where["key"]}"]'] if where["side"] else []
    parts += [f"node {where['node']['name']} ({where['node']['op']})"] if where["node"] else []
    return " · ".join(parts) or "module"


def from_sarif(report: hubcheck.Report) -> Facts:
    run, facts = json.loads(render(report, "sarif"))["runs"][0], Facts()
    for result in run["results"]:
        key = result["properties"]["module"]
        if "suppressions" not in result:
            facts.findings.add((key, result["ruleId"], result["properties"]["where"]))
        else:
            kind, reason = result["suppressions"][0]["justification"].split(": ", 1)
            facts.suppressed |= {(key, result["ruleId"], kind, reason)}
    modules = run["properties"]["modules"]
    facts.verdicts = {module["module"]: module["verdict"] for module in modules}
    facts.counts = {module["module"]: counted(module["counts"]) for module in modules}
    facts.skipped = {(module["module"], *skip) for module in modules for skip in module["skipped"].items()}
    return facts


def from_junit(report: hubcheck.Report) -> Facts:
    facts = Facts()
    for suite in ElementTree.fromstring(render(report, "junit")).iter("testsuite"):
        key = suite.attrib["name"]
        values = {row.attrib["name"]: row.attrib["value"] for row in suite.iter("property")}
        facts.verdicts |= {key: values["verdict"]}
        facts.counts |= {key: counted(values["counts"])}
        for case in suite.iter("testcase"):
            rule = case.attrib["name"]
            for part in [*case.findall("failure"), *case.findall("system-out")]:
                rows = re.findall(r"^(?:(ignore|xfail|baseline): (.*)\n)?\w+ (\S+/\S+)   (.+)$", part.text or "", re.M)
                for kind, reason, named, where in rows:
                    assert named == rule
                    if kind:
                        facts.suppressed |= {(key, rule, kind, reason)}
                    else:
                        facts.findings.add((key, rule, where))
            for part in case.findall("skipped"):
                if part.get("type") == "skipped":
                    facts.skipped |= {(key, rule, part.attrib["message"])}
    return facts


def from_github(report: hubcheck.Report) -> Facts:
    """Read the annotations: modules that conform have none, and what modules have in common is said once."""
    facts = Facts(set(), {module.key: "conforms" for module in report.modules}, None, None, None)
    for line in render(report, "github").splitlines():
        match = re.fullmatch(r"::(error|warning|notice) (.*?)::(.*)", line)
        assert match, line
        title = plain(dict(part.split("=", 1) for part in match[2].split(","))["title"]).removeprefix("hubcheck ")
        if "file=" in match[2]:
            key, where, _ = described(plain(match[3]).partition("\n")[0])
            facts.findings.add((key, title, where))
            facts.verdicts |= {key: "violates"} if match[1] == "error" else {}
    return facts


def plain(text: str) -> str:
    for escaped, character in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(escaped, character)
    return text


def described(text: str) -> tuple[str, str, str]:
    """Module, location and message of "module: location: message"."""
    match = re.fullmatch(r"(.+?): ((?:variant \w+ · )?image_.*?): (.*)", text)
    assert match, text
    return match[1], match[2], match[3]


def from_gitlab(report: hubcheck.Report) -> Facts:
    rows = json.loads(render(report, "gitlab"))
    findings = {(*described(row["description"]), row["check_name"]) for row in rows}
    assert len(findings) == len(rows)
    return Facts({(key, rule, where) for key, where, _, rule in findings}, None, None, None, None)


def from_markdown(report: hubcheck.Report) -> Facts:
    """Read the table and the sections: there are none of modules that conform and have no findings."""
    text, facts = render(report, "markdown"), Facts()
    facts.verdicts = {module.key: "conforms" for module in report.modules}
    for name, cell in re.findall(r"^\| `(.*)` \| .* \| (\d+ .*) \|$", text, re.M):
        facts.counts |= {unquoted(name): counted(cell)}
    for part in text.split("\n### ")[1:]:
        head = re.match(r"\S+ (\w+): `(.*)`, ", part)
        assert head
        key = unquoted(head[2])
        facts.verdicts |= {key: VERDICTS[head[1]]}
        for rule, where in re.findall(r"^- \S+ \*\*\w+ `(.*?)`\*\* (.*)$", part, re.M):
            facts.findings.add((key, rule, unescaped(where).strip()))
        for word, rules, reason in re.findall(rf"^- (\w+): ({RULES}): (.*)$", part, re.M):
            facts.add_reasons(key, word, rules, unescaped(reason))
    assert not facts.suppressed
    facts.suppressed = None
    return facts


def unquoted(code: str) -> str:
    return code.replace("\\|", "|").replace("'c'", "`c`")


def unescaped(text: str) -> str:
    return unescape(re.sub(r"\\(.)", r"\1", unbroken(text)))


def unbroken(page: str) -> str:
    """HTML without what says where a line may be broken."""
    return re.sub(r'<wbr>|<span class="option">(.*?)</span>', r"\1", page)


def from_text(report: hubcheck.Report) -> Facts:
    """Read lines that are not wrapped."""
    facts, key = Facts(), ""
    for line in "".join(text_report.render(report, TextStyle(width=100_000, verbose=True))).splitlines():
        if head := re.fullmatch(r"([✓✗]) (/.*)  TF1 Hub format  (\d+ passed.*)  \S+ s", line):
            key = head[2].removeprefix(f"{report.project_root}/")
            facts.verdicts |= {key: "conforms" if head[1] == "✓" else "violates"}
            facts.counts |= {key: counted(head[3])}
        elif finding := re.fullmatch(r"  (?:error|warning|note) (\S+)(?: \[fixable\])?   (.*)", line):
            facts.findings.add((key, finding[1], finding[2]))
        elif reasons := re.fullmatch(rf"  (skipped|ignored|expected|known) +({RULES}): (.*)", line):
            facts.add_reasons(key, *reasons.groups())
    return facts


def from_concise(report: hubcheck.Report) -> Facts:
    """Read the lines of findings: they have no locations, and everything else is said once for all modules."""
    rows = re.findall(r"^(/.+): (?:error|warning|note) (\S+): .+$", render(report, "concise"), re.M)
    return Facts({(path.removeprefix(f"{report.project_root}/"), rule, "") for path, rule in rows}, *[None] * 4)


def from_html(report: hubcheck.Report) -> Facts:
    facts = Facts()
    for part in unbroken(render(report, "html")).split('<details class="module"')[1:]:
        head = re.search(r'<span class="sign (\w+)".*?<h3>(.*?)</h3>', part, re.S)
        counts = re.search(r"· (\d+ passed.*?) ·", part)
        assert head and counts
        key = unescape(head[2])
        facts.verdicts |= {key: {"good": "conforms", "bad": "violates", "warn": "incomplete"}[head[1]]}
        facts.counts |= {key: counted(counts[1])}
        for article in re.findall(r"<article.*?</article>", part, re.S):
            found = re.search(r'<b class="rule">(.*?)</b> <span class="dim">(.*?)</span>', article)
            suppressed = re.search(r"</dl>\s*<p>(\w+): (.*?)</p>", article)
            assert found
            if suppressed:
                facts.add_reasons(key, suppressed[1], found[1], unescape(suppressed[2]))
            else:
                facts.findings.add((key, found[1], unescape(found[2])))
        for word, rules, reason in re.findall(r'<p class="reason.*?>(\w+): (<span.*</span>): (.*?)</p>', part):
            facts.add_reasons(key, word, re.sub("<.*?>", "", rules), unescape(reason))
    return facts


READERS: dict[str, Callable[[hubcheck.Report], Facts]] = {
    "text": from_text,
    "concise": from_concise,
    "json": from_json,
    "jsonl": from_jsonl,
    "sarif": from_sarif,
    "junit": from_junit,
    "github": from_github,
    "gitlab": from_gitlab,
    "markdown": from_markdown,
    "html": from_html,
}
