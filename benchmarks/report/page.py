"""The page: one self-contained file, with a content policy that lets nothing in and nothing out.

Jinja2 escapes whatever comes from results; styles and script are the files beside this one, named
in the policy by their hashes, so that nothing else in the page could run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined
from markupsafe import Markup

from benchmarks import documents as doc
from benchmarks.claims import VERDICTS
from benchmarks.files import write_atomically
from benchmarks.report.collect import Collected, Pane, Section
from benchmarks.report.compare import changes, summary
from benchmarks.report.images import Picture, embed
from benchmarks.report.panes import cell_facts, curves, failed_cells, picture_files, pictures, plots
from benchmarks.report.plots import scale_of
from benchmarks.summaries import source_words
from benchmarks.tables import document

FOLDER: Final = Path(__file__).parent
FOOTER: Final = (
    "Made by whatwhere report. Pictures enlarge; arrow keys go through those of open lists. "
    "Nothing in this page needs a network."
)


def write_page(found: Collected, output: Path) -> int:
    """Write a report, whole or not at all.

    Args:
        found: what it shows.
        output: the HTML file.

    Returns:
        Its size in bytes.

    Raises:
        OSError: the file cannot be written.
    """
    content = render(found).encode()
    write_atomically(output, content)
    return len(content)


def render(found: Collected) -> str:
    """A report as HTML; what of the pictures cannot be shown joins the problems of ``found``."""
    files = picture_files([pane for section in found.sections for pane in section.panes])
    embedded, problems = embed(files)
    found.problems += problems
    sections = [
        _section(section, number, embedded) for number, section in enumerate(found.sections, 1)
    ]
    folders = dict.fromkeys(pane.name for section in found.sections for pane in section.panes)
    cells = [
        cell for section in found.sections for pane in section.panes for cell in pane.data.cells
    ]
    style, script = (
        (FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    tables = list(dict.fromkeys(section.spec.table for section in found.sections))
    text: str = _template().render(
        title=f"whatwhere: {', '.join(tables)}",
        subtitle=(
            f"{len(cells)} cells of {' and '.join(folders)}, the last one measured "
            f"{max(cell.started for cell in cells)[:16].replace('T', ' ')}"
        ),
        sections=sections,
        folders=len(folders),
        problems=found.problems,
        style=Markup(style),
        style_hash=_hash(style),
        script=Markup(script),
        script_hash=_hash(script),
        footer=FOOTER,
    )
    return text


def _hash(text: str) -> str:
    """What a content policy calls the text of an inline element by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _template() -> Any:
    undefined: type[Undefined] = StrictUndefined
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=undefined)
    return environment.get_template("page.html.jinja")


def _section(section: Section, number: int, embedded: dict[Path, Picture]) -> dict[str, Any]:
    compared = []
    if len(section.panes) == 2:
        compared = changes(*(pane.data for pane in section.panes))
    tables = [pane.data for pane in section.panes]
    scales = {info.id: scale_of(info.id, tables) for info in tables[0].columns}
    return {
        "anchor": f"table-{number}",
        "title": section.spec.title,
        "source": section.group.source,
        "source_words": source_words(section.group),
        "budget": section.group.budget,
        "changes": compared,
        "changed": summary(compared),
        "panes": [
            {
                "anchor": f"notes-{number}-{place}",
                "name": pane.name,
                "facts": pane.data.facts(),
                "stale": pane.stale,
                "blocks": _blocks(pane),
                "plots": plots(pane.data, scales),
                "pictures": pictures(pane, embedded),
                "curves": curves(pane),
                "failed": failed_cells(pane),
                "cells": [
                    {
                        **cell_facts(item.row.label, cell),
                        "config": json.dumps(cell.config, indent=2, ensure_ascii=False),
                    }
                    for item in pane.data.rows
                    for cell in item.cells
                ],
            }
            for place, pane in enumerate(section.panes, 1)
        ],
    }


def _blocks(pane: Pane) -> list[dict[str, Any]]:
    """The table as the Markdown and LaTeX writers get it, without its title and facts."""
    return [_block(block) for block in document(pane.data)[1:]]


def _block(block: doc.Block) -> dict[str, Any]:
    if isinstance(block, doc.Heading):
        return {"kind": "heading", "level": block.level + 1, "text": block.text}
    if isinstance(block, doc.Paragraph):
        return {"kind": "paragraph", "text": block.text}
    if isinstance(block, doc.Grid):
        return {"kind": "grid", "header": block.header, "rows": block.rows, "rules": block.rules}
    return {
        "kind": "listing",
        "lines": block.items,
        "numbers": block.numbers,
        "verdicts": [_verdict(item) for item in block.items],
    }


def _verdict(words: Sequence[doc.Span]) -> str:
    """The verdict a claim's line begins with, as a class of the page's styles; "" for others."""
    first = words[0]
    named = [name for name in VERDICTS if first.text.startswith(name)]
    return named[0].replace(" ", "-") if first.style == "bold" and named else ""
