import dataclasses
import json
import subprocess
import sys

import pytest
import yaml
from filelock import FileLock

from benchmarks import cli, environment, tracking
from benchmarks.build import build_data
from benchmarks.cell import run_cell
from benchmarks.matrix import NEEDS, Needs
from benchmarks.perf.measure import Measurement
from benchmarks.specs import load_spec
from benchmarks.store import Store
from tests.benchmarks import fake_cell, tiny_protocol

SMOKE = ("--budget", "smoke")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "mafle"], "unknown table 'mafle'; did you mean mafl"),
        (["bench", "TABLE", "--budget", "smok"], "unknown budget 'smok'; did you mean smoke?"),
        (["bench", "TABLE", *SMOKE, "--rows", "god"], "unknown row 'god'; did you mean good?"),
        (["bench", "TABLE", *SMOKE, "--seeds", "one"], "'one' are no seeds"),
        (["bench", "TABLE", "TABLE", *SMOKE], "a table twice: tiny, tiny"),
        (["bench", "TABLE", "mafl", *SMOKE, "--rows", "good"], "--rows good are of one table"),
        (["bench", "TABLE", *SMOKE, "--devices", "7"], "'7': this machine shows 0 GPUs"),
        (["bench", "TABLE", *SMOKE, "--source", "real"], "--data-root FOLDER"),
        (["cell", "TABLE", "good", *SMOKE, "--device", "gpu"], "'gpu' is no device"),
        (["cell", "TABLE", "good", *SMOKE, "--device", "cuda:1"], "'cuda:1' is not there"),
        (["cell", "TABLE", "paper", *SMOKE], "row 'paper' holds published numbers only"),
        (["table", "TABLE", *SMOKE, "--results", "nowhere"], "run `whatwhere bench"),
        (["list", "tinny"], "unknown table 'tinny'"),
    ],
)
def test_mistakes_are_said_clearly_and_exit_2(command, monkeypatch, arguments, message):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    code, out, err = command(*[command.table if a == "TABLE" else a for a in arguments])
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_the_traceback_is_there_for_who_asks(command, monkeypatch):
    monkeypatch.setenv("WHATWHERE_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["whatwhere", "bench", "mafle"])
    with pytest.raises(ValueError, match="unknown table"):
        cli.main()


def test_a_wrong_argument_in_a_spec_is_found_before_anything_runs(command, tiny, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(tiny.path.read_text().replace("trouble: nan", "troubles: nan"))
    code, _, err = command("bench", path, *SMOKE, "--dry-run")
    assert code == 2
    assert "row 'nan', budget 'smoke': TinyMethod takes no argument 'troubles'" in err
    assert "did you mean trouble" in err
    path.write_text(tiny.path.read_text().replace("version: 1", "version: 2"))
    code, _, err = command("bench", path, *SMOKE, "--dry-run")
    assert code == 2 and "version 2 of protocol 'tiny', the code has version 1" in err
    path.write_text(
        tiny.path.read_text().replace("label: NaN, method: tiny", "label: N, method: tini")
    )
    code, _, err = command("bench", path, *SMOKE, "--dry-run")
    assert code == 2 and "row 'nan': unknown method 'tini'; did you mean tiny" in err


def test_dry_run_prints_cells_with_commands_that_run(command, tiny, tmp_path):
    run_cell(tiny("untrained"), results=tmp_path)
    code, out, _ = command(
        "bench", command.table, *SMOKE, "--results", tmp_path, "--seeds", "2", "--dry-run"
    )
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == 2 * 2 * 6
    assert lines[0] == f"# tiny good seed 0 [{tiny().cell_id}]: to run"
    assert lines[10] == f"# tiny untrained seed 0 [{tiny('untrained').cell_id}]: ok"
    assert f"cell {command.table} good --seed 0 --budget smoke --source standin" in lines[1]


def two_tables(tiny, folder):
    """YAML files of two tables of a measured row and a published one."""
    spec, paths = yaml.safe_load(tiny.path.read_text()), []
    for name in ("one", "two"):
        rows = [row for row in spec["rows"] if row["id"] in ("untrained", "paper")]
        changed = spec | {"table": name, "title": f"Table {name}", "rows": rows, "claims": []}
        paths.append(folder / f"{name}.yaml")
        paths[-1].write_text(yaml.safe_dump(changed))
    return paths


def test_several_tables_are_run_as_one_and_printed_one_after_the_other(command, tiny, tmp_path):
    paths = two_tables(tiny, tmp_path)
    options = ("--results", tmp_path, "--devices", "cpu:2", *SMOKE)
    code, out, _ = command("bench", *paths, *options, "--seeds", "0,", "--dry-run")
    assert code == 0
    assert [line.split()[1:5] for line in out.splitlines()[::2]] == [
        [name, "untrained", "seed", "0"] for name in ("one", "two")
    ]
    assert f"cell {paths[1]} untrained --seed 0" in out.splitlines()[3]
    code, out, err = command("bench", *paths, *options, "--seeds", "0,")
    assert code == 0
    assert out.index("Table one") < out.index("Table two")
    assert "[2/2]" in err and "two untrained seed 0: ok" in err and "nme" in err
    for name in ("one", "two"):
        assert len(list(tmp_path.glob(f"cells/{name}/*.json"))) == 1
        assert (tmp_path / "tables" / f"{name}-smoke-standin.md").exists()


@pytest.fixture
def two_done(tiny, tmp_path):
    """Two tables whose cells of seed 0 are finished, options that name them, and where they are."""
    store = Store(tmp_path)
    for name in ("one", "two"):
        cell = tiny("untrained", table=name)
        store.write(cell.result("ok", None, metrics={"nme": 2.0}, **fake_cell.MADE))
        store.run_folder(cell.cell_id).mkdir(parents=True)
        (store.run_folder(cell.cell_id) / "resume.ckpt").touch()
    return two_tables(tiny, tmp_path), ("--results", tmp_path, "--seeds", "0,", *SMOKE), store


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--devices", "7"), "this machine shows 0 GPUs"),
        (("--engine", "slurm"), "needs squeue"),
        (("--devices", "cpu"), "two untrained seed 0 is being worked on"),
    ],
)
def test_again_forgets_nothing_where_it_is_refused(
    command, two_done, tiny, monkeypatch, options, message
):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    paths, where, store = two_done
    with FileLock(store.lock(tiny("untrained", table="two"))):
        code, _, err = command("bench", *paths, *where, "--again", *options)
    assert code == 2 and message in err
    assert len(list(store.root.glob("cells/*/*.json"))) == 2
    assert len(list(store.root.glob("runs/*/resume.ckpt"))) == 2


