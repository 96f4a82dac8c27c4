"""Scenes of white squares on grey, and methods that see them well or badly, for tests."""

import numpy as np
import torch

from datamodules.interface import ArrayDataset
from lightning_modules.interface import Keypoints, Method, Particles

SIDE = 32
HALF = 0.25  # half a square's side, the picture's being 2


def squares(pictures=24, seed=0):
    """Centres (N, 3, 2) of up to three squares in cells of their own, NaN for none."""
    rng = np.random.default_rng(seed)
    cells = np.array([(x, y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
    centres = np.stack([rng.permutation(cells)[:3] for _ in range(pictures)])
    centres += rng.integers(-2, 3, centres.shape) * 2 / SIDE
    centres[rng.random(centres.shape[:2]) < 0.3] = np.nan
    return centres


class Scenes:
    """A datamodule of what `squares` gives; ``known=False`` says nothing of the objects."""

    validation_split = "val"

    def __init__(self, pictures=24, known=True):
        self.centres = squares(pictures)
        pixel = (np.arange(SIDE) * 2 + 1) / SIDE - 1
        on = np.abs(pixel - self.centres[..., None]) <= HALF  # (N, 3, 2, SIDE)
        lit = (on[:, :, 1, :, None] & on[:, :, 0, None, :]).any(1)
        images = np.where(lit, 255, 64).astype(np.uint8)[..., None].repeat(3, -1)
        box = np.concatenate([self.centres - HALF, self.centres + HALF], -1)
        there = np.isfinite(box).all(-1)
        gone = np.full_like(box, np.nan)
        self.set = ArrayDataset(
            images,
            {
                "object_box": np.float32(box if known else gone),
                "object_centre": np.float32(self.centres if known else gone[..., :2]),
                "object_visible": np.float32(there if known else np.where(there, np.nan, 0)),
            },
        )

    def dataset(self, split):
        return self.set

    def eval_dataloader(self, split, batch_size=None):
        assert split in ("test", "val")
        parts = np.array_split(np.arange(len(self.set)), 3)
        return [self.set.__getitems__(part.tolist()) for part in parts]

    def to_batch(self, batch, device):
        image = batch["image"].to(device).float() / 255
        return batch | {"image": image.contiguous()}


class Knowing(Method):
    """Particles on the true centres, certain and present; two more, unsure, in the corners."""

    painted_by = ("position", "size", "presence")

    def __init__(self, scenes, *, shift=0.0, fuss=0.0, nan=False):
        super().__init__()
        self.shift, self.nan = shift, nan
        centres = torch.from_numpy(scenes.centres).float()
        pairs = zip(self._images(scenes), centres, strict=True)
        self.of = {self._key(image): centre for image, centre in pairs}

    @staticmethod
    def _images(scenes):
        return scenes.to_batch(scenes.set.__getitems__(range(len(scenes.set))), "cpu")["image"]

    @staticmethod
    def _key(image):
        return image.numpy().tobytes()

    def particles(self, image):
        centre = torch.stack([self.of[self._key(picture)] for picture in image])
        there = centre.isfinite().all(-1)
        corner = torch.tensor([[-0.97, -0.97], [0.97, 0.97]]).expand(len(image), -1, -1)
        found = torch.where(there[..., None], centre + torch.tensor([self.shift, 0.0]), 0.95)
        position = torch.cat([found, corner], 1)
        present = torch.cat([there, there.new_zeros(len(image), 2)], 1).float()
        spread = torch.where(present > 0, -8.0, -4.0)[..., None].expand(-1, -1, 2)
        if self.nan:
            position = position * float("nan")
        return Particles(
            position,
            spread,
            torch.full_like(position, 2 * HALF),
            position.new_zeros(*position.shape[:2], 1),
            presence=present,
        )

    def keypoints(self, image):
        found = self.particles(image)
        return Keypoints(found.position, found.log_variance)

    def masks(self, particles):
        pixel = (torch.arange(SIDE) * 2 + 1) / SIDE - 1
        near = (pixel - particles.position[..., None]).abs() <= particles.size[..., None] / 2
        on = (near[:, :, 1, :, None] & near[:, :, 0, None, :]).float()
        return on * particles.presence[..., None, None]

    def render(self, particles):  # a hundredth too dark: 40 dB
        lit = self.masks(particles).sum(1, keepdim=True).clamp(max=1)
        return (64 + (255 - 64) * lit).expand(-1, 3, -1, -1) / 255 - 0.01
