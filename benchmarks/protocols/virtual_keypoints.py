"""Landmarks from dense vectors by virtual keypoints: the protocol of DVE (Thewlis et al. 2019).

Every landmark has 50 vectors of its own, learned. Each is compared with a picture's frozen vectors,
and a softmax of a hundred times the products says where it lies: a virtual keypoint. A linear map
without intercept takes the 50 points of a landmark to the landmark (100 numbers to 2). The error is
that of the landmark protocol, in percent of the distance of the eyes: ``nme_virtual``.

Version 1. The loss (ten times smooth L1), Adam, its decay of 5e-4, and the two drops of its rate to
a tenth, after a third and after five sixths, are those of the released code. differs from the
released code: 10 epochs in batches of 10 at a rate of 5e-3, for its 300 epochs at 1e-3 of 19,000
pictures take days on a CPU; maps of more than 32 x 32 are averaged down to that; coordinates are
the suite's, edges at -1 and 1. The last epoch is scored; nothing is chosen on test pictures.

The training vectors stay in memory once: 2.5 GB for 19,000 pictures, 32 x 32 and 32 numbers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import MultiStepLR

from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.landmarks import SHOWN, bootstrap_interval, interocular_errors
from datamodules.interface import DataModule
from lightning_modules.interface import HasEmbedding, Method
from lightning_modules.layers.points import pixel_centres

VERSION: Final = 1
POINTS: Final = 50
SHARPNESS: Final = 100.0
EPOCHS: Final = 10
BATCH: Final = 10
RATE: Final = 5e-3
DECAY: Final = 5e-4
SIDE: Final = 32
_DROPS: Final = (1 / 3, 5 / 6)


class VirtualKeypoints(nn.Module):
    """Landmarks of pictures from their vectors.

    Args:
        dim: length C of a vector.
        landmarks: how many a picture has.

    Shapes: vectors (B, C, h, w) -> landmarks (B, L, 2), (x, y) in [-1, 1].
    """

    def __init__(self, dim: int, landmarks: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(landmarks * POINTS, dim))
        self.weights = nn.Parameter(torch.empty(landmarks, 2 * POINTS, 2))
        bound = (2 * POINTS) ** -0.5  # torch's start of a linear layer
        nn.init.uniform_(self.weights, -bound, bound)

    def points(self, maps: Tensor) -> Tensor:
        """Virtual keypoints (B, L * POINTS, 2) of vectors (B, C, h, w)."""
        found = (SHARPNESS * self.vectors @ maps.flatten(2)).softmax(-1)
        found = found.view(*found.shape[:2], *maps.shape[-2:])
        y, x = (pixel_centres(side, like=maps) for side in maps.shape[-2:])
        return torch.stack([found.sum(-2) @ x, found.sum(-1) @ y], -1)

    def forward(self, maps: Tensor) -> Tensor:
        """Landmarks."""
        own = self.points(maps).view(len(maps), -1, 2 * POINTS)  # (B, L, 2 POINTS)
        return torch.einsum("bln,lnk->blk", own, self.weights)


def fit(maps: Tensor, landmarks: Tensor, *, seed: int) -> VirtualKeypoints:
    """Learn vectors and linear maps from frozen vectors (N, C, h, w) and landmarks (N, L, 2).

    Args:
        maps: of the training pictures.
        landmarks: theirs, (x, y) in [-1, 1].
        seed: of the first weights and the order of pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        made = VirtualKeypoints(maps.shape[1], landmarks.shape[1]).to(maps.device)
    optimizer = torch.optim.Adam(made.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    drops = MultiStepLR(optimizer, [round(part * EPOCHS) for part in _DROPS], 0.1)
    wanted = landmarks.float()
    for _ in range(EPOCHS):
        order = torch.randperm(len(maps), generator=generator).to(maps.device)
        with torch.enable_grad():
            for rows in torch.split(order, BATCH):
                optimizer.zero_grad()
                loss = 10 * F.smooth_l1_loss(made(maps[rows]), wanted[rows])
                torch.autograd.backward(loss)
                optimizer.step()
        drops.step()
    return made


@torch.no_grad()
def collect(
    method: HasEmbedding, data: DataModule, split: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Vectors (N, C, h, w), at most `SIDE` a side, and landmarks of a labelled split, in order.

    Raises:
        ValueError: some values are not finite; says for how many pictures.
    """
    count, done, bad = len(data.dataset(split)), 0, 0
    maps, landmarks = torch.empty(0), []
    for loaded in data.eval_dataloader(split, 100):
        batch = data.to_batch(loaded, device)
        found = method.embedding(batch["image"]).float()
        if max(found.shape[-2:]) > SIDE:
            found = F.adaptive_avg_pool2d(found, SIDE)
        if not done:
            maps = found.new_empty(count, *found.shape[1:])
        maps[done : done + len(found)] = found
        done += len(found)
        bad += int((~torch.isfinite(found)).flatten(1).any(1).sum())
        landmarks.append(batch["landmarks"].double())
    if bad:
        raise ValueError(
            f"{type(method).__name__} gave vectors that are not finite for {bad} of {count} "
            f"pictures of split '{split}'; did its training diverge?"
        )
    return maps, torch.cat(landmarks)


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on ``train`` and ``test`` of a dataset with landmarks.

    ``arrays`` holds, for the first test pictures, ``test_images`` (n, H, W, 3) uint8,
    ``test_landmarks`` and ``test_predicted`` (n, L, 2), and ``test_vectors`` (n, C, h, w); for
    all, ``per_image_error`` (N,) in percent.

    Raises:
        NotApplicableError: the method has no dense vectors.
    """
    if not isinstance(method, HasEmbedding):
        raise NotApplicableError(f"{type(method).__name__} has no dense vectors")
    method = method.to(device).eval()
    train, labels = collect(method, data, "train", device)
    regressor = fit(train, labels, seed=seed)
    test, wanted = collect(method, data, "test", device)
    predicted = torch.cat([regressor(maps) for maps in torch.split(test, SHOWN)])
    found, true = predicted.double().cpu().numpy(), wanted.cpu().numpy()
    per_image: np.ndarray = interocular_errors(found, true).mean(1)
    shown = min(SHOWN, len(true))
    images = data.dataset("test").__getitems__(range(shown))["image"]
    return ProtocolResult(
        {"nme_virtual": float(per_image.mean())},
        {"nme_virtual": bootstrap_interval(per_image)},
        {
            "test_images": images.permute(0, 2, 3, 1).numpy(),
            "test_landmarks": true[:shown],
            "test_predicted": found[:shown],
            "test_vectors": test[:shown].cpu().numpy(),
            "per_image_error": per_image,
        },
    )
