import pytest
import yaml

from benchmarks.cell import run_cell
from benchmarks.specs import SpecError, load_spec
from benchmarks.store import Store
from benchmarks.tracking.offline import read_offline_runs
from benchmarks.tracking.sweeps import (
    as_yaml,
    make_sweep,
    parse_changes,
    parse_range,
)
from benchmarks.trial import NothingLoggedError, run_trial

QUICK = {"budget": "quick", "source": "standin"}


def test_a_sweep_is_over_the_rows_own_rate_if_nothing_is_said():
    sweep = make_sweep(load_spec("mafl"), "dlp-k30", **QUICK, runs=20)
    rate = {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}
    assert sweep["parameters"]["learning_rate"] == pytest.approx(rate)
    assert (sweep["method"], sweep["run_cap"]) == ("random", 20)
    assert sweep["metric"] == {"name": "val/loss", "goal": "minimize"}
    assert sweep["command"] == [
        *("${env}", "${interpreter}", "-m", "benchmarks", "wandb", "trial", "mafl", "dlp-k30"),
        *("--budget", "quick", "--source", "standin", "--metric", "val/loss"),
        "${args_no_hyphens}",
    ]
    assert yaml.safe_load(as_yaml(sweep)) == sweep


def test_what_is_searched_can_be_said():
    over = ["n_keypoints=10,30", "norm=group,batch"]
    sweep = make_sweep(load_spec("mafl"), "dlp-k30", **QUICK, over=over, metric="val/chamfer")
    assert sweep["method"] == "grid"
    assert sweep["parameters"] == {
        "n_keypoints": {"values": [10, 30]},
        "norm": {"values": ["group", "batch"]},
    }
    assert "val/chamfer" in sweep["command"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1e-4..1e-2", {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}),
        ("a=10..50", {"distribution": "int_uniform", "min": 10, "max": 50}),
        ("a=-1.0..1.0", {"distribution": "uniform", "min": -1.0, "max": 1.0}),
        ("a=0..0.5", {"distribution": "uniform", "min": 0, "max": 0.5}),
        ("a=2e-4,yes,[16, 32]", {"values": [2e-4, True, [16, 32]]}),
    ],
)
def test_ranges(text, found):
    assert parse_range(text) == ("a", found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "give NAME=LOW..HIGH"),
        ("two words=1", "give NAME=LOW..HIGH"),
        ("a=", "a value is missing"),
        ("a=1,,2", "not a value in YAML|a value is missing"),
        ("a=2..1", "2 is not below 1"),
        ("a=b..c", "have to be numbers"),
        ("a=.nan..1", "have to be numbers"),
        ("a=no..yes", "have to be numbers"),
        ("a=[1", "not a value in YAML"),
    ],
)
def test_what_is_no_range_is_said(text, message):
    with pytest.raises(SpecError, match=message):
        parse_range(text)


@pytest.mark.parametrize(
    ("row", "changes", "message"),
    [
        ("mean-shape", {}, "row 'mean-shape' of table 'mafl' is not trained"),
        ("untrained-k30", {}, "is not trained"),
        ("pca-60", {}, "method 'pca' has no learning_rate"),
        ("dlp-k30", {"over": ["n_keypoint=1,2"]}, "did you mean n_keypoints"),
        ("dlp-k30", {"metric": "nme"}, "'nme' is measured on test data, and nothing is chosen"),
        ("dlp-k30", {"metric": "test/nme"}, "nothing is chosen on that"),
        ("dlp-k30", {"metric": "cost/wall_seconds"}, "is nothing that training logs"),
        ("dlp-k30", {"search": "grid"}, "a grid needs a list"),
        ("dlp-k30", {"over": ["norm=group", "norm=batch"]}, "an argument stands twice in --over"),
        ("dlp-k33", {}, "unknown row 'dlp-k33'"),
    ],
)
def test_sweeps_that_make_no_sense_are_refused(row, changes, message):
    with pytest.raises(ValueError, match=message):
        make_sweep(load_spec("mafl"), row, **QUICK, **changes)


def test_what_training_never_logs_is_refused_before_it_is_searched():
    table = load_spec("sprites")
    with pytest.raises(SpecError, match=r"validates nothing at budget 'quick' .* train/loss"):
        make_sweep(table, "ddr", **QUICK)
    sweep = make_sweep(table, "ddr", **QUICK, metric="train/loss")
    assert sweep["metric"]["name"] == "train/loss"
    with pytest.raises(SpecError, match="'train/loss_step' is nothing that training logs"):
        make_sweep(table, "ddr", **QUICK, metric="train/loss_step")


def test_an_argument_named_like_a_field_of_the_cell_is_refused():
    rows = {row.id: row.method for row in load_spec("mafl-field").rows}
    row = next(row for row, method in rows.items() if method == "deformable")
    with pytest.raises(SpecError, match="'seed' cannot be searched"):
        make_sweep(load_spec("mafl-field"), row, **QUICK, over=["seed=1,2"], metric="train/loss")


def test_changes_are_read_as_an_agent_gives_them():
    given = ["lr=0.001", "norm=group", "channels=[16, 32]", "on=True"]
    assert parse_changes(given) == {"lr": 0.001, "norm": "group", "channels": [16, 32], "on": True}
    for wrong in (["lr"], ["--lr=1"], ["lr=1", "lr=2"]):
        with pytest.raises(SpecError):
            parse_changes(wrong)


def test_only_what_training_logs_is_chosen_by():
    for metric in ("val/loss", "train/loss", "val/reconstruction"):
        found = make_sweep(load_spec("mafl"), "dlp-k30", **QUICK, metric=metric)
        assert found["metric"]["name"] == metric


def test_a_trial_trains_as_its_cell_does_and_scores_nothing(tiny, tmp_path):
    cell = tiny("good")
    trial = cell.model_copy(update={"args": cell.args | {"lr": 0.02}})
    options = {"results": tmp_path, "wandb": "offline"}
    value = run_trial(trial, {"lr": 0.02}, "val/loss", **options)
    folder = Store(tmp_path).run_folder(trial.cell_id)
    [run] = read_offline_runs(folder)
    assert (run.run_id, run.job_type, run.exit_code) == (f"trial-{trial.cell_id}", "trial", 0)
    curve = [row["val/loss"] for row in run.history if "val/loss" in row]
    assert len(curve) == 4 and curve[-1] == pytest.approx(value)
    assert not [key for row in run.history for key in row if key.startswith("test/")]
    assert not (tmp_path / "cells").exists()
    # Again: nothing is left to train, and the run shows all of it nevertheless.
    assert run_trial(trial, {"lr": 0.02}, "val/loss", **options) == value
    _, again = read_offline_runs(folder)
    shown = [row["val/loss"] for row in again.history if "val/loss" in row]
    assert shown == pytest.approx(curve)
    # The cell needs no training any more, and is what it would have been.
    begun = (folder / "resume.ckpt").stat().st_mtime_ns
    measured = run_cell(trial, results=tmp_path)
    assert measured.metrics == run_cell(trial, results=tmp_path / "fresh").metrics
    assert (folder / "resume.ckpt").stat().st_mtime_ns == begun
    with pytest.raises(NothingLoggedError, match=r"no 'val/x'; it logs .*val/loss"):
        run_trial(trial, {}, "val/x", results=tmp_path)
