"""What a report says, and the same read back from each format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import hubcheck
from hubcheck.engine.identity import module_key
from hubcheck.report.describe import counts, location


@dataclass(frozen=True)
class Facts:
    """What a report says, as it can be read back from a format; None is what the format has no place for."""

    findings: set[tuple[str, str, str]]
    verdicts: dict[str, str] | None = None
    counted: set[str] | None = None
    skipped: set[tuple[str, str]] | None = None
    suppressed: set[tuple[str, str, str]] | None = None


def truth(whole: hubcheck.Report) -> Facts:
    keys = {module.path: module_key(module.path, whole.project_root) for module in whole.modules}
    return Facts(
        findings={(keys[m.path], f.rule, f.message) for m in whole.modules for f in m.findings},
        verdicts={keys[module.path]: module.verdict for module in whole.modules},
        counted={counts(module) for module in whole.modules},
        skipped={(o.rule, o.reason or "") for m in whole.modules for o in m.outcomes if o.status == "skipped"},
        suppressed={(s.finding.rule, s.kind, s.reason) for m in whole.modules for s in m.suppressed},
    )


def from_json(text: str, whole: hubcheck.Report) -> Facts:
    return from_documents(json.loads(text)["modules"], whole)


def from_jsonl(text: str, whole: hubcheck.Report) -> Facts:
    rows = [json.loads(line) for line in text.splitlines()]
    assert rows[-1]["exit_code"] == 1
    return from_documents(rows[:-1], whole)


def from_documents(modules: list, whole: hubcheck.Report) -> Facts:
    key = {module["path"]: module_key(module["path"], whole.project_root) for module in modules}
    return Facts(
        {(key[m["path"]], f["rule"], f["message"]) for m in modules for f in m["findings"]},
        {key[m["path"]]: m["verdict"] for m in modules},
        None,
        {(o["rule"], o["reason"]) for m in modules for o in m["outcomes"] if o["status"] == "skipped"},
        {(s["finding"]["rule"], s["kind"], s["reason"]) for m in modules for s in m.get("suppressed", [])},
    )


def from_sarif(text: str, whole: hubcheck.Report) -> Facts:
    run = json.loads(text)["runs"][0]
    counted = [result for result in run["results"] if "suppressions" not in result]
    aside = [result for result in run["results"] if "suppressions" in result]
    modules = run["properties"]["modules"]
    reasons = [(r["ruleId"], *r["suppressions"][0]["justification"].split(": ", 1)) for r in aside]
    return Facts(
        {(r["properties"]["module"], r["ruleId"], r["properties"]["message"]) for r in counted},
        {module["module"]: module["verdict"] for module in modules},
        {module["counts"] for module in modules},
        {skip for module in modules for skip in module["skipped"].items()},
        set(reasons),
    )


def from_junit(text: str, whole: hubcheck.Report) -> Facts:
    root = ElementTree.fromstring(text)
    findings, skipped, suppressed = set(), set(), set()
    for case in root.iter("testcase"):
        key, rule = case.get("classname"), case.get("name")
        for told in [*case.findall("failure"), *case.findall("system-out")]:
            for kind, reason in re.findall(r"^(ignore|xfail|baseline): (.*)$", told.text, re.M):
                suppressed.add((rule, kind, reason))
            if not re.match(r"(ignore|xfail|baseline): ", told.text):
                findings |= {(key, rule, message) for message in re.findall(r"^  (\S.*)\n  found", told.text, re.M)}
        skipped |= {(rule, s.get("message")) for s in case.findall("skipped") if s.get("type") == "skipped"}
    properties = [
        {p.get("name"): p.get("value") for p in suite.iter("property")} | {"key": suite.get("name")}
        for suite in root.iter("testsuite")
    ]
    return Facts(
        findings,
        {row["key"]: row["verdict"] for row in properties},
        {row["counts"] for row in properties},
        skipped,
        suppressed,
    )


def from_github(text: str, whole: hubcheck.Report) -> Facts:
    findings, verdicts, counted, skipped, suppressed = set(), {}, set(), set(), set()
    words = {"ignored": "ignore", "expected": "xfail", "known": "baseline"}
    for line in text.splitlines():
        match = re.fullmatch(r"::(error|warning|notice) (.*?)::(.*)", line)
        assert match, line
        title = plain(dict(part.split("=", 1) for part in match[2].split(","))["title"])
        lines = plain(match[3]).split("\n")
        if "file=" in match[2]:
            rule = title.removeprefix("hubcheck ")
            for module in whole.modules:
                key = module_key(module.path, whole.project_root)
                for finding in module.findings:
                    if lines[0] == f"{key}: {location(finding.where)}: {finding.message}":
                        findings.add((key, rule, finding.message))
        elif title != "hubcheck":
            verdict, _, count = lines[0].partition(": ")
            verdicts[title.removeprefix("hubcheck ")] = verdict
            counted.add(count)
            for row in lines[1:]:
                word, rules, reason = row.split(": ", 2)
                target = skipped if word == "skipped" else suppressed
                for rule in rules.split(", "):
                    target.add((rule, reason) if word == "skipped" else (rule, words[word], reason))
    return Facts(findings, verdicts, counted, skipped, suppressed)


def plain(text: str) -> str:
    for escaped, character in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(escaped, character)
    return text


def from_gitlab(text: str, whole: hubcheck.Report) -> Facts:
    rows = json.loads(text)
    findings = set()
    for key, rule, message in truth(whole).findings:
        texts = [row["description"] for row in rows if row["check_name"] == rule]
        findings |= {(key, rule, message) for text in texts if text.startswith(f"{key}: ") and message in text}
    assert len(rows) == len(findings)
    return Facts(findings)


def from_markdown(text: str, whole: hubcheck.Report) -> Facts:
    findings, verdicts, skipped, suppressed = set(), {}, set(), set()
    words = {"ignored": "ignore", "expected": "xfail", "known": "baseline"}
    counted = {row.split(" | ")[-1].removesuffix(" |") for row in text.splitlines() if row.startswith("| `")}
    for part in text.split("\n### ")[1:]:
        head = re.match(r"\S+ (\w+): `(.*)`, ", part)
        shown = head[2].replace("\\|", "|").replace("'c'", "`c`")
        verdicts[shown] = head[1]
        for rule, message in re.findall(r"^- \S+ \*\*\w+ `(.*?)`\*\* .*\n  (.*)$", part, re.M):
            findings.add((shown, rule, unescaped(message)))
        for word, rules, reason in re.findall(
            r"^- (skipped|ignored|expected|known): ((?:`[^`]+`(?:, )?)+): (.*)$", part, re.M
        ):
            for rule in re.findall("`(.*?)`", rules):
                if word == "skipped":
                    skipped.add((rule, unescaped(reason)))
                else:
                    suppressed.add((rule, words[word], unescaped(reason)))
    return Facts(findings, verdicts, counted, skipped, suppressed)


def unescaped(text: str) -> str:
    return unescape(re.sub(r"\\(.)", r"\1", text))


def from_text(text: str, whole: hubcheck.Report) -> Facts:
    """Wrapped for 80 columns, so that facts are looked for instead of cut out."""
    flat = " ".join(text.split())
    true = truth(whole)
    findings = {
        (key, rule, message)
        for key, rule, message in true.findings
        if " ".join(message.split()) in flat and f" {rule} " in flat and Path(key).name.split()[0] in flat
    }
    words = {"ignore": "ignored", "xfail": "expected", "baseline": "known"}
    aside = {(r, k, why) for r, k, why in true.suppressed if f"{words[k]} {r}: {' '.join(why.split())}" in flat}
    verdicts = {key: v for key, v in true.verdicts.items() if re.search(re.escape(key) + r" TF1 Hub format " + v, flat)}
    skipped = {(rule, reason) for rule, reason in true.skipped if f"{reason}: " in flat and rule in flat}
    return Facts(findings, verdicts, {c for c in true.counted if f"{c} in " in flat}, skipped, aside)


def from_html(text: str, whole: hubcheck.Report) -> Facts:
    findings, verdicts, counted, skipped, suppressed = set(), {}, set(), set(), set()
    words = {"ignored": "ignore", "expected": "xfail", "known": "baseline"}
    for part in text.split("<section ")[1:]:
        key, verdict = re.search(r"<h2 [^>]*><code>(.*?)</code> <span [^>]*>(\w+)<", part).groups()
        verdicts[unescape(key)] = verdict
        counted.add(re.search(r"· (\d+ passed.*?) ·", part)[1])
        for article in re.findall(r"<article(.*?)</article>", part, re.S):
            rule = re.search(r"<strong>(.*?)</strong>", article)[1]
            told = re.search(r"</dl><p>(\w+): (.*?)</p>", article)
            if told:
                suppressed.add((rule, words[told[1]], unescape(told[2])))
            else:
                message = re.search(r"</p><p>(.*?)</p><dl>", article, re.S)[1]
                findings.add((unescape(key), rule, unescape(message)))
        row = r'<li data-status="skipped" data-rule="(.*?)">.*?<span class="dim">(.*?)</span></li>'
        skipped |= {(rule, unescape(reason)) for rule, reason in re.findall(row, part)}
    return Facts(findings, verdicts, counted, skipped, suppressed)


READERS: dict[str, Callable[[str, hubcheck.Report], Facts]] = {
    "text": from_text,
    "json": from_json,
    "jsonl": from_jsonl,
    "sarif": from_sarif,
    "junit": from_junit,
    "github": from_github,
    "gitlab": from_gitlab,
    "markdown": from_markdown,
    "html": from_html,
}
