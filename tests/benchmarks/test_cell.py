import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from filelock import FileLock
from pytorch_lightning.loggers.logger import DummyLogger

from benchmarks import checkpoints
from benchmarks.acceleration import Acceleration
from benchmarks.callbacks import StopRequestedError, read_jsonl
from benchmarks.cell import run_cell
from benchmarks.files import digest, read_json
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.protocols.kept import kept
from benchmarks.store import Store
from tests.benchmarks.tiny import ENTRY, TinyData, TinyMethod


def weights(results, cell):
    path = Store(results).run_folder(cell.cell_id) / "resume.ckpt"
    assert checkpoints.is_good(path)
    return torch.load(path, weights_only=True)["state_dict"]["layer.weight"]


def run(cell, results, **options):
    return run_cell(cell, results=results, **({"save_every_seconds": 0} | options))


@pytest.fixture
def result_and_folder(tiny, tmp_path):
    cell = tiny()
    return run(cell, tmp_path), Store(tmp_path), cell


def test_a_cell_writes_its_number_and_how_it_was_made(result_and_folder):
    result, store, cell = result_and_folder
    assert result.status == "ok" and result.reason is None
    assert 0 < result.metrics["nme"] < 1
    assert (result.epochs, result.steps) == (4, 16)
    assert result.config == cell.config()
    assert result.data_counts == {"train": 16}
    assert torch.__version__.startswith(result.versions["torch"])
    assert 0 < result.train_seconds < result.wall_seconds
    assert 50 < result.peak_memory_mib < 5000
    assert store.read("tiny", cell.cell_id) == result
    rows = read_jsonl(store.run_folder(cell.cell_id) / "metrics.jsonl")
    epochs = [row for row in rows if "train/loss" in row]
    assert [row["step"] for row in epochs] == [4, 8, 12, 16]
    assert [row["lr"] for row in epochs] == pytest.approx([0.01, 0.005, 0.0025, 0.00125])
    assert {"val/loss", "epoch"} <= epochs[0].keys()


def test_a_finished_cell_is_not_run_again(result_and_folder):
    result, store, cell = result_and_folder
    path = store.cell_path("tiny", cell.cell_id)
    before = path.stat()
    assert run(cell, store.root) == result
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_cell_says_how_its_networks_were_run(result_and_folder, tiny, tmp_path):
    plain, _, cell = result_and_folder
    faster = run(cell, tmp_path / "faster", acceleration=Acceleration(channels_last=True))
    assert faster.accelerated == ["channels-last"] and plain.accelerated == []
    assert faster.cell_id == plain.cell_id
    assert faster.metrics == pytest.approx(plain.metrics, rel=1e-4)


def test_waiting_for_another_process_on_the_same_cell_is_said(tiny, tmp_path):
    store, cell = Store(tmp_path), tiny("untrained")
    folder = store.run_folder(cell.cell_id)
    folder.mkdir(parents=True)
    with FileLock(store.lock(cell), thread_local=False):
        thread = threading.Thread(target=run, args=(cell, tmp_path))
        thread.start()
        path, deadline = folder / "progress.json", time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert read_json(path)["phase"] == "wait"
    thread.join()
    assert store.finished(cell).status == "ok"


def test_the_number_is_a_function_of_the_seed(result_and_folder, tiny, tmp_path):
    result, _, cell = result_and_folder
    assert run(cell, tmp_path / "again").metrics == result.metrics
    assert run(tiny(seed=1), tmp_path).metrics != result.metrics


@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [
        ("nan", "failed", "NonFiniteError: the loss is nan in epoch 1, batch 0"),
        ("raises", "failed", "RuntimeError: the tiny method had an accident"),
        ("unscored", "failed", "NonFiniteError: metric 'nme' is nan"),
        ("mute", "n/a", "has no keypoints"),
    ],
)
def test_what_goes_wrong_is_a_row_with_its_reason(tiny, tmp_path, row, status, reason):
    result = run(tiny(row), tmp_path)
    assert (result.status, result.reason, result.metrics) == (status, reason, {})
    assert Store(tmp_path).read("tiny", result.cell_id) == result
    # Mended code must not go on from what broken code has trained.
    assert checkpoints.any_file(Store(tmp_path).run_folder(result.cell_id) / "resume.ckpt") == (
        row == "mute"
    )