def test_a_finished_table_is_printed_with_a_clusters_options_too(command, two_done):
    paths, where, _ = two_done
    code, out, _ = command("bench", *paths, *where, "--engine", "slurm", "--devices", "cpu:200")
    assert code == 0 and "Table one" in out and "Table two" in out


def test_a_dry_run_says_what_again_would_run(command, two_done):
    paths, where, _ = two_done
    code, out, _ = command("bench", *paths, *where, "--again", "--dry-run")
    assert code == 0 and out.count(": ok, to run again\n") == 2
    code, out, _ = command("bench", *paths, *where, "--again", "--dry-run", "--engine", "slurm")
    assert code == 0 and "--array=0-1" in out


def test_trouble_with_one_table_does_not_hide_the_others(command, two_done, tiny, monkeypatch):
    paths, where, store = two_done
    logged = []

    def log_tables(spec, *_, **__):
        logged.append(spec.table)
        raise tracking.TrackingError(f"no network for {spec.table}")

    monkeypatch.setattr(tracking, "log_tables", log_tables)
    code, out, err = command("bench", *paths, *where, "--devices", "cpu", "--wandb", "offline")
    assert code == 2 and "Table one" in out and "Table two" in out
    assert logged == ["one", "two"] and "no network for one; no network for two" in err
    # Somebody stops the only cell of the first table.
    store.cell_path("one", tiny("untrained", table="one").cell_id).unlink()
    monkeypatch.setattr("benchmarks.runner.ENTRY", ("-c", "import sys; sys.exit(75)"))
    code, out, err = command("bench", *paths, *where, "--devices", "cpu")
    assert code == 2 and "Table two" in out
    assert "somebody stopped it" in err and "holds no cell of table 'one'" in err


