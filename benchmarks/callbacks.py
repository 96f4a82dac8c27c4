"""What every cell's training needs around Lightning's loop.

Seeds as a function of the epoch, a guard against NaN, a log that survives a kill, progress for the
runner, and an end on request, on time-out, or when the runner is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.files import write_atomically
from benchmarks.ranks import agreed, averaged, is_leader


class StopRequestedError(Exception):
    """SIGTERM or SIGINT arrived; nothing is half written."""


class CellTimeoutError(Exception):
    """The cell took longer than its budget allows."""


class NothingLearnsError(ValueError):
    """No optimizer holds a weight of a method that is trained by a loss."""


class NonFiniteError(ArithmeticError):
    """The loss or the weights are no longer numbers."""


class StopSignal:
    """Turns SIGTERM and SIGINT into a flag, or into an exception where nobody reads the flag.

    Args:
        parent_pid: also stop when this process is no longer the parent: a killed runner must not
            leave cells behind that nobody waits for.
        deaf: hear no signal at all: this process follows another one, which does.
    """

    def __init__(self, parent_pid: int | None = None, deaf: bool = False) -> None:
        self.requested = False
        self.polled = False
        self.deaf = deaf
        self._parent_pid = parent_pid

    @contextlib.contextmanager
    def installed(self) -> Iterator[StopSignal]:
        """Listen while the block runs; outside the main thread this listens to nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        old = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        self.listen()
        done = threading.Event()
        if self._parent_pid is not None:
            threading.Thread(target=self._watch_parent, args=(done,), daemon=True).start()
        try:
            yield self
        finally:
            done.set()
            for number, handler in old.items():
                signal.signal(number, handler)

    def listen(self) -> None:
        """Take signals, whoever has them now."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN if self.deaf else self._handle)

    @contextlib.contextmanager
    def polling(self) -> Iterator[None]:
        """Within the block `check` is called often; a first signal waits for it."""
        self.check()
        self.polled = True
        try:
            yield
        finally:
            self.polled = False

    def check(self) -> None:
        """Raise if a signal came.

        Raises:
            StopRequestedError: a signal came.
        """
        if self.requested:
            raise StopRequestedError("stopped on request; run the same command to go on")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if not self.polled or again:
            self.check()

    def _watch_parent(self, done: threading.Event) -> None:
        while not done.wait(1.0):
            if os.getppid() != self._parent_pid:
                os.kill(os.getpid(), signal.SIGTERM)
                return


class StopCallback(pl.Callback):
    """Ends training, or scoring, at a batch's end when asked to, or when the time is over.

    Args:
        stop: the flag.
        deadline: `time.monotonic` after which the cell has timed out; None for never.
        allowed: the words for the time-out, e.g. ``"10 minutes"``.
    """

    def __init__(self, stop: StopSignal, deadline: float | None = None, allowed: str = "") -> None:
        self.stop = stop
        self.deadline = deadline
        self.allowed = allowed

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Where several processes train, take SIGTERM back from Lightning.

        Its own handler waits for the other processes within the signal, and with a second signal
        for ever.
        """
        if trainer.world_size > 1 and threading.current_thread() is threading.main_thread():
            self.stop.listen()

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Raise if it is time."""
        self.check()

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Raise if it is time."""
        self.check()

    def check(self) -> None:
        """Raise if it is time.

        Raises:
            StopRequestedError: a signal came.
            CellTimeoutError: the time is over.
        """
        late = self.deadline is not None and time.monotonic() > self.deadline
        # All processes of a cell stop after the same batch.
        code = agreed(2 if self.stop.requested else int(late))
        if code == 2:
            self.stop.requested = True
            self.stop.check()
        if code:
            raise CellTimeoutError(f"took longer than {self.allowed}")


class ReseedEachEpoch(pl.Callback):
    """Makes every epoch's draws a function of (seed, epoch), so that a resumed run repeats them.

    Twice, by different words: at the epoch's start, because the first batch is augmented on the
    device before any hook of that batch; and at batch 0, because what happens in between may
    depend on whether the run was resumed. Lightning builds the loader's iterator before the hook
    in the first case and after it in the other, and building it draws from torch's generator
    unless the loader has one of its own, which it gets here.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the loaders their own generators."""
        loaders: Any = trainer.train_dataloader
        for loader in loaders if isinstance(loaders, list | tuple) else [loaders]:
            if isinstance(loader, DataLoader) and loader.generator is None:
                loader.generator = torch.Generator().manual_seed(self.seed)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed Python, NumPy and torch."""
        seed_all(self.seed, 2 * trainer.current_epoch)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed them again at batch 0."""
        if batch_idx == 0:
            seed_all(self.seed, 2 * trainer.current_epoch + 1)