def test_data_hand_out_what_the_method_asks_for(tiny, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(TinyData, "hand_out", lambda self, unit, draw=0: asked.append((unit, draw)))
    monkeypatch.setattr(TinyMethod, "draws", 3)
    assert run(tiny(), tmp_path).status == "ok"
    assert asked[0] == ("pictures", 3)


def test_the_number_stands_before_the_dashboard_is_finished(tiny, tmp_path, monkeypatch):
    from benchmarks import tracking

    cell, seen = tiny(), []

    def finish(logger, result, pictures):
        seen.append(Store(tmp_path).read("tiny", cell.cell_id))
        raise KeyboardInterrupt  # killed while it uploads

    monkeypatch.setattr(tracking, "make_logger", lambda *_, **__: DummyLogger())
    monkeypatch.setattr(tracking, "finish", finish)
    with pytest.raises(KeyboardInterrupt):
        run(cell, tmp_path, wandb="offline")
    assert seen[0] is not None and seen[0].status == "ok"
    assert run(cell, tmp_path) == seen[0]


def test_wrong_arguments_are_a_row_too(tiny, tmp_path):
    result = run(tiny(args={"image_size": 8, "learning_rate": 1}), tmp_path)
    assert result.status == "failed"
    assert "TinyMethod takes no argument 'learning_rate'" in result.reason


def test_an_untrained_row_is_scored_without_a_checkpoint(tiny, tmp_path):
    result = run(tiny("untrained"), tmp_path)
    assert (result.status, result.epochs, result.train_seconds) == ("ok", 0, 0)
    assert not (Store(tmp_path).run_folder(result.cell_id) / "resume.ckpt").exists()


def test_timeout_keeps_the_checkpoint_and_a_second_call_goes_on(tiny, tmp_path, monkeypatch):
    cell = tiny(timeout_minutes=60)

    def an_hour_passes(self):
        if self.current_epoch == 2:
            later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3601)
            monkeypatch.setattr("benchmarks.callbacks.time", later)

    with monkeypatch.context() as patched:
        patched.setattr(TinyMethod, "on_train_epoch_start", an_hour_passes)
        result = run(cell, tmp_path)
    assert (result.status, result.reason) == ("timeout", "took longer than 60 minutes")
    monkeypatch.setattr("benchmarks.callbacks.time", time)
    done = run(cell, tmp_path)
    assert done.status == "ok"
    assert done.wall_seconds > result.wall_seconds
    assert torch.equal(weights(tmp_path, cell), weights_uninterrupted(cell, tmp_path / "other"))


def weights_uninterrupted(cell, results):
    assert run(cell, results).status == "ok"
    return weights(results, cell)


@pytest.fixture
def pretrained(tiny, monkeypatch):
    """A cell with a pretraining of three epochs, and a list of all epochs that were begun."""
    data = {"image_size": 8, "batch_size": 4, "length": 20}
    cell = tiny(
        pretrain={"dataset": "tiny", "data": data, "trainer": {"max_epochs": 3}},
        data_fingerprint=digest(["0123456789abcdef"] * 2),
    )
    begun = []
    monkeypatch.setattr(TinyMethod, "begin_finetuning", lambda self: begun.append("finetune"))
    monkeypatch.setattr(
        TinyMethod, "on_train_epoch_start", lambda self: begun.append(self.current_epoch)
    )
    return cell, begun


def test_pretraining_comes_first_with_a_log_of_its_own(pretrained, tmp_path):
    cell, begun = pretrained
    result = run(cell, tmp_path)
    assert result.status == "ok" and begun == [0, 1, 2, "finetune", 0, 1, 2, 3]
    assert (result.epochs, result.steps) == (4, 16)
    folder = Store(tmp_path).run_folder(cell.cell_id)
    steps = [
        [row["step"] for row in read_jsonl(folder / name) if "train/loss" in row]
        for name in ("metrics-pretrain.jsonl", "metrics.jsonl")
    ]
    assert steps == [[5, 10, 15], [4, 8, 12, 16]]


def test_pretraining_may_be_all_there_is(pretrained, tmp_path):
    cell, begun = pretrained
    cell = cell.model_copy(update={"trainer": {}})
    result = run(cell, tmp_path)
    assert result.status == "ok" and begun == [0, 1, 2]
    rows = read_jsonl(Store(tmp_path).run_folder(cell.cell_id) / "metrics.jsonl")
    assert [row["step"] for row in rows if "train/loss" in row] == [5, 10, 15]
    assert result.epochs == 3


@pytest.mark.parametrize(
    ("when", "second"),
    [
        (1, [1, 2, "finetune", 0, 1, 2, 3]),
        (3, ["finetune", 0, 1, 2, 3]),
        (5, ["finetune", 2, 3]),
    ],
)
def test_a_pretrained_cell_goes_on_in_the_stage_it_was_in(
    pretrained, tmp_path, monkeypatch, when, second
):
    cell, begun = pretrained
    whole = weights_uninterrupted(cell, tmp_path / "whole")
    begun.clear()
    plain = TinyMethod.training_step

    def breaks(self, batch, batch_idx):
        if len([epoch for epoch in begun if epoch != "finetune"]) == when + 1:
            raise OSError("no space left")
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(TinyMethod, "training_step", breaks)
    assert run(cell, tmp_path).reason == "OSError: no space left"
    begun.clear()
    monkeypatch.setattr(TinyMethod, "training_step", plain)
    assert run(cell, tmp_path).status == "ok" and begun == second
    assert torch.equal(weights(tmp_path, cell), whole)


