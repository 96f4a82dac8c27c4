"""How certain a method is of its points, by itself: no label is asked.

Daniel and Tamar (ICML 2022) choose among trained models by the variance of their particles; the
number is the protocols', the choice the tables' (`benchmarks.rankings`).
"""

from __future__ import annotations

from typing import Final

import torch

from datamodules.interface import DataModule
from lightning_modules.interface import HasKeypoints

_BATCH: Final = 64


@torch.no_grad()
def mean_log_variance(method: HasKeypoints, data: DataModule, device: torch.device) -> float | None:
    """Mean log-variance of a method's points over the validation split; None without any."""
    total, count = 0.0, 0
    for loaded in data.eval_dataloader(data.validation_split, _BATCH):
        log_variance = method.keypoints(data.to_batch(loaded, device)["image"]).log_variance
        if log_variance is None:
            return None
        total += float(log_variance.double().sum())
        count += log_variance.numel()
    return total / count if count else None
