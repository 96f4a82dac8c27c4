import json
import os
import subprocess
import sys

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import wandb
from PIL import Image

from benchmarks import keepsakes, tracking
from benchmarks.cell import run_cell
from benchmarks.schema import CellResult, CellSpec
from benchmarks.store import Store
from benchmarks.tracking.offline import read_offline_runs
from benchmarks.video_files import write_mp4
from lightning_modules.interface import Method
from tests.benchmarks import made_cells

SPEC = made_cells.make_spec(
    table="mafl",
    rows=[
        made_cells.SPEC["rows"][0] | {"id": "dlp-k30"},
        {"id": "pca-60", "label": "PCA", "method": "pca"},
        made_cells.SPEC["rows"][2],
    ],
)


def cell(**changes):
    values = {
        "table": "mafl",
        "row": "dlp-k30",
        "method": "dlp",
        "args": {"n_keypoints": 30, "lr": 2e-4},
        "fit": True,
        "dataset": "celeba",
        "data": {"image_size": 64},
        "trainer": {"max_epochs": 2},
        "seed": 3,
        "budget": "smoke",
        "source": "standin",
        "protocol": "landmarks",
        "protocol_version": 1,
        "data_fingerprint": "0123456789abcdef",
    }
    return CellSpec(**{**values, **changes})


def result(of, **changes):
    values = {
        "metrics": {"nme": 4.25, "nme_b": 3.5, "var_error_spearman": 0.4},
        "intervals": {"nme": (4.0, 4.5)},
        "commit": "c" * 40,
        "dirty": False,
        "device": "cpu",
        "started": "2026-01-01T00:00:00+00:00",
        "wall_seconds": 12.5,
        "train_seconds": 10.0,
        "peak_memory_mib": 512.0,
        "epochs": 2,
        "steps": 6,
    }
    return of.result("ok", None, **{**values, **changes})


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        if name != "WANDB_SERVICE":  # the address of the client's process, which lives on
            monkeypatch.delenv(name)
    monkeypatch.setattr(
        "benchmarks.environment.commit_and_dirty", lambda: ("0123456789abcdef" * 2, True)
    )
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / name for name in ("particles.png", "clip-swaps.png", "clip-swaps.gif")]
    for path in paths:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    return [*paths, write_mp4(tmp_path / "clip-swaps.mp4", frames)]


class Line(Method):
    def __init__(self, seed: int = 99) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def losses(self, batch):
        return {"loss": self.layer(batch["image"]).square().mean()}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def train(logger, folder, epochs):
    samples = [{"image": torch.ones(1) * i, "index": i} for i in range(6)]
    loader = torch.utils.data.DataLoader(samples, batch_size=2)
    pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        log_every_n_steps=1,
    ).fit(Line(), loader, loader)


def test_off_is_the_default_and_touches_nothing(tmp_path):
    assert tracking.make_logger(cell(), tmp_path / "run") is None
    tracking.finish(None, result(cell()))
    assert not (tmp_path / "run").exists()


def test_an_offline_run_holds_everything_and_goes_on_under_its_id(tmp_path, pictures):
    folder = tmp_path / "run"
    this = cell()
    logger = tracking.make_logger(this, folder, "offline")
    train(logger, folder, 1)
    tracking.finish(logger)  # stopped; the cell will go on
    logger = tracking.make_logger(this, folder, "offline")
    train(logger, folder, 2)
    tracking.finish(logger, result(this), pictures)

    stopped, run = read_offline_runs(folder)
    assert stopped.run_id == run.run_id == this.cell_id
    assert (stopped.exit_code, run.exit_code, run.state) == (75, 0, "finished")
    assert (run.project, run.name, run.group) == ("whatwhere", "dlp-k30/s3", "mafl/dlp-k30")
    assert run.job_type == "cell"
    commit = "0123456789ab"
    assert set(run.tags) == {commit, "dirty", "smoke", "seed-3", "standin", "mafl"}

    assert {key: run.config[key] for key in this.config()} == this.config()
    assert run.config["seed"] == 3  # not the method's own, which stands apart
    assert run.config["hyperparameters"] == {"seed": 99}
    assert run.config["versions"]["torch"] == torch.__version__.split("+")[0] or (
        run.config["versions"]["torch"] == torch.__version__
    )
    assert run.config["commit"].startswith(commit)
    assert run.config["dirty"] is True

    epochs = [row for row in run.history if "val/loss" in row]
    assert [row["trainer/global_step"] for row in epochs] == [2, 5]
    assert all(np.isfinite(row["val/loss"]) for row in epochs)
    assert run.metric_rules["*"]["step_metric"] == "trainer/global_step"

    last = run.history[-1]
    expected = {"nme": 4.25, "nme_b": 3.5, "nme_low": 4.0, "nme_high": 4.5}
    assert {key: last[f"test/{key}"] for key in expected} == expected
    assert last["test/var_error_spearman"] == 0.4
    assert "test/nme_b_low" not in last
    assert last["trainer/global_step"] == 6
    # The last value alone: of several, the best one would be chosen on test.
    assert run.summary["test/nme"] == 4.25
    assert run.summary["val/loss"] == epochs[-1]["val/loss"]
    assert run.summary["status"] == "ok"
    assert run.summary["cost/train_seconds"] == 10.0

    # The whole cell goes with its run.
    assert "cell.json" in run.files
    whole = CellResult.model_validate_json((run.folder / "files" / "cell.json").read_bytes())
    assert whole == result(this)

    media = sorted(name for name in run.files if "/images/" in name)
    assert len(media) == 2
    assert all((run.folder / "files" / name).is_file() for name in media)
    assert media[0].startswith("media/images/pictures/clip-swaps")
    # A film has a name of its own, and is the file itself.
    assert last["videos/clip-swaps._type"] == "video-file"
    [film] = [name for name in run.files if "/videos/" in name]
    assert last["videos/clip-swaps.path"] == film
    assert (run.folder / "files" / film).read_bytes() == pictures[-1].read_bytes()
    assert not [name for name in run.files if name.endswith(".gif")]
    [table] = [name for name in run.files if name.endswith(".table.json")]
    table = json.loads((run.folder / "files" / table).read_text())
    assert table["columns"] == ["metric", "value", "low", "high", "unit"]
    assert ["nme", 4.25, 4.0, 4.5, "%"] in table["data"]
    assert len(table["data"]) == 3

    # Nothing of it lies about.
    assert wandb.run is None
    assert "WANDB_DATA_DIR" not in os.environ
    assert not list((tmp_path / "cwd").iterdir())
    assert not (tmp_path / "home").exists()
    assert not list(folder.rglob("*.ckpt"))


