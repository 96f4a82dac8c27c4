"""Deforming Autoencoders' networks (Shu et al., ECCV 2018): one encoder, a texture and a field.

Sizes are those of the released code. Where it and the paper part, the argument says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.layers.warp import backward_warp, base_grid

Blocks = Literal["dense", "dense_as_released", "plain"]
Norm = Literal["instance", "batch"]
Activation = Callable[[], nn.Module]

REACH: Final = 5.0
"""Most that a row of the integrated field can span; a picture spans 2."""
START: Final = 1.2
"""How far before the middle the field starts: its mean of 2.5 then covers the whole picture."""
_SIDE: Final = 4
_STD: Final = 0.02
_AFFINE: Final = 6


class Deformed(NamedTuple):
    """A picture and how it came about.

    Shapes: ``picture`` and ``canonical`` (B, C, S, S) in [0, 1]; ``displacement`` (B, 2, S, S),
    (x, y) in units where the picture spans [-1, 1].
    """

    picture: Tensor
    canonical: Tensor
    displacement: Tensor


@dataclass(frozen=True)
class Shape:
    """Sizes of the networks; the defaults are the released ones at 64 px.

    Args:
        image_size: side of the picture, pixels; 4 * 2^len(channels).
        image_channels: 3 for colour, 1 for grey.
        channels: of the encoder's maps from the largest; the decoders' are the same, backwards.
        depths: convolutions of the encoder's dense blocks, likewise.
        code_dim: length of the encoder's code, before it is parted.
        where_dim: length of the warp's code.
        what_dim: length of the texture's code; 8 was released too.
        blocks: ``dense``; ``dense_as_released``, of which one convolution a block works; or
            ``plain`` for the released code's network without such blocks.
        norm: ``instance`` or ``batch``; both were released.
        affine: let an affine map follow the integrated field.
        code_gain: multiplies the first weights of the layers that make codes. With 1 (code) the
            numbers of a code differ by some thousandths from picture to picture, and it takes
            thousands of steps until anything hangs on them.
    """

    image_size: int = 64
    image_channels: int = 3
    channels: Sequence[int] = (32, 64, 128, 256)
    depths: Sequence[int] = (6, 12, 24, 16)
    code_dim: int = 128
    where_dim: int = 128
    what_dim: int = 16
    blocks: Blocks = "dense"
    norm: Norm = "instance"
    affine: bool = False
    code_gain: float = 1.0

    def __post_init__(self) -> None:
        reach = _SIDE * 2 ** len(self.channels)
        if reach != self.image_size:
            raise ValueError(
                f"{len(self.channels)} halvings make 4 x 4 of pictures of {reach} px, image_size "
                f"is {self.image_size}; give channels (and depths) another length"
            )
        if self.blocks != "plain" and len(self.depths) != len(self.channels):
            raise ValueError(
                f"channels {list(self.channels)} and depths {list(self.depths)} differ in length"
            )

    def normed(self, channels: int) -> nn.Module:
        """Normalisation of a map."""
        return nn.BatchNorm2d(channels) if self.norm == "batch" else nn.InstanceNorm2d(channels)


class DenseBlock(nn.Module):
    """Convolutions of constant width, each of which reads what all before it gave, summed.

    The released code calls the first of them only, and then adds up copies of what it gave: 2^(n-2)
    times one convolution, a factor that the next normalisation takes out. ``as_released`` is that
    one convolution. differs from the released code: the others, which never got a gradient, are not
    there.

    Args:
        shape: says which normalisation.
        channels: in and out.
        depth: convolutions.

    Shapes: (B, channels, H, W) -> the same.
    """

    def __init__(self, shape: Shape, channels: int, depth: int) -> None:
        super().__init__()
        self.as_released = shape.blocks == "dense_as_released"
        self.layers = nn.ModuleList(
            nn.Sequential(
                shape.normed(channels),
                nn.ReLU(),
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            )
            for _ in range(1 if self.as_released else depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the input and of what all convolutions gave; of one block, its convolution."""
        if self.as_released:
            alone: Tensor = self.layers[0](x)
            return alone
        for layer in self.layers:
            x = x + layer(x)
        return x


class Encoder(nn.Sequential):
    """Picture (B, C, S, S) -> code (B, code_dim) in (0, 1)."""

    def __init__(self, shape: Shape) -> None:
        widths = shape.channels
        plain = shape.blocks == "plain"
        layers: list[nn.Module] = [
            nn.Conv2d(shape.image_channels, widths[0], 4, stride=2, padding=1, bias=not plain)
        ]
        if plain:
            layers.append(nn.LeakyReLU(0.2))
            for a, b in itertools.pairwise(widths):
                layers += [
                    nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False),
                    shape.normed(b),
                    nn.LeakyReLU(0.2),
                ]
            layers.append(nn.Conv2d(widths[-1], shape.code_dim, _SIDE, bias=False))
        else:
            steps = [*((b, 2) for b in widths[1:]), (shape.code_dim, _SIDE)]
            for a, depth, (b, pool) in zip(widths, shape.depths, steps, strict=True):
                layers += [
                    DenseBlock(shape, a, depth),
                    shape.normed(a),
                    nn.LeakyReLU(0.2),
                    nn.Conv2d(a, b, 1, bias=False),
                    nn.MaxPool2d(pool),
                ]
        super().__init__(*layers, nn.Sigmoid(), nn.Flatten())


