"""A method, a dataset and a protocol of a few numbers, with ways to go wrong, for tests."""

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from datamodules.interface import ArrayDataset, DataModule, EpochSampler, Report
from lightning_modules.interface import Keypoints, Method
from lightning_modules.layers.processes import normal_like, uniform_like
from tests.benchmarks.tiny_entry import ENTRY

SPEC = """
table: tiny
title: A tiny table
dataset: tiny
protocol: {id: tiny, version: 1}
columns: [nme]
budgets:
  smoke:
    data: {image_size: 8, batch_size: 4, length: 16}
    trainer: {max_epochs: 4}
    methods: {tiny: {lr: 1e-2}}
    timeout_minutes: 5
rows:
  - {id: good, label: Good, method: tiny}
  - {id: nan, label: NaN, method: tiny, args: {trouble: nan}}
  - {id: raises, label: Raises, method: tiny, args: {trouble: raises}}
  - {id: mute, label: No points, method: tiny, args: {trouble: mute}}
  - {id: unscored, label: NaN metric, method: tiny, args: {trouble: unscored}}
  - {id: untrained, label: Untrained, method: tiny, fit: false}
  - {id: paper, label: Paper, published: {nme: {value: 1.5, source: a paper}}}
claims:
  - id: good-beats-untrained
    text: good beats untrained
    source: tests
    left: {row: good, metric: nme}
    right: {row: untrained, metric: nme}
"""


class TinyMethod(Method):
    def __init__(self, image_size: int, n_keypoints: int = 2, lr: float = 0.1, trouble: str = ""):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(image_size, n_keypoints)

    def losses(self, batch):
        # TINY_PAUSE slows a process down without changing its cell.
        time.sleep(float(os.environ.get("TINY_PAUSE", "0")))
        image = batch["image"]
        noisy = image + 0.1 * normal_like(image)
        loss = (self.layer(noisy) - 1).square().mean()
        if self.training and self.trainer.current_epoch == 1:
            if self.hparams["trouble"] == "nan":
                loss = loss * float("nan")
            if self.hparams["trouble"] == "raises":
                raise RuntimeError("the tiny method\nhad an accident")
        return {"loss": loss}

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "epoch"},
        }

    def keypoints(self, image):
        return Keypoints(self.layer(image).mean(dim=(1, 2))[..., None].expand(-1, -1, 2), None)


class _Pictures(Dataset):
    def __init__(self, length: int, size: int):
        self.images = torch.rand(length, 1, size, size, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.images[index], "index": torch.tensor(index)}


class TinyData(DataModule):
    name: ClassVar[str] = "tiny"
    splits: ClassVar[tuple[str, ...]] = ("train",)

    def __init__(self, *, length: int = 16, **others: Any):
        super().__init__(**others)
        self.pictures = _Pictures(length, self.image_size)

    def prepare_data(self) -> None:
        pass

    def setup(self, stage: str | None = None) -> None:
        pass

    def fingerprint(self) -> str:
        return "0123456789abcdef"

    def cache_path(self) -> Path:
        return self.cache_dir / "tiny.h5"

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        report = Report("tiny", str(root))
        report.add("pictures", "16", "16", "ok")
        for name in ("a.txt", "b.txt"):
            status = "ok" if (Path(root) / name).exists() else "missing"
            report.add(name, "a file", status, status, "get it from its authors")
        return report

    def counts(self) -> dict[str, int]:
        return {"train": len(self.pictures)}

    def dataset(self, split, *, with_margin=False):
        images = (self.pictures.images * 255).byte().permute(0, 2, 3, 1)
        return ArrayDataset(images.numpy(), {})

    def train_dataloader(self):
        whole = self.batch_size
        sampler = EpochSampler(len(self.pictures), self.seed, part=self.part, batch=whole)
        return DataLoader(self.pictures, whole // self.part[1], sampler=sampler, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.pictures, self.batch_size)

    def on_after_batch_transfer(self, batch, dataloader_idx):
        # As the pairs of the real module: drawn on the device, before any hook of the batch.
        return batch | {"image": batch["image"] + 0.1 * uniform_like(batch["image"])}


def evaluate(method, data, *, device, seed):
    assert not method.training
    if method.hparams["trouble"] == "mute":
        raise NotApplicableError("has no keypoints")
    for _ in data.eval_dataloader("test", 4):
        pass
    nme = float(method.layer(data.pictures.images.to(device)).sub(1).square().mean())
    if method.hparams["trouble"] == "unscored":
        nme = float("nan")
    return ProtocolResult({"nme": nme}, {"nme": (nme - 0.1, nme + 0.1)}, {})


_NoPictures = SimpleNamespace(cell_title=lambda cell: "", draw_cell=lambda *_, **__: [])


def install(set_item=dict.__setitem__):
    """Put the tiny things into the registries."""
    import benchmarks
    from benchmarks.protocols import interface
    from datamodules import registry as datasets
    from lightning_modules import registry as methods

    set_item(sys.modules, "benchmarks.pictures", _NoPictures)
    # `from benchmarks import pictures` takes the attribute where another test has imported it.
    set_item(vars(benchmarks), "pictures", _NoPictures)
    set_item(methods.METHODS, "tiny", "tests.benchmarks.tiny:TinyMethod")
    set_item(datasets.DATASETS, "tiny", "tests.benchmarks.tiny:TinyData")
    set_item(interface.PROTOCOLS, "tiny", "tests.benchmarks.tiny_protocol")


def main():
    from benchmarks import runner
    from benchmarks.cli import main as cli_main

    install()
    runner.ENTRY = ENTRY
    sys.argv[0] = "whatwhere"
    cli_main()
