"""What the gate says, for people (Markdown), for GitHub (annotations, summary) and as JUnit XML."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from xml.etree import ElementTree

from tabulate import tabulate

from benchmarks.baselines import MetricBaseline, Tier
from benchmarks.documents import escape_markdown
from benchmarks.files import write_atomically
from benchmarks.metrics import METRICS
from benchmarks.summaries import Sample

ALPHA: Final = 0.02
"""Chance that an unchanged code base fails, over the whole table."""

WARN: Final = 0.01
"""Uncorrected p-value below which a metric is mentioned."""

Outcome = Literal["regression", "warning", "pass", "improved"]
EXIT_CODES: Final = {"fine": 0, "regression": 1, "error": 2}


@dataclass(frozen=True)
class Finding:
    """One metric of one row, compared.

    Args:
        new: its new values.
        old: what it is compared with.
        worse_by: new mean minus old, positive where that is worse.
        p: Holm-corrected chance of that much without a change; None in the tolerance tier.
        visible: the shift that would be reported in one of two cases.
    """

    row: str
    metric: str
    outcome: Outcome
    new: Sample
    old: MetricBaseline
    worse_by: float
    p: float | None
    visible: float

    @property
    def sentence(self) -> str:
        """What happened, with all numbers."""
        show = METRICS[self.metric].format
        spread = "" if self.old.std is None else f" ± {show(self.old.std)}"
        change = "worse" if self.worse_by > 0 else "better"
        chance = "" if self.p is None else f", p = {self.p:.1g}"
        return (
            f"{show(self.old.mean)}{spread} (n = {self.old.n}) -> {show(self.new.mean)} "
            f"(n = {len(self.new.values)}), {change} by {show(abs(self.worse_by))}, tolerance "
            f"{show(self.old.tolerance)}{chance}"
        )


@dataclass(frozen=True)
class GateReport:
    """What the gate says of a table.

    Args:
        name: ``<table>-<budget>-<source>``.
        errors: why the table does not compare, each with its remedy; then nothing was tested.
        findings: every metric of every row.
        notes: what to know besides.
    """

    name: str
    errors: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    tier: Tier | None = None

    @property
    def exit_code(self) -> int:
        """0 fine, 1 a metric got worse, 2 not comparable."""
        if self.errors:
            return EXIT_CODES["error"]
        worse = any(item.outcome == "regression" for item in self.findings)
        return EXIT_CODES["regression" if worse else "fine"]

    @property
    def text(self) -> str:
        """The report as Markdown."""
        heading = f"## Gate {self.name}: {self._headline()}"
        parts = [heading]
        if self.errors:
            parts.append("\n".join(f"- {_escape(words)}" for words in self.errors))
        if self.findings:
            parts.append(_table(self.findings))
            parts.append(_how_to_read(self.tier))
        if self.notes:
            parts.append("\n".join(f"- {_escape(words)}" for words in self.notes))
        return "\n\n".join(parts)

    def count(self, outcome: Outcome) -> int:
        """How many metrics ended so."""
        return sum(item.outcome == outcome for item in self.findings)

    def _headline(self) -> str:
        if self.errors:
            return f"NOT COMPARABLE, {len(self.errors)} error{'s' if len(self.errors) > 1 else ''}"
        shown: tuple[Outcome, ...] = ("regression", "warning", "improved")
        counts = [
            f"{self.count(outcome)} {outcome}"
            + ("s" if self.count(outcome) > 1 and outcome != "improved" else "")
            for outcome in shown
            if self.count(outcome)
        ]
        verdict = "WORSE" if self.exit_code else "fine"
        return ", ".join([verdict, *counts, f"{len(self.findings)} compared"])


def publish(
    report: GateReport, environ: Mapping[str, str] = os.environ, junit: Path | None = None
) -> list[str]:
    """Hand a report to continuous integration.

    Under GitHub Actions (``GITHUB_ACTIONS=true``) the report is added to the job's summary.

    Args:
        report: what the gate says.
        environ: environment variables.
        junit: where to write JUnit XML, if anywhere: a regression is a failure, what does not
            compare an error.

    Returns:
        Lines to print, annotations that GitHub shows beside the change; none elsewhere.
    """
    if junit is not None:
        write_atomically(junit, to_junit(report))
    if environ.get("GITHUB_ACTIONS") != "true":
        return []
    summary = environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(f"{report.text}\n")
    lines = [_annotation("error", f"gate {report.name}", words) for words in report.errors]
    for item in report.findings:
        level = {"regression": "error", "warning": "warning"}.get(item.outcome)
        if level is not None:
            title = f"{report.name} {item.row} {item.metric}"
            lines.append(_annotation(level, title, item.sentence))
    return lines


def to_junit(report: GateReport) -> str:
    """The report as JUnit XML, a test case a metric."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"gate {report.name}",
        tests=str(len(report.findings) + len(report.errors)),
        failures=str(report.count("regression")),
        errors=str(len(report.errors)),
    )
    for words in report.errors:
        case = ElementTree.SubElement(suite, "testcase", classname=report.name, name="comparable")
        ElementTree.SubElement(case, "error", message=_printable(words))
    for item in report.findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{report.name}.{item.row}", name=item.metric
        )
        if item.outcome == "regression":
            ElementTree.SubElement(case, "failure", message=item.sentence)
        else:
            ElementTree.SubElement(case, "system-out").text = f"{item.outcome}: {item.sentence}"
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _annotation(level: str, title: str, words: str) -> str:
    message = words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    for sign, escaped in (("%", "%25"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        title = title.replace(sign, escaped)
    return f"::{level} title={title}::{message}"


def _escape(words: str) -> str:
    """As `escape_markdown`, but commands to type stay code."""
    return escape_markdown(words).replace("\\`", "`")


def _printable(words: str) -> str:
    """Without control characters, which XML has no form for."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in words)


def _table(findings: Sequence[Finding]) -> str:
    # Worst first: that is what somebody looks for.
    order: list[Outcome] = ["regression", "warning", "improved", "pass"]
    lines = []
    for item in sorted(findings, key=lambda item: order.index(item.outcome)):
        show = METRICS[item.metric].format
        spread = "" if item.old.std is None else f" ± {show(item.old.std)}"
        verdict = f"**{item.outcome}**" if item.outcome != "pass" else "pass"
        lines.append(
            [
                *(item.row, f"`{item.metric}`", f"{show(item.old.mean)}{spread}", item.old.n),
                *(show(item.new.mean), len(item.new.values)),
                show(item.worse_by) if item.worse_by <= 0 else f"+{show(item.worse_by)}",
                *(show(item.old.tolerance), show(item.visible)),
                *("" if item.p is None else f"{item.p:.1g}", verdict),
            ]
        )
    header = ("row", "metric", "baseline", "n", "new", "n", "worse by", "tolerance", "visible", "p")
    return tabulate(
        lines,
        headers=[*header, "verdict"],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", "left", *["right"] * 8, "left"),
    )


def _how_to_read(tier: Tier | None) -> str:
    if tier == "tolerance":
        return "Compared by tolerance alone: the same seeds, no noise but the machine's."
    return (
        f"Fails where worse by more than the tolerance and p, corrected for all metrics "
        f"together, is {ALPHA:g} or less. Visible: the shift that would fail in one of two cases. "
        f"Warning: p below {WARN:g} before the correction."
    )
