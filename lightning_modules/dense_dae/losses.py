"""The terms of Deforming Autoencoders' loss (Shu et al., ECCV 2018, section 2.4)."""

from __future__ import annotations

from torch import Tensor

from lightning_modules.dense_dae.network import Deformed


def total_variation(field: Tensor) -> Tensor:
    """Absolute differences of neighbours in a field (B, 2, H, W), summed; mean over the batch."""
    across = (field[..., 1:] - field[..., :-1]).abs().flatten(1).sum(1)
    down = (field[..., 1:, :] - field[..., :-1, :]).abs().flatten(1).sum(1)
    return (across + down).mean()


def bias(field: Tensor) -> Tensor:
    """Mean square of the batch's mean field (B, 2, H, W): on average nothing should move.

    Without it a displacement that all pictures share and a shifted texture undo each other.
    """
    return field.mean(0).square().mean()


def terms(painted: Deformed, image: Tensor) -> dict[str, Tensor]:
    """``absolute`` error of the reconstruction, mean over pixels, ``variation`` and ``bias``."""
    return {
        "absolute": (painted.picture - image).abs().mean(),
        "variation": total_variation(painted.displacement),
        "bias": bias(painted.displacement),
    }
