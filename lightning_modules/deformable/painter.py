"""What methods share that paint pictures from two codes: generators, and what is watched."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightning_modules.deformable.network import Generators, GeneratorShape, Painted, PaintShape
from lightning_modules.interface import Batch, Codes, Method
from lightning_modules.layers.warp import watched_field

Finetune = Literal["all", "appearance"]


def geometry_apart(
    module: nn.Module, learning_rate: float, geometry_rate: float
) -> list[dict[str, Any]]:
    """All trainable parameters as an optimiser takes them, those of the geometry apart.

    Args:
        module: whose geometric parameters have ``geometry`` as a part of their name.
        learning_rate: of the others.
        geometry_rate: of the geometric ones, relative to it.
    """
    groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for name, values in module.named_parameters():
        if values.requires_grad:
            groups["geometry" in name.split(".")].append(values)
    rates = {False: learning_rate, True: learning_rate * geometry_rate}
    return [{"params": group, "lr": rates[key]} for key, group in groups.items() if group]


class CodePainter(Method):
    """Base: generators that paint from codes; a subclass says how codes are found and learned.

    Codes are one tensor (B, appearance_dim + geometry_dim), the appearance code first.

    Args:
        shape: of the generators.
        finetune: what `begin_finetuning` leaves trainable.
        geometry_rate: learning rate of the geometric side, relative to the rest.
    """

    def __init__(
        self, shape: GeneratorShape, finetune: Finetune, geometry_rate: float = 1.0
    ) -> None:
        super().__init__()
        self.generators = Generators(shape)
        self.finetune: Finetune = finetune
        self.geometry_rate = geometry_rate

    @property
    def shape(self) -> PaintShape:
        """Sizes of the generators."""
        return self.generators.shape

    def infer(self, image: Tensor, *, chain: int = 0) -> Tensor:
        """Codes (B, D) of pictures never seen in training.

        Args:
            image: (B, C, S, S) in [0, 1].
            chain: which of several independent tries, where inference is random.
        """
        raise NotImplementedError

    def begin_finetuning(self) -> None:
        """Get ready for a second training on other pictures.

        ``appearance`` freezes the geometric generator, as the paper's transfer does.
        """
        if self.finetune == "appearance" and self.generators.geometry is not None:
            self.generators.geometry.requires_grad_(False)

    def trained_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """All trainable parameters as an optimiser takes them, those of the geometry apart."""
        return geometry_apart(self, learning_rate, self.geometry_rate)

    def encode(self, image: Tensor) -> Codes:
        """Geometric code as *where*, appearance code as *what*; one entangled code as both."""
        return self.split(self.infer(image))

    def decode(self, codes: Codes) -> Tensor:
        """Pictures (B, C, S, S) of codes as `encode` gives them."""
        painted: Painted = self.generators(self.join(codes))
        return painted.picture

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture painted again from its codes."""
        painted: Painted = self.generators(self.infer(image))
        return painted.picture

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Pictures (n, C, S, S) of codes drawn from the prior."""
        codes = torch.randn(n, self.shape.code_dim, device=self.device)
        painted: Painted = self.generators(codes)
        return painted.picture

    def prior_mean(self) -> Codes:
        """Codes (1, D) of zeros."""
        return self.split(torch.zeros(1, self.shape.code_dim, device=self.device))

    def split(self, codes: Tensor) -> Codes:
        """Both codes apart."""
        if not self.shape.geometry_dim:
            return Codes(codes, codes)
        return Codes(
            where=codes[:, self.shape.appearance_dim :], what=codes[:, : self.shape.appearance_dim]
        )

    def join(self, codes: Codes) -> Tensor:
        """Both codes as one tensor, the inverse of `split`."""
        return torch.cat([codes.what, codes.where], 1) if self.shape.geometry_dim else codes.what

    def watched(self, painted: Painted, batch: Batch) -> dict[str, Tensor]:
        """Whether one generator explains the other away, see `watched_field`."""
        if painted.displacement is None:
            return {}
        return watched_field(painted.canonical, painted.displacement, batch["image"])


class FieldMixin:
    """The capability that `CodePainter` has with a geometric generator."""

    def deformation(self, image: Tensor) -> Tensor:
        """Displacement (B, 2, S, S), (x, y), of the inferred geometric code."""
        assert isinstance(self, CodePainter)
        where = self.encode(image).where
        field = self.generators.displacement(where)
        assert field is not None
        return field

    def canonical(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of pictures (B, C, S, S): canonical ones, displacement (B, 2, S, S), reconstruction."""
        assert isinstance(self, CodePainter)
        painted: Painted = self.generators(self.infer(image))
        assert painted.displacement is not None
        return painted.canonical, painted.displacement, painted.picture
