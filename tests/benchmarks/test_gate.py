import json
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import gate
from benchmarks.baselines import BaselineError, load_baseline, make_baseline
from tests.benchmarks.made_cells import make_cell, make_row, make_spec

MEANS = {"good": 5.0, "plain": 8.0, "mean": 14.0}
WHEN = "2025-01-01T00:00:00+00:00"


def noisy_cells(seeds, *, factors=None, noise=0.01, start=0, **changes):
    """All rows of the made-up table at so many seeds; ``factors`` multiply a row's errors."""
    spec = make_spec()
    rng = np.random.default_rng(start)
    cells = []
    for row, mean in MEANS.items():
        for seed in range(start, start + seeds):
            # The mean shape is the same at any seed.
            scale = 1.0 if row == "mean" else 1 + noise * rng.standard_normal()
            value = mean * scale * (factors or {}).get(row, 1.0)
            metrics = {"nme": value, "nme_b": value - 0.25}
            cells.append(make_cell(spec, row, seed, metrics, **changes))
    return spec, cells


def accepted(seeds=10, **changes):
    spec, cells = noisy_cells(seeds, **changes)
    return make_baseline(spec, cells, "first numbers", accepted=WHEN)


def check(cells, baseline=None, spec=None):
    return gate.check(spec or make_spec(), cells, baseline or accepted())


def test_unchanged_code_is_fine():
    report = check(noisy_cells(3, start=100)[1])
    assert report.exit_code == 0, report.text
    assert len(report.findings) == 6
    assert report.text.startswith("## Gate made-quick-standin: fine")


def test_a_metric_made_worse_on_purpose_exits_1():
    report = check(noisy_cells(3, start=100, factors={"good": 1.1})[1])
    assert report.exit_code == 1
    outcomes = {(item.row, item.metric): item.outcome for item in report.findings}
    assert outcomes["good", "nme"] == outcomes["good", "nme_b"] == "regression"
    assert outcomes["plain", "nme"] == outcomes["mean", "nme"] == "pass"
    assert "WORSE, 2 regressions, 6 compared" in report.text
    assert report.text.index("**regression**") < report.text.index("| pass")


def test_an_improvement_is_reported_and_never_fails():
    report = check(noisy_cells(3, start=100, factors={"good": 0.9})[1])
    assert report.exit_code == 0
    assert report.count("improved") == 2
    assert "- Improved: `whatwhere accept` the new numbers" in report.text


def test_the_direction_is_the_metrics():
    spec = make_spec(rows=[{"id": "good", "label": "Good", "method": "dlp"}])
    metric = "var_error_spearman"
    old = make_row(spec, "good", [0.40 + 0.001 * seed for seed in range(10)], metric)
    baseline = make_baseline(spec, old, "first", accepted=WHEN)
    worse = make_row(spec, "good", [0.20, 0.21, 0.20], metric)
    better = make_row(spec, "good", [0.60, 0.61, 0.60], metric)
    assert gate.check(spec, worse, baseline).exit_code == 1
    report = gate.check(spec, better, baseline)
    assert (report.exit_code, report.findings[0].outcome) == (0, "improved")


def test_worse_within_the_tolerance_is_a_warning():
    # Noise of 0.1 %: 1.5 % worse is certain, but matters to nobody.
    report = check(
        noisy_cells(3, noise=0.001, start=100, factors={"good": 1.015})[1], accepted(noise=0.001)
    )
    assert report.exit_code == 0
    assert report.count("warning") == 2


def test_worse_within_the_noise_passes():
    # 5 % worse at noise of 10 %: beyond the tolerance, far from significant.
    spec = make_spec()
    values = [4.5, 5.5, 4.6, 5.4, 5.0, 4.4, 5.6, 5.0, 4.7, 5.3]
    rows = [row for row in spec.rows if row.id == "good"]
    spec = spec.model_copy(update={"rows": rows})
    baseline = make_baseline(spec, make_row(spec, "good", values), "first", accepted=WHEN)
    report = gate.check(spec, make_row(spec, "good", [5.3, 5.2, 5.25]), baseline)
    (found,) = report.findings
    assert (report.exit_code, found.outcome) == (0, "pass")
    assert found.worse_by == pytest.approx(0.25)
    spread = np.std(values, ddof=1) * math.sqrt(1 / 10 + 1 / 3)
    assert found.p == pytest.approx(stats.t.sf(0.25 / spread, 9))
    assert found.visible == pytest.approx(stats.t.isf(0.02, 9) * spread)
    assert "Too noisy to show a change of 5 tolerances" in report.text


def test_deterministic_cells_do_not_fail_on_the_last_bit():
    baseline = accepted()
    assert baseline.rows["mean"].metrics["nme"].std == 0
    cells = noisy_cells(3, start=100)[1]
    nudged = [
        cell.model_copy(
            update={"metrics": {name: value * (1 + 1e-9) for name, value in cell.metrics.items()}}
        )
        if cell.row == "mean"
        else cell
        for cell in cells
    ]
    report = check(nudged, baseline)
    assert {item.outcome for item in report.findings if item.row == "mean"} == {"pass"}
    worse = check(noisy_cells(3, start=100, factors={"mean": 1.03})[1], baseline)
    assert {item.outcome for item in worse.findings if item.row == "mean"} == {"regression"}


