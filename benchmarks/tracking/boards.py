"""A dashboard as W&B's saved workspace and report, through the ``wandb-workspaces`` library.

Saving goes over the workspace and the report that an earlier call has saved, so that a second
``setup`` mends the first one's. What would be sent can be looked at without a network (`as_json`);
only the report's run sets gain the project's internal number as it is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from benchmarks.tracking.cells import CELL_JOB
from benchmarks.tracking.dashboard import JOBS, Dashboard, Panel, Section
from benchmarks.tracking.project import Project, found, runs_of
from benchmarks.tracking.session import STEP, TrackingError

_MEDIA: Final = ("pictures/", "videos/")
_LOOKED_AT: Final = 500
"""Cells' runs that are asked for the names of their pictures."""

_MANY: Final = 100
"""Runs that a diagram shows; W&B's own limit is ten."""

_COLUMNS: Final = 24
_SIDES: Final = {"bars": (12, 10), "lines": (12, 10), "media": (24, 14), "differences": (24, 12)}
"""Width and height of a diagram in a report, whose grid has 24 columns."""

_RUNS: Final = "Runs"
_AS_SENT: Final[dict[str, Any]] = {"by_alias": True, "exclude_none": True, "mode": "json"}


def as_json(board: Dashboard, project: Project) -> dict[str, Any]:
    """The specifications of workspace and report, as W&B would be sent them; asks nobody."""
    return {
        "project": project.path,
        "workspace": _workspace(board, project)._to_model().spec.model_dump(**_AS_SENT),
        "report": _report(board, project, None)._to_model().spec.model_dump(**_AS_SENT),
    }


def save(board: Dashboard, api: wandb.Api, project: Project) -> tuple[str, str]:
    """Save a dashboard as a workspace and a report.

    Args:
        board: the dashboard.
        api: the client's.
        project: with its owner.

    Returns:
        The addresses of both.

    Raises:
        TrackingError: there is no such project, or what was saved earlier cannot be read.
    """
    report = _report(board, project, project)
    with found(project):  # `Report.save` would make it
        same = [item.id for item in api.reports(project.path) if item.display_name == board.title]
    report.id = same[0] if same else ""
    workspace = _workspace(board, project)
    workspace._internal_name = _view_name(board)
    workspace._internal_id = _saved_view(workspace, project)
    workspace.save()
    report.save()
    return str(workspace.url), str(report.url)


def media_of(board: Dashboard, api: wandb.Api, project: Project) -> set[str]:
    """Keys of pictures and films that the first cells of a dashboard have logged."""
    runs = runs_of(api, project, board.filters, job=CELL_JOB, whole=True)
    return {
        key
        for run in islice(runs, _LOOKED_AT)
        for key in run.summary.keys()  # noqa: SIM118, no mapping
        if key.startswith(_MEDIA)
    }


def _workspace(board: Dashboard, project: Project) -> ws.Workspace:
    return ws.Workspace(
        entity=project.entity,
        project=project.name,
        name=board.title,
        sections=[_section(section) for section in board.sections],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=_MANY),
        runset_settings=ws.RunsetSettings(
            filters=_filters(board),
            groupby=[ws.Config("row")],
            order=[ws.Ordering(ws.Config("row"), ascending=True)],
            group_colors=dict(board.colours),
            pinned_columns=list(board.columns),
        ),
    )


def _section(section: Section) -> ws.Section:
    return ws.Section(
        name=section.name,
        panels=[_panel(panel) for panel in section.panels],
        is_open=True,
        panel_settings=ws.SectionPanelSettings(x_axis=STEP),
    )


def _report(board: Dashboard, project: Project, of_runs: Project | None) -> wr.Report:
    """The report; with ``of_runs`` the library asks the server for its number as it serialises."""
    blocks: list[Any] = [wr.TableOfContents()]
    if board.markdown:
        blocks += [wr.H2("Table"), wr.MarkdownBlock(board.markdown)]
    for section in board.sections:
        blocks.append(wr.H2(section.name))
        if section.note:
            blocks.append(wr.P(section.note))
        blocks.append(_grid(board, section.panels, of_runs))
    return wr.Report(
        entity=project.entity,
        project=project.name,
        title=board.title,
        description=board.description,
        blocks=blocks,
        width="fluid",
    )


def _grid(board: Dashboard, panels: Sequence[Panel], of_runs: Project | None) -> wr.PanelGrid:
    runs = wr.Runset(
        entity="" if of_runs is None else of_runs.entity,
        project="" if of_runs is None else of_runs.name,
        name=_RUNS,
        filters=_filters(board),
        groupby=["config.row"],
        order=[wr.OrderBy(wr.Config("row"), ascending=True)],
        pinned_columns=["run:displayName", *board.columns],
    )
    placed, x, y = [], 0, 0
    for panel in panels:
        width, height = _SIDES[panel.kind]
        made = _panel(panel)
        made.layout = wr.Layout(x=x, y=y, w=width, h=height)
        placed.append(made)
        x, y = (0, y + height) if x + 2 * width > _COLUMNS else (x + width, y)
    return wr.PanelGrid(
        runsets=[runs],
        panels=placed,
        custom_run_colors={
            wr.RunsetGroup(_RUNS, (wr.RunsetGroupKey(wr.Config("row"), row),)): colour
            for row, colour in board.colours.items()
        },
    )


def _panel(panel: Panel) -> Any:
    over_seeds = {
        "groupby": wr.Config("row"),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "minmax",
        "max_runs_to_show": _MANY,
    }
    if panel.kind == "bars":
        return wr.BarPlot(
            title=panel.title, metrics=list(panel.keys), max_bars_to_show=_MANY, **over_seeds
        )
    if panel.kind == "lines":
        return wr.LinePlot(title=panel.title, x=STEP, y=list(panel.keys), **over_seeds)
    if panel.kind == "media":
        return wr.MediaBrowser(title=panel.title, media_keys=list(panel.keys), num_columns=2)
    return wr.RunComparer(diff_only="split")


def _filters(board: Dashboard) -> expr.And:
    return expr.And(
        *(expr.Config(key) == value for key, value in board.filters.items()),
        expr.Metric("JobType").isin(list(JOBS)),
    )


def _view_name(board: Dashboard) -> str:
    """The workspace's name in addresses, the same whenever it is saved."""
    return f"nw-{hashlib.sha256(board.key.encode()).hexdigest()[:11]}-v"


def _saved_view(workspace: ws.Workspace, project: Project) -> str:
    """The id of the workspace that was saved earlier, or nothing."""
    number = workspace._internal_name.removeprefix("nw-").removesuffix("-v")
    try:
        # Of the address only the path and the number count.
        saved = ws.Workspace.from_url(f"https://wandb.ai/{project.path}?nw={number}")
    except ValueError as error:
        if "not found in project" in str(error):
            return ""
        raise TrackingError(
            f"the workspace '{workspace.name}' of {project.path} cannot be read ({error}); delete "
            "it in W&B and run this again"
        ) from error
    return str(saved._internal_id)