class Decoder(nn.Sequential):
    """Code (B, D, 1, 1) -> map (B, outputs, S, S).

    Args:
        shape: of the networks.
        inputs: length of the code.
        outputs: channels of the map.
        activation: between layers; within dense blocks it is a ReLU.
        last: after the last layer.
    """

    def __init__(
        self, shape: Shape, inputs: int, outputs: int, activation: Activation, last: nn.Module
    ) -> None:
        widths = [*reversed(shape.channels), shape.channels[0]]
        layers: list[nn.Module] = [nn.ConvTranspose2d(inputs, widths[0], _SIDE, bias=False)]
        for at, (a, b) in enumerate(itertools.pairwise(widths)):
            if shape.blocks != "plain":
                layers.append(DenseBlock(shape, a, shape.depths[-1 - at]))
            layers += [
                shape.normed(a),
                activation(),
                nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False),
            ]
        layers += [
            shape.normed(widths[-1]),
            activation(),
            nn.ConvTranspose2d(widths[-1], outputs, 3, padding=1, bias=False),
            last,
        ]
        super().__init__(*layers)


class DeformingAutoencoder(nn.Module):
    """Picture -> texture and field -> picture."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.what = nn.Linear(shape.code_dim, shape.what_dim)
        self.where = nn.Linear(shape.code_dim, shape.where_dim)
        self.texture = Decoder(
            shape, shape.what_dim, shape.image_channels, nn.ReLU, nn.Hardtanh(0, 1)
        )
        self.warp = Decoder(shape, shape.where_dim, 2, nn.Tanh, nn.Sigmoid())
        self.apply(_initialise)
        last = [layer for layer in self.encoder if isinstance(layer, nn.Conv2d)][-1]
        for layer in (last, self.what, self.where):
            layer.weight.data.mul_(shape.code_gain)
        self.affine = nn.Linear(shape.code_dim, _AFFINE) if shape.affine else None
        if self.affine is not None:
            nn.init.zeros_(self.affine.weight)
            nn.init.zeros_(self.affine.bias)

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """*Where* (B, where_dim, and six more where there is an affine map) and *what*."""
        code = self.encoder(image)
        where = self.where(code).sigmoid()
        if self.affine is not None:
            where = torch.cat([where, self.affine(code).tanh()], 1)
        return where, self.what(code).sigmoid()

    def canonical(self, what: Tensor) -> Tensor:
        """Texture (B, C, S, S) in [0, 1] of codes (B, what_dim)."""
        texture: Tensor = self.texture(what[:, :, None, None])
        return texture

    def displacement(self, where: Tensor) -> Tensor:
        """Displacement (B, 2, S, S) of codes (B, where_dim) as `encode` gives them."""
        local, rest = where[:, : self.shape.where_dim], where[:, self.shape.where_dim :]
        looked = integrated(self.warp(local[:, :, None, None]))
        if self.affine is not None:
            looked = transformed(looked, rest)
        grid = base_grid(*looked.shape[-2:], like=looked)
        return looked - grid.permute(2, 0, 1)

    def forward(self, where: Tensor, what: Tensor) -> Deformed:
        """Paint pictures from codes as `encode` gives them."""
        canonical, displacement = self.canonical(what), self.displacement(where)
        return Deformed(backward_warp(canonical, displacement), canonical, displacement)


def integrated(steps: Tensor) -> Tensor:
    """Where pixels look, from how far they look beyond their neighbours.

    Steps are never negative, so a row of the picture never looks backwards: the field folds
    nowhere along its axes. x is summed along rows, y down columns. What would leave the picture
    stays at the outermost pixels' centres.

    The released code measures between the centres of the outermost pixels, the suite between the
    picture's edges.

    Args:
        steps: (B, 2, H, W) in [0, 1], x and y, of at most `REACH` / W and `REACH` / H.

    Returns:
        (B, 2, H, W), (x, y) in [-1, 1].
    """
    height, width = steps.shape[-2:]
    x = steps[:, 0].cumsum(-1) * (REACH / width) - START
    y = steps[:, 1].cumsum(-2) * (REACH / height) - START
    inwards = steps.new_tensor([1 - 1 / width, 1 - 1 / height])
    return torch.stack([x, y], 1).clamp(-1, 1) * inwards[:, None, None]


def transformed(looked: Tensor, numbers: Tensor) -> Tensor:
    """Points (B, 2, H, W) after an affine map, the identity plus half of six numbers (B, 6).

    The paper has the six numbers from a linear layer and does not bound them; here they come in
    [-1, 1], in rows of (x, y, 1).
    """
    matrix = numbers.view(-1, 2, 3) / 2
    moved = matrix[:, :, :2] @ looked.flatten(2) + matrix[:, :, 2:]
    return looked + moved.view_as(looked)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=_STD)
