"""Controls for clips: pixels of every frame, of the first frame alone, and nothing at all."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from lightning_modules.controls.points import Untrained
from lightning_modules.interface import Codes, Unit


class ClipPixels(Untrained):
    """Grey pixels of every frame, shrunk by area averaging: one entangled code, given as both.

    Args:
        side: to which a frame is shrunk, pixels.
        image_size: side of the frames, pixels; only for a signature like every method's.
    """

    sees: ClassVar[Unit] = "clips"

    def __init__(self, side: int = 16, image_size: int = 64) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.side = side

    def encode_clip(self, clip: Tensor) -> Codes:
        """Pixels (B, T, side^2) of ``clip`` (B, T, C, H, W)."""
        code = F.adaptive_avg_pool2d(clip.mean(2), self.side).flatten(2)
        return Codes(code, code)


class ClipFirstFrame(ClipPixels):
    """Grey pixels of the first frame, repeated: looks without motion.

    Args:
        side: to which the frame is shrunk, pixels.
        image_size: side of the frames, pixels; only for a signature like every method's.
    """

    def __init__(self, side: int = 16, image_size: int = 64) -> None:
        super().__init__(side, image_size)
        self.save_hyperparameters()

    def encode_clip(self, clip: Tensor) -> Codes:
        """The same pixels (B, T, side^2) at every step of ``clip`` (B, T, C, H, W)."""
        code = super().encode_clip(clip[:, :1]).where.expand(-1, clip.shape[1], -1)
        return Codes(code, code)


class ClipConstant(Untrained):
    """Zeros for every clip: whatever is read from them is chance.

    Args:
        image_size: side of the frames, pixels; only for a signature like every method's.
    """

    sees: ClassVar[Unit] = "clips"

    def __init__(self, image_size: int = 64) -> None:
        super().__init__()
        self.save_hyperparameters()

    def encode_clip(self, clip: Tensor) -> Codes:
        """One zero a frame, (B, T, 1) twice."""
        code = clip.new_zeros(*clip.shape[:2], 1)
        return Codes(code, code.clone())

    def clip_field(self, where: Tensor) -> Tensor:
        """A field of one cell that moves nothing, (B, T, 2, 1, 1)."""
        return where.new_zeros(*where.shape[:2], 2, 1, 1)
