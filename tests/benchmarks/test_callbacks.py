import json
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from benchmarks.callbacks import (
    CellTimeoutError,
    JsonlMetrics,
    NonFiniteError,
    NothingLearnsError,
    StopCallback,
    StopRequestedError,
    StopSignal,
    TrainingGuard,
    read_jsonl,
    seed_all,
)


def trainer(**values):
    return SimpleNamespace(**({"current_epoch": 0, "global_step": 0} | values))


def test_seeds_are_a_function_of_seed_and_stage():
    def draws(seed, stage):
        seed_all(seed, stage)
        return torch.rand(3).tolist()

    assert draws(0, 1) == draws(0, 1)
    different = {tuple(draws(seed, stage)) for seed in range(3) for stage in range(-1, 3)}
    assert len(different) == 12


def test_nan_in_loss_or_weights_fails():
    module = torch.nn.Linear(1, 1)
    guard = TrainingGuard()
    guard.on_train_batch_end(trainer(), module, {"loss": torch.tensor(1.0)}, None, 3)
    guard.on_train_batch_end(trainer(), module, None, None, 3)
    with pytest.raises(NonFiniteError, match="loss is inf in epoch 2, batch 3"):
        outputs = {"loss": torch.tensor(torch.inf)}
        guard.on_train_batch_end(trainer(current_epoch=2), module, outputs, None, 3)
    guard.on_train_epoch_end(trainer(), module)
    module.bias.data.fill_(torch.nan)
    with pytest.raises(NonFiniteError, match="bias holds"):
        guard.on_train_epoch_end(trainer(), module)


class Learner(pl.LightningModule):
    def __init__(self, optimizer, trainable=True):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1).requires_grad_(trainable)
        self.make = optimizer

    def training_step(self, batch, batch_idx):
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return self.make(self.layer.parameters()) if self.make else None


def fit_once(method, folder):
    pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[TrainingGuard()],
    ).fit(method, torch.utils.data.DataLoader(torch.ones(2, 1)))


def test_a_forgotten_optimizer_fails(tmp_path):
    with pytest.raises(NothingLearnsError, match=r"Learner\.configure_optimizers returned no"):
        fit_once(Learner(None), tmp_path)
    before = Learner(lambda weights: torch.optim.SGD(weights, 0.1))
    weight = before.layer.weight.detach().clone()
    fit_once(before, tmp_path)
    assert not torch.equal(before.layer.weight, weight)


def test_a_resumed_log_drops_what_comes_again_and_a_torn_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [{"epoch": e, "step": s, "train/loss_step": 1.0} for e, s in ((0, 1), (0, 4), (1, 5))]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"epoch": 1, "st')
    log = JsonlMetrics(path, every=1)
    log.on_train_start(trainer(global_step=4), None)
    assert read_jsonl(path) == rows[:2]
    outputs = {"loss": torch.tensor(0.5)}
    log.on_train_batch_end(trainer(global_step=5, current_epoch=1), None, outputs, None, 0)
    assert read_jsonl(path)[2:] == [{"epoch": 1, "step": 5, "train/loss_step": 0.5}]


def test_a_signal_waits_for_the_batchs_end_while_polled_and_raises_elsewhere():
    before = signal.getsignal(signal.SIGTERM)
    with StopSignal().installed() as stop:
        with stop.polling():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            with pytest.raises(StopRequestedError):
                StopCallback(stop).on_train_batch_end()
        stop.requested = False
        with pytest.raises(StopRequestedError):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_does_not_wait():
    with (
        StopSignal().installed() as stop,
        stop.polling(),
        pytest.raises(StopRequestedError),
    ):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)


def test_stops_when_the_runner_is_gone():
    gone = os.getppid() + 1
    with StopSignal(parent_pid=gone).installed() as stop, stop.polling():
        deadline = time.monotonic() + 5
        while not stop.requested and time.monotonic() < deadline:
            time.sleep(0.05)
        assert stop.requested


def test_listens_to_nothing_outside_the_main_thread():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work():
        with StopSignal().installed():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_timeout():
    StopCallback(StopSignal(), deadline=time.monotonic() + 60).on_train_batch_end()
    with pytest.raises(CellTimeoutError, match="longer than 5 minutes"):
        StopCallback(StopSignal(), time.monotonic() - 1, "5 minutes").on_validation_batch_end()
