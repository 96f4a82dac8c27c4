import json
import re

import pytest

from benchmarks.specs import load_spec, table_ids
from benchmarks.tracking import boards
from benchmarks.tracking.dashboard import describe, media_in, plan_dashboard, row_colours
from benchmarks.tracking.project import Project
from benchmarks.tracking.session import TrackingError
from tests.benchmarks.made_cells import make_cell, make_spec

PLACE = Project("ada", "whatwhere")


def plan(spec=None, **changes):
    return plan_dashboard(spec or make_spec(), budget="quick", source="standin", **changes)


def runset_of(spec):
    [found] = spec["section"]["runSets"]
    return found


def conditions(runset):
    keys = [(item["key"]["section"], item["key"]["name"]) for item in runset["filters"]["filters"]]
    return dict(zip(keys, [item["value"] for item in runset["filters"]["filters"]], strict=True))


WANTED = {
    ("config", "table"): "made",
    ("config", "budget"): "quick",
    ("config", "source"): "standin",
    ("run", "jobType"): ["cell", "paper"],
}


def test_it_shows_every_column_and_every_published_number():
    board = plan()
    results, papers, training, costs, runs = board.sections
    assert [panel.keys for panel in results.panels] == [
        ("test/nme",),
        ("test/nme_b",),
        ("test/nme_var_b",),
    ]
    assert results.panels[0].title == "NME ↓ (%)"
    assert [panel.keys for panel in papers.panels] == [
        ("test/nme", "paper/nme"),
        ("test/nme_var_b", "paper/nme_var_b"),
    ]
    assert {panel.kind for panel in papers.panels + training.panels} == {"lines"}
    assert (costs.name, runs.panels[0].kind) == ("Costs", "differences")
    assert "runs: table = made, budget = quick, source = standin, job type cell" in describe(board)


def test_rows_of_a_method_are_shades_of_its_colour():
    colours = row_colours(load_spec("mafl").rows)
    assert len(set(colours.values())) == len(load_spec("mafl").rows)

    def hue(row):
        red, green, blue = (int(colours[row][place : place + 2], 16) for place in (1, 3, 5))
        return max(("red", red), ("green", green), ("blue", blue), key=lambda item: item[1])[0]

    assert {hue(row) for row in ("dlp-k25", "dlp-k30", "dlp-k50", "untrained-k30")} == {"red"}
    assert {hue(row) for row in ("keynet-k10", "keynet-k50", "keynet-untrained-k30")} == {"green"}
    brightness = [int(colours[row][5:7], 16) for row in ("dlp-k25", "dlp-k30", "dlp-k50")]
    assert brightness == sorted(brightness)


def test_the_workspace_groups_seeds_by_row_and_colours_the_rows():
    spec = boards.as_json(plan(), PLACE)["workspace"]
    runset = runset_of(spec)
    assert conditions(runset) == WANTED
    assert runset["grouping"] == [{"section": "config", "name": "row.value"}]
    colours = {
        re.search(r"value%22%3A%22([\w-]+)%22%7D%5D$", key)[1]: colour
        for key, colour in spec["section"]["customRunColors"].items()
    }
    assert colours == plan().colours
    columns = runset["runFeed"]["columnOrder"]
    assert {"config:method.value", "summary:test/nme", "summary:paper/nme"} <= set(columns)
    bars, papers = spec["section"]["panelBankConfig"]["sections"][:2]
    shown = bars["panels"][0]["config"]
    assert (shown["metrics"], shown["groupBy"], shown["groupAgg"]) == (
        ["test/nme"],
        "row.value",
        "mean",
    )
    line = papers["panels"][0]
    assert line["viewType"] == "Run History Line Plot"
    assert line["config"]["metrics"] == ["test/nme", "paper/nme"]
    assert line["config"]["xAxis"] == "trainer/global_step"
    assert line["config"]["groupArea"] == "minmax"


def test_the_report_holds_the_table_and_the_same_runs():
    spec = make_spec()
    cells = [make_cell(spec, "good", seed, {"nme": 2.5 + seed}) for seed in (0, 1)]
    board = plan(spec, cells=cells, media=["pictures/particles", "videos/swaps"])
    blocks = boards.as_json(board, PLACE)["report"]["blocks"]
    texts = json.dumps(blocks, ensure_ascii=False)
    assert "Good, K=30" in texts and "3.00" in texts
    assert "STAND-IN data" in texts
    grids = [block for block in blocks if block["type"] == "panel-grid"]
    assert len(grids) == len(board.sections)
    for grid in grids:
        [runset] = grid["metadata"]["runSets"]
        assert conditions(runset) == WANTED
        colours = grid["metadata"]["customRunColors"]
        found = {key.partition("row.value:")[2]: colour for key, colour in colours.items()}
        assert found == board.colours
    media = [
        panel["config"]["mediaKeys"]
        for grid in grids
        for panel in grid["metadata"]["panelBankSectionConfig"]["panels"]
        if panel["viewType"] == "Media Browser"
    ]
    assert media == [["pictures/particles"], ["videos/swaps"]]
    # Diagrams side by side do not lie on each other.
    places = [
        (panel["layout"]["x"], panel["layout"]["y"])
        for panel in grids[0]["metadata"]["panelBankSectionConfig"]["panels"]
    ]
    assert places == [(0, 0), (12, 0), (0, 10)]


@pytest.mark.parametrize("table", table_ids())
def test_every_table_has_a_dashboard(table):
    spec = load_spec(table)
    for budget in spec.budgets:
        board = plan_dashboard(spec, budget=budget, source="real")
        found = boards.as_json(board, PLACE)
        assert conditions(runset_of(found["workspace"]))["config", "source"] == "real"
        assert set(board.colours) == {row.id for row in spec.rows}
    with pytest.raises(ValueError, match="unknown budget 'huge'"):
        plan_dashboard(spec, budget="huge", source="real")


def test_pictures_are_those_that_cells_have_left(tmp_path):
    for name in ("one/pictures/swaps.png", "one/pictures/film.mp4", "two/pictures/film.gif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = media_in(tmp_path / name for name in ("one", "two", "three"))
    assert found == {"pictures/swaps", "videos/film"}


def test_a_project_is_named_in_three_ways(monkeypatch):
    monkeypatch.delenv("WANDB_ENTITY", raising=False)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    assert Project.parse("ada/faces") == Project("ada", "faces")
    assert Project.parse("") == Project("", "whatwhere")
    monkeypatch.setenv("WANDB_ENTITY", "eve")
    monkeypatch.setenv("WANDB_PROJECT", "games")
    assert Project.parse("").path == "eve/games"
    assert Project.parse("faces").path == "eve/faces"
    for wrong in ("a/b/c", "ada/two/words", "../up"):
        with pytest.raises(TrackingError, match="is no W&B project"):
            Project.parse(wrong)