def replaced(cells, row, seed, **update):
    return [
        cell.model_copy(update=update) if (cell.row, cell.seed) == (row, seed) else cell
        for cell in cells
    ]


CELLS = noisy_cells(3, start=100)[1]
FIRST = CELLS[0]
OTHER_ARGS = {"config": FIRST.config | {"args": {"image_size": 32, "n_keypoints": 50}}}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([], "there are no cells: run the table first"),
        ([c for c in CELLS if c.row != "mean"], "missing cell: mean was not run; run it"),
        ([*CELLS, FIRST], "good: duplicate seed 100"),
        (
            replaced(CELLS, "good", 101, metrics={"nme": math.nan, "nme_b": 1.0}),
            "good: seed 101 failed: nme is nan",
        ),
        (
            replaced(CELLS, "good", 101, status="failed", reason="loss is nan", metrics={}),
            "good: seed 101 failed: loss is nan; mend it, run it again with `--again`",
        ),
        (
            replaced(CELLS, "plain", 102, status="timeout", reason="an hour", metrics={}),
            "plain: seed 102 timeout: an hour",
        ),
        (
            replaced(CELLS, "good", 100, status="n/a", reason="no keypoints", metrics={}),
            "good: seed 100 n/a: no keypoints",
        ),
        (
            [c.model_copy(update={"protocol_version": 2}) for c in CELLS],
            "protocol_version is 2, the baseline has 1: its numbers are others; run the table",
        ),
        (
            [c.model_copy(update={"budget": "full"}) for c in CELLS],
            "budget is full, the baseline has quick",
        ),
        (
            [c.model_copy(update={"source": "real"}) for c in CELLS],
            "source is real, the baseline has standin",
        ),
        (
            [c.model_copy(update={"data_fingerprint": "f" * 16}) for c in CELLS],
            "data_fingerprint is ffffffffffffffff, the baseline has 0123456789abcdef: other data",
        ),
        (
            replaced(CELLS, "good", 100, **OTHER_ARGS),
            "good: another configuration: args.n_keypoints 30 -> 50; undo that, or `whatwhere",
        ),
        (
            [c.model_copy(update={"metrics": {"nme": 5.0}}) for c in CELLS],
            "good: missing metric nme_b",
        ),
        (
            [c.model_copy(update={"metrics": {**c.metrics, "ause": 0.1}}) for c in CELLS],
            "good: unknown metric ause",
        ),
    ],
)
def test_what_does_not_compare_exits_2_and_says_why(cells, said):
    report = check(cells)
    assert report.exit_code == 2
    assert not report.findings
    assert any(words.startswith(said) for words in report.errors), report.errors
    assert "NOT COMPARABLE" in report.text


def test_rows_that_baseline_or_table_lack():
    baseline = accepted()
    without = baseline.model_copy(
        update={"rows": {key: row for key, row in baseline.rows.items() if key != "plain"}}
    )
    (said,) = check(CELLS, without).errors
    assert said.startswith("unknown cell: the baseline has no row plain")
    shorter = make_spec(rows=make_spec().model_dump()["rows"][:2])
    (said,) = check([c for c in CELLS if c.row != "mean"], baseline, shorter).errors
    assert said == "missing cell: mean was not run; it left the table: `whatwhere accept`"


def test_missing_and_damaged_baseline_exit_2(tmp_path):
    path = tmp_path / "made-quick-standin.json"
    report = check(CELLS, path)
    assert report.exit_code == 2
    assert f"{path}: no baseline" in report.errors[0]
    path.write_text("{")
    assert check(CELLS, path).exit_code == 2
    content = json.loads(accepted().model_dump_json())
    content["rows"]["good"]["metrics"]["nme"]["mean"] = "many"
    path.write_text(json.dumps(content))
    assert "rows.good.metrics.nme.mean" in check(CELLS, path).errors[0]
    content = json.loads(accepted(seeds=1).model_dump_json()) | {"tier": "statistics"}
    path.write_text(json.dumps(content))
    assert "tier statistics needs two seeds or more" in check(CELLS, path).errors[0]


def test_not_applicable_rows_compare_with_not_applicable_rows():
    spec = make_spec()
    gone = make_cell(spec, "plain", 0, status="n/a", reason="no keypoints")
    old = [c for c in noisy_cells(10)[1] if c.row != "plain"] + [gone]
    baseline = make_baseline(spec, old, "first", accepted=WHEN)
    new = [c for c in CELLS if c.row != "plain"]
    assert check([*new, gone], baseline).exit_code == 0
    report = check(CELLS, baseline)
    assert report.exit_code == 2
    assert report.errors[0].startswith("plain: seed 100 is ok, the baseline n/a")


