"""Cells -> a table as Markdown, LaTeX, CSV and JSON, with its footnotes, findings and claims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

from benchmarks import documents as doc
from benchmarks.claims import PAPER_BUDGET, ClaimVerdict, Published, count_verdicts
from benchmarks.documents import Block, Span, Text, bold, code, text
from benchmarks.files import write_atomically
from benchmarks.findings import INTERCEPT, Part
from benchmarks.metrics import METRICS, MetricInfo
from benchmarks.rankings import RankingVerdict
from benchmarks.schema import CellResult, Spec
from benchmarks.summaries import Sample
from benchmarks.table_data import TableData, TableRow, build_table
from benchmarks.table_exports import to_csv, to_json

Format = Literal["md", "tex", "csv", "json"]
FORMATS: Final[tuple[Format, ...]] = ("md", "tex", "csv", "json")


def render(spec: Spec, cells: Sequence[CellResult], fmt: Format) -> str:
    """A table as text.

    Args:
        spec: the table.
        cells: of one group: the same table, budget, source, data and protocol version.
        fmt: ``md``, ``tex`` (needs the package booktabs), ``csv`` (long: a line a row, seed and
            metric) or ``json`` (complete).

    Raises:
        MixedCellsError: no cells, or cells that must not share a table; says what differs.
        ValueError: the format is unknown, or the cells are of another table.
    """
    return _write(build_table(spec, cells), fmt)


def write_tables(spec: Spec, cells: Sequence[CellResult], out_dir: Path) -> dict[str, Path]:
    """Write a table in every format, each file whole or not at all.

    Returns:
        Format -> ``out_dir/<table>-<budget>-<source>.<format>``.

    Raises:
        MixedCellsError: as for `render`; nothing is written.
        OSError: a file cannot be written.
    """
    data = build_table(spec, cells)
    paths: dict[str, Path] = {}
    for fmt, content in contents(data).items():
        paths[fmt] = Path(out_dir) / f"{data.group.file_stem}.{fmt}"
        write_atomically(paths[fmt], content)
    return paths


def contents(data: TableData) -> dict[Format, str]:
    """A table in every format."""
    return {fmt: _write(data, fmt) for fmt in FORMATS}


def _write(data: TableData, fmt: str) -> str:
    if fmt == "md":
        return doc.to_markdown(document(data))
    if fmt == "tex":
        return doc.to_latex(document(data))
    if fmt == "csv":
        return to_csv(data)
    if fmt == "json":
        return to_json(data)
    raise ValueError(f"unknown format '{fmt}'; known: {', '.join(FORMATS)}")


class _Notes:
    """Footnotes, numbered as they come; the same words get the same number."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def mark(self, words: str) -> Span:
        if words not in self.words:
            self.words.append(words)
        return doc.mark(str(self.words.index(words) + 1))


def document(data: TableData) -> list[Block]:
    """A table with its footnotes, findings and claims, for any writer of documents."""
    notes = _Notes()
    header: list[Text] = [text("row")]
    for info in data.columns:
        header.append(text(info.header))
        if data.has_published(info.id):
            header.append(text("published"))
    lines = [_line(data, item, notes) for item in data.rows]
    kinds = [item.control for item in data.rows]
    rules = frozenset(i for i in range(1, len(kinds)) if kinds[i] != kinds[i - 1])
    label = f"tab:{data.group.file_stem}"
    blocks: list[Block] = [
        doc.Heading(text(data.title()), 1, text(data.facts())),
        doc.Grid(header, lines, rules, text(f"{data.title()}. {data.facts()}."), label),
        doc.Paragraph(text(_how_to_read(data))),
    ]
    if notes.words:
        numbers = [str(i + 1) for i in range(len(notes.words))]
        blocks.append(doc.Listing([text(words) for words in notes.words], numbers))
    found = _decomposition(data) + _upsets(data) + _claims(data.verdicts)
    return blocks + found + _rankings(data.rankings) + _training(data)


