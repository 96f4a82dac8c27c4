"""Two processes hold one bank, and learn what one process learns from the same batches."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, DistributedSampler

from tests.lightning_modules.deformable.test_deformable import Faces, made, trainer
from tests.lightning_modules.deformable.test_video import Clips, lively


class Data(pl.LightningDataModule):
    """Batches of four in all, in order; Lightning's own sampler would shuffle."""

    def __init__(self, samples):
        super().__init__()
        self.samples = samples

    def train_dataloader(self):
        ranks = self.trainer.world_size
        sampler = DistributedSampler(self.samples, ranks, self.trainer.global_rank, shuffle=False)
        return DataLoader(self.samples, batch_size=4 // ranks, sampler=sampler)


class Keep(pl.Callback):
    """Writes every rank's bank, weights and losses."""

    def __init__(self, folder):
        self.folder = folder
        self.losses = []

    def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx):
        loss = outputs["loss"].detach().clone()
        self.losses.append(trainer.strategy.reduce(loss, reduce_op="mean").item())

    def on_train_end(self, trainer, model):
        kept = {
            "bank": model.bank.codes.clone(),
            "weights": [p.detach().clone() for p in model.parameters()],
            "losses": torch.tensor(self.losses),
        }
        torch.save(kept, self.folder / f"{trainer.world_size}-{trainer.global_rank}.pt")


def new(name):
    # A strong field has kinks, at which differences of rounding grow.
    return lively(checkpoint_frames=3, field_start=0.2) if name == "video" else made(name)


@pytest.mark.parametrize("name", ["deformable", "adversarial", "video"])
def test_two_ranks_are_one(name, tmp_path):
    samples = Clips() if name == "video" else Faces()
    for ranks in (1, 2):
        more = {"devices": 2, "strategy": "ddp_spawn"} if ranks == 2 else {"devices": 1}
        more |= {"callbacks": [Keep(tmp_path)], "use_distributed_sampler": False}
        trainer(tmp_path, 3, **more).fit(new(name), Data(samples))
    one, first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in ("1-0", "2-0", "2-1"))
    assert len(one["bank"]) == 12 and one["bank"].std() > 0.5
    assert torch.equal(first["bank"], second["bank"])
    for key in ("bank", "losses"):
        torch.testing.assert_close(first[key], one[key], atol=1e-4, rtol=1e-4)
    for a, b in zip(first["weights"], one["weights"], strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
