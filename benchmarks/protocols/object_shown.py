"""What pictures of the protocol `objects` are drawn of: some scenes and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.protocols.object_matching import Objects
from datamodules.interface import DataModule
from lightning_modules.interface import (
    HasKeypoints,
    HasMasks,
    HasParticles,
    HasReconstruction,
    Method,
)

SHOWN: Final = 8

Array = np.ndarray


@torch.no_grad()
def shown_arrays(
    method: Method,
    data: DataModule,
    device: torch.device,
    objects: Objects,
    chosen: Mapping[str, Array],
) -> dict[str, Array]:
    """Test pictures, evenly over the split, for neighbours may be frames of one video.

    Args:
        method: frozen.
        data: its pictures.
        device: where the method is.
        objects: of the whole split.
        chosen: particles of the whole split (N, K) by what kept them, see `objects.score`.

    Returns:
        ``test_images`` (n, H, W, C) uint8; ``object_true`` (n, M, 4), NaN where no object counts;
        of a method that has them ``test_keypoints`` and ``test_log_variance`` (n, K, 2),
        ``object_rebuilt`` and ``object_background`` (n, H, W, C) uint8, the latter without
        particles, ``object_masks`` (n, K, H, W) in [0, 1], ``object_boxes`` (n, K, 4), and
        ``object_kept`` and ``object_boxed`` (n, K), particles and boxes that are left.
    """
    split = data.dataset("test")
    rows = np.unique(np.linspace(0, len(split) - 1, SHOWN).round().astype(int))
    image = data.to_batch(split.__getitems__(rows.tolist()), device)["image"]
    true = np.where(objects.counts[rows][..., None], objects.box[rows], np.nan)
    arrays = {"test_images": _bytes(image), "object_true": true}
    arrays |= {f"object_{name}": which[rows] for name, which in chosen.items()}
    if isinstance(method, HasParticles):
        found = method.particles(image)
        arrays["object_rebuilt"] = _bytes(method.render(found))
        points, log_variance = found.position, found.log_variance
        edges = torch.cat([points - found.size / 2, points + found.size / 2], -1)
        arrays["object_boxes"] = edges.clamp(-1, 1).double().cpu().numpy()
        if found.presence is not None:
            nobody = found._replace(presence=torch.zeros_like(found.presence))
            arrays["object_background"] = _bytes(method.render(nobody))
        if isinstance(method, HasMasks):
            arrays["object_masks"] = method.masks(found).float().cpu().numpy()
        return arrays | _points(points, log_variance)
    if isinstance(method, HasReconstruction):
        arrays["object_rebuilt"] = _bytes(method.reconstruct(image))
    if isinstance(method, HasKeypoints):
        arrays |= _points(*method.keypoints(image))
    return arrays


def _points(mean: Tensor, log_variance: Tensor | None) -> dict[str, Array]:
    found = {"test_keypoints": mean.double().cpu().numpy()}
    if log_variance is not None:
        found["test_log_variance"] = log_variance.double().cpu().numpy()
    return found


def _bytes(image: Tensor) -> Array:
    shown: Array = (image.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return shown
