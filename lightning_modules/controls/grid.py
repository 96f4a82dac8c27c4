"""Particles on a grid that never move: what finding objects is worth beyond being everywhere."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightning_modules.controls.points import Untrained
from lightning_modules.interface import Keypoints, Particles
from lightning_modules.layers.points import pixel_centres


class GridParticles(Untrained):
    """The same particles for every picture, each the mean colour of the square about it.

    All are equally certain and all are present, so nothing is filtered.

    Args:
        side: particles along either edge; K is its square.
        glimpse_ratio: side of a particle's square relative to the picture; at ``1 / side`` they
            tile it.
        image_size: side of the picture, pixels.
    """

    painted_by: ClassVar[tuple[str, ...]] = (
        "position",
        "size",
        "feature",
        "presence",
        "background",
    )

    def __init__(self, side: int = 4, glimpse_ratio: float = 0.25, image_size: int = 64) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.ratio = glimpse_ratio
        centres = (torch.arange(side) + 0.5) / side * 2 - 1
        self.register_buffer("points", torch.cartesian_prod(centres, centres).flip(-1))

    def keypoints(self, image: Tensor) -> Keypoints:
        """The constant points (B, K, 2), row by row; a log-variance of zero."""
        points: Tensor = self.points  # type: ignore[assignment]
        mean = points.to(image.dtype).expand(len(image), -1, -1)
        return Keypoints(mean, torch.zeros_like(mean))

    def particles(self, image: Tensor) -> Particles:
        """The grid; features (B, K, C) are colours, the background's the mean of the picture."""
        position = self.keypoints(image).mean
        log_variance = torch.zeros_like(position)
        size = torch.full_like(position, 2 * self.ratio)
        squares = _squares(position, size, image)
        area = squares.sum((-2, -1)).clamp(min=1)
        return Particles(
            position,
            log_variance,
            size,
            torch.einsum("bkhw,bchw->bkc", squares, image) / area.unsqueeze(-1),
            presence=torch.ones_like(position[..., 0]),
            background=image.mean((-2, -1)),
            # No particle knows the picture's size.
            context=image.new_zeros(len(image), 0, *image.shape[-2:]),
        )

    def masks(self, particles: Particles) -> Tensor:
        """Squares (B, K, H, W), shared evenly where several overlap."""
        presence, context = particles.presence, particles.context
        if presence is None or context is None:
            raise ValueError("squares are painted by presence and context; one of them is None")
        squares = _squares(particles.position, particles.size, context)
        squares = squares * presence[..., None, None]
        return squares / squares.sum(1, keepdim=True).clamp(min=1)

    def render(self, particles: Particles) -> Tensor:
        """Squares of one colour each over the background's; of any number of particles.

        Raises:
            ValueError: they lack presence, background or context.
        """
        if particles.background is None:
            raise ValueError("what no square covers has the background's colour, which is None")
        masks = self.masks(particles)
        painted = torch.einsum("bkhw,bkc->bchw", masks, particles.feature)
        left = 1 - masks.sum(1, keepdim=True)
        return painted + left * particles.background[..., None, None]

    def reconstruct(self, image: Tensor) -> Tensor:
        """A mosaic."""
        return self.render(self.particles(image))


def _squares(position: Tensor, size: Tensor, like: Tensor) -> Tensor:
    """One where a pixel's centre lies in a particle's square, (B, K, H, W)."""
    across, down = (
        (centres - position[..., axis, None]).abs() <= size[..., axis, None] / 2
        for axis, centres in enumerate(
            pixel_centres(length, like=like) for length in (like.shape[-1], like.shape[-2])
        )
    )
    return (down.unsqueeze(-1) & across.unsqueeze(-2)).to(like.dtype)
