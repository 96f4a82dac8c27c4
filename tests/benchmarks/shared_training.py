"""Every method that descends along a gradient, trained for a moment by one process or by several.

Processes are forked, so nothing is imported again; each writes what it found, or why it failed.
"""

import multiprocessing
import os
import traceback
from datetime import timedelta

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch.utils.data import Dataset

from benchmarks import callbacks as cb
from benchmarks import checkpoints
from benchmarks.acceleration import PLAIN
from benchmarks.build import build_method
from benchmarks.ranks import World, averaged, is_leader
from benchmarks.specs import load_spec, resolve_cell
from benchmarks.training import make_trainer, prepare_to_share
from datamodules.arrays import ArrayDataset
from datamodules.interface import DataModule

ROWS = {
    "abp": ("mnist", "abp"),
    "autolink": ("mafl", "autolink-k10"),
    "ddr": ("affwild", "ddr"),
    "ddr_vae": ("affwild", "vae"),
    "deformable": ("mnist", "deformable"),
    "deformable_adversarial": ("ffhq", "deformable-adversarial"),
    "deformable_amortised": ("affwild", "deformable-amortised"),
    "deformable_conditional": ("mnist", "deformable-conditional"),
    "deformable_video": ("mug", "deformable"),
    "dense_dae": ("mafl-field", "dense-dae"),
    "dense_embedding": ("mafl-field", "dve-16"),
    "dlp": ("affwild", "dlp"),
    "dlp_objects": ("shapes", "dlp"),
    "graph_dynamics": ("video-prediction", "graph"),
    "keynet": ("mafl", "keynet-k10"),
    "mocogan": ("affwild", "mocogan"),
    "sequential_vae": ("affwild", "sequential-vae"),
    "supervised_landmarks": ("mafl-field", "supervised"),
    "transformer_dynamics": ("video-prediction", "transformer"),
    "vae": ("mnist", "vae"),
    "zhang": ("mafl", "zhang-k10"),
}
"""A row of a table for each such method; its smoke settings are used."""

SAMPLES, BATCH, FRAMES = 8, 4, 20
MARGIN = 8
NEEDS_PAIRS = ("keynet", "zhang", "dense_embedding")


class ClipRows(Dataset):
    def __init__(self, clips, labels):
        self.clips, self.labels = clips, labels

    def __len__(self):
        return len(self.clips)

    def __getitems__(self, indices):
        index = torch.tensor(indices)
        labels = {key: values[index] for key, values in self.labels.items()}
        return {"clip": self.clips[index], "index": index, **labels}


class MadeData(DataModule):
    """Smooth pictures, or clips of them, with all labels that anybody learns from."""

    name = "made"
    splits = ("train",)
    training_split = validation_split = "train"

    def __init__(self, channels, clips, frames, **others):
        super().__init__(batch_size=BATCH, **others)
        self.frames = frames
        self.channels, self.unit = channels, "clips" if clips else "pictures"

    def prepare_data(self):
        pass

    def setup(self, stage=None):
        pass

    def handed_out(self, split, *, with_margin=False):
        rng = np.random.default_rng(0)
        side = self.image_size + (2 * MARGIN if with_margin else 0)
        frames = self.frames if self.unit == "clips" else 1
        coarse = rng.uniform(0, 255, (SAMPLES * frames, self.channels, 4, 4)).astype(np.float32)
        smooth = torch.nn.functional.interpolate(
            torch.from_numpy(coarse), size=(side, side), mode="bilinear"
        ).byte()
        labels = {
            "label": rng.integers(0, 10, SAMPLES),
            "expression": rng.integers(0, 6, SAMPLES),
            "landmarks": rng.uniform(-0.5, 0.5, (SAMPLES, 5, 2)).astype(np.float32),
        }
        if self.unit == "clips":
            tensors = {key: torch.from_numpy(value) for key, value in labels.items()}
            return ClipRows(smooth.view(SAMPLES, frames, *smooth.shape[1:]), tensors), BATCH
        return ArrayDataset(smooth.permute(0, 2, 3, 1).numpy(), labels), BATCH