def test_cell_prints_json_and_tells_the_outcome_by_its_exit_code(command, tmp_path, monkeypatch):
    options = (*SMOKE, "--results", tmp_path, "--seed", "1")
    code, out, _ = command("cell", command.table, "good", *options)
    assert code == 0
    assert json.loads(out)["metrics"].keys() == {"nme"}
    code, _, err = command("cell", command.table, "nan", *options)
    assert code == 1 and "failed: NonFiniteError" in err
    code, out, _ = command("cell", command.table, "mute", *options)
    assert code == 0 and json.loads(out)["status"] == "n/a"
    monkeypatch.setenv("WHATWHERE_CELL_ID", "f" * 16)
    code, _, err = command("cell", command.table, "good", *options)
    assert code == 2 and "was planned as cell ffffffffffffffff" in err


def test_table_leaves_out_stale_cells_and_says_so(command, tiny, tmp_path):
    for cell in (tiny(), tiny("untrained"), tiny(args={"image_size": 8, "lr": 0.5})):
        assert run_cell(cell, results=tmp_path).status == "ok"
    code, out, err = command("table", command.table, *SMOKE, "--results", tmp_path)
    assert code == 0
    assert "Good" in out and "Untrained" in out
    assert "1 cells in" in err
    assert (tmp_path / "tables" / "tiny-smoke-standin.md").exists()
    path = Store(tmp_path).cell_path("tiny", tiny().cell_id)
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 5'))
    code, _, err = command("table", command.table, *SMOKE, "--results", tmp_path)
    assert code == 2 and "not the hash of its configuration" in err


def test_accept_and_check_a_metric_made_worse_on_purpose(command, tiny, tmp_path, monkeypatch):
    path = tmp_path / "two.yaml"
    content = yaml.safe_load(tiny.path.read_text())
    content["rows"] = [row for row in content["rows"] if row["id"] in ("good", "untrained")]
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("a" * 40, False))
    honest = tiny_protocol.evaluate

    def worse(*args, **kwargs):
        scored = honest(*args, **kwargs)
        metrics = {key: 2 * value for key, value in scored.metrics.items()}
        return dataclasses.replace(scored, metrics=metrics)

    for results, evaluate in (("before", honest), ("after", worse)):
        monkeypatch.setattr(tiny_protocol, "evaluate", evaluate)
        for row in ("good", "untrained"):
            assert command("cell", path, row, *SMOKE, "--results", tmp_path / results)[0] == 0
    options = (path, *SMOKE, "--baselines", tmp_path / "baselines")
    before, after = ("--results", tmp_path / "before"), ("--results", tmp_path / "after")
    code, _, err = command("check", *options, *before)
    assert code == 2
    code, out, _ = command("accept", *options, *before, "--reason", "first numbers")
    assert code == 0 and "first numbers" in out
    assert (tmp_path / "baselines" / "tiny-smoke-standin.json").exists()
    assert command("check", *options, *before)[0] == 0
    files = {kind: tmp_path / f"gate.{kind}" for kind in ("junit", "json", "markdown")}
    given = [word for kind, file in files.items() for word in (f"--{kind}", file)]
    code, out, _ = command("check", *options, *after, *given)
    assert code == 1 and "WORSE" in out
    assert "<failure" in files["junit"].read_text()
    assert json.loads(files["json"].read_text())["exit_code"] == 1
    assert "WORSE" in files["markdown"].read_text()
    # Of several tables the worst decides, and one without cells hides nothing of the others.
    code, out, _ = command("check", command.table, *options, *after)
    assert code == 2 and "WORSE" in out and "NOT COMPARABLE" in out
    # A dirty tree vouches for nothing.
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("a" * 40, True))
    command("cell", path, "good", *SMOKE, "--seed", "1", *after)
    code, _, err = command("accept", *options, *after, "--reason", "I like these")
    assert code == 2 and "uncommitted changes" in err and "run it again with `--again`" in err


def test_data_verify_names_what_is_missing_and_what_to_do(command, tmp_path):
    code, out, _ = command("data", "verify", "tiny", "--data-root", tmp_path)
    assert code == 2
    assert out.count("missing") >= 2
    assert "a.txt, b.txt: get it from its authors" in out
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).touch()
    assert command("data", "verify", "tiny", "--data-root", tmp_path)[0] == 0


def test_data_prepare_says_what_it_made(command, tmp_path):
    code, out, _ = command("data", "prepare", "tiny", "--cache-dir", tmp_path)
    assert code == 0
    assert out.splitlines() == ["train: 16", str(tmp_path / "tiny.h5")]
    code, _, err = command("data", "prepare", "tinny")
    assert code == 2 and "unknown dataset 'tinny'; did you mean tiny" in err


