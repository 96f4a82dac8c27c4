"""A table's dashboard as data: what is shown of which runs, in which colours.

Nothing here knows W&B's client; `benchmarks.tracking.boards` makes a saved workspace and a report
of it. Runs are grouped by row, so that seeds are brought together; a row's colour is a shade of
its method's. Published numbers are lines: runs of job type ``paper`` log them over all steps.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks import tables
from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, Row, Source, Spec
from benchmarks.tracking.cells import CELL_JOB
from benchmarks.tracking.tables import PAPER_JOB, PUBLISHED

Kind = Literal["bars", "lines", "media", "differences"]

JOBS: Final = (CELL_JOB, PAPER_JOB)
COSTS: Final = {
    "cost/train_seconds": "Time of training (s)",
    "cost/wall_seconds": "Time of all (s)",
    "cost/peak_memory_mib": "Peak memory (MiB)",
}
_LIGHTEST: Final = 0.55
"""How far the last shade of a method is on its way to white."""


@dataclass(frozen=True)
class Panel:
    """One diagram.

    Args:
        kind: ``bars`` of final values, a bar a row, with the least and the greatest of its seeds;
            ``lines`` over training steps, a line a row, with the same; ``media``, pictures side by
            side; ``differences`` of configurations.
        title: its heading.
        keys: what is shown, as logged.
    """

    kind: Kind
    title: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Diagrams under one heading.

    Args:
        note: what a reader has to know of them.
    """

    name: str
    panels: tuple[Panel, ...]
    note: str = ""


@dataclass(frozen=True)
class Dashboard:
    """All that is shown of a table's runs of one budget and source.

    Args:
        title: also its name.
        description: one sentence.
        markdown: the table, as far as it is measured; empty where nothing is.
        filters: configuration key -> value that a run has to have.
        colours: row -> ``#rrggbb``.
        columns: of the list of runs, after the name, ``config:<key>.value`` or
            ``summary:<key>``.
        sections: from the top.
    """

    title: str
    description: str
    markdown: str
    filters: dict[str, str]
    colours: dict[str, str]
    columns: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def key(self) -> str:
        """What makes it the same dashboard when it is saved again."""
        return "/".join(self.filters.values())


def plan_dashboard(
    spec: Spec,
    *,
    budget: str,
    source: Source,
    cells: Sequence[CellResult] = (),
    media: Iterable[str] = (),
) -> Dashboard:
    """Work out the dashboard of a table.

    Args:
        spec: the table.
        budget: one of its budgets.
        source: of the data.
        cells: what has been measured, for the table in the report.
        media: logged pictures and films, ``pictures/<name>`` and ``videos/<name>``.

    Raises:
        UnknownNameError: there is no such budget.
    """
    spec.budget(budget)
    published = {metric for row in spec.rows for metric in row.published}
    shown = [*spec.columns, *sorted(published - set(spec.columns))]
    return Dashboard(
        title=f"{spec.table}, {budget}, {source}",
        description=f"{spec.title} ({source} data, budget {budget}).",
        markdown=tables.render(spec, cells, "md") if cells else "",
        filters={"table": spec.table, "budget": budget, "source": source},
        colours=row_colours(spec.rows),
        columns=(
            "config:method.value",
            "config:seed.value",
            "summary:status",
            *(f"summary:{key}" for metric in shown for key in _keys(metric, published)),
            "config:commit.value",
            "config:dirty.value",
        ),
        sections=_sections(shown, published, sorted(set(media))),
    )


def _sections(
    shown: Sequence[str], published: set[str], media: Sequence[str]
) -> tuple[Section, ...]:
    results = Section(
        "Results",
        tuple(Panel("bars", _title(metric), (f"test/{metric}",)) for metric in shown),
        "Mean over the seeds of a row, with the least and the greatest of them.",
    )
    papers = Section(
        "Beside the papers",
        tuple(
            Panel("lines", _title(metric), _keys(metric, published))
            for metric in shown
            if metric in published
        ),
        "A line is what a paper says of a row, a point what was measured of it, once it was "
        "trained. Papers measure by protocols of their own: the table says where they differ.",
    )
    training = Section(
        "Training",
        tuple(Panel("lines", name, (name,)) for name in ("train/loss", "val/loss")),
        "Mean over the seeds of a row, with the least and the greatest of them. Losses of two "
        "methods do not compare.",
    )
    pictures = Section(
        "Pictures",
        tuple(Panel("media", key.partition("/")[2], (key,)) for key in media),
        "Of the test data, drawn from the weights that were scored.",
    )
    costs = Section("Costs", tuple(Panel("bars", COSTS[key], (key,)) for key in COSTS))
    runs = Section("Runs", (Panel("differences", "What differs between runs"),))
    found = (results, papers, training, pictures, costs, runs)
    return tuple(section for section in found if section.panels)


def row_colours(rows: Sequence[Row]) -> dict[str, str]:
    """Row -> colour: one hue a method, in shades where a method has several rows."""
    of_method: dict[str, list[str]] = {}
    for row in rows:
        of_method.setdefault(row.method or PUBLISHED, []).append(row.id)
    hues = {method: place / len(of_method) for place, method in enumerate(of_method)}
    shades = {}
    for method, names in of_method.items():
        for place, name in enumerate(names):
            shades[name] = _shade(hues[method], _LIGHTEST * place / len(names))
    return {row.id: shades[row.id] for row in rows}


def media_in(folders: Iterable[Path]) -> set[str]:
    """Keys under which `cells.log_result` logs what lies in run folders' ``pictures``."""
    rooms = {".png": "pictures", ".mp4": "videos"}
    return {
        f"{rooms[path.suffix]}/{path.stem}"
        for folder in folders
        for path in (folder / "pictures").glob("*")
        if path.suffix in rooms
    }


def describe(dashboard: Dashboard) -> str:
    """The dashboard in words, for who does not save it."""
    lines = [dashboard.title, "runs: " + _conditions(dashboard), "grouped by: row"]
    for section in dashboard.sections:
        lines.append(f"{section.name}:")
        lines += [f"  {panel.kind}: {panel.title} {list(panel.keys)}" for panel in section.panels]
    return "\n".join(lines)


def _conditions(dashboard: Dashboard) -> str:
    said = [f"{key} = {value}" for key, value in dashboard.filters.items()]
    return ", ".join([*said, f"job type {' or '.join(JOBS)}"])


def _keys(metric: str, published: set[str]) -> tuple[str, ...]:
    measured = f"test/{metric}"
    return (measured, f"paper/{metric}") if metric in published else (measured,)


def _title(metric: str) -> str:
    info = METRICS[metric]
    return f"{info.label} {info.arrow}" + (f" ({info.unit})" if info.unit else "")


def _shade(hue: float, to_white: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue, 0.42, 0.75)
    return "#" + "".join(
        f"{round(255 * (part + (1 - part) * to_white)):02x}" for part in (red, green, blue)
    )
