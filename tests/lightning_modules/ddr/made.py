"""Tiny models of DDR's room, and clips to learn from: squares of a clip's colour that wander."""

import pytorch_lightning as pl
import torch

from lightning_modules.ddr.baselines import FrameVAE, SequentialVAE
from lightning_modules.ddr.module import DDR

SIZES = {"image_size": 16, "channels": (6, 8), "hidden": 12}
TINY = {
    DDR: {**SIZES, "f_dim": 5, "pair_channels": 7, "triples": 4},
    SequentialVAE: {**SIZES, "f_dim": 5},
    FrameVAE: {**SIZES, "z_dim": 4},
}
METHODS = list(TINY)
FRAMES = 6


def made(method=DDR, **more):
    """A tiny model whose biases are not all zero."""
    torch.manual_seed(0)
    model = method(**(TINY[method] | more))
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "bias" in name:
                values += 0.2 * torch.randn_like(values)
    return model


def clips(count=12, frames=FRAMES, size=16):
    """Clips (count, frames, 3, size, size): place hangs on the frame, colour on the clip."""
    generator = torch.Generator().manual_seed(1)
    colour = torch.rand(count, 1, 3, 1, 1, generator=generator)
    at = torch.rand(count, frames, 2, 1, 1, generator=generator) * 2 - 1
    axis = torch.linspace(-1, 1, size)
    x, y = axis.view(1, 1, 1, size), axis.view(1, 1, size, 1)
    inside = ((x - at[:, :, 0]).abs() < 0.4) & ((y - at[:, :, 1]).abs() < 0.4)
    return 0.1 + 0.8 * inside[:, :, None] * colour


class Clips(torch.utils.data.Dataset):
    """Those clips as samples."""

    def __init__(self, count=12, frames=FRAMES):
        self.clips = clips(count, frames)

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, i):
        return {"clip": self.clips[i], "index": i}


def trainer(folder, epochs, **more):
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=folder,
        **more,
    )
