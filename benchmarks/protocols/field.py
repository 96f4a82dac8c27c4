"""Landmarks from a dense deformation field: the protocol of Xing et al. (TPAMI 2022, Table II).

A small network, 100 ReLU units and one linear layer, is fitted on frozen fields to five landmarks
by the L1 loss; the error is that of the landmark protocol, in percent of the distance of the eyes.
Version 1. What the paper leaves open is settled so: the field comes in [-1, 1] units, each of its
numbers standardised on the training pictures; Adam at 1e-3 for 200 epochs in batches of 100; a
tenth of the training pictures is held out, and the epoch with the least error on it is scored. The
test pictures choose nothing. ``nme_mlp`` is that error.

``nme`` and ``nme_b`` are the linear protocol of the MAFL table on 64 points: where the field looks
from the cells of an 8 x 8 grid, on average. So all landmark methods of the suite meet in a column.

A method without a field may offer other dense ``features``, as the anchors of the table do.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.landmarks import (
    SHOWN,
    bootstrap_interval,
    interocular_errors,
    predict,
)
from datamodules.interface import DataModule
from lightning_modules.interface import HasDeformation, HasFeatures, Method
from lightning_modules.layers.points import pixel_centres

VERSION: Final = 1
HIDDEN: Final = 100
EPOCHS: Final = 200
RATE: Final = 1e-3
BATCH: Final = 100
HELD_OUT: Final = 10
CELLS: Final = 8

Array = np.ndarray


def standardise(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the training rows' mean 0 and deviation 1 in every column; constants become 0."""
    mean, deviation = train.mean(0), train.std(0)
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0)
    return (train - mean) * scale, (test - mean) * scale


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
    train, test = standardise(train, test)
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
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    least, best = float("inf"), torch.zeros(len(test), wanted.shape[1])
    for _ in range(EPOCHS):
        shuffled = used[torch.randperm(len(used), generator=generator).to(used.device)]
        with torch.enable_grad():
            for rows in torch.split(shuffled, BATCH):
                optimizer.zero_grad()
                loss = F.l1_loss(network(train[rows]) + centre, wanted[rows])
                torch.autograd.backward(loss)
                optimizer.step()
        with torch.no_grad():
            error = F.l1_loss(network(train[held]) + centre, wanted[held]).item()
            if error < least:
                least, best = error, (network(test) + centre).cpu()
    return best.view(len(test), -1, 2)


def looked_at(field: Tensor) -> Tensor:
    """Points (N, CELLS^2, 2), (x, y): each cell's centre plus the mean of fields (N, 2, H, W)."""
    centres = pixel_centres(CELLS, like=field)
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return (F.adaptive_avg_pool2d(field, CELLS) + torch.stack([x, y])).flatten(2).mT


@torch.no_grad()
def collect(
    method: Method, data: DataModule, split: str, device: torch.device
) -> tuple[Tensor, Tensor, bool]:
    """Fields or features (N, ...) float32 of a split, its landmarks (N, L, 2), and whether fields.

    Raises:
        NotApplicableError: the method has neither.
        ValueError: some values are not finite; says for how many pictures.
    """
    is_field = isinstance(method, HasDeformation)
    values, landmarks = [], []
    for loaded in data.eval_dataloader(split, BATCH):
        batch = data.to_batch(loaded, device)
        if isinstance(method, HasDeformation):
            found = method.deformation(batch["image"])
        elif isinstance(method, HasFeatures):
            found = method.features(batch["image"])
        else:
            raise NotApplicableError(f"{type(method).__name__} has neither field nor features")
        values.append(found.float())
        landmarks.append(batch["landmarks"].double())
    every = torch.cat(values)
    bad = int((~torch.isfinite(every)).flatten(1).any(1).sum())
    if bad:
        raise ValueError(
            f"{type(method).__name__} gave values that are not finite for {bad} of {len(every)} "
            f"pictures of split '{split}'; did its training diverge?"
        )
    return every, torch.cat(landmarks), is_field


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on ``train`` and ``test`` of a dataset with landmarks.

    ``arrays`` holds, for the first test pictures, ``test_images`` (n, H, W, 3) uint8,
    ``test_landmarks`` and ``test_predicted`` (n, L, 2), by the network, and ``test_field`` (n, 2,
    H, W) where the method has one; for all, ``per_image_error`` (N,) in percent.

    Raises:
        NotApplicableError: the method has neither a field nor features.
    """
    method = method.to(device).eval()
    train, train_landmarks, is_field = collect(method, data, "train", device)
    test, test_landmarks, _ = collect(method, data, "test", device)
    true = test_landmarks.cpu().numpy()
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}

    def note(metric: str, predicted: Array) -> Array:
        per_image: Array = interocular_errors(predicted, true).mean(1)
        metrics[metric] = float(per_image.mean())
        intervals[metric] = bootstrap_interval(per_image)
        return per_image

    by_network = fit_and_predict(
        train.flatten(1), train_landmarks, test.flatten(1), seed=seed
    ).double()
    per_image = note("nme_mlp", by_network.numpy())
    if is_field:
        points = [looked_at(f.double()).flatten(1).cpu().numpy() for f in (train, test)]
        for metric, intercept in (("nme", False), ("nme_b", True)):
            labels = train_landmarks.cpu().numpy()
            note(metric, predict(points[0], labels, points[1], intercept=intercept))
    shown = min(SHOWN, len(true))
    images = data.dataset("test").__getitems__(range(shown))["image"]
    arrays = {
        "test_images": images.permute(0, 2, 3, 1).numpy(),
        "test_landmarks": true[:shown],
        "test_predicted": by_network[:shown].numpy(),
        "per_image_error": per_image,
    }
    if is_field:
        arrays["test_field"] = test[:shown].cpu().numpy()
    return ProtocolResult(metrics, intervals, arrays)