class TrainingGuard(pl.Callback):
    """Fails the cell when nothing is learned, or the loss or a weight is no longer a finite number.

    Lightning itself finishes such a run as if nothing had happened. The loss is read every batch
    on the CPU; elsewhere every ``every`` batches, for reading it waits for the device. The weights
    are read at the end of an epoch, before they can reach a checkpoint.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = every

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """See that an optimizer has something to learn, if the method descends along a loss."""
        trainable = any(weight.requires_grad for weight in pl_module.parameters())
        held = (
            weight.requires_grad
            for optimizer in trainer.optimizers
            for group in optimizer.param_groups
            for weight in group["params"]
        )
        if pl_module.automatic_optimization and trainable and not any(held):
            raise NothingLearnsError(
                f"{type(pl_module).__name__}.configure_optimizers returned no optimizer with a "
                "weight that requires a gradient: return one, or set requires_grad_(False) where "
                "nothing is to be learned"
            )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Read the loss."""
        loss = loss_of(outputs)
        if loss is None or (loss.device.type != "cpu" and batch_idx % self.every):
            return
        if agreed(int(not torch.isfinite(loss).all())):
            raise NonFiniteError(
                f"the loss is {loss.item()} in epoch {trainer.current_epoch}, batch {batch_idx}"
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the weights."""
        for name, weight in pl_module.named_parameters():
            if not torch.isfinite(weight).all():
                raise NonFiniteError(
                    f"{name} holds values that are not finite after epoch {trainer.current_epoch}"
                )


class JsonlMetrics(pl.Callback):
    """Appends rows to ``metrics.jsonl``: the loss now and then, every metric at an epoch's end.

    Each line is flushed, so a kill loses nothing (W&B's offline log loses up to 15 s). When a run
    is resumed, rows beyond the step it resumed from are dropped, for they come again.

    Args:
        path: the file.
        every: batches between two rows of the loss.
    """

    def __init__(self, path: Path, every: int = 20) -> None:
        self.path = path
        self.every = every
        self._rate: dict[str, float] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop what a resumed run is about to repeat."""
        if self.path.exists() and is_leader():
            rows = [row for row in read_jsonl(self.path) if row["step"] <= trainer.global_step]
            write_atomically(self.path, "".join(json.dumps(row) + "\n" for row in rows))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the learning rate: by the epoch's end a scheduler has moved it on."""
        rates = [group["lr"] for opt in trainer.optimizers for group in opt.param_groups]
        self._rate = {"lr": float(rates[0])} if rates else {}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write the loss, now and then."""
        loss = loss_of(outputs)
        if loss is not None and batch_idx % self.every == 0:
            self._write(trainer, {"train/loss_step": averaged(loss.item())})

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write every logged metric."""
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        self._write(trainer, metrics | self._rate)

    def _write(self, trainer: pl.Trainer, values: Mapping[str, float]) -> None:
        if not is_leader():
            return
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, **values}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")


class ProgressFile(pl.Callback):
    """Tells the runner where a cell is, at most once a second, in ``progress.json``.

    Args:
        path: the file.
        every_seconds: the least time between two writings.
        base: the row whose training this is, where it is of what the cell starts from.
    """

    def __init__(self, path: Path, every_seconds: float = 1.0, base: str | None = None) -> None:
        self.path = path
        self.of_all = {} if base is None else {"base": base}
        self.every_seconds = every_seconds
        self._written_at = -1e9

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write, if it is time."""
        if not self._is_time():
            return
        loss = loss_of(outputs)
        batches = int(trainer.num_training_batches)
        epochs = trainer.max_epochs or 0
        self.write(
            phase="train",
            done=trainer.current_epoch * batches + batch_idx + 1,
            total=epochs * batches,
            epoch=trainer.current_epoch + 1,
            epochs=epochs,
            loss=None if loss is None else loss.item(),
        )

    def scored(self, split: str, done: int, total: int) -> None:
        """Write how many pictures of a split a protocol has been through, if it is time."""
        if self._is_time():
            self.write(phase="score", split=split, done=done, total=total)

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self._written_at < self.every_seconds:
            return False
        self._written_at = now
        return True

    def write(self, **values: Any) -> None:
        """Replace the file's content."""
        if not is_leader():
            return
        # No fsync: the runner reads it within a second or never, and a slow disk must not slow
        # the training.
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        temporary.write_text(json.dumps(self.of_all | values), encoding="utf-8")
        temporary.replace(self.path)


def seed_all(seed: int, stage: int = 0) -> None:
    """Seed Python, NumPy and torch (all devices) from a seed and a stage (-1: before training)."""
    words = np.random.SeedSequence([seed, stage + 1]).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    torch.manual_seed(int(words[2]))


def loss_of(outputs: Any) -> Tensor | None:
    """The loss in what Lightning passes on from ``training_step``, if there is one."""
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    return loss.detach() if isinstance(loss, Tensor) else None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a log, none if there is no file; a line torn by a kill is left out."""
    rows: list[dict[str, Any]] = []
    if not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows
