"""Landmarks from dense vectors by virtual keypoints: the protocol of DVE (Thewlis et al. 2019).

Every landmark has 50 vectors of its own, learned. Each is compared with a picture's frozen vectors,
and a softmax of a hundred times the products says where it lies: a virtual keypoint. A linear map
without intercept takes the 50 points of a landmark to the landmark (100 numbers to 2). The error is
that of the landmark protocol, in percent of the distance of the eyes: ``nme_virtual``.

Version 2. It is the released code's regressor, fitted otherwise. There, Adam learns vectors and map
together, by smooth L1 losses, in 300 epochs of 19,000 pictures: days on a CPU, and fewer, as
version 1 had, leave it far from its end. Here the map is always the least squares one, known in
closed form, and Adam learns the vectors alone (variable projection, Golub and Pereyra 1973): 15
epochs in batches of 100, with the map of the batches of late, and at the end that of all pictures.
Vectors start so short that a keypoint is a mean over much of the picture: from long ones, which see
one place each, no gradient leads away. Lengths and rates are in units of the mean length of a
picture's vectors, so it does not matter how long a network makes them. These settings were chosen
on training pictures that were held out, for vectors that were trained and for such that were not.
Maps of more than 32 x 32 are averaged down to that; coordinates are the suite's, edges at -1 and 1.

The training vectors stay in memory once: 2.5 GB for 19,000 pictures, 32 x 32 and 32 numbers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.landmarks import SHOWN, bootstrap_interval, interocular_errors
from benchmarks.protocols.outputs import as_tensor
from datamodules.interface import DataModule
from lightning_modules.interface import HasEmbedding, Method
from lightning_modules.layers.points import pixel_centres

VERSION: Final = 2
POINTS: Final = 50
SHARPNESS: Final = 100.0
START: Final = 3.0
"""Spread of the softmax's arguments at the start."""
EPOCHS: Final = 15
BATCH: Final = 100
RATE: Final = 1.0
"""Of Adam, at its height, as a part of what changes the softmax's arguments by their unit."""
KEPT: Final = 0.8
"""Of the normal equations of the batches before."""
RIDGE: Final = 1e-5
SIDE: Final = 32


class VirtualKeypoints(nn.Module):
    """Landmarks of pictures from their vectors.

    Args:
        dim: length C of a vector.
        landmarks: how many a picture has.

    Shapes: vectors (B, C, h, w) -> landmarks (B, L, 2), (x, y) in [-1, 1].
    """

    weights: Tensor

    def __init__(self, dim: int, landmarks: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(landmarks * POINTS, dim))
        self.register_buffer("weights", torch.zeros(landmarks, 2 * POINTS, 2))

    def points(self, maps: Tensor) -> Tensor:
        """Virtual keypoints (B, L * POINTS, 2) of vectors (B, C, h, w): attention to places."""
        y, x = (pixel_centres(side, like=maps) for side in maps.shape[-2:])
        places = torch.cartesian_prod(y, x).flip(-1)  # (h w, 2)
        # Values as long as vectors, and vectors in a row: else torch holds all products, 100 MB.
        count, wide = len(maps), max(maps.shape[1], 2)
        asked, seen, values = (
            F.pad(of, (0, wide - of.shape[-1]))
            for of in (self.vectors, maps.flatten(2).mT.contiguous(), places)
        )
        found = F.scaled_dot_product_attention(
            asked.expand(count, 1, -1, -1),
            seen[:, None],
            values.expand(count, 1, -1, -1),
            scale=SHARPNESS,
        )
        return found[:, 0, :, :2]

    def inputs(self, maps: Tensor) -> Tensor:
        """What the linear maps see: the points (L, B, 2 POINTS) of each landmark."""
        return self.points(maps).reshape(len(maps), -1, 2 * POINTS).transpose(0, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Landmarks."""
        return (self.inputs(maps) @ self.weights).transpose(0, 1)


class NormalEquations:
    """Least squares of the linear maps, from batch to batch.

    Args:
        kept: how much of earlier batches counts when another one comes.
    """

    def __init__(self, kept: float) -> None:
        self.kept = kept
        self._left: Tensor | None = None
        self._right: Tensor | None = None

    def add(self, points: Tensor, landmarks: Tensor) -> None:
        """Take in inputs (L, B, n) and what is wanted of them (L, B, 2)."""
        points, landmarks = points.double(), landmarks.double()
        left, right = points.mT @ points, points.mT @ landmarks
        if self._left is not None and self._right is not None:
            left, right = left + self.kept * self._left, right + self.kept * self._right
        self._left, self._right = left, right

    def solve(self) -> Tensor:
        """The maps (L, n, 2), with a ridge that is small beside any of the inputs."""
        assert self._left is not None and self._right is not None
        size = self._left.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
        ridge = RIDGE * size * torch.eye(self._left.shape[-1]).to(self._left)
        found: Tensor = torch.linalg.solve(self._left + ridge, self._right)
        return found.float()


def fit(maps: Tensor, landmarks: Tensor, *, seed: int) -> VirtualKeypoints:
    """Learn vectors and linear maps from frozen vectors (N, C, h, w) and landmarks (N, L, 2).

    Args:
        maps: of the training pictures.
        landmarks: theirs, (x, y) in [-1, 1].
        seed: of the first vectors and the order of pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = VirtualKeypoints(maps.shape[1], landmarks.shape[1]).to(maps.device)
    length = torch.stack(
        [part.square().sum(1).sqrt().mean() for part in torch.split(maps, BATCH)]
    ).mean()
    unit = 1 / (SHARPNESS * float(length.clamp(min=1e-12)))
    made.vectors.data.mul_(START * unit)
    optimizer = torch.optim.Adam([made.vectors], fused=True)
    steps = EPOCHS * -(-len(maps) // BATCH)
    schedule = OneCycleLR(optimizer, RATE * unit, total_steps=steps, pct_start=0.1)
    wanted = landmarks.float().transpose(0, 1)
    late = NormalEquations(KEPT)
    for _ in range(EPOCHS):
        order = torch.randperm(len(maps), generator=generator).to(maps.device)
        for rows in torch.split(order, BATCH):
            with torch.enable_grad():
                points = made.inputs(maps[rows])
                late.add(points.detach(), wanted[:, rows])
                # Where the map is the best one, its own change does not matter to the first order.
                error = points @ late.solve() - wanted[:, rows]
                optimizer.zero_grad()
                torch.autograd.backward(error.square().sum(-1).mean())
            optimizer.step()
            schedule.step()
    whole = NormalEquations(1.0)
    with torch.no_grad():
        for part, marks in zip(
            torch.split(maps, BATCH), torch.split(wanted, BATCH, 1), strict=True
        ):
            whole.add(made.inputs(part), marks)
    made.weights.copy_(whole.solve())
    return made.requires_grad_(False)


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
        found = method.embedding(batch["image"])
        found = as_tensor(method, "embedding", found, len(batch["image"]), None, None, None).float()
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
