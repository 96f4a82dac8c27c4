"""What the gate says, for machines: JUnit XML, JSON, GitHub's annotations and job summary.

Any of them may hold several tables: a job of continuous integration has one verdict.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from benchmarks.files import write_atomically
from benchmarks.gate_report import EXIT_CODES, Finding, GateReport


@dataclass(frozen=True)
class Outputs:
    """Files that are written besides what is printed; None for those that are not.

    Args:
        junit: JUnit XML, a test case a metric: a regression is a failure, what does not compare an
            error. GitLab, Jenkins and others show it.
        json: everything, see `to_json`.
        markdown: what is printed without the numbers that pass, to be a comment of a pull request.
    """

    junit: Path | None = None
    json: Path | None = None
    markdown: Path | None = None


def publish(
    reports: Sequence[GateReport],
    outputs: Outputs | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[str]:
    """Hand reports to continuous integration.

    Under GitHub Actions (``GITHUB_ACTIONS=true``) they are added to the job's summary.

    Args:
        reports: what the gate says, a table each.
        outputs: files to write.
        environ: environment variables.

    Returns:
        Lines to print, annotations that GitHub shows beside the change; none elsewhere.
    """
    outputs = outputs or Outputs()
    if outputs.junit is not None:
        write_atomically(outputs.junit, to_junit(reports))
    if outputs.json is not None:
        write_atomically(outputs.json, to_json(reports))
    if outputs.markdown is not None:
        write_atomically(outputs.markdown, _joined(reports, "summary"))
    if environ.get("GITHUB_ACTIONS") != "true":
        return []
    add_to_summary(_joined(reports, "text"), environ)
    return [line for report in reports for line in _annotations(report)]


def add_to_summary(markdown: str, environ: Mapping[str, str] = os.environ) -> None:
    """Add to the summary of a job of GitHub Actions; elsewhere there is none."""
    summary = environ.get("GITHUB_STEP_SUMMARY")
    if summary and environ.get("GITHUB_ACTIONS") == "true":
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(markdown)


def exit_code(reports: Sequence[GateReport]) -> int:
    """Of all together: 2 where one does not compare, else 1 where one got worse, else 0."""
    return max((report.exit_code for report in reports), default=EXIT_CODES["fine"])


def to_json(reports: Sequence[GateReport]) -> str:
    """Verdict, errors, notes and every number compared; ``visible`` is null where nothing is."""
    content = {
        "schema_version": 1,
        "exit_code": exit_code(reports),
        "tables": [
            {
                "name": report.name,
                "exit_code": report.exit_code,
                "tier": report.tier,
                "errors": list(report.errors),
                "notes": list(report.notes),
                "findings": [_finding(item) for item in report.findings],
            }
            for report in reports
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_junit(reports: Sequence[GateReport]) -> str:
    """The reports as JUnit XML, a suite a table."""
    suites = [_suite(report) for report in reports]
    root = ElementTree.Element(
        "testsuites",
        {
            name: str(sum(int(suite.get(name, "0")) for suite in suites))
            for name in ("tests", "failures", "errors")
        },
    )
    root.extend(suites)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _joined(reports: Sequence[GateReport], form: Literal["text", "summary"]) -> str:
    """The reports one after the other, worst first."""
    ordered = sorted(reports, key=lambda report: -report.exit_code)
    return "\n\n".join(getattr(report, form) for report in ordered) + "\n"


def _suite(report: GateReport) -> ElementTree.Element:
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
    return suite


def _finding(item: Finding) -> dict[str, Any]:
    return {
        "row": item.row,
        "metric": item.metric,
        "outcome": item.outcome,
        "baseline": item.old.model_dump() | {"tolerance": item.old.tolerance},
        "values": {str(seed): value for seed, value in item.new.values.items()},
        "mean": item.new.mean,
        "worse_by": item.worse_by,
        "p": item.p,
        "visible": item.visible if math.isfinite(item.visible) else None,
    }


def _annotations(report: GateReport) -> list[str]:
    lines = [_annotation("error", f"gate {report.name}", words) for words in report.errors]
    for item in report.findings:
        level = {"regression": "error", "warning": "warning"}.get(item.outcome)
        if level is not None:
            title = f"{report.name} {item.row} {item.metric}"
            lines.append(_annotation(level, title, item.sentence))
    return lines


def _annotation(level: str, title: str, words: str) -> str:
    message = words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    for sign, escaped in (("%", "%25"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        title = title.replace(sign, escaped)
    return f"::{level} title={title}::{message}"


def _printable(words: str) -> str:
    """Without control characters, which XML has no form for."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in words)
