"""Offline runs, ``wandb sync``, ``whatwhere wandb setup`` and ``pull``: the real client throughout.

The server is `wandb_server`, on this machine.
"""

import json
import math
import os
import subprocess
import sys

import pytest
import wandb
import yaml
from wandb.sdk.lib import wbauth

from benchmarks import tracking
from benchmarks.cell import run_cell
from benchmarks.cell_files import NewerVersionError, encode
from benchmarks.store import Store
from benchmarks.tracking import boards
from benchmarks.tracking.dashboard import plan_dashboard
from benchmarks.tracking.project import Project
from tests.benchmarks import wandb_server
from tests.benchmarks.made_cells import make_cell, make_spec

SMOKE = ("--budget", "smoke")


@pytest.fixture
def server(monkeypatch, tmp_path):
    # First, for it forgets its process's address, which nobody shall put back.
    wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    with wandb_server.served() as found:
        for name, value in found.settings().items():
            monkeypatch.setenv(name, value)
        yield found
        wbauth.unauthenticate_session(update_settings=False)
        wandb.teardown()
    assert found.unanswered == []


def sync(results):
    folders = sorted(map(str, results.glob("runs/*/wandb/offline-run-*")))
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", *folders],
        cwd=results,  # its log goes there
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return len(folders)


def test_a_table_goes_offline_to_the_server_and_comes_back(server, command, tiny, tmp_path):
    results = tmp_path / "results"
    rows = ("good", "mute", "nan", "untrained")
    cells = [tiny(row) for row in rows]
    measured = {
        row: run_cell(cell, results=results, wandb="offline")
        for row, cell in zip(rows, cells, strict=True)
    }
    assert {row: cell.status for row, cell in measured.items()} == {
        **{"good": "ok", "mute": "n/a", "nan": "failed", "untrained": "ok"}
    }
    tracking.log_tables(tiny.spec, list(measured.values()), results, "offline", markdown="| t |")
    assert sync(results) == len(rows) + 2

    # What the client has sent: structure, numbers, states.
    ids = {cell.cell_id for cell in cells}
    assert server.runs.keys() == ids | {
        "table-tiny-smoke-standin",
        "paper-tiny-smoke-standin-paper",
    }
    good = server.runs[cells[0].cell_id]
    sent = {key: item["value"] for key, item in json.loads(good["config"]).items()}
    wanted = {"table": "tiny", "row": "good", "budget": "smoke", "source": "standin", "seed": 0}
    assert {key: sent[key] for key in wanted} == wanted
    assert (sent["method"], sent["commit"]) == ("tiny", measured["good"].commit)
    assert (good["displayName"], good["group"], good["jobType"]) == ("good/s0", "tiny/good", "cell")
    assert {row: server.runs[cell.cell_id]["state"] for row, cell in measured.items()} == {
        **{"good": "finished", "mute": "finished", "nan": "failed", "untrained": "finished"}
    }
    summary = json.loads(good["summaryMetrics"])
    assert summary["test/nme"] == pytest.approx(measured["good"].metrics["nme"], rel=1e-6)
    curve = [row["val/loss"] for row in good["history"] if "val/loss" in row]
    assert len(curve) == 4
    paper = server.runs["paper-tiny-smoke-standin-paper"]
    assert [row["paper/nme"] for row in paper["history"]] == [1.5, 1.5]

    # The dashboard, over it, twice.
    for _ in range(2):
        code, out, err = command("wandb", "setup", command.table, *SMOKE, "--results", results)
        assert code == 0, err
        assert f"{server.url}/ada/whatwhere?nw=" in out and "/reports/tiny,-smoke,-standin" in out
    workspace, report = sorted(server.views, key=lambda view: view["type"])
    assert (workspace["type"], report["type"]) == ("project-view", "runs")
    assert workspace["displayName"] == report["displayName"] == "tiny, smoke, standin"
    [runset] = json.loads(workspace["spec"])["section"]["runSets"]
    assert runset["grouping"][0]["name"] == "row.value"
    blocks = json.loads(report["spec"])["blocks"]
    assert "A tiny table" in json.dumps(blocks)
    grids = [block for block in blocks if block["type"] == "panel-grid"]
    assert {grid["metadata"]["runSets"][0]["project"]["id"] for grid in grids} == {"17"}

    # Somebody else gets every finished cell, whole; what failed here may have come out elsewhere.
    theirs = tmp_path / "theirs"
    code, out, _ = command("wandb", "pull", "--results", theirs)
    assert code == 0
    assert "6 runs of ada/whatwhere: 3 written; 1 of cells that have no result yet; 2 of" in out
    for row, cell in measured.items():
        assert Store(theirs).read("tiny", cell.cell_id) == (None if row == "nan" else cell)
    code, out, _ = command("wandb", "pull", command.table, *SMOKE, "--results", theirs)
    assert code == 0 and "3 here already" in out
    code, out, _ = command("table", command.table, *SMOKE, "--results", theirs)
    assert code == 0 and "Good" in out


