"""All kept tables on one page: what was measured, who is best, which claims hold.

The page is a function of what is in git, the kept cells and the tables' specifications, so that a
test can ask whether it says what they say.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import documents as doc
from benchmarks.claims import VERDICTS, ClaimVerdict, count_verdicts
from benchmarks.documents import Block, Span, Text, bold, code, link, text
from benchmarks.metrics import MetricInfo
from benchmarks.store import Store
from benchmarks.summaries import source_words
from benchmarks.table_data import TableData, TableRow
from benchmarks.tables import FORMATS, shown_value

MAIN_COLUMNS: Final = 5
"""Columns of a table on the page, those that most claims speak of; the rest is one link away."""

ABOUT: Final = text(
    "Every table whose cells are kept in git, as ", code("whatwhere leaderboard"), " writes it. "
)
HOW_TO_READ: Final = (
    "Bold: the best measured here. ↓ less is better, ↑ more is better; ± is the standard deviation "
    "over seeds, in parentheses stands the 95 % interval over test samples of a single seed. A "
    "control learns nothing. Numbers of stand-ins are no measure of a method on the real data, and "
    "no two tables compare."
)


def page(found: Sequence[TableData], results: Store, place: Path, unmeasured: Sequence[str]) -> str:
    """The page as Markdown.

    Args:
        found: the tables, in the order of the page.
        results: the results folder they are in.
        place: the page's own path, for its links.
        unmeasured: ids of tables that have no kept cells.
    """
    blocks: list[Block] = [
        doc.Heading(text("Leaderboard"), 1),
        doc.Paragraph((*ABOUT, Span(HOW_TO_READ))),
        doc.Grid(
            [text(words) for words in ("table", "data", "budget", "seeds", "rows", *VERDICTS)],
            [_summary(data) for data in found],
        ),
    ]
    if unmeasured:
        items: list[str | Span] = []
        for name in unmeasured:
            items += [", " if items else "", code(name)]
        blocks.append(doc.Paragraph(text("Without kept cells: ", *items, ".")))
    for data in found:
        blocks += _section(data, results, place)
    return doc.to_markdown(blocks)


def main_columns(data: TableData) -> list[MetricInfo]:
    """The columns that most claims speak of, first ones first, in the table's order."""
    claimed = [side.metric for claim in data.spec.claims for side in (claim.left, claim.right)]
    ranked = sorted(data.columns, key=lambda info: -claimed.count(info.id))
    return [info for info in data.columns if info in ranked[:MAIN_COLUMNS]]


def _heading(data: TableData) -> str:
    return f"{data.spec.table}, {source_words(data.group)}, {data.group.budget}"


def _summary(data: TableData) -> list[Text]:
    counts = count_verdicts(data.verdicts)
    measured = sum(bool(item.cells) for item in data.rows)
    return [
        text(link(data.spec.table, f"#{_anchor(_heading(data))}")),
        text(source_words(data.group)),
        text(data.group.budget),
        text(str(len(data.seeds))),
        text(f"{measured} of {sum(item.row.method is not None for item in data.rows)}"),
        *(text(str(counts[name]) if counts[name] else "") for name in VERDICTS),
    ]


def _section(data: TableData, results: Store, place: Path) -> list[Block]:
    columns = main_columns(data)
    header = [text(words) for words in ("row", "seeds", *(info.header for info in columns))]
    lines = [
        [
            _label(item),
            text(str(len(item.cells))),
            *(
                shown_value(item.samples[info.id], info, item.row.id in data.best[info.id])
                for info in columns
            ),
        ]
        for item in data.rows
        if item.cells
    ]
    missing = [
        item.row.label for item in data.rows if item.row.method is not None and not item.cells
    ]
    blocks: list[Block] = [
        doc.Heading(text(_heading(data)), 2),
        doc.Paragraph(text(bold(data.spec.title), f". {data.facts()}.")),
        doc.Grid(header, lines),
        doc.Paragraph(_links(data, results, place)),
    ]
    if missing:
        blocks.append(doc.Paragraph(text(f"Not run: {'; '.join(missing)}.")))
    if data.verdicts:
        blocks.append(doc.Listing([_claim(item) for item in data.verdicts]))
    return blocks


def _label(item: TableRow) -> Text:
    return text(item.row.label, *([" (control)"] if item.control else []))


def _links(data: TableData, results: Store, place: Path) -> Text:
    stem = data.group.file_stem
    more = len(data.columns) - MAIN_COLUMNS
    parts: list[str | Span] = ["The whole table"]
    if more > 0:
        parts.append(f", with {more} more column{'s' if more > 1 else ''}")
    parts.append(": ")
    for fmt in FORMATS:
        target = _relative(results.kept().tables_folder() / f"{stem}.{fmt}", place)
        parts += ["" if fmt == FORMATS[0] else ", ", link(fmt, target)]
    baseline = results.root / "baselines" / f"{stem}.json"
    if baseline.exists():
        parts += ["; ", link("accepted numbers", _relative(baseline, place))]
    return text(*parts, ".")


def _relative(target: Path, place: Path) -> str:
    return Path(os.path.relpath(target, place.resolve().parent)).as_posix()


def _claim(item: ClaimVerdict) -> Text:
    alone = ", one seed" if item.basis.startswith("one seed") else ""
    origin = item.claim.source if item.claim.origin == "paper" else "this suite"
    return text(bold(f"{item.verdict}{alone}"), f": {item.claim.text} ({origin})")


def _anchor(heading: str) -> str:
    """What GitHub and GitLab call a heading: small letters, hyphens, no other signs."""
    kept = "".join(sign for sign in heading.lower() if sign.isalnum() or sign in " -_")
    return kept.replace(" ", "-")