def test_smoke_compares_the_same_seeds_with_a_wide_tolerance():
    baseline = accepted(seeds=1, budget="smoke")
    assert baseline.tier == "tolerance"
    assert baseline.rows["good"].metrics["nme"].rel_tol == 0.25
    same = noisy_cells(1, budget="smoke", factors={"good": 1.2})[1]
    report = check(same, baseline)
    assert report.exit_code == 0
    assert report.findings[0].p is None
    assert check(noisy_cells(1, budget="smoke", factors={"good": 1.4})[1], baseline).exit_code == 1
    better = check(noisy_cells(1, budget="smoke", factors={"good": 0.5})[1], baseline)
    assert (better.exit_code, better.count("improved")) == (0, 2)
    other = check(noisy_cells(1, start=7, budget="smoke")[1], baseline)
    assert other.exit_code == 2
    assert "good: seeds [7], the baseline has [0] and compares the same seeds only" in other.errors


def test_accept_then_check(tmp_path):
    path = tmp_path / "baselines" / "made-quick-standin.json"
    spec, cells = noisy_cells(10)
    made = gate.accept(spec, cells, path, "  first numbers ", accepted=WHEN)
    assert made.changes == ("first baseline: 3 rows",)
    assert made.warnings == ()
    baseline = load_baseline(path)
    assert (baseline.reason, baseline.accepted) == ("first numbers", WHEN)
    assert baseline.commit == "abcdef0123"
    assert baseline.environment == {"torch": "2.9", "devices": "cpu"}
    number = baseline.rows["good"].metrics["nme"]
    values = [cell.metrics["nme"] for cell in cells if cell.row == "good"]
    assert number.mean == pytest.approx(np.mean(values))
    assert number.std == pytest.approx(np.std(values, ddof=1))
    assert (number.n, number.rel_tol) == (10, 0.02)
    assert baseline.rows["good"].seeds == list(range(10))
    assert baseline.tier == "statistics"
    assert check(CELLS, path).exit_code == 0


def test_accept_shows_what_changes_and_what_is_weak(tmp_path):
    path = tmp_path / "made-quick-standin.json"
    gate.accept(*noisy_cells(10, noise=0.0), path, "first")
    spec, cells = noisy_cells(3, noise=0.0, factors={"good": 1.1})
    made = gate.accept(spec, cells, path, "a reason")
    assert "good nme: 5.00 -> 5.50 (+10.0%)" in made.changes
    assert f"good: seeds {list(range(10))} -> [0, 1, 2]" in made.changes
    assert not any("mean nme:" in line for line in made.changes)
    assert made.warnings[0].startswith("3 seeds a row at the least")
    assert "accepted: " in made.text
    assert "warning: 3 seeds" in made.text


def test_one_seed_is_accepted_by_tolerance_and_said(tmp_path):
    made = gate.accept(*noisy_cells(1), tmp_path / "b.json", "quick look")
    assert made.baseline.tier == "tolerance"
    assert any("by tolerance alone" in words for words in made.warnings)


@pytest.mark.parametrize(
    ("cells", "reason", "said"),
    [
        (CELLS, " ", "needs a reason"),
        (replaced(CELLS, "good", 101, dirty=True), "r", "good, seed 101 was measured with uncomm"),
        (
            replaced(CELLS, "good", 101, status="failed", reason="nan", metrics={}),
            "r",
            "good, seed 101 failed: nan",
        ),
        (
            replaced(CELLS, "good", 101, metrics={"nme": math.inf, "nme_b": 1.0}),
            "r",
            "good, seed 101 failed: nme is inf",
        ),
        ([c for c in CELLS if c.row != "mean"], "r", "mean was not run"),
        (replaced(CELLS, "plain", 102, metrics={"nme": 8.0}), "r", "plain, seed 102 has no nme_b"),
    ],
)
def test_accept_refuses_and_leaves_the_file_alone(tmp_path, cells, reason, said):
    path = tmp_path / "baseline.json"
    path.write_text("as it was")
    with pytest.raises(BaselineError, match=said):
        gate.accept(make_spec(), cells, path, reason)
    assert path.read_text() == "as it was"


def test_outside_github_nothing_is_published(tmp_path):
    summary = tmp_path / "summary.md"
    assert gate.publish([check(CELLS)], environ={"GITHUB_STEP_SUMMARY": str(summary)}) == []
    assert not summary.exists()


def test_github_gets_annotations_and_a_summary(tmp_path):
    summary = tmp_path / "summary.md"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    worse = check(noisy_cells(3, start=100, factors={"good": 1.1})[1])
    lines = gate.publish([worse], environ=environ)
    assert len(lines) == 2
    assert lines[0].startswith("::error title=made-quick-standin good nme::5.0")
    assert "-> 5.50 (n = 3), worse by 0.49, tolerance 0.10, p = " in lines[0]
    assert summary.read_text() == worse.text + "\n"
    broken = check(replaced(CELLS, "good", 100, status="failed", reason="50 %\nof", metrics={}))
    (line,) = gate.publish([broken], environ=environ)
    assert line.startswith(
        "::error title=gate made-quick-standin::good: seed 100 failed: 50 %25%0A"
    )
