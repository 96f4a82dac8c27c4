"""What the methods share that paint clips from two streams of codes, however these are found."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from lightning_modules.deformable.network import Painted
from lightning_modules.deformable.video_network import VideoGenerators
from lightning_modules.interface import Batch, Codes, Method, Unit
from lightning_modules.layers.warp import displacement_in_pixels


class ClipPainter(Method):
    """Base: the generators of clips; a subclass says how codes are found and learned.

    The codes of a clip are one flat tensor (B, size), see `Dynamics`; those of its frames follow.

    Args:
        generators: of clips.
        frames: T, of every training clip. Unseen clips may have another number.

    Raises:
        ValueError: ``frames`` is below 2.
    """

    sees: ClassVar[Unit] = "clips"

    def __init__(self, generators: VideoGenerators, frames: int) -> None:
        super().__init__()
        if frames < 2:
            raise ValueError(f"a clip has at least 2 frames, got frames={frames}")
        self.generators = generators
        self.frames = frames

    def infer(self, clip: Tensor, *, chain: int = 0) -> Tensor:
        """Flat codes (B, size) of clips never seen in training.

        Args:
            clip: (B, T, C, S, S) in [0, 1], any T.
            chain: which of several independent tries, where inference is random.
        """
        raise NotImplementedError

    def clips_of(self, batch: Batch) -> Tensor:
        """The clips (B, T, C, S, S) of a batch.

        Raises:
            ValueError: it has none, or some of other sizes than this model's.
        """
        if "clip" not in batch:
            raise ValueError(
                f"{type(self).__name__} learns from clips, and the batch holds only "
                f"{', '.join(sorted(batch))}; take a dataset that can hand_out('clips')"
            )
        clip: Tensor = batch["clip"]
        shape = self.generators.shape
        frame = (shape.image_channels, shape.image_size, shape.image_size)
        wanted = (self.frames if self.training else clip.shape[1], *frame)
        if clip.shape[1:] != wanted:
            raise ValueError(
                f"clips are of {list(clip.shape[1:])} (T, C, H, W), this model is made for "
                f"{list(wanted)}; set frames, image_channels and image_size to the dataset's"
            )
        return clip

    @torch.no_grad()
    def encode_clip(self, clip: Tensor) -> Codes:
        """Geometric code of every frame as *where*, appearance code as *what*; (B, T, D) each."""
        what, where = self.generators.dynamics(self.infer(clip), clip.shape[1])
        return Codes(where=where, what=what)

    @torch.no_grad()
    def decode_clip(self, codes: Codes) -> Tensor:
        """Clips (B, T, C, S, S) in [0, 1] of the codes of their frames.

        Since z_t = z_0 + s_t, and the states hang on the noise alone, a constant added to the codes
        of all frames is exactly z_0 moved by it: ``codes._replace(where=codes.where + direction)``
        edits the shape of a whole clip and keeps its dynamics (Figures 17 and 18).
        """
        return self.generators.paint(codes.what, codes.where).picture

    @torch.no_grad()
    def clip_field(self, where: Tensor) -> Tensor:
        """Displacement (B, T, 2, S, S), (x, y) in [-1, 1] units, of *where* codes (B, T, D)."""
        return self.generators.displacement(where)

    @torch.no_grad()
    def canonical_clip(self, what: Tensor) -> Tensor:
        """Canonical frames (B, T, C, S, S) in [0, 1] of *what* codes (B, T, D), not warped yet."""
        return self.generators.canonical(what)

    def reconstruct_clip(self, clip: Tensor) -> Tensor:
        """Clips (B, T, C, S, S) painted again from their codes."""
        return self.decode_clip(self.encode_clip(clip))

    @torch.no_grad()
    def draw_where(self, n: int, frames: int, generator: Generator) -> Tensor:
        """Geometric codes (n, frames, D) from the prior of z_0 and every xi."""
        stream = self.generators.dynamics.geometry
        return stream.unroll(self._normal((n, stream.size(frames)), generator), frames)

    @torch.no_grad()
    def draw_what(self, n: int, frames: int, generator: Generator) -> Tensor:
        """Appearance codes (n, frames, D) from the prior of z_0 and every xi."""
        stream = self.generators.dynamics.appearance
        return stream.unroll(self._normal((n, stream.size(frames)), generator), frames)

    def sample_clips(self, n: int, frames: int, generator: Generator) -> Tensor:
        """Clips (n, frames, C, S, S) in [0, 1] that nobody saw."""
        where = self.draw_where(n, frames, generator)
        return self.decode_clip(Codes(where, self.draw_what(n, frames, generator)))

    def _normal(self, shape: tuple[int, int], generator: Generator) -> Tensor:
        drawn = torch.randn(shape, generator=generator, device=generator.device)
        return drawn.to(self.device)


@torch.no_grad()
def watched(painted: Painted, clip: Tensor) -> dict[str, Tensor]:
    """Numbers that show whether one generator explains the other away.

    ``without_field`` is the squared error of a canonical frame, unwarped; ``displacement`` the mean
    length of the field. A field that died stands still: ``motion`` is how far it moves about its
    mean over a clip's frames, ``spread`` about its mean over all frames of the batch, both root
    mean squares. Lengths are in pixels.
    """
    assert painted.displacement is not None
    field = painted.displacement
    over_time = field - field.mean(1, keepdim=True)
    over_all = field - field.mean((0, 1))
    return {
        "without_field": per_frame(painted.canonical, clip),
        "displacement": displacement_in_pixels(field.flatten(0, 1)).mean(),
        "motion": _root_mean_square(over_time),
        "spread": _root_mean_square(over_all),
    }


def per_frame(painted: Tensor, clip: Tensor) -> Tensor:
    """Squared error of a frame, summed over its numbers, mean over frames and clips."""
    return (painted - clip).square().flatten(2).sum(2).mean()


def _root_mean_square(field: Tensor) -> Tensor:
    return displacement_in_pixels(field.flatten(0, 1)).square().mean().sqrt()