def shared(row="good", seed=0, **changes):
    """A cell of the made-up table that somebody has measured."""
    return make_cell(make_spec(), row, seed, {"nme": 2.5}, steps=10, **changes)


def put(server, cell, **changes):
    content = cell if isinstance(cell, str) else encode(cell)
    run_id = changes.pop("run_id", None) or cell.cell_id
    files = changes.pop("files", {"cell.json": content.encode()})
    config = {"table": "made", "budget": "quick", "source": "standin"}
    return server.add_run(run_id, files, config, jobType="cell", state="finished", **changes)


def test_what_a_run_holds_becomes_a_cell_only_if_it_is_one(server, command, tmp_path):
    good, other = shared(), shared(seed=1)
    put(server, good)
    put(server, other, run_id="0" * 16)  # another run's
    put(server, shared(seed=2).model_copy(update={"metrics": {"nme": math.nan}}))
    put(server, encode(shared(seed=3))[:-40], run_id=shared(seed=3).cell_id)
    edited = encode(shared(seed=4)).replace('"budget": "quick"', '"budget": "full"', 1)
    put(server, edited, run_id=shared(seed=4).cell_id)
    outside = json.loads(encode(shared(seed=5)))
    outside["config"]["table"] = outside["table"] = "../../up"
    put(server, json.dumps(outside), run_id=shared(seed=5).cell_id)
    put(server, shared(seed=6), files={"../../cell.json": b"{}"})
    put(server, shared(seed=7), files={"cell.json": b" " * (2**20 + 1)})
    put(server, shared(seed=8), files={})
    server.add_run("x", {}, {}, jobType="train", displayName="\x1b[2Jmine\nother")
    results = tmp_path / "a" / "results"
    code, out, _ = command("wandb", "pull", "--results", results)
    assert code == 1
    wanted = (
        f"run {'0' * 16} of ada/whatwhere, cell.json: its id is not the hash of its configuration",
        "metric 'nme' is nan",
        "not valid JSON",
        "budget is full, its configuration says quick (edited by hand?)",
        "table must match pattern",
        "the server answers with '../../cell.json'",
        "1048577 bytes are no cell",
        "unfinished: ",
        "foreign: x (?[2Jmine other): job type train",
        "10 runs of ada/whatwhere: 1 written; 7 not what they say they are, left out; "
        "1 of cells that have no result yet; 1 of something else than cells",
    )
    for words in wanted:
        assert words in out
    assert "\x1b" not in out
    written = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert written == [results / "cells" / "made" / f"{good.cell_id}.json"]


def test_what_is_measured_here_stays_unless_told(server, command, tmp_path):
    store = Store(tmp_path)
    ours = shared()
    theirs = ours.model_copy(update={"metrics": {"nme": 1.5}})
    failed_here = shared(seed=1, status="failed", reason="no memory").model_copy(
        update={"metrics": {}}
    )
    failed_there = shared(seed=2, status="failed", reason="no memory")
    for cell in (ours, failed_here, shared(seed=2)):
        store.write(cell)
    for cell in (theirs, shared(seed=1), failed_there):
        put(server, cell)
    code, out, _ = command("wandb", "pull", "--results", tmp_path)
    assert code == 1
    assert f"differs: {ours.cell_id} ({ours.cell_id}): nme is 2.5 here, 1.5 there; --over" in out
    assert "1 replaced; 1 kept as they are here; 1 finished here with other numbers" in out
    assert store.read("made", ours.cell_id) == ours
    assert store.read("made", failed_here.cell_id) == shared(seed=1)
    assert store.read("made", failed_there.cell_id) == shared(seed=2)
    code, out, _ = command("wandb", "pull", "--results", tmp_path, "--overwrite")
    assert code == 0 and "1 replaced" in out
    assert store.read("made", ours.cell_id) == theirs


def test_the_same_numbers_of_another_day_are_the_same(server, command, tmp_path):
    store, ours = Store(tmp_path), shared()
    store.write(ours)
    later = {"started": "2026-02-02T00:00:00+00:00", "wall_seconds": 99.0}
    put(server, ours.model_copy(update=later))
    code, out, _ = command("wandb", "pull", "--results", tmp_path)
    assert code == 0 and "1 here already" in out
    assert "2026-02-02T00:00:00+00:00 there" in out.replace("\n", "")
    assert store.read("made", ours.cell_id) == ours


def test_what_a_newer_whatwhere_has_measured_stays(server, command, tmp_path):
    newer = json.loads(encode(shared())) | {"schema_version": 99}
    path = Store(tmp_path).cell_path("made", shared().cell_id)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(newer))
    put(server, shared())
    for options in ((), ("--overwrite",)):
        code, out, _ = command("wandb", "pull", "--results", tmp_path, *options)
        assert code == 0 and "get a newer whatwhere" in out
        assert json.loads(path.read_text()) == newer
    # Nor is it measured again by code that cannot read it.
    with pytest.raises(NewerVersionError):
        Store(tmp_path).read("made", shared().cell_id)


