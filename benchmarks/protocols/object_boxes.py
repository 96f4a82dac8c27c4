"""Boxes of particles, as Daniel and Tamar's code makes them, and their average precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torchvision.ops import box_iou, nms

from benchmarks.protocols.object_matching import Objects
from benchmarks.protocols.weighted import Statistic

NMS_IOU: Final = 0.2

Array = np.ndarray


class Detections(NamedTuple):
    """Boxes of all pictures in one row: ``picture`` (D,), ``score`` (D,), whether they hit.

    ``hit`` (T, D) at each threshold of the overlap.
    """

    picture: Array
    score: Array
    hit: Array


def particle_boxes(position: Array, size: Array) -> Array:
    """Left, top, right, bottom (N, K, 4) of what particles paint, cut at the picture's edges."""
    corners = np.concatenate([position - size / 2, position + size / 2], -1)
    boxes: Array = np.clip(corners, -1, 1)
    return boxes


def suppress(boxes: Array, scores: Array, chosen: Array) -> Array:
    """Which of the chosen boxes are left where those that overlap a better one go, (N, K)."""
    left = np.zeros_like(chosen)
    for row, (box, score, part) in enumerate(zip(boxes, scores, chosen, strict=True)):
        (places,) = np.nonzero(part)
        best = nms(torch.from_numpy(box[part]), torch.from_numpy(score[part]), NMS_IOU)
        left[row, places[best.numpy()]] = True
    return left


def detect(
    boxes: Array, scores: Array, chosen: Array, objects: Objects, thresholds: Sequence[float]
) -> Detections:
    """Compare boxes with true ones; the best come first, and each takes an object of its own.

    Args:
        boxes: (N, K, 4).
        scores: (N, K).
        chosen: (N, K), the boxes that take part.
        objects: of the same pictures.
        thresholds: least overlap (intersection over union) of a hit, each with a result.
    """
    found = []
    for row, part in enumerate(chosen):
        (places,) = np.nonzero(part)
        places = places[np.argsort(-scores[row, places], kind="stable")]
        true = objects.box[row, objects.counts[row]]
        overlap = box_iou(torch.from_numpy(boxes[row, places]), torch.from_numpy(true)).numpy()
        hits = np.array([list(_hits(overlap, least)) for least in thresholds], dtype=bool)
        found.append((np.full(len(places), row), scores[row, places], hits))
    picture, score, hit = zip(*found, strict=True)
    return Detections(np.concatenate(picture), np.concatenate(score), np.concatenate(hit, -1))


def _hits(overlap: Array, least: float) -> Iterator[bool]:
    free = np.ones(overlap.shape[1], dtype=bool)
    for row in overlap:
        able = np.where(free, row, -1.0)
        best = int(able.argmax()) if len(able) else -1
        hit = best >= 0 and able[best] >= least
        if hit:
            free[best] = False
        yield bool(hit)


def average_precision(found: Detections, place: int, objects: Array) -> Statistic:
    """Area under precision over recall, precision made falling (as VOC since 2010), percent.

    Args:
        found: boxes of all pictures.
        place: of the threshold.
        objects: how many each picture has, (N,).
    """
    order = np.argsort(-found.score, kind="stable")
    picture, hit = found.picture[order], found.hit[place, order]

    def of(weights: Array) -> float:
        whole = weights @ objects
        if not whole:
            return float("nan")
        many = weights[picture]
        tried = many.cumsum()
        precision = np.divide((many * hit).cumsum(), tried, where=tried > 0, out=0 * tried)
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        return float(100 * (falling @ (many * hit)) / whole)

    return of
