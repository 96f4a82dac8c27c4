"""A recurrent sequential VAE in the manner of Li and Mandt, and a VAE of single frames.

Yingzhen Li and Stephan Mandt, *Disentangled Sequential Autoencoder*, ICML 2018: a clip has a static
code f and a path of dynamic codes z_t with a recurrent prior. Their "full" posterior: f is read
from all frames in their order, and every z_t from f and from all frames. Convolutions and decoder
are DDR's, so that only the way in which codes are found and expected differs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_modules.ddr.losses import Bound, Gaussian, gaussian, kl
from lightning_modules.ddr.network import (
    SLOPE,
    FrameNetwork,
    FrameShape,
    Noise,
    glorot,
    repeated,
)
from lightning_modules.layers.blocks import mlp


class SequentialNetwork(FrameNetwork):
    """q(f | x_1..T), q(z_t | f, x_1..T), p(z_t | z_1..t-1) and p(x_t | f, z_t).

    Args:
        shape: sizes; ``hidden`` is the width of every recurrent layer, in each direction.
    """

    def __init__(self, shape: FrameShape) -> None:
        super().__init__(shape)
        hidden = shape.hidden
        self.feature = nn.Sequential(nn.Linear(shape.map_size, hidden), nn.LeakyReLU(SLOPE))
        self.read = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        self.of_clip = nn.Linear(2 * hidden, 2 * shape.f_dim)
        self.both_ways = nn.LSTM(hidden + shape.f_dim, hidden, batch_first=True, bidirectional=True)
        self.onward = nn.RNN(2 * hidden, hidden, batch_first=True)
        self.of_frame = nn.Linear(hidden, 2 * shape.z_dim)
        self.past = nn.LSTM(shape.z_dim, hidden, batch_first=True)
        self.of_past = nn.Linear(hidden, 2 * shape.z_dim)
        glorot(self)

    def features(self, clip: Tensor) -> Tensor:
        """Features (B, T, hidden) of the frames of ``clip``."""
        found: Tensor = self.feature(self.maps(clip).flatten(2))
        return found

    def static(self, features: Tensor) -> Gaussian:
        """q(f | x_1..T) (B, Df), from the last state in either direction."""
        _, (state, _) = self.read(features)
        return gaussian(self.of_clip(torch.cat([state[0], state[1]], 1)))

    def dynamic(self, what: Tensor, features: Tensor) -> Gaussian:
        """q(z_t | f, x_1..T) (B, T, Dz) of f (B, T, Df), repeated."""
        context, _ = self.both_ways(torch.cat([features, what], 2))
        states, _ = self.onward(context)
        return gaussian(self.of_frame(states))

    def prior(self, where: Tensor) -> Gaussian:
        """p(z_t | z_1..t-1) (B, T, Dz) along a path ``where`` of codes; before the first are 0."""
        before = torch.cat([torch.zeros_like(where[:, :1]), where[:, :-1]], 1)
        states, _ = self.past(before)
        return gaussian(self.of_past(states))

    def path(self, noise: Tensor) -> Tensor:
        """A path of codes from the prior (B, T, Dz), made of standard normal noise."""
        code, state, codes = torch.zeros_like(noise[:, 0]), None, []
        for step in noise.unbind(1):
            states, state = self.past(code[:, None], state)
            code = gaussian(self.of_past(states[:, 0])).sample(step)
            codes.append(code)
        return torch.stack(codes, 1)

    def forward(self, clip: Tensor, noise: Noise) -> Bound:
        """The bound of ``clip`` (B, T, C, S, S), frames in their order.

        Given f and the clip the codes of frames are independent, so the divergence of each from its
        prior is exact, at codes before it that are drawn.
        """
        features = self.features(clip)
        static = self.static(features)
        every = repeated(static.sample(noise.what), clip.shape[1])
        dynamic = self.dynamic(every, features)
        where = dynamic.sample(noise.where)
        likely = self.log_likelihood(every, where, clip)
        return Bound(likely, kl(dynamic, self.prior(where)), kl(static))


class PlainNetwork(FrameNetwork):
    """A VAE (Kingma and Welling, ICLR 2014) of every frame by itself: one code, nothing static.

    Args:
        shape: sizes, with no static code.

    Raises:
        ValueError: there is a static code.
    """

    def __init__(self, shape: FrameShape) -> None:
        if shape.f_dim:
            raise ValueError(f"a VAE of single frames has no static code, got f_dim={shape.f_dim}")
        super().__init__(shape)
        hidden = shape.hidden
        self.of_frame = mlp(shape.map_size, hidden, hidden, 2 * shape.z_dim)
        glorot(self)

    def code(self, clip: Tensor) -> Gaussian:
        """q(z | x) (B, T, Dz) of every frame of ``clip``."""
        return gaussian(self.of_frame(self.maps(clip).flatten(2)))

    def forward(self, clip: Tensor, noise: Noise) -> Bound:
        """The bound of ``clip`` (B, T, C, S, S); no part of it is of the clip as a whole."""
        found, nothing = self.code(clip), noise.what
        where = found.sample(noise.where)
        likely = self.log_likelihood(repeated(nothing, clip.shape[1]), where, clip)
        return Bound(likely, kl(found), nothing)