def test_data_prepare_makes_exactly_what_a_table_reads(command, tmp_path):
    options = ("--cache-dir", tmp_path)
    code, out, _ = command(
        "data", "prepare", "celeba", "--table", "mafl", "--budget", "smoke", *options
    )
    assert code == 0
    smoke = load_spec("mafl").budget("smoke").data
    data = build_data("celeba", smoke, source="standin", cache_dir=str(tmp_path))
    assert out.splitlines()[-1] == str(data.cache_path())
    data.setup()  # reads the cache, never makes it
    sizes = smoke["standin_sizes"]
    assert data.counts()["train"] == sizes["train"] and data.counts()["test"] == sizes["test"]
    # Without a table every one on the dataset counts, and every pretraining on it.
    every = command("data", "prepare", "celeba", "--budget", "smoke", *options)[1]
    assert out in every and every.count("unsupervised: ") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["celeba", "--budget", "huge"], "no table on dataset 'celeba' has a budget 'huge'"),
        (["celeba", "--table", "mafl", "--budget", "smok"], "unknown budget 'smok'; did you mean"),
        (["celeba", "--table", "TABLE"], "is of dataset 'tiny', not of 'celeba'"),
        (["celeba", "--budget", "smoke", "--image-size", "32"], "--image-size, or --budget"),
    ],
)
def test_data_prepare_refuses_what_it_cannot_mean(command, arguments, message):
    given = [command.table if a == "TABLE" else a for a in arguments]
    code, _, err = command("data", "prepare", *given)
    assert code == 2 and message in err.replace("\n", " ")


def test_online_without_an_account_is_refused_before_planning(command, monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr("wandb.login", lambda **_: False)
    monkeypatch.setattr("benchmarks.bench.plan", lambda *_, **__: pytest.fail("planned"))
    options = (*SMOKE, "--results", tmp_path, "--wandb", "online")
    code, _, err = command("bench", command.table, *options)
    assert code == 2 and "no API key was found" in err and "Traceback" not in err


def test_perf_prints_a_table_and_writes_json(command, monkeypatch, tmp_path):
    def one(section, threads):
        speed = {"train": 30.0, "train_plain": 10.0}.get(section, 100.0)
        return Measurement(section, f"the {section}", speed, 512.0, 40.0 * threads)

    monkeypatch.setattr("benchmarks.perf.measure.measure_apart", one)
    path = tmp_path / "new" / "perf.json"
    code, out, _ = command("perf", "--threads", "3", "--rounds", "2", "-o", path)
    assert code == 0
    assert "the train_plain" in out and "3 threads at 120 GFLOP/s" in out
    ratios = {"train": 3.0, **dict.fromkeys(("objects", "compose", "paint", "visit", "ddr"), 1.0)}
    told = ", ".join(f"the {section} {ratio:.2f}" for section, ratio in ratios.items())
    assert f"Times as fast as the plain reference: {told}." in out
    found = json.loads(path.read_text())
    assert found["speedups"] == ratios
    assert found["sections"]["read"]["images_per_second"] == 100.0


def test_list_and_help_do_not_fail(command):
    code, out, _ = command("list")
    assert code == 0
    assert "tiny" in out and "celeba" in out and "dlp-k30" in out
    code, out, _ = command("list", command.table)
    assert code == 0 and "(published)" in out and "mafl" not in out
    code, out, _ = command("bench", "--help")
    assert code == 0 and "--dry-run" in out


def test_the_matrix_is_listed(command, monkeypatch):
    assert command("list", "--matrix")[2].startswith("error: benchmarks/matrix.py does not say")
    monkeypatch.setitem(NEEDS, "tiny", Needs())
    code, out, _ = command("list", "--matrix")
    assert code == 0
    assert "dense_dae\n" in out and "  multipie: reconstruction, views, leakage" in out
    assert "tiny" in out


def test_the_module_runs_and_help_does_not_wait_for_torch():
    script = (
        "import sys, runpy; sys.argv = ['whatwhere', 'bench', '--help']\n"
        "try: runpy.run_module('benchmarks', run_name='__main__')\n"
        "except SystemExit: assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "--data-root" in done.stdout
