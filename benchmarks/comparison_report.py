"""A comparison of two sides as Markdown and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmarks import documents as doc
from benchmarks.comparison import OUTCOMES, Change, ClaimChange, Outcome, TableComparison
from benchmarks.documents import Block, Text, bold, code, text
from benchmarks.gate_report import ALPHA
from benchmarks.metrics import METRICS

QUIET: Final = frozenset({"within the noise", "equal"})
"""Outcomes that are counted and not listed."""

HOW_TO_READ: Final = (
    f"Better or worse: beyond the seeds' noise (Welch's test, two-sided, corrected for all numbers "
    f"of the table, {ALPHA:g}) and beyond the metric's tolerance. Visible: the change that would "
    "be noticed in one of two cases. Of a claim the margin is compared, more is better."
)


def exit_code(found: Sequence[TableComparison]) -> int:
    """Of all together: 2 where one does not compare, else 1 where something got worse, else 0."""
    return max((item.exit_code for item in found), default=0)


def to_markdown(before: str, after: str, found: Sequence[TableComparison]) -> str:
    """The comparison for people; what did not change is counted.

    Args:
        before: what one side is called.
        after: what the other is called.
        found: the tables.
    """
    blocks: list[Block] = [
        doc.Heading(text(f"{before} → {after}"), 1),
        doc.Paragraph(text(HOW_TO_READ)),
    ]
    for item in sorted(found, key=lambda item: -item.exit_code):
        blocks += _table(item)
    return doc.to_markdown(blocks)


def to_json(before: str, after: str, found: Sequence[TableComparison]) -> str:
    """Everything that was compared."""
    content = {
        "schema_version": 1,
        "before": before,
        "after": after,
        "exit_code": exit_code(found),
        "tables": [_json_table(item) for item in found],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def summary(outcomes: Iterable[Outcome]) -> str:
    """``2 worse, 5 within the noise``; "nothing in common" where there is nothing."""
    counts = Counter(outcomes)
    words = [f"{counts[name]} {name}" for name in OUTCOMES if counts[name]]
    return ", ".join(words) or "nothing in common"


def _table(item: TableComparison) -> list[Block]:
    if item.errors:
        return [
            doc.Heading(text(f"{item.name}: not comparable")),
            doc.Listing([text(words) for words in item.errors]),
        ]
    untested = any(change.outcome == "no test" for change in item.metrics)
    verdict = "worse" if item.exit_code else "not tested throughout" if untested else "fine"
    numbers = summary(change.outcome for change in item.metrics)
    blocks: list[Block] = [doc.Heading(text(f"{item.name}: {verdict}, {numbers}"))]
    shown = [change for change in item.metrics if change.outcome not in QUIET]
    if shown:
        header = ("row", "metric", "before", "after", "better by", "visible", "p", "outcome")
        blocks.append(doc.Grid([text(words) for words in header], [_line(one) for one in shown]))
    if item.claims:
        counts = summary(claim.outcome for claim in item.claims)
        blocks.append(doc.Paragraph(text(f"Claims: {counts}.")))
        news = [claim for claim in item.claims if _is_news(claim)]
        if news:
            blocks.append(doc.Listing([_claim(claim) for claim in news]))
    if item.notes:
        blocks.append(doc.Listing([text(words) for words in item.notes]))
    return blocks


def _is_news(claim: ClaimChange) -> bool:
    return claim.before != claim.after or claim.outcome not in {*QUIET, "no test"}


def _line(item: Change) -> list[Text]:
    show = METRICS[item.metric].format
    ended = text(bold(item.outcome), f": {item.why}" if item.why else "")
    return [
        text(item.name),
        text(code(item.metric)),
        text(_side(item.metric, item.before)),
        text(_side(item.metric, item.after)),
        text("" if item.better_by is None else f"{item.better_by:+.3g}"),
        text("" if item.visible is None else show(item.visible)),
        text("" if item.p is None else f"{item.p:.1g}"),
        ended,
    ]


def _side(metric: str, numbers: tuple[float, float | None, int] | None) -> str:
    if numbers is None:
        return "—"
    mean, std, count = numbers
    show = METRICS[metric].format
    return f"{show(mean)}{'' if std is None else f' ± {show(std)}'} (n = {count})"


def _claim(item: ClaimChange) -> Text:
    margin = item.margin
    turned = item.before if item.before == item.after else f"{item.before} → {item.after}"
    words = f": {item.claim.text}. Margin {_side(margin.metric, margin.before)} → "
    words += _side(margin.metric, margin.after)
    if margin.p is not None:
        words += f", p = {margin.p:.1g}"
    return text(bold(f"{item.outcome}, {turned}"), f"{words}.")


def _json_table(item: TableComparison) -> dict[str, Any]:
    return {
        "name": item.name,
        "exit_code": item.exit_code,
        "errors": list(item.errors),
        "notes": list(item.notes),
        "metrics": [asdict(change) for change in item.metrics],
        "claims": [
            {
                "id": claim.claim.id,
                "text": claim.claim.text,
                "before": claim.before,
                "after": claim.after,
                "outcome": claim.outcome,
                "margin": asdict(claim.margin),
            }
            for claim in item.claims
        ],
    }
