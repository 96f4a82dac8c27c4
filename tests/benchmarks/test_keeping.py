import pytest
import yaml

from benchmarks import environment
from benchmarks.build import settle, settle_as
from benchmarks.cell import run_cell
from benchmarks.cell_files import ResultError
from benchmarks.keeping import LARGEST, PATH, keep, kept_tables, rendered, without_paths
from benchmarks.specs import load_spec, resolve_cell
from benchmarks.store import Store
from benchmarks.summaries import MixedCellsError
from benchmarks.trainings import built_on
from tests.benchmarks.made_cells import SPEC, claim, make_cell, make_row, make_spec

OLD = "f" * 16


@pytest.fixture
def into(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def spec_path(tmp_path):
    path = tmp_path / "made.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    return str(path)


def files(store):
    return sorted(path.name for path in (store.root / "kept" / "cells" / "made").glob("*"))


def test_kept_cells_make_the_table_that_was_written_with_them(into, spec_path):
    spec = make_spec()
    cells = [*make_row(spec, "good", [5.0, 5.5]), *make_row(spec, "mean", [9.0])]
    done = keep(spec, cells, into)
    assert files(into) == sorted(f"{cell.cell_id}.json" for cell in cells)
    assert (done.left_out, done.dropped) == ((), ())
    (data,) = kept_tables(into, [spec_path])
    texts = rendered(into, [data])
    assert set(texts) == set(done.tables.values())
    assert all(path.read_text() == text for path, text in texts.items())
    assert "**5.25** ± 0.35" in done.tables["md"].read_text()
    # The order in which cells come is no part of a table.
    again = keep(spec, cells[::-1], into)
    assert {path: path.read_text() for path in again.tables.values()} == texts


def test_uncommitted_cells_are_left_out_with_what_to_do(into):
    spec = make_spec()
    good, dirty = make_row(spec, "good", [5.0, 5.5])
    dash = make_cell(spec, "mean", status="n/a", reason="no keypoints")
    dirty = dirty.model_copy(update={"dirty": True})
    done = keep(spec, [good, dirty, dash], into)
    assert [(cell.row, cell.seed) for cell in done.written] == [("good", 0), ("mean", 0)]
    assert done.left_out == (
        "good, seed 1 was measured with uncommitted changes: commit them, then run it again with "
        "`--again`",
    )
    unknown = dirty.model_copy(update={"commit": "unknown"})
    with pytest.raises(ResultError, match="seed 1 was measured with code of no known revision"):
        keep(spec, [unknown], into)
    with pytest.raises(ResultError, match="none of these cells can be kept:\ngood, seed 1 was"):
        keep(spec, [dirty], into)


def test_a_failed_cell_is_kept_and_said_but_takes_no_finished_ones_place(into, spec_path):
    spec = make_spec(claims=[claim(("good", "nme"), ("plain", "nme"))])
    good, plain = make_row(spec, "good", [5.0, 5.1]), make_row(spec, "plain", [8.0, 8.3])
    failed = make_cell(spec, "good", 1, status="failed", reason="loss is nan")
    done = keep(spec, [good[0], failed, *plain], into)
    assert done.failed == ("good, seed 1 failed: loss is nan; run it again",)
    assert "**not run**" in done.tables["md"].read_text()
    assert keep(spec, good, into).failed == ()
    again = keep(spec, [good[0], failed], into)
    assert again.left_out == (
        "good, seed 1 failed: loss is nan; the finished one that is kept stays",
    )
    assert "**holds**" in again.tables["md"].read_text() and len(files(into)) == 4


def test_a_table_is_kept_piece_by_piece_and_what_it_no_longer_runs_goes(into, spec_path):
    spec = make_spec()
    keep(spec, make_row(spec, "good", [5.0, 5.5]), into)
    done = keep(spec, make_row(spec, "mean", [9.0]), into)
    assert len(files(into)) == 3
    assert "Good, K=30" in done.tables["md"].read_text()
    # Another specification of one row: its cells are named, and no longer kept.
    first, *others = SPEC["rows"]
    changed = make_spec(rows=[first | {"args": {"n_keypoints": 25}}, *others])
    done = keep(changed, make_row(changed, "plain", [8.0]), into)
    assert sorted(done.dropped) == [
        f"good, seed {seed} has settings that its table no longer has" for seed in (0, 1)
    ]
    assert len(files(into)) == 2
    # Seen from the first specification nothing is wrong with what is left.
    (data,) = kept_tables(into, [spec_path])
    assert [cell.row for cell in data.cells] == ["plain", "mean"]


def test_cells_of_other_data_give_way_and_other_budgets_stay(into, spec_path):
    spec = make_spec()
    keep(spec, make_row(spec, "good", [5.0, 5.5], fingerprint=OLD), into)
    keep(spec, make_row(spec, "good", [4.0], budget="smoke"), into)
    done = keep(spec, make_row(spec, "good", [5.0]), into)
    assert sorted(done.dropped) == [
        f"good, seed {seed} was measured on other data or by another protocol" for seed in (0, 1)
    ]
    assert [data.group.budget for data in kept_tables(into, [spec_path])] == ["quick", "smoke"]


def test_what_does_not_compare_is_refused_before_anything_is_written(into):
    spec = make_spec()
    cells = make_row(spec, "good", [5.0])
    with pytest.raises(MixedCellsError, match="two cells of seed 0"):
        keep(spec, cells * 2, into)
    with pytest.raises(MixedCellsError, match="differ in budget"):
        keep(spec, [*cells, *make_row(spec, "mean", [9.0], budget="full")], into)
    assert files(into) == [] and not into.kept().tables_folder().exists()


def test_kept_cells_that_nobody_can_render_are_named(into, spec_path):
    spec = make_spec()
    keep(spec, make_row(spec, "good", [5.0]), into)
    with pytest.raises(ResultError, match=r"cells.made: no table has this id; give the path of"):
        kept_tables(into)
    stale = make_spec(rows=[row for row in SPEC["rows"] if row["id"] != "good"])
    keep(stale, make_row(stale, "mean", [9.0]), Store(into.root / "other"))
    (path,) = (into.root / "kept" / "cells" / "made").glob("*")
    text = path.read_text().replace('"n_keypoints": 30', '"n_keypoints": 31')
    path.write_text(text)
    with pytest.raises(ResultError, match="not the hash of its configuration"):
        kept_tables(into, [spec_path])


def test_a_stale_kept_cell_says_what_to_do(into, spec_path, tmp_path):
    changed = make_spec(budgets=SPEC["budgets"] | {"quick": {"trainer": {"max_epochs": 2}}})
    keep(changed, make_row(changed, "good", [5.0]), into)
    with pytest.raises(ResultError) as caught:
        kept_tables(into, [spec_path])
    said = str(caught.value)
    assert "good, seed 0 has settings that its table no longer has; measure it again" in said
    assert "`whatwhere keep made --budget quick`, or `git rm` it" in said


@pytest.mark.parametrize(
    ("reason", "left"),
    [
        ("no pictures: OSError: /scratch/ada/run 1/x.png", "no pictures: OSError: run 1/x.png"),
        ("weights of ~/vgg/w.pth, then C:\\Users\\Ada\\w.pth", "weights of w.pth, then w.pth"),
        ("trained as cell 0123/4567 of mafl/dlp at https://host/a/b", None),
        ("the mean/std of 1/2 and results/runs", None),
    ],
)
def test_reasons_lose_the_folders_of_a_machine(reason, left):
    cell = make_cell(make_spec(), "good", 0, {"nme": 5.0}, reason=reason)
    assert without_paths(cell).reason == (reason if left is None else left)


def test_a_setting_that_names_a_folder_or_a_huge_cell_is_not_kept(into):
    spec = make_spec()
    (cell,) = make_row(spec, "good", [5.0])
    versions = {"torch": "/opt/nightly/torch-2.9"}
    huge = {f"m{i}": float(i) for i in range(LARGEST // 10)}
    for update, said in (
        ({"versions": versions}, "names a folder of this machine, versions.torch: /opt/nightly"),
        ({"metrics": huge}, f"bytes, {LARGEST} are the most"),
    ):
        with pytest.raises(ResultError, match=said):
            keep(spec, [cell.model_copy(update=update)], into)
    assert PATH.search("cpu (1 threads, Intel(R) Xeon(R) Processor)") is None


def test_what_hangs_on_a_machine_is_taken_from_the_cell():
    spec = load_spec("mafl")
    planned = resolve_cell(
        spec, "dlp-k30", seed=0, budget="full", source="real", data_fingerprint="0" * 16
    )
    assert planned.args["reconstruction"] == "vgg_or_mse"
    here = settle(planned)
    for there in ("vgg", "mse"):
        elsewhere = here.model_copy(update={"args": here.args | {"reconstruction": there}})
        assert settle_as(elsewhere.config())(planned) == elsewhere
    # What hangs on no machine is the table's own.
    odd = here.model_copy(update={"args": here.args | {"n_keypoints": 7}})
    assert settle_as(odd.config())(planned).args["n_keypoints"] == 30


def test_nor_does_what_a_row_starts_from():
    spec = load_spec("video-prediction")
    (row, *_) = (row.id for row in spec.rows if row.starts_from is not None)
    planned = resolve_cell(
        spec, row, seed=0, budget="full", source="real", data_fingerprint="0" * 16
    )
    assert planned.base_cell.args["reconstruction"] == "vgg_or_mse"
    for there in ("vgg", "mse"):
        args = planned.base_cell.args | {"reconstruction": there}
        elsewhere = built_on(planned, planned.base_cell.model_copy(update={"args": args}))
        found = settle_as(elsewhere.config())(planned)
        assert found.cell_id == elsewhere.cell_id
        assert found.args["encoder_args"]["reconstruction"] == there


def test_the_command_keeps_what_a_table_has(command, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("a" * 40, False))
    for row in ("untrained", "mute"):
        run_cell(tiny(row), results=tmp_path / "mine")
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("a" * 40, True))
    run_cell(tiny("untrained", seed=1), results=tmp_path / "mine")
    options = ("--budget", "smoke", "--results", tmp_path / "mine", "--into", tmp_path / "git")
    code, out, err = command("keep", command.table, *options)
    assert code == 1 and "left out: untrained, seed 1 was measured with uncommitted" in err
    assert out.splitlines()[0] == "kept: 2 cells of table tiny"
    kept = sorted((tmp_path / "git" / "kept" / "cells" / "tiny").iterdir())
    assert len(kept) == 2 and all(path.stat().st_size < LARGEST for path in kept)
    assert (
        "Untrained" in (tmp_path / "git" / "kept" / "tables" / "tiny-smoke-standin.md").read_text()
    )
    # The kept cells are a results folder by themselves.
    code, out, _ = command(
        "table", command.table, "--budget", "smoke", "--results", tmp_path / "git" / "kept"
    )
    assert code == 0 and "Untrained" in out
