"""Scoring that can be watched and stopped, whatever the protocol."""

import os
import signal
import time
from types import SimpleNamespace

import pytest

from benchmarks.callbacks import ProgressFile, StopCallback, StopRequestedError, StopSignal
from benchmarks.cell import run_cell
from benchmarks.console import progress_words
from benchmarks.files import read_json
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.scoring import watched
from benchmarks.store import Store
from tests.benchmarks import tiny_protocol
from tests.benchmarks.tiny import TinyData, TinyMethod


@pytest.fixture
def data():
    return TinyData(image_size=8, length=10)


def test_a_bar_counts_the_pictures_of_a_split(data, tmp_path):
    file = tmp_path / "progress.json"
    seen = []
    with watched(data, ProgressFile(file, 0.0), StopCallback(StopSignal()), bar=False):
        loader = iter(data.eval_dataloader("test", 4))
        for batch in loader:
            seen.append((len(batch["index"]), read_json(file)["done"]))
    assert seen == [(4, 0), (4, 4), (2, 8)]
    assert read_json(file) == {"phase": "score", "split": "test", "done": 10, "total": 10}
    assert progress_words(read_json(file)) == "scoring test"
    assert progress_words({"phase": "score"}) == "scoring"
    # Whoever comes later is not followed.
    assert data.watcher is None and len(list(data.eval_dataloader("test", 4))) == 3


def test_a_terminal_sees_the_bar_too(data, tmp_path, capsys):
    ending = StopCallback(StopSignal())
    with watched(data, ProgressFile(tmp_path / "p.json"), ending, bar=True):
        list(data.eval_dataloader("test", 4))
    assert "scoring" in capsys.readouterr().err


def test_an_error_of_the_protocol_leaves_nobody_watching(data, tmp_path):
    ending = StopCallback(StopSignal())
    with (
        pytest.raises(ValueError, match="broken"),
        watched(data, ProgressFile(tmp_path / "p.json"), ending, bar=False),
    ):
        raise ValueError("broken")
    assert data.watcher is None


@pytest.fixture
def epochs(monkeypatch):
    begun = []
    monkeypatch.setattr(
        TinyMethod, "on_train_epoch_start", lambda self: begun.append(self.current_epoch)
    )
    return begun


def test_a_signal_that_a_library_swallows_ends_scoring_after_the_batch(
    tiny, tmp_path, monkeypatch, epochs
):
    cell, batches = tiny(), []

    def swallows(method, data, *, device, seed):
        for batch in data.eval_dataloader("test", 4):
            batches.append(batch)
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(1)
            except StopRequestedError:
                pass
        return ProtocolResult({"nme": 1.0})

    with monkeypatch.context() as patched:
        patched.setattr(tiny_protocol, "evaluate", swallows)
        with pytest.raises(StopRequestedError):
            run_cell(cell, results=tmp_path, save_every_seconds=0)
    assert len(batches) == 1 and epochs == [0, 1, 2, 3]
    assert Store(tmp_path).read("tiny", cell.cell_id) is None
    # What was trained stays: the second call only scores.
    assert run_cell(cell, results=tmp_path).status == "ok" and len(epochs) == 4


def test_scoring_takes_its_part_of_the_time(tiny, tmp_path, monkeypatch, epochs):
    cell = tiny(timeout_minutes=60)

    def takes_long(method, data, *, device, seed):
        later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3601)
        monkeypatch.setattr("benchmarks.callbacks.time", later)
        list(data.eval_dataloader("test", 4))

    with monkeypatch.context() as patched:
        patched.setattr(tiny_protocol, "evaluate", takes_long)
        result = run_cell(cell, results=tmp_path, save_every_seconds=0)
    assert (result.status, result.reason) == ("timeout", "took longer than 60 minutes")
    monkeypatch.setattr("benchmarks.callbacks.time", time)
    assert run_cell(cell, results=tmp_path).status == "ok" and epochs == [0, 1, 2, 3]
