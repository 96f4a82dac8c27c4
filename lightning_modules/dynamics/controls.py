"""Controls of prediction: nothing moves, or everything goes on as it went."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from lightning_modules.dynamics.predictor import ParticlePredictor


class CopyLast(ParticlePredictor):
    """A control: what was in the last frame stays there.

    Args:
        image_size: side of the frames, pixels.
        encoder: id of the method whose particles these are.
        encoder_args: its arguments.
        paints: ``particles``, the last frame as the encoder paints it, or the last ``frame``.
    """

    def __init__(
        self,
        image_size: int = 128,
        encoder: str = "dlp_objects",
        encoder_args: dict[str, Any] | None = None,
        paints: Literal["particles", "frame"] = "particles",
    ) -> None:
        super().__init__(image_size=image_size, encoder=encoder, encoder_args=encoder_args)
        if paints not in ("particles", "frame"):
            raise ValueError(f"paints must be 'particles' or 'frame', got {paints!r}")
        self.save_hyperparameters()

    def continue_states(self, states: Tensor, horizon: int) -> Tensor:
        """The last states (B, horizon, K, S), again and again."""
        return states[:, -1:].expand(-1, horizon, -1, -1)

    @torch.no_grad()
    def predict(self, clip: Tensor, horizon: int) -> Tensor:
        """The last frame (B, horizon, C, H, W), again and again."""
        if self.hparams["paints"] == "frame":
            return clip[:, -1:].expand(-1, horizon, -1, -1, -1)
        once = super().predict(clip, 1)
        return once.expand(-1, horizon, -1, -1, -1)


class ConstantVelocity(ParticlePredictor):
    """A control: every particle goes on as it went, and looks as it did.

    Args:
        image_size: side of the frames, pixels.
        encoder: id of the method whose particles these are.
        encoder_args: its arguments.
        memory: frames that the velocity is fitted to, by least squares; the clip's last.
    """

    def __init__(
        self,
        image_size: int = 128,
        encoder: str = "dlp_objects",
        encoder_args: dict[str, Any] | None = None,
        memory: int = 2,
    ) -> None:
        super().__init__(image_size=image_size, encoder=encoder, encoder_args=encoder_args)
        if memory < 2:
            raise ValueError(f"a velocity needs a memory of at least 2 frames, got {memory}")
        self.save_hyperparameters()

    def continue_states(self, states: Tensor, horizon: int) -> Tensor:
        """States (B, horizon, K, S) along straight lines from the last."""
        velocity = fitted_velocity(states[:, -int(self.hparams["memory"]) :, :, :2])
        ahead = torch.arange(1, horizon + 1, device=states.device).view(-1, 1, 1)
        moved = states[:, -1:, :, :2] + ahead * velocity.unsqueeze(1)
        return torch.cat([moved, states[:, -1:, :, 2:].expand(-1, horizon, -1, -1)], -1)


def fitted_velocity(position: Tensor) -> Tensor:
    """Slope (B, K, 2) of the least-squares line through positions (B, M, K, 2); 0 for M = 1."""
    frames = position.shape[1]
    time = torch.arange(frames, device=position.device, dtype=position.dtype)
    time = time - time.mean()
    weight = time / time.square().sum().clamp(min=1e-9)
    return (weight.view(-1, 1, 1) * position).sum(1)