def test_two_cells_in_one_process_are_two_runs(tmp_path):
    ours, other = cell(seed=1), cell(seed=2)
    first = tracking.make_logger(ours, tmp_path / "1", "offline")
    second = tracking.make_logger(other, tmp_path / "2", "offline")
    tracking.finish(first, result(ours, metrics={"nme": 1.0}))
    tracking.finish(second, result(other, metrics={"nme": 2.0}))
    [one], [two] = read_offline_runs(tmp_path / "1"), read_offline_runs(tmp_path / "2")
    assert (one.run_id, two.run_id) == (ours.cell_id, other.cell_id)
    assert (one.history[-1]["test/nme"], two.history[-1]["test/nme"]) == (1.0, 2.0)


def test_a_failed_cell_is_a_failed_run(tmp_path, monkeypatch):
    # The mode asked for counts, whatever the environment says.
    monkeypatch.setenv("WANDB_MODE", "disabled")
    this = cell()
    logger = tracking.make_logger(this, tmp_path, "offline")
    logger.run.summary["test/nme"] = 3.0  # of an attempt that went well
    failed = result(this, metrics={}, intervals={})
    failed = failed.model_copy(update={"status": "failed", "reason": "loss is nan"})
    tracking.finish(logger, failed)
    [run] = read_offline_runs(tmp_path)
    assert run.exit_code == 1
    assert run.summary["status"] == "failed"
    assert run.summary["reason"] == "loss is nan"
    assert not any(key.startswith("test/") for row in run.history for key in row)
    assert not any(key.startswith("test/") for key in run.summary)


def test_online_without_an_account_says_what_to_do(tmp_path):
    tracking.check_mode("offline")
    with pytest.raises(tracking.TrackingError, match="wandb login"):
        tracking.check_mode("online")
    with pytest.raises(tracking.TrackingError, match=r"wandb login.*WANDB=offline"):
        tracking.make_logger(cell(), tmp_path / "run", "online")
    assert not list(tmp_path.rglob("*.wandb"))
    assert "WANDB_DATA_DIR" not in os.environ


def test_a_run_that_cannot_be_opened_is_a_remark_and_no_failure(tmp_path):
    remarks = []
    assert keepsakes.open_logger(cell(), tmp_path / "run", "online", remarks.append) is None
    assert remarks[0].startswith("not on W&B: WANDB=online needs a W&B account")
    assert keepsakes.open_logger(cell(), tmp_path / "run", "off", remarks.append) is None
    assert len(remarks) == 1


def test_online_against_the_environments_word_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(tracking.TrackingError, match="WANDB_MODE=offline"):
        tracking.make_logger(cell(), tmp_path / "run", "online")


def test_a_place_the_user_chose_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "mine"))
    this = cell()
    logger = tracking.make_logger(this, tmp_path / "run", "offline")
    tracking.finish(logger, result(this))
    assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / "mine")
    assert list((tmp_path / "mine").rglob("tmp*"))


def test_the_table_is_a_run_with_every_row_metric_and_seed(tmp_path):
    cells = [
        result(cell(seed=0), metrics={"nme": 4.0}),
        result(cell(seed=1), metrics={"nme": 5.0}, intervals={}),
        result(cell(row="pca-60"), metrics={}, intervals={}).model_copy(
            update={"status": "failed", "reason": "no memory"}
        ),
    ]
    tracking.log_tables(SPEC, cells, tmp_path, "offline", markdown="| row | NME |")
    folder = tmp_path / "runs" / "table-mafl-smoke-standin"
    [run] = read_offline_runs(folder)
    assert run.run_id == "table-mafl-smoke-standin"
    assert (run.name, run.job_type) == ("mafl/smoke-standin", "table")
    assert run.notes == "| row | NME |"
    assert {"smoke", "standin", "mafl", "0123456789ab"} <= set(run.tags)
    assert run.config["cells"] == [one.cell_id for one in cells]
    assert run.summary["dlp-k30/nme"] == 4.5
    [table] = [name for name in run.files if name.endswith(".table.json")]
    lines = json.loads((run.folder / "files" / table).read_text())["data"]
    assert [line[:7] for line in lines] == [
        ["dlp-k30", "dlp", "nme", 0, 4.0, 4.0, 4.5],
        ["dlp-k30", "dlp", "nme", 1, 5.0, None, None],
        ["pca-60", "dlp", None, 3, None, None, None],
    ]
    assert lines[2][7] == "failed"
    tracking.log_tables(SPEC, cells, tmp_path / "off")
    assert not (tmp_path / "off").exists()


def test_what_papers_say_are_lines_over_all_steps(tmp_path):
    cells = [result(cell(seed=0), steps=6), result(cell(seed=1), steps=4)]
    tracking.log_tables(SPEC, cells, tmp_path, "offline")
    [of_row] = read_offline_runs(tmp_path / "runs" / "paper-mafl-smoke-standin-dlp-k30")
    [elsewhere] = read_offline_runs(tmp_path / "runs" / "paper-mafl-smoke-standin-elsewhere")
    assert len(list((tmp_path / "runs").iterdir())) == 3  # and the table's own
    for run, value in ((of_row, 2.5), (elsewhere, 3.0)):
        assert run.job_type == "paper"
        rows = [(row["trainer/global_step"], row["paper/nme"]) for row in run.history]
        assert rows == [(0, value), (6, value)]
        assert run.summary["paper/nme"] == value
    assert {key: of_row.config[key] for key in ("table", "row", "method", "budget", "source")} == {
        **{"table": "mafl", "row": "dlp-k30", "method": "dlp"},
        **{"budget": "smoke", "source": "standin"},
    }
    assert elsewhere.config["method"] == "published"
    assert elsewhere.config["published"]["nme"]["source"] == "Paper B"


def test_cells_of_two_tables_are_refused(tmp_path):
    real = cell(source="real")
    with pytest.raises(ValueError, match=r"real.*standin"):
        tracking.log_tables(SPEC, [result(cell()), result(real)], tmp_path, "offline")
    with pytest.raises(ValueError, match="no cell"):
        tracking.log_tables(SPEC, [], tmp_path, "offline")


def test_a_damaged_folder_is_named(tmp_path):
    (tmp_path / "wandb" / "offline-run-20260101_000000-abc").mkdir(parents=True)
    with pytest.raises(tracking.TrackingError, match="offline-run-20260101"):
        read_offline_runs(tmp_path)


def test_an_offline_run_says_nothing_of_command_line_and_packages(tmp_path):
    program = (
        "import sys; from pathlib import Path; from benchmarks.tracking.session import open_run; "
        "open_run('offline', Path(sys.argv[1]), run_id='abc').close(0)"
    )
    command = [
        sys.executable,
        "-c",
        program,
        str(tmp_path),
        "--data-root",
        str(tmp_path / "licensed"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    [recorded] = tmp_path.rglob("run-abc.wandb")
    for word in (b"licensed", b"wandb-metadata", b"requirements"):
        assert word not in recorded.read_bytes()


def test_a_finished_cell_is_logged_again_with_its_curves(tiny, tmp_path):
    this = tiny()
    measured = run_cell(this, results=tmp_path)
    folder = Store(tmp_path).run_folder(this.cell_id)
    assert not (folder / "wandb").exists()
    (folder / "pictures").mkdir(exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "pictures" / "swaps.png")
    for _ in range(2):
        assert run_cell(this, results=tmp_path, wandb="offline") == measured
    first, second = read_offline_runs(folder)
    curve = [row["val/loss"] for row in first.history if "val/loss" in row]
    assert len(curve) == measured.epochs
    # The run has them then.
    assert not [row for row in second.history if "val/loss" in row]
    for run in (first, second):
        assert (run.run_id, run.exit_code) == (this.cell_id, 0)
        assert run.history[-1]["test/nme"] == pytest.approx(measured.metrics["nme"], rel=1e-6)
        assert run.config["commit"] == measured.commit
        whole = (run.folder / "files" / "cell.json").read_bytes()
        assert CellResult.model_validate_json(whole) == measured
        assert [name for name in run.files if "/images/" in name]
