"""The two generators and the warp (Xing et al., TPAMI 2022, section 3 and Table IV)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.layers.deconv import START, Tower
from lightning_modules.layers.warp import BaseGrid, backward_warp

Head = Literal["sigmoid", "tanh"]


class Painted(NamedTuple):
    """A picture and how it came about.

    Shapes: ``picture`` and ``canonical`` (B, C, S, S) in [0, 1]; ``displacement`` (B, 2, S, S), (x,
    y) in units where the picture spans [-1, 1], or None where there is no geometry.
    """

    picture: Tensor
    canonical: Tensor
    displacement: Tensor | None


@dataclass(frozen=True)
class PaintShape(ABC):
    """What painting a picture from two codes hangs on, whatever the towers are made of.

    Args:
        image_size: side of the picture, pixels.
        image_channels: 3 for colour, 1 for grey.
        appearance_dim: length of the appearance code z_a.
        geometry_dim: length of the geometric code z_g; 0 for no geometry at all.
        bound: largest displacement along an axis, as a fraction of the picture's width.
        head: ``sigmoid`` (code) or ``tanh`` (paper) of the appearance generator. With ``tanh``
            the network speaks of pictures in [-1, 1], whose squared errors are four times as large.
        base: where a displacement of zero looks (see `base_grid`).
        balance: beta of the second balance scheme, which scales the geometric generator beside
            ``appearance_ratio``; None for the first, which has the ratio alone.
        field_start: multiplies the first weights of the field's last layer. At 1 plain weights warp
            pictures at random by a third of their width before anything is learned; a small number
            starts near the identity.
    """

    image_size: int = 64
    image_channels: int = 3
    appearance_dim: int = 64
    geometry_dim: int = 64
    bound: float = 20 / 64
    head: Head = "sigmoid"
    base: BaseGrid = "identity"
    balance: float | None = None
    field_start: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.bound <= 1:
            raise ValueError(f"bound is a fraction of the width in (0, 1], got {self.bound}")

    @abstractmethod
    def towers(self) -> tuple[Tower, Tower | None]:
        """Networks for the canonical picture and for the field, not trained yet."""

    @property
    def code_dim(self) -> int:
        """Length of both codes together."""
        return self.appearance_dim + self.geometry_dim


@dataclass(frozen=True)
class GeneratorShape(PaintShape):
    """Sizes of the generators of pictures; the defaults are the paper's at 64 px.

    Args:
        channels: widths of the geometric generator, at 4 x 4 and after each doubling but the last;
            the picture has a side of 4 * 2^len(channels).
        kernels: of the doublings, each 3 or 5.
        appearance_ratio: alpha, the appearance generator's widths relative to ``channels``.
    """

    channels: Sequence[int] = (128, 64, 32, 16)
    kernels: Sequence[int] = (3, 3, 5, 5)
    appearance_ratio: float = 0.625

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.channels) != len(self.kernels):
            raise ValueError(
                f"channels {list(self.channels)} and kernels {list(self.kernels)} differ in length"
            )
        reach = START * 2 ** len(self.channels)
        if reach != self.image_size:
            raise ValueError(
                f"{len(self.channels)} doublings grow pictures of {reach} px, image_size is "
                f"{self.image_size}; give channels and kernels another length"
            )

    @classmethod
    def entangled(
        cls,
        image_size: int,
        image_channels: int,
        latent_dim: int,
        channels: Sequence[int],
        kernels: Sequence[int],
        head: Head,
    ) -> GeneratorShape:
        """One generator with the widths of the geometric one, and no geometry."""
        return cls(
            image_size=image_size,
            image_channels=image_channels,
            appearance_dim=latent_dim,
            geometry_dim=0,
            channels=channels,
            kernels=kernels,
            appearance_ratio=1.0,
            head=head,
        )

    def towers(self) -> tuple[Tower, Tower | None]:
        """Both of one make, the appearance generator's widths a fraction of the other's."""
        appearance = Tower(
            self.appearance_dim,
            [int(self.appearance_ratio * width) for width in self.channels],
            self.kernels,
            self.image_channels,
            balance=None if self.balance is None else 1.0,
        )
        if not self.geometry_dim:
            return appearance, None
        return appearance, Tower(self.geometry_dim, self.channels, self.kernels, 2, self.balance)


class Generators(nn.Module):
    """Codes -> canonical picture and displacement field -> picture."""

    def __init__(self, shape: PaintShape) -> None:
        super().__init__()
        self.shape = shape
        self.appearance, self.geometry = shape.towers()
        if self.geometry is not None and shape.field_start != 1.0:
            for values in self.geometry.doublings[-1].parameters():
                values.data.mul_(shape.field_start)

    def forward(self, codes: Tensor) -> Painted:
        """Paint pictures from codes (B, code_dim), the appearance code first."""
        canonical = self.canonical(codes[:, : self.shape.appearance_dim])
        displacement = self.displacement(codes[:, self.shape.appearance_dim :])
        if displacement is None:
            return Painted(canonical, canonical, None)
        return Painted(
            backward_warp(canonical, displacement, base=self.shape.base), canonical, displacement
        )

    def canonical(self, what: Tensor) -> Tensor:
        """Picture (B, C, S, S) in [0, 1] of an appearance code, before it is warped."""
        raw: Tensor = self.appearance(what)
        return raw.sigmoid() if self.shape.head == "sigmoid" else (raw.tanh() + 1) / 2

    def displacement(self, where: Tensor) -> Tensor | None:
        """Displacement (B, 2, S, S) of a geometric code; a bound of 1/2 reaches 1 in [-1, 1]."""
        if self.geometry is None:
            return None
        field: Tensor = torch.tanh(self.geometry(where)) * (2 * self.shape.bound)
        return field

    def error(self, picture: Tensor, image: Tensor) -> Tensor:
        """Squared error (B,) summed over pictures in [0, 1], in the range the head speaks of."""
        scale = 1 if self.shape.head == "sigmoid" else 4
        return scale * (picture - image).square().flatten(1).sum(1)
