"""Pairs of differently warped views of a picture, on the device, a batch at a time.

Realises the training pairs of Deep Latent Particles on faces (Daniel & Tamar 2022, released code;
warps of Thewlis et al. 2019). View A has all deviations times 0.1; view B is A warped once more at
full strength. A method reconstructs A and may take proposals from B.

differs from the released code: the pixel grid follows ``align_corners=False`` as everything here
does, where the released code has True (at most half a pixel at the rim); B is read from the
picture itself through the composed grid, so it is resampled once, not twice; views are not rounded
to uint8; only the pixels that survive the crop are computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from datamodules.coordinates import pixel_centres
from datamodules.thin_plate import Strength, ThinPlateWarp, basis, random_warp

PAPER: Final = Strength()
WEAK: Final = 0.1
Padding = Literal["zeros", "border"]


class Pair(NamedTuple):
    """Two views (B, C, S, S) of a batch, and the warps that made them, in units of the frame.

    ``view(p) = picture(weak.source(p))`` and ``other(p) = picture(weak.source(strong.source(p)))``.
    ``source`` (B, S, S, 2) says where in ``view`` each pixel of ``other`` comes from, (x, y) in
    [-1, 1]; where it leaves that, it comes from beyond the view.
    """

    view: Tensor
    other: Tensor
    weak: ThinPlateWarp
    strong: ThinPlateWarp
    source: Tensor


@dataclass(frozen=True)
class PairWarp:
    """Draws a `Pair` from pictures that are stored with a margin about what is shown.

    The warps act on the whole stored frame, as in the paper, and the views are its centre: what a
    warp brings in from outside the view is picture, not blackness.

    Args:
        size: side of the views in pixels.
        strength: of view B's extra warp; view A has a tenth of it.
        padding: what lies outside the stored frame; "zeros" as in the paper.
        part: where several processes share every batch, which one this is and how many there are:
            then each draws the warps of all, and takes its own.
    """

    size: int
    strength: Strength = PAPER
    padding: Padding = "zeros"
    part: tuple[int, int] = (0, 1)

    def __call__(self, frame: Tensor) -> Pair:
        """Two views of every picture of ``frame`` (B, C, F, F), float in [0, 1], F >= size.

        Draws from the default random generator of the frame's device.

        Raises:
            ValueError: the frame is not square, or smaller than the views.
        """
        batch, _, height, width = frame.shape
        if height != width or width < self.size:
            raise ValueError(
                f"pairs of {self.size} px need larger square frames, got {width} x {height}"
            )
        every = batch * self.part[1]
        weak = random_warp(every, self.strength.times(WEAK), frame.device).part(*self.part)
        strong = random_warp(every, self.strength, frame.device).part(*self.part)
        centres = _centres_basis(self.size, width, frame.device)
        view = self._read(frame, weak.source_of(centres))
        between = strong.source_of(centres)
        other = self._read(frame, weak.source_smooth(between))
        source = between.reshape(batch, self.size, self.size, 2) * (width / self.size)
        return Pair(view, other, weak, strong, source)

    def move_points(self, warp: ThinPlateWarp, points: Tensor, frame_side: int) -> Tensor:
        """Where ``points`` (B, N, 2) of the unwarped centre lie in a view, both in [-1, 1]."""
        share = self.size / frame_side
        return warp.target(points * share) / share

    def _read(self, frame: Tensor, grid: Tensor) -> Tensor:
        return functional.grid_sample(
            frame,
            grid.reshape(len(frame), self.size, self.size, 2),
            padding_mode=self.padding,
            align_corners=False,
        )


def centre_crop(image: Tensor, size: int) -> Tensor:
    """The centre (..., size, size) of pictures (..., H, W) whose margins are even."""
    top, left = (image.shape[-2] - size) // 2, (image.shape[-1] - size) // 2
    return image[..., top : top + size, left : left + size]


@lru_cache(maxsize=4)
def _centres_basis(size: int, frame_side: int, device: torch.device) -> Tensor:
    """Basis (103, size^2) at the centres of the view's pixels, in the frame's [-1, 1]."""
    return basis((pixel_centres((size, size), device) * (size / frame_side)).view(-1, 2))