def _line(data: TableData, item: TableRow, notes: _Notes) -> list[Text]:
    label = [Span(item.row.label)]
    if item.row.note:
        label.append(notes.mark(item.row.note))
    if item.cells and item.seeds != data.seeds:
        label.append(notes.mark(f"seed {', '.join(map(str, item.seeds))} only"))
    label += [
        notes.mark(f"seed {cell.seed}: {cell.reason}")
        for cell in item.cells
        if cell.status == "ok" and cell.reason
    ]
    line: list[Text] = [tuple(label)]
    waiting = item.row.method is not None and not item.cells
    for place, info in enumerate(data.columns):
        if waiting or item.row.method is None:
            line.append(text("not run") if waiting and place == 0 else ())
        else:
            best = item.row.id in data.best[info.id]
            line.append(_entry(item.samples[info.id], info, best, notes))
        if data.has_published(info.id):
            number = item.row.published.get(info.id)
            if number is None:
                line.append(())
            else:
                source = f"{number.source}{'; ' if number.protocol else ''}{number.protocol}"
                line.append(text(info.format(number.value), notes.mark(f"published: {source}")))
    return line


def _entry(found: Sample, info: MetricInfo, best: bool, notes: _Notes) -> Text:
    words = "; ".join(found.problems)
    if found.state == "n/a" and found.measured:
        words = "the method gives no such number"
    why = [notes.mark(words)] if words else []
    return (*shown_value(found, info, best), *why)


def shown_value(found: Sample, info: MetricInfo, best: bool, *, interval: bool = True) -> Text:
    """A number with its noise, bold where it is the best; a dash or a state where there is none.

    Args:
        found: what the seeds say.
        info: the metric.
        best: whether it is the best.
        interval: show a single seed's, over test samples.
    """
    if not found.values:
        return text("—" if found.state == "n/a" else found.state)
    mean = info.format(found.mean)
    shown = [bold(mean) if best else Span(mean)]
    if found.std is not None:
        shown.append(Span(f" ± {info.format(found.std)}"))
    elif interval and found.interval is not None:
        low, high = found.interval
        shown.append(Span(f" ({info.format(low)}, {info.format(high)})"))
    return tuple(shown)


def _how_to_read(data: TableData) -> str:
    several = any(len(item.cells) > 1 for item in data.rows)
    single = any(len(item.cells) == 1 for item in data.rows)
    words = ["Bold: the best measured here. ↓ less is better, ↑ more is better."]
    if several:
        words.append("± is the standard deviation over seeds.")
    if single:
        words.append(
            "With one seed, the 95 % interval over test pictures stands in parentheses; it knows "
            "nothing of how another seed would have trained."
        )
    if any(item.row.published for item in data.rows):
        if data.group.source == "standin":
            words.append(
                "Published numbers are of the real data: beside stand-in cells, no yardstick."
            )
        elif data.group.budget != PAPER_BUDGET:
            words.append(
                f"Published numbers are of the papers' settings, budget {PAPER_BUDGET}: beside "
                "these, no yardstick."
            )
    return " ".join([*words, data.spec.note]).strip()


def _decomposition(data: TableData) -> list[Block]:
    if not data.decompositions:
        return []
    info = METRICS[INTERCEPT.base]
    header = (
        "row",
        f"gain, {INTERCEPT.base} to {INTERCEPT.full}",
        INTERCEPT.confound_label,
        INTERCEPT.rest_label,
        "intercept's share",
        "published gain",
    )
    lines = [
        [
            text(item.label),
            _part(item.total, info),
            _part(item.confound, info),
            _part(item.rest, info),
            text("—" if item.share is None else f"{item.share:.0%}"),
            text("" if item.published is None else info.format(item.published)),
        ]
        for item in data.decompositions
    ]
    return [
        doc.Heading(text(INTERCEPT.title)),
        doc.Paragraph(
            text(
                f"In {info.unit} points. The gain from ",
                *(code(INTERCEPT.base), " to ", code(INTERCEPT.full), " is that from "),
                *(code(INTERCEPT.base), " to ", code(INTERCEPT.confound)),
                ", which needs no variance, and the rest. A share is given where both are gains.",
            )
        ),
        doc.Grid([text(words) for words in header], lines),
    ]


def _part(part: Part, info: MetricInfo) -> Text:
    spread = "" if part.std is None else f" ± {info.format(part.std)}"
    return text(f"{info.format(part.mean)}{spread}")


def _upsets(data: TableData) -> list[Block]:
    if not data.upsets:
        return []
    items = []
    for item in data.upsets:
        said = [
            f"{verb} {', '.join(rows)}{tail}"
            for verb, rows, tail in (
                ("beats", item.beaten, ""),
                ("is ahead of", item.ahead, ", within the noise"),
                ("is ahead of", item.unknown, ", by a noise that nothing tells"),
            )
            if rows
        ]
        items.append(text(code(item.metric), ": ", code(item.control), f" {'; '.join(said)}."))
    return [
        doc.Heading(text("Controls that are ahead of methods")),
        doc.Paragraph(
            text(
                "Controls learn nothing. Where one wins, that is news about the task. Beats: "
                "beyond the noise of seeds and of test pictures, at one-sided confidence of 95 % "
                "for each pair by itself."
            )
        ),
        doc.Listing(items),
    ]


def _claims(verdicts: Sequence[ClaimVerdict]) -> list[Block]:
    if not verdicts:
        return []
    counts = count_verdicts(verdicts)
    plural = {"holds": "hold", "fails": "fail"}
    summary = ", ".join(
        f"{number} {plural.get(name, name) if number > 1 else name}"
        for name, number in counts.items()
        if number
    )
    blocks: list[Block] = [
        doc.Heading(text(f"Claims: {summary}")),
        doc.Paragraph(
            text(
                "Holds or fails: beyond the noise, at one-sided confidence of 95 % for each claim "
                "by itself; bounds are of the difference, positive for the claim. The noise is "
                "that of seeds and that of the choice of test pictures, together; with "
                "one seed only the latter is known. What the published numbers say of a claim has "
                "no part in its verdict."
            )
        ),
    ]
    for origin, title in (("paper", "The papers' claims"), ("suite", "This suite's own")):
        chosen = [item for item in verdicts if item.claim.origin == origin]
        if chosen:
            blocks.append(doc.Heading(text(title), 3))
            blocks.append(doc.Listing([_claim(item) for item in chosen]))
    return blocks


def _claim(item: ClaimVerdict) -> Text:
    claim = item.claim
    alone = ", one seed" if item.basis.startswith("one seed") else ""
    parts: list[str | Span] = [bold(item.verdict + alone), f": {claim.text}. {item.reason}"]
    if item.published is not None:
        left, right = _whose(item.published, METRICS[claim.left.metric])
        times = "" if claim.factor == 1.0 else f"{claim.factor:g} times "
        agree = "as claimed" if item.published.holds else "not as claimed"
        chance = ", counted from chance" if claim.chance else ""
        parts.append(f" Published: {left} against {times}{right}{chance}, {agree}")
        parts.append(f" ({claim.source}).")
    elif claim.origin == "paper":
        parts.append(f" ({claim.source})")
    return text(*parts)


def _whose(published: Published, info: MetricInfo) -> list[str]:
    """Both numbers, each with its source where they come from two."""
    numbers = [info.format(value) for value in (published.left, published.right)]
    if len(set(published.sources)) == 1:
        return numbers
    return [
        f"{number} ({source})" for number, source in zip(numbers, published.sources, strict=True)
    ]


def _rankings(verdicts: Sequence[RankingVerdict]) -> list[Block]:
    if not verdicts:
        return []
    items = [
        text(
            bold(item.verdict),
            f": {item.ranking.text}. {item.reason} ({item.ranking.source})",
        )
        for item in verdicts
    ]
    return [
        doc.Heading(text("Choosing among runs")),
        doc.Paragraph(
            text(
                "Rank correlation over rows that learn, each the mean of its seeds; holds or fails "
                "by a permutation test at one-sided 5 %."
            )
        ),
        doc.Listing(items),
    ]


def _training(data: TableData) -> list[Block]:
    """How long each row has learned, for budgets of a row may be its own."""
    learned = [
        (item, [cell for cell in item.cells if cell.steps and cell.status == "ok"])
        for item in data.rows
    ]
    lines = [
        [
            text(item.row.label),
            text(_range(cell.epochs for cell in cells)),
            text(_range(cell.steps for cell in cells)),
            text(_range(cell.config["data"].get("batch_size", 0) for cell in cells)),
            text(f"{sum(cell.train_seconds for cell in cells) / len(cells) / 60:.1f}"),
        ]
        for item, cells in learned
        if cells
    ]
    if not lines:
        return []
    header = ("row", "epochs", "optimiser steps", "batch", "minutes")
    return [
        doc.Heading(text("How long each row has learned")),
        doc.Paragraph(
            text(
                "Epochs and steps are of the last stage where a row learns in several, minutes of "
                "all stages, the mean over seeds. Minutes are of the machine and of what else ran "
                "on it, the rest is settings."
            )
        ),
        doc.Grid([text(words) for words in header], lines),
    ]


def _range(values: Iterable[int]) -> str:
    """``7``, or ``7 to 9`` where they differ; a dash for 0, which was not said."""
    ends = sorted(set(values))
    return " to ".join(f"{end:,}" if end else "—" for end in (ends[:1] + ends[1:][-1:]))
