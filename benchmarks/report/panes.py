"""What stands below a table: plots, pictures, learning curves, cells, and why some failed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from benchmarks.callbacks import read_jsonl
from benchmarks.diagrams import learning_curves
from benchmarks.report.collect import Pane
from benchmarks.report.images import Picture
from benchmarks.report.plots import Scale, axis, curve_plot, row_plot
from benchmarks.schema import CellResult
from benchmarks.store import FINISHED
from benchmarks.table_data import TableData, TableRow

FIRST: Final = ("particles", "landmarks", "reconstructions", "canonical", "swaps", "basis")
"""Kinds of pictures that come first, and are given up last; others follow by name."""
DRAWN_HERE: Final = frozenset({"curves"})
LINES: Final = 20
_TAIL: Final = 16_384
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


def plots(data: TableData, scales: Mapping[str, Scale | None]) -> list[dict[str, Any]]:
    """Every metric with its rows, drawn on a scale that two folders may share."""
    found = []
    for info in data.columns:
        scale = scales[info.id]
        if scale is None:
            continue
        shown = [
            {
                "label": item.row.label,
                "best": item.row.id in data.best[info.id],
                "drawn": row_plot(item, info, scale),
            }
            for item in data.rows
            if item.samples[info.id].values or info.id in item.row.published
        ]
        better = "less is better" if info.better == "lower" else "more is better"
        found.append(
            {
                "label": info.label,
                "unit": info.unit,
                "direction": f"{info.arrow} {better}" if info.judged else "",
                "description": info.description,
                "rows": shown,
                "axis": axis(info, scale),
            }
        )
    return found


def picture_files(panes: Sequence[Pane]) -> list[Path]:
    """The pictures a report shows, of every row's first seed that has some.

    They go kind by kind: what comes first is given up last where not all fit.
    """
    found = [(file.stem, file) for pane in panes for _, file in _row_pictures(pane)]
    return [file for _, file in sorted(found, key=lambda pair: _rank(pair[0]))]


def pictures(pane: Pane, embedded: Mapping[Path, Picture]) -> list[dict[str, Any]]:
    """Pictures that are in the page, by what they show, rows in the table's order."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for item, file in _row_pictures(pane):
        if file in embedded:
            kinds.setdefault(file.stem, []).append(
                {"caption": item.row.label, "picture": embedded[file]}
            )
    return [
        {"name": kind.replace("-", " "), "shown": kinds[kind]} for kind in sorted(kinds, key=_rank)
    ]


def _row_pictures(pane: Pane) -> list[tuple[TableRow, Path]]:
    found = []
    for item in pane.data.rows:
        for cell in item.cells:
            folder = pane.store.run_folder(cell.cell_id) / "pictures"
            files = [file for file in sorted(folder.glob("*.png")) if file.stem not in DRAWN_HERE]
            if files:
                found += [(item, file) for file in files]
                break
    return found


def _rank(kind: str) -> tuple[int, str]:
    return (FIRST.index(kind) if kind in FIRST else len(FIRST)), kind


def curves(pane: Pane) -> list[dict[str, Any]]:
    """Learning curves of every row that was trained, of its first seed that has some."""
    found = []
    for item in pane.data.rows:
        for cell in item.cells:
            rows = read_jsonl(pane.store.run_folder(cell.cell_id) / "metrics.jsonl")
            drawn = _curves(rows)
            if drawn:
                found.append({"label": f"{item.row.label}, seed {cell.seed}", "drawn": drawn})
                break
    return found


def _curves(rows: Sequence[Mapping[str, float]]) -> list[Markup]:
    terms = learning_curves(rows)
    names = sorted(terms, key=lambda term: (term != "loss", term))
    return [drawn for term in names if (drawn := curve_plot(term, terms[term])) is not None]


def failed_cells(pane: Pane) -> list[dict[str, Any]]:
    """Cells without numbers that should have some, with the last lines they wrote."""
    return [
        {
            "row": pane.data.spec.row(cell.row).label,
            "seed": cell.seed,
            "status": cell.status,
            "reason": cell.reason or "no reason given",
            "lines": last_lines(pane.store.run_folder(cell.cell_id) / "log.txt"),
        }
        for cell in pane.data.cells
        if cell.status not in FINISHED
    ]


def last_lines(log: Path, count: int = LINES) -> str:
    """The end of a log, without what moves a terminal's cursor; "" if there is none."""
    if not log.is_file():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _TAIL))
        text = stream.read().decode("utf-8", errors="replace")
    # A progress bar overwrites its line: what stood there last is the line.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    kept = [line for line in (_ESCAPES.sub("", line).rstrip() for line in lines) if line]
    return "\n".join(kept[-count:])


def cell_facts(label: str, cell: CellResult) -> dict[str, Any]:
    """What a cell says of itself besides its numbers."""
    counts = ", ".join(f"{number:,} {split}" for split, number in cell.data_counts.items())
    facts = {
        "cell": cell.cell_id,
        "reason": cell.reason or "",
        "data": f"{cell.dataset}, {'STAND-IN' if cell.source == 'standin' else 'real'}; "
        f"fingerprint {cell.data_fingerprint}",
        "pictures": counts,
        "protocol": f"{cell.protocol} version {cell.protocol_version}",
        "commit": f"{cell.commit}{', with uncommitted changes' if cell.dirty else ''}",
        "device": cell.device + (f", {cell.world_size} of them" if cell.world_size > 1 else ""),
        "training": f"{cell.epochs} epochs, {cell.steps} steps, {_time(cell.train_seconds)}",
        "started": cell.started,
        "versions": ", ".join(f"{name} {version}" for name, version in cell.versions.items()),
    }
    return {
        "label": label,
        "seed": cell.seed,
        "status": cell.status,
        "time": _time(cell.wall_seconds),
        "memory": f"{cell.peak_memory_mib / 1024:.2f} GiB",
        "facts": [(name, words) for name, words in facts.items() if words],
    }


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
