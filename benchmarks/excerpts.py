"""Parts of kept tables in pages that people write, so that no number there is older than its cells.

A comment in a Markdown page says what is shown; the grid right after it is written by
``whatwhere leaderboard``::

    <!-- excerpt
    table: mafl-quick-standin
    rows: {dlp-k30: Particles, mean-shape: ""}
    columns: [nme, nme_b]
    published: true
    -->

Noise is that of seeds; a single seed's interval over test samples is in the whole table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from benchmarks import documents as doc
from benchmarks.documents import text
from benchmarks.naming import describe, pick
from benchmarks.table_data import TableData
from benchmarks.tables import shown_value

_EXCERPT: Final = re.compile(r"(^<!-- excerpt\n(.*?)^-->\n+)((?:^\|[^\n]*\n)*)", re.M | re.S)


class Excerpt(BaseModel):
    """What a page shows of a table.

    Args:
        table: its files' name in ``results/kept/tables``, without ending.
        rows: ids, with other labels if wanted; none for all that were measured.
        columns: metrics, with other headers if wanted; none for all.
        published: a column of published numbers beside each metric that has any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str
    rows: dict[str, str] = {}
    columns: dict[str, str] = {}
    published: bool = False

    @field_validator("rows", "columns", mode="before")
    @classmethod
    def _without_labels(cls, value: object) -> object:
        return dict.fromkeys(value, "") if isinstance(value, list) else value


def fill(page: Path, tables: Mapping[str, TableData]) -> str:
    """A page with its excerpts as the tables have them now.

    Args:
        page: a Markdown file.
        tables: by their files' name, e.g. ``mafl-quick-standin``.

    Raises:
        ValueError: an excerpt is not understood, or asks for what is not there; names page and
            line.
        OSError: the page cannot be read.
    """
    written = page.read_text(encoding="utf-8")

    def filled(found: re.Match[str]) -> str:
        try:
            wanted = Excerpt.model_validate(yaml.safe_load(found[2]))
            grid = _grid(wanted, pick("kept table", wanted.table, dict(tables)))
        except (ValueError, yaml.YAMLError) as error:
            line = written.count("\n", 0, found.start()) + 1
            words = describe(error) if isinstance(error, ValidationError) else error
            raise ValueError(f"{page}, line {line}: {words}") from error
        return found[1] + doc.to_markdown([grid])

    return _EXCERPT.sub(filled, written)


def _grid(wanted: Excerpt, data: TableData) -> doc.Grid:
    infos = {info.id: info for info in data.columns}
    items = {item.row.id: item for item in data.rows}
    columns = wanted.columns or dict.fromkeys(infos, "")
    rows = wanted.rows or {name: "" for name, item in items.items() if item.cells}
    header = [text("row")]
    for name, label in columns.items():
        header.append(text(label or pick("column", name, infos).header))
        if _published(wanted, data, name):
            header.append(text("published"))
    lines = []
    for row, words in rows.items():
        item = pick("row", row, items)
        line = [text(words or item.row.label)]
        for name in columns:
            info = infos[name]
            best = row in data.best[name]
            line.append(shown_value(item.samples[name], info, best, interval=False))
            if _published(wanted, data, name):
                number = item.row.published.get(name)
                line.append(text("" if number is None else info.format(number.value)))
        lines.append(line)
    return doc.Grid(header, lines)


def _published(wanted: Excerpt, data: TableData, metric: str) -> bool:
    return wanted.published and data.has_published(metric)
