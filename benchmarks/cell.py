"""One measured cell: train, score, write the number down.

`run_cell` is plain Python: the command line, launchers, notebooks and tests all call it. Its state
is files in the results folder, so it may be killed at any moment and called again.
"""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock
from torch import Tensor

from benchmarks import callbacks as cb
from benchmarks import checkpoints, environment, keepsakes
from benchmarks.acceleration import PLAIN, Acceleration
from benchmarks.build import build_method, build_modules, build_scored_method, fingerprint
from benchmarks.costs import Clock, Costs
from benchmarks.keepsakes import reason_of
from benchmarks.protocols.interface import NotApplicableError, ProtocolResult, load_protocol
from benchmarks.protocols.kept import keeping
from benchmarks.ranks import Group, World
from benchmarks.schema import CellResult, CellSpec, Status
from benchmarks.scoring import watched
from benchmarks.store import Store
from benchmarks.takeover import alone_in_training, holding, take_over
from benchmarks.training import can_share, make_trainer, prepare_to_share
from benchmarks.trainings import Stage, stages_of
from datamodules.interface import DataModule
from lightning_modules.interface import Method

log = logging.getLogger(__name__)

OUTSIDE_CAUSES = (OSError, MemoryError, torch.OutOfMemoryError)
"""Failures that are no fault of the code: what was trained before them stays good."""

WandbMode = Literal["off", "offline", "online"]


