"""Landmark regression on pictures that are not aligned, with two ground truths, version 1.

The protocol `landmarks`, twice. ``nme`` and ``nme_b`` (wild_v1) have the true landmarks of the
squashed pictures. ``nme_v0`` and ``nme_v0_b`` (wild_v0) have those of AutoLink's released
preprocessing, which divides x by the picture's height and y by its width. Whether the published
numbers came from that script is not known; StableKeypoints' released loader has it right.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.landmarks import Array, Inputs, collect, pictured, score
from datamodules.interface import DataModule
from lightning_modules.interface import Method

VERSION: Final = 1
_RELEASED: Final = ("nme", "nme_b")


def slipped(landmarks: Array, aspect: Array) -> Array:
    """Landmarks as the released preprocessing has them.

    Args:
        landmarks: true ones (N, L, 2), (x, y) in [-1, 1] of the squashed picture.
        aspect: width over height of the picture before that, (N,).

    Returns:
        (N, L, 2): x times the aspect and y over it, both counted from the picture's first corner.
    """
    factor = np.stack([aspect, 1 / aspect], -1)[:, None]
    moved: Array = (landmarks + 1) * factor - 1
    return moved


def _released(inputs: Inputs, data: DataModule, split: str) -> Inputs:
    labels = data.dataset(split).labels
    if "aspect" not in labels:
        raise NotApplicableError(f"{data.name} does not say what shape its pictures had")
    aspect = labels["aspect"].double().numpy()
    return inputs._replace(landmarks=slipped(inputs.landmarks, aspect))


def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on ``train`` and ``test`` of a dataset with landmarks and ``aspect``.

    ``arrays`` are those of the protocol `landmarks`, with the true landmarks.

    Raises:
        NotApplicableError: the method has neither keypoints nor codes.
    """
    method = method.to(device).eval()
    test = collect(method, data, "test", device)
    train = collect(method, data, "train", device)
    result = pictured(score(train, test), method, data, test)
    released = score(_released(train, data, "train"), _released(test, data, "test"))
    metrics, intervals = dict(result.metrics), dict(result.intervals)
    for name in _RELEASED:
        late = name.replace("nme", "nme_v0")
        metrics[late] = released.metrics[name]
        intervals[late] = released.intervals[name]
    return ProtocolResult(metrics, intervals, result.arrays)
