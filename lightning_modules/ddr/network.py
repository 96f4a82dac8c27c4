"""The networks of DDR (Helminger et al. 2018, Figure 2 and appendices B and C).

Leonhard Helminger, Abdelaziz Djelouah, Markus Gross and Romann M. Weber, *Disentangled Dynamic
Representations from Unordered Data*, AABI 2018, arXiv 1812.03962.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.ddr.losses import Bound, Gaussian, gaussian, kl, log_bernoulli
from lightning_modules.layers.blocks import mlp

Pairing = Literal["once", "both", "none"]
Aggregate = Literal["concatenate", "mean", "max"]

SIDE = 4
"""Side of the maps between pictures and codes, pixels."""
SLOPE = 0.2
"""Of leaky ReLUs, TensorFlow's; the paper gives none."""
AT_ONCE = 256
"""Frames that go through convolutions at a time where no gradient is kept: bounds the memory."""


@dataclass(frozen=True)
class FrameShape:
    """Sizes that DDR and its baselines share; the defaults are the paper's, for Sprites.

    Args:
        image_size: side of a frame, pixels: 4 times 2 for each of ``channels``.
        image_channels: 3 for colour, 1 for grey.
        f_dim: length of *what*, the static code f of a clip; 0 for none.
        z_dim: length of *where*, the dynamic code z of a frame.
        channels: widths of the convolutions, from the frame inwards; the decoder mirrors them.
        hidden: width of fully connected (and recurrent) layers.

    Raises:
        ValueError: the widths do not fit the frame's size.
    """

    image_size: int = 64
    image_channels: int = 3
    f_dim: int = 256
    z_dim: int = 2
    channels: Sequence[int] = (256, 256, 256, 256)
    hidden: int = 512

    def __post_init__(self) -> None:
        reach = SIDE * 2 ** len(self.channels)
        if reach != self.image_size:
            raise ValueError(
                f"{len(self.channels)} halvings are for frames of {reach} px, image_size is "
                f"{self.image_size}; give channels another length"
            )

    @property
    def map_size(self) -> int:
        """Numbers in a frame's map."""
        return self.channels[-1] * SIDE**2


class Noise(NamedTuple):
    """Standard normal numbers for the codes of B clips: ``what`` (B, Df), ``where`` (B, T, Dz)."""

    what: Tensor
    where: Tensor


class FrameNetwork(nn.Module):
    """What DDR and its baselines have in common: a frame's convolutions, and its decoder."""

    def __init__(self, shape: FrameShape) -> None:
        super().__init__()
        self.shape = shape
        widths = [shape.image_channels, *shape.channels]
        self.encoder = nn.Sequential(
            *itertools.chain.from_iterable(
                (nn.Conv2d(a, b, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE))
                for a, b in itertools.pairwise(widths)
            )
        )
        growing: list[nn.Module] = [
            nn.Linear(shape.f_dim + shape.z_dim, shape.map_size),
            nn.Unflatten(1, (shape.channels[-1], SIDE, SIDE)),
        ]
        for a, b in itertools.pairwise(reversed(widths)):
            growing += [nn.LeakyReLU(SLOPE), nn.ConvTranspose2d(a, b, 4, stride=2, padding=1)]
        self.decoder = nn.Sequential(*growing)

    def maps(self, clip: Tensor) -> Tensor:
        """Maps (B, T, channels, 4, 4) of the frames of ``clip`` (B, T, C, S, S)."""
        found = in_pieces(self.encoder, clip.flatten(0, 1))
        return found.view(*clip.shape[:2], *found.shape[1:])

    def paint(self, what: Tensor, where: Tensor) -> Tensor:
        """Frames (B, T, C, S, S) in [0, 1] of codes (B, T, Df) and (B, T, Dz)."""
        codes = torch.cat([what, where], 2)
        painted = in_pieces(lambda rows: self.decoder(rows).sigmoid(), codes.flatten(0, 1))
        return painted.view(*codes.shape[:2], *painted.shape[1:])

    def log_likelihood(self, what: Tensor, where: Tensor, clip: Tensor) -> Tensor:
        """Log p(x | f, z) of every frame of ``clip``, (B, T), nats; codes as in `paint`."""
        codes = torch.cat([what, where], 2).flatten(0, 1)
        found = in_pieces(
            lambda rows, image: log_bernoulli(self.decoder(rows), image), codes, clip.flatten(0, 1)
        )
        return found.view(clip.shape[:2])


