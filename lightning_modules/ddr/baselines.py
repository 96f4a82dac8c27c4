"""The baselines of DDR's tables: with DDR's convolutions, decoder, likelihood and rate."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from lightning_modules.ddr.baseline_networks import PlainNetwork, SequentialNetwork
from lightning_modules.ddr.learner import ClipVAE, Schedule, TwoCodes, clips_at_once
from lightning_modules.ddr.network import FrameShape, picked, repeated
from lightning_modules.interface import Codes
from lightning_modules.layers.noise import normal_noise

_FRAMES = 1


class SequentialVAE(TwoCodes):
    """A recurrent sequential VAE in the manner of Li and Mandt (ICML 2018), DDR's nearest rival.

    It learns from clips in their order: the datamodule's window, or some frames of it. Their code
    lengths for Sprites are 256 and 32; the defaults are DDR's, so that both have as much room.

    Args:
        image_size: side of a frame, pixels: 4 times 2 for each of ``channels``.
        image_channels: 3 for colour, 1 for grey.
        f_dim: length of the static code, *what*.
        z_dim: length of a frame's dynamic code, *where*.
        ordered: frames of a clip in a step, drawn at random, in their order; 0 for all. Of long
            clips, as the 178 poses of a sheet are.
        channels: widths of the convolutions, as of `DDR`.
        hidden: width of recurrent layers.
        learning_rate: of Adam.
        schedule: of it, see `ClipVAE`.
        warmup_steps: of both divergences, see `ClipVAE`; 0 for none.
        seed: of all draws.

    Raises:
        ValueError: the widths do not fit the frame's size.
    """

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        f_dim: int = 256,
        z_dim: int = 2,
        ordered: int = 0,
        channels: tuple[int, ...] = (256, 256, 256, 256),
        hidden: int = 512,
        learning_rate: float = 1e-4,
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        seed: int = 0,
    ) -> None:
        shape = FrameShape(image_size, image_channels, f_dim, z_dim, channels, hidden)
        super().__init__(
            SequentialNetwork(shape),
            learning_rate=learning_rate,
            schedule=schedule,
            warmup_steps=warmup_steps,
            seed=seed,
        )
        self.network: SequentialNetwork
        if ordered < 0:
            raise ValueError(f"ordered must be 0 or more, got {ordered}")
        self.ordered = ordered
        self.save_hyperparameters()

    def learned_from(self, clip: Tensor, index: Tensor) -> Tensor:
        """The frames of ``clip`` that the bound is taken of; others in every epoch."""
        frames = clip.shape[1]
        if not 0 < self.ordered < frames:
            return clip
        places = normal_noise(self.seed, index, self.visit(), _FRAMES, size=frames).argsort(1)
        return picked(clip, places[:, : self.ordered].sort(1).values)

    def codes_of(self, clip: Tensor) -> Codes:
        """Dynamic codes (B, T, Dz) and f (B, Df): posterior means, given all of ``clip``."""
        features = self.network.features(clip)
        what = self.network.static(features).mean
        return Codes(self.network.dynamic(repeated(what, clip.shape[1]), features).mean, what)

    def static_of(self, clip: Tensor) -> Tensor:
        """The static code (B, Df) of ``clip``, read in its order."""
        return self.network.static(self.network.features(clip)).mean

    @torch.no_grad()
    def draw_where_given(self, what: Tensor, frames: int, generator: Generator) -> Tensor:
        """*Where* codes (B, frames, Dz) from the prior of paths, which does not hang on *what*."""
        noise = self.normal((len(what), frames, self.shape.z_dim), generator)
        return self.network.path(noise)


class FrameVAE(ClipVAE):
    """A VAE of single frames with DDR's convolutions, decoder and likelihood: one entangled code.

    It learns from the frames of clips, each by itself, as many as the dataset shows.

    Args:
        image_size: side of a frame, pixels: 4 times 2 for each of ``channels``.
        image_channels: 3 for colour, 1 for grey.
        z_dim: length of the code of a frame; 258 is that of both of DDR's codes.
        draw: frames of a clip in a step, drawn by the dataset; 0 for all that it shows.
        channels: widths of the convolutions, as of `DDR`.
        hidden: width of fully connected layers.
        learning_rate: of Adam.
        schedule: of it, see `ClipVAE`.
        warmup_steps: of the divergence, see `ClipVAE`; 0 for none.
        seed: of all draws.

    Raises:
        ValueError: the widths do not fit the frame's size.
    """

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        z_dim: int = 258,
        draw: int = 3,
        channels: tuple[int, ...] = (256, 256, 256, 256),
        hidden: int = 512,
        learning_rate: float = 1e-4,
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        seed: int = 0,
    ) -> None:
        shape = FrameShape(image_size, image_channels, 0, z_dim, channels, hidden)
        super().__init__(
            PlainNetwork(shape),
            learning_rate=learning_rate,
            schedule=schedule,
            warmup_steps=warmup_steps,
            seed=seed,
        )
        self.network: PlainNetwork
        self.draws = draw
        self.save_hyperparameters()

    @torch.no_grad()
    def encode_clip(self, clip: Tensor) -> Codes:
        """The posterior's mean (B, T, D) of every frame, given as both codes."""
        parts = torch.split(clip, clips_at_once(clip.shape[1]))
        code = torch.cat([self.network.code(part).mean for part in parts])
        return Codes(code, code)

    @torch.no_grad()
    def decode_clip(self, codes: Codes) -> Tensor:
        """Clips (B, T, C, S, S) in [0, 1], the means of pixels, of the codes of their frames."""
        return self.network.paint(codes.where[..., :0], codes.where)

    def sample_clips(self, n: int, frames: int, generator: Generator) -> Tensor:
        """Clips (n, frames, C, S, S) in [0, 1] of frames drawn one by one."""
        code = self.normal((n, frames, self.shape.z_dim), generator)
        return self.decode_clip(Codes(code, code))
