"""Landmarks from a dense deformation field: the protocol of Xing et al. (TPAMI 2022, Table II).

A small network, 100 ReLU units and one linear layer, is fitted on frozen fields to five landmarks
by the L1 loss; the error is that of the landmark protocol, in percent of the distance of the eyes.
Version 2 (1 had version 1 of `virtual_keypoints`, see there). What the paper leaves open is settled
so: the field comes in [-1, 1] units, each of its numbers standardised on the training pictures;
Adam at 1e-3 for 200 epochs in batches of 100; a tenth of the training pictures is held out, and the
epoch with the least error on it is scored. The test pictures choose nothing. ``nme_mlp`` is that
error.

``nme`` and ``nme_b`` are the linear protocol of the MAFL table on 64 points: where the field looks
from the cells of an 8 x 8 grid, on average. So all landmark methods of the suite meet in a column.

The training fields stay in memory once, as they came: 655 MB for 20,000 at 64 px.

A method without a field may offer other dense ``features``, as the anchors of the table do. One
with dense vectors in place of a field is scored by `virtual_keypoints`, the protocol made for them,
in a column of its own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.protocols import virtual_keypoints
from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.landmarks import (
    SHOWN,
    bootstrap_interval,
    interocular_errors,
    predict,
)
from benchmarks.protocols.outputs import as_tensor
from datamodules.interface import DataModule
from lightning_modules.interface import HasDeformation, HasEmbedding, HasFeatures, Method
from lightning_modules.layers.points import pixel_centres

VERSION: Final = 2
HIDDEN: Final = 100
EPOCHS: Final = 200
RATE: Final = 1e-3
BATCH: Final = 100
HELD_OUT: Final = 10
CELLS: Final = 8

Array = np.ndarray


class Collected(NamedTuple):
    """What a frozen method says of N pictures, and their landmarks.

    Shapes: ``values`` (N, ...), fields or features, float32; ``points`` (N, 2 CELLS^2), where the
    fields look (see `looked_at`), float64, or None; ``landmarks`` (N, L, 2) float64.
    """

    values: Tensor
    points: Array | None
    landmarks: Tensor


def moments(train: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) of every column of rows (N, D), and what scales it to a deviation of 1.

    The scale of a column that is constant is 0.
    """
    mean, deviation = train.mean(0), train.std(0)
    return mean, torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0)


def fit_and_predict(train: Tensor, landmarks: Tensor, test: Tensor, *, seed: int) -> Tensor:
    """Landmarks of ``test`` by a network fitted on ``train``.

    Args:
        train: inputs (N, D).
        landmarks: their landmarks (N, L, 2).
        test: inputs (M, D).
        seed: of weights, order and the held-out tenth.

    Returns:
        (M, L, 2).

    Raises:
        ValueError: there are fewer than ten training pictures.
    """
    if len(train) < HELD_OUT:
        raise ValueError(f"{len(train)} labelled pictures are too few to hold a tenth out")
    mean, scale = moments(train)
    wanted = landmarks.flatten(1).float()
    centre = wanted.mean(0)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(train), generator=generator).to(train.device)
    held, used = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(train.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, wanted.shape[1])
        ).to(train.device)

    def predicted(rows: Tensor) -> Tensor:
        # Standardised as they are read: a second copy of all fields would take as much again.
        found: Tensor = network((rows - mean) * scale) + centre
        return found

    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    least, best = float("inf"), torch.zeros(len(test), wanted.shape[1])
    for _ in range(EPOCHS):
        shuffled = used[torch.randperm(len(used), generator=generator).to(used.device)]
        with torch.enable_grad():
            for rows in torch.split(shuffled, BATCH):
                optimizer.zero_grad()
                loss = F.l1_loss(predicted(train[rows]), wanted[rows])
                torch.autograd.backward(loss)
                optimizer.step()
        with torch.no_grad():
            found = torch.cat([predicted(train[rows]) for rows in torch.split(held, BATCH)])
            error = F.l1_loss(found, wanted[held]).item()
            if error < least:
                least = error
                best = torch.cat([predicted(rows) for rows in torch.split(test, BATCH)]).cpu()
    return best.view(len(test), -1, 2)