class Keep(pl.Callback):
    """The loss of every batch, over all processes, and the sizes of gradients in the first."""

    def __init__(self):
        self.losses, self.slopes = [], {}

    def on_before_optimizer_step(self, trainer, method, optimizer):
        if not self.slopes:
            self.slopes = {
                name: float(p.grad.norm())
                for name, p in method.named_parameters()
                if p.grad is not None
            }

    def on_train_batch_end(self, trainer, method, outputs, batch, batch_idx):
        self.losses.append(averaged(cb.loss_of(outputs).item()))


def cell_of(method):
    table, row = ROWS[method]
    return resolve_cell(
        load_spec(table), row, seed=0, budget="smoke", source="standin", data_fingerprint="0" * 16
    )


def train(method_id, folder, world, resume=None, faster=PLAIN, precision="32-true"):
    """Two epochs with the callbacks of a cell; gives losses, gradients and weights.

    Args:
        method_id: of `ROWS`.
        folder: gets the checkpoints of both epochs.
        world: this process's.
        resume: how many processes left the checkpoint of the first epoch to go on from.
        faster: how its networks are run.
        precision: of the Trainer.
    """
    cell = cell_of(method_id)
    method = build_method(cell)
    faster.apply(method)
    pairs = method.pairs or method_id in NEEDS_PAIRS
    size = cell.data["image_size"]
    channels = 1 if cell.args.get("image_channels") == 1 else 3
    frames = cell.args.get("frames", FRAMES)
    data = MadeData(channels, method.sees == "clips", frames, image_size=size, pairs=pairs)
    data.divide(world.rank, world.size)
    device = torch.device("cpu")
    prepare_to_share(method, device, world)
    keep = Keep()
    callbacks = [cb.ReseedEachEpoch(0), cb.TrainingGuard(), keep]
    name, begin = f"{method_id}-{world.size}", None
    if resume is not None:
        begin = checkpoints.previous_of(folder / f"{method_id}-{resume}.ckpt")
        name += f"-from-{resume}"
    saved = folder / f"{name}.ckpt"
    callbacks.append(checkpoints.ResumeCheckpoint(saved, "0", {}, every_seconds=0))
    trainer = make_trainer(
        {"max_epochs": 2, "limit_val_batches": 0, "precision": precision},
        device=device,
        world=world,
        callbacks=callbacks,
        logger=None,
        folder=folder,
        progress_bar=False,
    )
    trainer.fit(method, datamodule=data, ckpt_path=begin)
    weights = {name: p.detach().clone() for name, p in method.named_parameters()}
    bank = {"bank": method.bank.codes.clone()} if hasattr(method, "bank") else {}
    return {"losses": keep.losses, "slopes": keep.slopes, "weights": weights | bank}


def in_processes(folder, work):
    """Run each set of processes at once, forked from this one.

    Args:
        folder: gets what each piece of work gives, or why it failed.
        work: by number of processes, (name, method, where to resume) one after the other.
    """
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_process, args=(folder, World(size, 1, rank), pieces), daemon=True)
        for size, pieces in work.items()
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def _process(folder, world, pieces):
    os.environ |= {"LOCAL_RANK": str(world.local), "NODE_RANK": "0"}
    torch.set_num_threads(1)
    for name, method, resume in pieces:
        if world.size > 1:
            # A group for each, so that a failure costs no other method.
            dist.init_process_group(
                "gloo",
                init_method=f"file://{folder}/{name}.store",
                rank=world.rank,
                world_size=world.size,
                timeout=timedelta(minutes=5),
            )
        try:
            found = train(method, folder, world, resume)
        except Exception:
            found = {"error": traceback.format_exc()}
        if is_leader():
            torch.save(found, folder / f"{name}.pt")
        if world.size > 1:
            dist.destroy_process_group()
    os._exit(0)


def read(folder, name):
    """What a piece of work gave."""
    found = torch.load(folder / f"{name}.pt", weights_only=True)
    assert "error" not in found, found["error"]
    return found