def test_a_project_that_is_not_there_is_said(server, command, tmp_path):
    code, out, err = command("wandb", "setup", "mafl", "--project", "nowhere")
    assert (code, out) == (2, "")
    assert "there is no W&B project ada/nowhere that you may see" in err
    code, _, err = command("wandb", "pull", "--project", "nowhere", "--results", tmp_path)
    assert code == 2 and "no W&B project ada/nowhere" in err and "`wandb sync` sends" in err


def test_without_an_account_it_is_said_what_to_do(server, command, monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY")
    for arguments in (("setup", "mafl"), ("pull", "--results", tmp_path)):
        code, _, err = command("wandb", *arguments)
        assert code == 2 and "Run `wandb login` once" in err
    monkeypatch.setenv("WANDB_MODE", "offline")
    code, _, err = command("wandb", "pull", "--results", tmp_path)
    assert code == 2 and "the environment says WANDB_MODE=offline; unset it" in err
    assert server.asked == []


def test_a_dry_run_asks_nobody(server, command, tmp_path):
    output = tmp_path / "board.json"
    code, out, _ = command(
        *("wandb", "setup", "mafl", "--project", "eve/faces", "--dry-run", "-o", output)
    )
    assert code == 0 and "Beside the papers:" in out
    assert server.asked == []
    found = json.loads(output.read_text())
    assert found["project"] == "eve/faces"
    assert found["workspace"]["section"]["runSets"] and found["report"]["blocks"]


def test_pictures_are_found_on_the_server_where_none_are_here(server):
    board = plan_dashboard(make_spec(), budget="quick", source="standin")
    summary = {"pictures/swaps": {"_type": "image-file"}, "test/nme": 2.5}
    put(server, shared(), summaryMetrics=json.dumps(summary))
    # Of a search, which has none of the test data, there may be any number before the cells.
    trials = {"table": "made", "budget": "quick", "source": "standin"}
    shown = json.dumps({"pictures/of-a-trial": {"_type": "image-file"}})
    server.add_run("t", {}, trials, jobType="trial", summaryMetrics=shown)
    found = boards.media_of(board, wandb.Api(), Project("ada", "whatwhere"))
    assert found == {"pictures/swaps"}


@pytest.mark.parametrize("name", ["my faces", "ünder_wäter", "a.b-c"])
def test_projects_may_have_any_name_that_wandb_allows(name):
    assert Project.parse(f"ada/{name}") == Project("ada", name)


@pytest.mark.parametrize("name", ["a/b/c", "ada/what?", "ada/a#b", "ada/..", "a da/x", "ada/a\nb"])
def test_what_is_no_project_is_refused(name):
    with pytest.raises(tracking.TrackingError, match="is no W&B project; give ENTITY/PROJECT"):
        Project.parse(name)


@pytest.mark.skipif(sys.platform == "win32", reason="the agent starts commands by /usr/bin/env")
def test_an_agent_runs_a_sweep_and_its_run_is_the_trial(
    server, command, tiny, tmp_path, monkeypatch
):
    path, results = tmp_path / "sweep.yaml", tmp_path / "results"
    code, _, err = command(
        *("wandb", "sweep", command.table, "good", *SMOKE, "--over", "lr=1e-3..1e-1"),
        *("--results", results, "-o", path),
    )
    assert code == 0, err
    server.sweep = path.read_text()
    program = yaml.safe_load(server.sweep)["program"]
    arguments = {"lr": {"value": 0.02}}
    server.commands = [
        {"id": "1", "type": "run", "run_id": "swept", "program": program, "args": arguments}
    ]
    folder = os.path.dirname(sys.executable)  # noqa: PTH120, a part of PATH
    monkeypatch.setenv("PATH", os.pathsep.join([folder, os.environ["PATH"]]))
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "agent", "--count", "1", "ada/whatwhere/s1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert server.runs.keys() == {"swept"}, done.stdout + done.stderr
    run = server.runs["swept"]
    assert (run["state"], run["jobType"], run["group"]) == ("finished", "trial", "tiny/good/trials")
    sent = {key: item["value"] for key, item in json.loads(run["config"]).items()}
    assert (sent["changes"], sent["args"]["lr"], sent["lr"]) == ({"lr": 0.02}, 0.02, 0.02)
    curve = [row["val/loss"] for row in run["history"] if "val/loss" in row]
    assert len(curve) == 4
    assert json.loads(run["summaryMetrics"])["val/loss"] == curve[-1]
    # Nothing of the test data, and no cell.
    logged = {key for row in run["history"] for key in row}
    assert not [key for key in logged if key.startswith("test/")]
    assert "cell.json" not in run["files"] and not (results / "cells").exists()