def looked_at(field: Tensor) -> Tensor:
    """Points (N, CELLS^2, 2), (x, y): each cell's centre plus the mean of fields (N, 2, H, W)."""
    centres = pixel_centres(CELLS, like=field)
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return (F.adaptive_avg_pool2d(field, CELLS) + torch.stack([x, y])).flatten(2).mT


@torch.no_grad()
def collect(method: Method, data: DataModule, split: str, device: torch.device) -> Collected:
    """Run a frozen method over one labelled split, in order.

    Raises:
        NotApplicableError: the method has neither fields nor features.
        ValueError: some values are not finite; says for how many pictures.
    """
    count, done, bad = len(data.dataset(split)), 0, 0
    every, points, landmarks = torch.empty(0), [], []
    for loaded in data.eval_dataloader(split, BATCH):
        batch = data.to_batch(loaded, device)
        shown = len(batch["image"])
        if isinstance(method, HasDeformation):
            moved = method.deformation(batch["image"])
            found = as_tensor(method, "deformation", moved, shown, 2, None, None).float()
            points.append(looked_at(found.double()).flatten(1).cpu().numpy())
        elif isinstance(method, HasFeatures):
            said = method.features(batch["image"])
            found = as_tensor(method, "features", said, shown, None).float()
        else:
            raise NotApplicableError(f"{type(method).__name__} has neither field nor features")
        if not done:
            every = found.new_empty(count, *found.shape[1:])
        every[done : done + len(found)] = found
        done += len(found)
        bad += int((~torch.isfinite(found)).flatten(1).any(1).sum())
        landmarks.append(batch["landmarks"].double())
    if bad:
        raise ValueError(
            f"{type(method).__name__} gave values that are not finite for {bad} of {count} "
            f"pictures of split '{split}'; did its training diverge?"
        )
    return Collected(every, np.concatenate(points) if points else None, torch.cat(landmarks))


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on ``train`` and ``test`` of a dataset with landmarks.

    ``arrays`` holds, for the first test pictures, ``test_images`` (n, H, W, 3) uint8,
    ``test_landmarks`` and ``test_predicted`` (n, L, 2), by the network, and ``test_field`` (n, 2,
    H, W) where the method has one; for all, ``per_image_error`` (N,) in percent.

    Raises:
        NotApplicableError: the method has neither a field, nor features, nor vectors.
    """
    if isinstance(method, HasEmbedding) and not isinstance(method, HasDeformation | HasFeatures):
        return virtual_keypoints.evaluate(method, data, device=device, seed=seed)
    method = method.to(device).eval()
    train = collect(method, data, "train", device)
    test = collect(method, data, "test", device)
    labels, true = (split.landmarks.cpu().numpy() for split in (train, test))
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}

    def note(metric: str, predicted: Array) -> Array:
        per_image: Array = interocular_errors(predicted, true).mean(1)
        metrics[metric] = float(per_image.mean())
        intervals[metric] = bootstrap_interval(per_image)
        return per_image

    by_network = fit_and_predict(
        train.values.flatten(1), train.landmarks, test.values.flatten(1), seed=seed
    ).double()
    per_image = note("nme_mlp", by_network.numpy())
    if train.points is not None and test.points is not None:
        for metric, intercept in (("nme", False), ("nme_b", True)):
            note(metric, predict(train.points, labels, test.points, intercept=intercept))
    shown = min(SHOWN, len(true))
    images = data.dataset("test").__getitems__(range(shown))["image"]
    arrays = {
        "test_images": images.permute(0, 2, 3, 1).numpy(),
        "test_landmarks": true[:shown],
        "test_predicted": by_network[:shown].numpy(),
        "per_image_error": per_image,
    }
    if test.points is not None:
        arrays["test_field"] = test.values[:shown].cpu().numpy()
    return ProtocolResult(metrics, intervals, arrays)
