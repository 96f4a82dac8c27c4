"""Disentangled Dynamic Representations from unordered data (Helminger et al., AABI 2018)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from lightning_modules.ddr.learner import Schedule, TwoCodes, clips_at_once
from lightning_modules.ddr.losses import Bound
from lightning_modules.ddr.network import (
    Aggregate,
    DDRNetwork,
    FrameShape,
    Noise,
    Pairing,
    picked,
    repeated,
)
from lightning_modules.interface import Codes
from lightning_modules.layers.noise import content_key, normal_noise

_FRAMES, _READ = 1, 2


class DDR(TwoCodes):
    """A static code of a clip from a few of its frames in no order, a dynamic code of each frame.

    The defaults are the paper's, for Sprites; what it leaves open is in the README beside this
    file. With ``pairing="none"`` it is the ablation without its pairwise comparison.

    Args:
        image_size: side of a frame, pixels: 4 times 2 for each of ``channels``.
        image_channels: 3 for colour, 1 for grey.
        f_dim: length of the static code, *what* (paper: 256 for Sprites, 64 for Moving MNIST).
        z_dim: length of a frame's dynamic code, *where* (paper: 2).
        draw: N, frames of a clip in a step, and those that f is read from (paper: 3).
        pairing: ``once`` (paper), ``both`` or ``none``, see `DDRNetwork`.
        aggregate: ``concatenate`` (paper), ``mean`` or ``max``. ``both`` with one of the latter
            reads the same from frames in any order.
        channels: widths of the convolutions, from the frame inwards; the decoder mirrors them.
        pair_channels: width of the two layers that compare frames.
        hidden: width of fully connected layers.
        learning_rate: of Adam (paper: 1e-4).
        schedule: of it, see `ClipVAE`; ``constant`` is the paper's.
        warmup_steps: of both divergences, see `ClipVAE`; 0 for none (paper).
        triples: choices of ``draw`` frames over which a whole clip's f is averaged.
        seed: of all draws.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        f_dim: int = 256,
        z_dim: int = 2,
        draw: int = 3,
        pairing: Pairing = "once",
        aggregate: Aggregate = "concatenate",
        channels: tuple[int, ...] = (256, 256, 256, 256),
        pair_channels: int = 512,
        hidden: int = 512,
        learning_rate: float = 1e-4,
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        triples: int = 10,
        seed: int = 0,
    ) -> None:
        shape = FrameShape(image_size, image_channels, f_dim, z_dim, channels, hidden)
        super().__init__(
            DDRNetwork(shape, draw, pairing, aggregate, pair_channels),
            learning_rate=learning_rate,
            schedule=schedule,
            warmup_steps=warmup_steps,
            seed=seed,
        )
        if triples < 1:
            raise ValueError(f"f is averaged over one choice of frames at least, got {triples}")
        self.network: DDRNetwork
        self.draws, self.triples = draw, triples
        self.save_hyperparameters()

    def learned_from(self, clip: Tensor, index: Tensor) -> Tensor:
        """``draw`` frames of every clip: as they are where it has no more, else drawn at random.

        Raises:
            ValueError: clips have fewer.
        """
        frames = clip.shape[1]
        if frames < self.draws:
            raise ValueError(
                f"clips have {frames} frames, {self.draws} are to be drawn of each; give the "
                "dataset clips of that many frames or more"
            )
        if frames == self.draws:
            return clip
        places = normal_noise(self.seed, index, self.visit(), _FRAMES, size=frames).argsort(1)
        return picked(clip, places[:, : self.draws])

    def bound_of(self, clip: Tensor, noise: Noise, order: Tensor) -> Bound:
        """The bound of whole clips, with f read from ``draw`` frames at random.

        q(f | x_S) of any frames S is a distribution over f that hangs on the clip alone. So with
        one f, drawn from it, for all T frames, E_q(f)[sum over all t of (E_q(z) log p(x_t | f, z) -
        KL(q(z | f, x_t) || p(z | f)))] - KL(q(f | x_S) || p(f)) is at most log p(x_1..T), whatever
        S is, and so is its mean over S. It is the paper's bound where T is ``draw``. The sum of
        that over triples that partition the clip would bound the triples as clips with an f each:
        another, easier thing to say of the same frames.
        """
        bound: Bound = self.network(clip, noise, _cycled(order, self.draws))
        return bound

    def codes_of(self, clip: Tensor) -> Codes:
        """Dynamic codes (B, T, Dz) and f (B, Df) of ``clip``, means of their posteriors.

        f is averaged over ``triples`` choices of frames at random, which hang on the clip's first
        frame alone: a clip has the same codes in any batch. The dynamic codes are given that f. Any
        T from 1 on; where a clip has fewer than ``draw`` frames, some are read twice.
        """
        maps = self.network.maps(clip)
        what = self._readings(clip, maps).mean(1)
        return Codes(self.network.dynamic(repeated(what, clip.shape[1]), maps).mean, what)

    def static_of(self, clip: Tensor) -> Tensor:
        """The static code (B, Df), read from every ``draw`` frames in turn, and averaged.

        Raises:
            ValueError: the frames cannot be cut into groups of ``draw``.
        """
        frames = clip.shape[1]
        if frames % self.draws or not frames:
            raise ValueError(f"f is read from {self.draws} frames at a time, got {frames}")
        groups = self.network.maps(clip)
        return self._static(groups.view(len(clip), -1, self.draws, *groups.shape[2:])).mean(1)

    @torch.no_grad()
    def static_spread(self, clip: Tensor) -> Tensor:
        """Variance (B, Df) of f over the choices of frames that `encode_clip` averages."""
        parts = torch.split(clip, clips_at_once(clip.shape[1]))
        found = [
            self._readings(part, self.network.maps(part)).var(1, correction=0) for part in parts
        ]
        return torch.cat(found)

    @torch.no_grad()
    def draw_where_given(self, what: Tensor, frames: int, generator: Generator) -> Tensor:
        """*Where* codes (B, frames, Dz) from p(z | f), for f = ``what`` (B, Df)."""
        prior = self.network.prior(repeated(what.to(self.device), frames))
        return prior.sample(self.normal((len(what), frames, self.shape.z_dim), generator))

    def _readings(self, clip: Tensor, maps: Tensor) -> Tensor:
        """Means of q(f | x_S) (B, triples, Df) for choices S of frames at random."""
        count, frames = clip.shape[:2]
        numbers = normal_noise(
            self.seed, content_key(clip[:, 0]), _READ, size=self.triples * frames
        )
        order = numbers.view(count, self.triples, frames).argsort(2)
        places = _cycled(order, self.draws)
        read = picked(maps, places.flatten(1))
        return self._static(read.view(*places.shape, *maps.shape[2:]))

    def _static(self, maps: Tensor) -> Tensor:
        """Means of q(f | x_S) (B, K, Df) of maps (B, K, N, channels, 4, 4)."""
        return self.network.static(maps.flatten(0, 1)).mean.view(*maps.shape[:2], -1)


def _cycled(order: Tensor, count: int) -> Tensor:
    """The first ``count`` of an order (..., T); from its start again where it is shorter."""
    return order[..., torch.arange(count, device=order.device) % order.shape[-1]]