def test_a_picture_that_fails_does_not_lose_the_number(tiny, tmp_path, monkeypatch):
    def draw(*args, **kwargs):
        raise ValueError("no ink")

    monkeypatch.setattr(sys.modules["benchmarks.pictures"], "draw_cell", draw)
    result = run(tiny(), tmp_path)
    assert (result.status, result.reason) == ("ok", "no pictures: ValueError: no ink")


def test_a_full_disk_is_a_failure_that_keeps_what_was_trained(tiny, tmp_path, monkeypatch):
    original = TinyMethod.validation_step

    def no_space(self, batch, batch_idx):
        if self.trainer.current_epoch == 2:
            raise OSError(28, "No space left on device")
        original(self, batch, batch_idx)

    monkeypatch.setattr(TinyMethod, "validation_step", no_space)
    cell = tiny()
    result = run(cell, tmp_path)
    assert result.status == "failed" and "No space left on device" in result.reason
    # Epochs 0 and 1 are saved.
    assert torch.isfinite(weights(tmp_path, cell)).all()


def test_a_stopped_scoring_goes_on_where_it_was(tiny, tmp_path, monkeypatch):
    made, cell = [], tiny()
    folder = Store(tmp_path).run_folder(cell.cell_id) / "scored"

    def part(number, seed):
        if len(made) == 1:
            made.append("stopped")
            raise StopRequestedError("stopped")
        made.append(number)
        return torch.tensor(float(number))

    def evaluate(method, data, *, device, seed):
        found = [kept(part, number, seed).item() for number in range(3)]
        return ProtocolResult({"nme": sum(found)})

    monkeypatch.setattr("tests.benchmarks.tiny_protocol.evaluate", evaluate)
    with pytest.raises(StopRequestedError):
        run(cell, tmp_path)
    assert len(list(folder.iterdir())) == 1
    result = run(cell, tmp_path)
    assert made == [0, "stopped", 1, 2] and result.metrics == {"nme": 3}
    assert not folder.exists()


def test_another_cells_checkpoint_is_refused_and_kept(tiny, tmp_path):
    other, cell = tiny(seed=1), tiny()
    run(other, tmp_path)
    store = Store(tmp_path)
    folder = store.run_folder(cell.cell_id)
    folder.mkdir(parents=True)
    for name in ("resume.ckpt", "resume.ckpt.sha256"):
        (folder / name).write_bytes((store.run_folder(other.cell_id) / name).read_bytes())
    result = run(cell, tmp_path)
    assert result.status == "failed"
    assert other.cell_id in result.reason and cell.cell_id in result.reason
    assert (folder / "resume.ckpt").exists()


def test_kill_9_and_sigterm_then_going_on_is_bit_equal(tiny, tmp_path):
    """The whole promise, with real processes: killed, resumed, stopped, resumed, same weights."""
    cell = tiny(trainer={"max_epochs": 12})
    spec = tmp_path / "tiny.yaml"
    spec.write_text(tiny.path.read_text().replace("max_epochs: 4", "max_epochs: 12"))
    folder = Store(tmp_path).run_folder(cell.cell_id)
    command = [sys.executable, *ENTRY, "cell", str(spec), "good", "--budget", "smoke"]
    command += ["--results", str(tmp_path)]
    reached = []
    for number in (signal.SIGKILL, signal.SIGTERM):
        with (tmp_path / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "TINY_PAUSE": "0.1",
                    "WHATWHERE_SAVE_SECONDS": "0",
                },
            )
            goal = max(reached, default=0) + 3
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                rows = read_jsonl(folder / "metrics.jsonl")
                if rows and rows[-1]["epoch"] >= goal:
                    break
                time.sleep(0.05)
            process.send_signal(number)
            code = process.wait(30)
        reached.append(rows[-1]["epoch"])
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 75), (
            tmp_path / "log.txt"
        ).read_text()
        assert Store(tmp_path).read("tiny", cell.cell_id) is None
    assert "going on from" in (tmp_path / "log.txt").read_text()
    assert not list(folder.glob("*.new"))
    resumed = run(cell, tmp_path)
    assert resumed.status == "ok" and resumed.epochs == 12
    assert torch.equal(weights(tmp_path, cell), weights_uninterrupted(cell, tmp_path / "other"))
    steps = [row["step"] for row in read_jsonl(folder / "metrics.jsonl") if "train/loss" in row]
    assert steps == [4 * epoch for epoch in range(1, 13)]
    assert json.loads((folder / "state.json").read_text())["wall_seconds"] > 1