class DDRNetwork(FrameNetwork):
    """q(f | x_S), q(z | f, x), p(z | f) and p(x | f, z).

    Args:
        shape: sizes.
        draw: N, frames that f is read from.
        pairing: ``once`` compares every two of them in the order they come in (appendix B),
            ``both`` also the other way round; ``none`` compares every frame with itself: as many
            layers and weights for N = 3, but no pairs.
        aggregate: how the maps of pairs become one: ``concatenate`` (paper), which fixes N, or
            their ``mean`` or ``max``, which does not.
        pair_channels: width of the layer that sees pairs, and of the one after it.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        shape: FrameShape,
        draw: int = 3,
        pairing: Pairing = "once",
        aggregate: Aggregate = "concatenate",
        pair_channels: int = 512,
    ) -> None:
        super().__init__(shape)
        if pairing not in get_args(Pairing) or aggregate not in get_args(Aggregate):
            raise ValueError(
                f"pairing is one of {', '.join(get_args(Pairing))} and aggregate one of "
                f"{', '.join(get_args(Aggregate))}, got {pairing!r}, {aggregate!r}"
            )
        if draw < (1 if pairing == "none" else 2):
            raise ValueError(f"a pair needs two frames, got draw={draw}")
        self.draw, self.pairing, self.aggregate = draw, pairing, aggregate
        width, hidden = shape.channels[-1], shape.hidden
        self.pair = nn.Conv2d(2 * width, pair_channels, 3, padding=1)
        seen = len(pairs(draw, pairing)[0]) if aggregate == "concatenate" else 1
        self.common = nn.Sequential(
            nn.Conv2d(seen * pair_channels, pair_channels, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            *mlp(pair_channels * SIDE**2, hidden, 2 * shape.f_dim),
        )
        self.of_frame = mlp(shape.f_dim + shape.map_size, hidden, hidden, 2 * shape.z_dim)
        self.of_static = mlp(shape.f_dim, hidden, hidden, 2 * shape.z_dim)
        glorot(self)

    def static(self, maps: Tensor) -> Gaussian:
        """q(f | x_S) (B, Df) of the maps (B, N, channels, 4, 4) of N frames.

        A convolution of two concatenated maps is the sum of one of each. So every frame is
        convolved once as the first and once as the second of a pair, not once for every pair.
        """
        first, second = (
            torch.tensor(side, device=maps.device) for side in pairs(maps.shape[1], self.pairing)
        )
        starts, ends = int(first.max()) + 1, int(second.min())
        left, right = self.pair.weight.chunk(2, 1)
        as_first = _convolved(maps[:, :starts], left, self.pair.bias)
        as_second = _convolved(maps[:, ends:], right, None)
        common = (as_first[:, first] + as_second[:, second - ends]).relu()
        if self.aggregate == "concatenate":
            return gaussian(self.common(common.flatten(1, 2)))
        return gaussian(self.common(common.mean(1) if self.aggregate == "mean" else common.amax(1)))

    def dynamic(self, what: Tensor, maps: Tensor) -> Gaussian:
        """q(z | f, x) (B, T, Dz) of f (B, T, Df) and the frames' maps (B, T, channels, 4, 4)."""
        return gaussian(self.of_frame(torch.cat([what, maps.flatten(2)], 2)))

    def prior(self, what: Tensor) -> Gaussian:
        """p(z | f) (..., Dz) of f (..., Df)."""
        return gaussian(self.of_static(what))

    def forward(self, clip: Tensor, noise: Noise, read: Tensor | None = None) -> Bound:
        """The bound of ``clip`` (B, T, C, S, S) with f read from the frames ``read`` (B, N).

        Without ``read`` f is read from all frames in their order: then this is the paper's bound.
        """
        maps = self.maps(clip)
        static = self.static(maps if read is None else picked(maps, read))
        what = static.sample(noise.what)
        every = repeated(what, clip.shape[1])
        dynamic = self.dynamic(every, maps)
        prior = self.prior(what)
        given = Gaussian(prior.mean[:, None], prior.log_variance[:, None])
        likely = self.log_likelihood(every, dynamic.sample(noise.where), clip)
        return Bound(likely, kl(dynamic, given), kl(static))


def pairs(frames: int, pairing: Pairing) -> tuple[list[int], list[int]]:
    """First and second frames of all pairs, in the order in which they are concatenated."""
    each = range(frames)
    chosen = {
        "once": [(i, j) for i in each for j in each if i < j],
        "both": [(i, j) for i in each for j in each if i != j],
        "none": [(i, i) for i in each],
    }[pairing]
    return [i for i, _ in chosen], [j for _, j in chosen]


def picked(values: Tensor, places: Tensor) -> Tensor:
    """Some frames (B, N, ...) of every clip's values (B, T, ...), at ``places`` (B, N)."""
    return values[torch.arange(len(values), device=values.device)[:, None], places]


def repeated(code: Tensor, frames: int) -> Tensor:
    """Codes (B, D) of clips once for every frame, (B, frames, D)."""
    return code[:, None].expand(-1, frames, -1)


def glorot(module: nn.Module) -> None:
    """TensorFlow's first weights of its day: Glorot and Bengio's uniform ones, no bias.

    differs from the paper: which says nothing of them. PyTorch's own are smaller: after four
    convolutions, frames would be hard to tell apart.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def in_pieces(function: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """``function`` of rows (N, ...), a part at a time where no gradient is kept."""
    if torch.is_grad_enabled() or len(rows[0]) <= AT_ONCE:
        return function(*rows)
    parts = zip(*(torch.split(each, AT_ONCE) for each in rows), strict=True)
    return torch.cat([function(*part) for part in parts])


def _convolved(maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found = F.conv2d(maps.flatten(0, 1), weight, bias, padding=1)
    return found.view(*maps.shape[:2], *found.shape[1:])