def run_cell(
    cell: CellSpec,
    *,
    results: Path,
    root: str | None = None,
    cache_dir: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    wandb: WandbMode = "off",
    progress_bar: bool = False,
    parent_pid: int | None = None,
    save_every_seconds: float = 20.0,
    group: Group | None = None,
    acceleration: Acceleration = PLAIN,
) -> CellResult:
    """Measure a cell, or give back its result where it is finished already.

    A failure is a result too (``failed``, ``timeout``), with its reason; a second call tries
    again. Only one process works on a cell: a second one waits, and finds it finished.

    Args:
        cell: what to measure.
        results: the results folder.
        root: the user's copy of the dataset (source ``real``).
        cache_dir: where prepared data is kept; None for the user's cache folder.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: CPU threads; None leaves torch's setting.
        wandb: record the run with Weights & Biases; of a finished cell, what came out.
        progress_bar: Lightning's own bar.
        parent_pid: stop when this process is no longer the parent.
        save_every_seconds: least time between two checkpoints.
        group: the processes that train it together, of which this is the leader; None for one.
        acceleration: how its networks are run.

    Raises:
        StopRequestedError: SIGTERM or SIGINT came; a later call goes on from the last epoch saved.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    store = Store(Path(results))
    folder = store.run_folder(cell.cell_id)
    folder.mkdir(parents=True, exist_ok=True)
    with cb.StopSignal(parent_pid).installed() as stop, holding(store.lock(cell), folder):
        finished = store.finished(cell)
        if finished is not None:
            log.info("cell %s is finished already: %s", cell.cell_id, finished.status)
            keepsakes.log_again(cell, finished, folder, wandb)
            return finished
        group = group or Group(World(), device.startswith("cuda"))
        with alone_in_training(cell, store), closing(group):
            place = torch.device(device)
            means = Means(store, place, stop, save_every_seconds, group, acceleration)
            return Attempt(cell, means).run(root, cache_dir, wandb, progress_bar)


@dataclass(frozen=True)
class Means:
    """What cells are measured with; fields as the arguments of `run_cell`."""

    store: Store
    device: torch.device
    stop: cb.StopSignal
    save_every_seconds: float
    group: Group
    acceleration: Acceleration


class Attempt:
    """One try at one cell."""

    def __init__(self, cell: CellSpec, means: Means) -> None:
        self.cell, self.means = cell, means
        self.store, self.device = means.store, means.device
        self.stop, self.group = means.stop, means.group
        self.folder = folder = self.store.run_folder(cell.cell_id)
        self.stages = stages_of(cell, folder)
        self.progress = cb.ProgressFile(folder / "progress.json")
        path = folder / "state.json"
        begun = any(checkpoints.any_file(stage.checkpoint) for stage in self.stages)
        self.costs = (Costs.read(path) if begun else None) or Costs()
        self.clock = Clock(self.costs, path)
        minutes = cell.timeout_minutes
        deadline = None if minutes is None else self.clock.began + 60 * minutes
        allowed = f"{minutes:g} minutes" if minutes else ""
        self.ending = cb.StopCallback(self.stop, deadline, allowed)
        self.computing = False
        self.epochs = self.steps = 0
        self.world_size = 1
        self.counts: dict[str, int] = {}
        self.remarks: list[str] = []

    def run(
        self, root: str | None, cache_dir: str | None, wandb: WandbMode, progress_bar: bool
    ) -> CellResult:
        """Measure, turn every end but a stop into a result, and write it."""
        scored = ProtocolResult({})
        status: Status = "ok"
        logger = None
        pictures: list[Path] = []
        try:
            modules = self._prepared(root, cache_dir)
            data = modules[0]
            method = build_scored_method(self.cell)
            logger = keepsakes.open_logger(self.cell, self.folder, wandb, self.remarks.append)
            self._start(method, root, cache_dir)
            if self.cell.fit:
                self._train(method, modules, logger, progress_bar)
            self.group.dismiss()  # the others have nothing to do with scores
            scored = self._score(method, data, progress_bar)
            self.progress.write(phase="pictures")
            pictures, remark = keepsakes.draw(self.cell, scored, method, data, self.folder)
            self.remarks += [remark] if remark else []
        except NotApplicableError as error:
            status, self.remarks = "n/a", [str(error)]
        except cb.CellTimeoutError as error:
            status, self.remarks = "timeout", [str(error)]
        except cb.StopRequestedError:
            keepsakes.finish_logger(logger, None, pictures)
            raise
        except Exception as error:  # a failed cell is a row, not an abort
            log.exception("cell %s failed", self.cell.cell_id)
            status, self.remarks = "failed", [reason_of(error)]
            self._distrust(error)
        finally:
            self.clock.tick()
        result = self._result(status, scored)
        # The number first: a dashboard may hang, or be killed while it uploads.
        self.store.write(result)
        if status != "timeout":
            shutil.rmtree(self.folder / "scored", ignore_errors=True)
        keepsakes.finish_logger(logger, result, pictures)
        return result

    def _distrust(self, error: Exception) -> None:
        """Mended code must not go on from what broken code has trained."""
        outside = isinstance(error, OUTSIDE_CAUSES) or (self.world_size > 1 and self.group.lost())
        if self.computing and not outside:
            for stage in self.stages:
                checkpoints.discard(stage.checkpoint)

    def _start(self, method: Method, root: str | None, cache_dir: str | None) -> None:
        """Give the method the weights that the cell starts from, if it does.

        They are another cell's, which is trained first where that has not been done, in its own run
        folder, and left as one that was stopped between training and scoring.
        """
        base = self.cell.base_cell
        begun = any(checkpoints.newest_good(stage.checkpoint) for stage in self.stages)
        if base is None or begun:
            return
        folder = self.store.run_folder(base.cell_id)
        folder.mkdir(parents=True, exist_ok=True)
        self.progress.write(phase="wait")
        begun_at = time.monotonic()
        # Who holds a base's locks waits for no cell that starts from it, so none waits for ever.
        with FileLock(folder / "lock"), alone_in_training(base, self.store):
            attempt = Attempt(base, self.means)
            attempt.progress = cb.ProgressFile(self.progress.path, base=base.row)
            method.start_from(attempt.weights(root, cache_dir))
        if self.ending.deadline is not None:  # the time that was taken was the base's
            self.ending.deadline += time.monotonic() - begun_at
        self.costs.base_commits = [*attempt.costs.base_commits, *attempt.costs.commits]

    def weights(
        self, root: str | None, cache_dir: str | None, logger: Any = None
    ) -> dict[str, Tensor]:
        """What training gives, as far as it is still to be done; nothing is scored or written."""
        try:
            modules = self._prepared(root, cache_dir)
            method = build_method(self.cell)
            self._start(method, root, cache_dir)
            if self.cell.fit:
                self._train(method, modules, logger, False)
            return {name: value.cpu() for name, value in method.state_dict().items()}
        except (cb.CellTimeoutError, cb.StopRequestedError):
            raise
        except Exception as error:
            self._distrust(error)
            raise
        finally:
            self.clock.tick()

    def _prepared(self, root: str | None, cache_dir: str | None) -> list[DataModule]:
        """The cell's data, its own first, ready to be read."""
        cell = self.cell
        where = {"source": cell.source, "root": root, "cache_dir": cache_dir, "seed": cell.seed}
        modules = build_modules(cell.datasets, **where)  # type: ignore[arg-type]
        self.progress.write(phase="data")
        found = fingerprint(modules)
        if found != self.cell.data_fingerprint:
            raise ValueError(
                f"the data has fingerprint {found}, the cell was planned for "
                f"{self.cell.data_fingerprint}: the data changed in between; run the table again"
            )
        for data in modules:
            data.prepare_data()
            data.setup("fit")
            data.setup("test")
        self.counts = modules[0].counts()
        return modules

    def _train(
        self, method: Method, modules: Sequence[DataModule], logger: Any, progress_bar: bool
    ) -> None:
        """Train in all stages, going on from the last one that left a checkpoint."""
        found = [checkpoints.newest_good(stage.checkpoint) for stage in self.stages]
        if not any(found):
            self.costs.forget_training()
            found[-1] = take_over(self.cell, self.store, self.stages, self.costs)
        if self.group.world.size > 1 and can_share(method):
            self.world_size = self.group.world.size
            self.group.meet()
            files = [None if file is None else str(file) for file in found]
            self.group.tell({"cell": self.cell.cell_id, "found": files})
        else:
            self.group.dismiss()
        self._train_stages(method, modules, found, logger, progress_bar)
        if self.costs.remark(self.cell.row):
            self.remarks.append(self.costs.remark(self.cell.row))

    def follow(self, message: dict[str, Any], root: str | None, cache_dir: str | None) -> None:
        """Train along with the leader, from what it says."""
        self.world_size = self.group.world.size
        modules = self._prepared(root, cache_dir)
        found = [None if file is None else Path(file) for file in message["found"]]
        self._train_stages(build_method(self.cell), modules, found, None, False)

    def _train_stages(
        self,
        method: Method,
        modules: Sequence[DataModule],
        found: Sequence[Path | None],
        logger: Any,
        progress_bar: bool,
    ) -> None:
        begun = max((n for n, file in enumerate(found) if file is not None), default=0)
        self.means.acceleration.apply(method)
        for number, stage in enumerate(self.stages):
            if number:
                method.begin_finetuning()
            if number >= begun:
                # As in its files, the curves of a cell are those of its last training.
                curves = logger if stage is self.stages[-1] else None
                self._fit(method, modules[stage.data], stage, found[number], curves, progress_bar)

    def _fit(
        self,
        method: Method,
        data: DataModule,
        stage: Stage,
        found: Path | None,
        logger: Any,
        progress_bar: bool,
    ) -> None:
        of_row = None if stage.data else self.cell.train_on
        data.train_on(of_row or method.trains_on)
        data.hand_out(method.sees, draw=method.draws)
        data.pairs = data.pairs or method.pairs
        world = self.group.world if self.world_size > 1 else World()
        data.divide(world.rank, world.size)
        prepare_to_share(method, self.device, world)
        done = 0
        if found is not None:
            done = checkpoints.check_owner(found, self.cell.cell_id)["epoch"] + 1
            log.info("going on from %s", found)
        unfinished = done < stage.trainer["max_epochs"]
        if unfinished:
            self.costs.note_training(self.means.acceleration.names)
        trainer = make_trainer(
            stage.trainer,
            device=self.device,
            world=world,
            callbacks=[
                cb.ReseedEachEpoch(self.cell.seed),
                cb.TrainingGuard(),
                cb.JsonlMetrics(stage.metrics),
                self.progress,
                self.ending,
                checkpoints.ResumeCheckpoint(
                    stage.checkpoint,
                    self.cell.cell_id,
                    self.cell.config(),
                    every_seconds=self.means.save_every_seconds,
                    on_saved=self.clock.tick,
                ),
            ],
            logger=logger,
            folder=self.folder,
            progress_bar=progress_bar,
        )
        self.clock.tick()
        self.clock.training, self.computing = unfinished, True
        try:
            with self.stop.polling():
                trainer.fit(method, datamodule=data, ckpt_path=found)
        except SystemExit:  # Lightning's own answer to SIGTERM
            self.stop.check()
            raise
        finally:
            self.clock.tick()
            self.clock.training = False
        self.stop.check()
        self.epochs, self.steps = trainer.current_epoch, trainer.global_step
        # Lightning ends some runs early without an exception.
        if trainer.interrupted or self.epochs < stage.trainer["max_epochs"]:
            raise RuntimeError(
                f"training ended after epoch {self.epochs} of {stage.trainer['max_epochs']}"
            )

    def _score(self, method: Method, data: DataModule, progress_bar: bool) -> ProtocolResult:
        self.progress.write(phase="score")
        self.computing = True
        protocol = load_protocol(self.cell.protocol)
        cb.seed_all(self.cell.seed)
        method.eval().requires_grad_(False).to(self.device)
        with (
            watched(data, self.progress, self.ending, bar=progress_bar),
            keeping(
                self.folder / "scored",
                self.store.common_folder(),
                environment.code_digest(str(self.device)),
            ),
        ):
            scored = protocol.evaluate(method, data, device=self.device, seed=self.cell.seed)
        for metric, value in scored.metrics.items():
            if not math.isfinite(value):
                raise cb.NonFiniteError(f"metric '{metric}' is {value}")
        return scored

    def _result(self, status: Status, scored: ProtocolResult) -> CellResult:
        commit, dirty = environment.commit_and_dirty()
        return self.cell.result(
            status,
            "; ".join(self.remarks) or None,
            metrics=scored.metrics,
            intervals=scored.intervals,
            data_counts=self.counts,
            commit=commit,
            # Nothing vouches for weights whose code no commit holds, whoever scores them.
            dirty=dirty or self.costs.trained_with_changes,
            versions=environment.versions(),
            device=environment.device_name(str(self.device)),
            started=self.costs.started,
            wall_seconds=round(self.costs.wall_seconds, 3),
            train_seconds=round(self.costs.train_seconds, 3),
            peak_memory_mib=round(self.costs.peak_memory_mib, 1),
            world_size=self.world_size,
            accelerated=self.costs.accelerated,
            epochs=self.epochs,
            steps=self.steps,
        )
