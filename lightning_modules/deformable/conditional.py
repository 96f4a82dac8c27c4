"""The Deformable Generator whose appearance code is the label (Xing et al. 2022, Experiment 4)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.deformable.alternating import AlternatingLearner
from lightning_modules.deformable.network import GeneratorShape, Head
from lightning_modules.deformable.painter import FieldMixin, Finetune
from lightning_modules.interface import Batch, Codes
from lightning_modules.layers.warp import BaseGrid

_CHAINS = 1000
"""Chains that are run at a time where a picture has one a class: what bounds the memory."""


class ConditionalDeformableGenerator(FieldMixin, AlternatingLearner):
    """One canonical picture a class, and a geometric code that warps it into every other.

    *What* is a given one-hot label; only *where* is inferred, and only that is in the bank.
    Training needs ``label`` (B,) int64 in the batch. A picture that comes without its label gets
    one chain a class, all from the same start and with the same noise, and keeps the class of least
    energy: that of the Langevin steps, misfit plus half the squared length of the code.

    The defaults are those of `DeformableGenerator`, for MNIST padded to 32 px. The paper does not
    say how large its networks are there; these are the ones of 64 px without their first stage.

    Args:
        image_size: side of the picture, pixels; the doublings must reach it.
        image_channels: 3 for colour, 1 for grey.
        n_classes: labels are 0 to n_classes - 1; the length of the appearance code.
        geometry_dim: length of the geometric code.
        channels: widths of the geometric generator (see `GeneratorShape`).
        kernels: of its doublings.
        appearance_ratio: alpha; this and the rest as in `DeformableGenerator`.
        bound: largest displacement along an axis, as a fraction of the width (10 of 32 px).
        head: ``sigmoid`` or ``tanh``.
        base: where a displacement of zero looks.
        balance: beta of the second balance scheme; None for the first.
        field_start: of the field's last layer.
        learning_rate: of Adam at the start.
        geometry_rate: of the geometric generator, relative to it.
        sigma: noise of pixels in the first tenth of the run, and after.
        inference_scale: of sigma within the Langevin steps.
        langevin_steps: of a visit.
        step_size: of the Langevin steps.
        infer_steps: of each chain of a picture never seen.
        finetune: what a second training changes.
        seed: of codes and noise.
    """

    learns_from: ClassVar[frozenset[str]] = frozenset({"label"})

    def __init__(
        self,
        image_size: int = 32,
        image_channels: int = 1,
        n_classes: int = 10,
        geometry_dim: int = 64,
        channels: tuple[int, ...] = (64, 32, 16),
        kernels: tuple[int, ...] = (3, 5, 5),
        appearance_ratio: float = 0.625,
        bound: float = 20 / 64,
        head: Head = "sigmoid",
        base: BaseGrid = "identity",
        balance: float | None = None,
        field_start: float = 1.0,
        learning_rate: float = 1e-3,
        geometry_rate: float = 1.0,
        sigma: tuple[float, float] = (0.15, 0.1),
        inference_scale: float = 10.0,
        langevin_steps: int = 20,
        step_size: float = 0.1,
        infer_steps: int = 300,
        finetune: Finetune = "appearance",
        seed: int = 0,
    ) -> None:
        super().__init__(
            GeneratorShape(
                image_size=image_size,
                image_channels=image_channels,
                appearance_dim=n_classes,
                geometry_dim=geometry_dim,
                channels=channels,
                kernels=kernels,
                appearance_ratio=appearance_ratio,
                bound=bound,
                head=head,
                base=base,
                balance=balance,
                field_start=field_start,
            ),
            finetune,
            learning_rate=learning_rate,
            geometry_rate=geometry_rate,
            sigma=sigma,
            inference_scale=inference_scale,
            langevin_steps=langevin_steps,
            step_size=step_size,
            alternate=False,
            infer_steps=infer_steps,
            seed=seed,
            given_dim=n_classes,
        )
        self.n_classes = n_classes
        self.save_hyperparameters()

    def class_codes(self) -> Tensor:
        """*What* of every class, (n_classes, n_classes)."""
        return torch.eye(self.n_classes, device=self.device)

    def class_pictures(self) -> Tensor:
        """The canonical picture of every class, (n_classes, C, S, S) in [0, 1]."""
        return self.generators.canonical(self.class_codes())

    def given(self, batch: Batch) -> Tensor:
        """One-hot labels (B, n_classes).

        Raises:
            ValueError: the batch has no labels, or some that are no class.
        """
        if "label" not in batch:
            raise ValueError(
                f"{type(self).__name__} is trained on labels, and the batch holds only "
                f"{', '.join(sorted(batch))}; take a dataset with `label`, such as mnist"
            )
        label = batch["label"]
        if label.min() < 0 or label.max() >= self.n_classes:
            raise ValueError(
                f"labels go from {int(label.min())} to {int(label.max())}, but n_classes is "
                f"{self.n_classes}; set n_classes to the dataset's number of classes"
            )
        return F.one_hot(label, self.n_classes).to(batch["image"])

    def infer(self, image: Tensor, *, chain: int = 0) -> Tensor:
        """Codes (B, n_classes + geometry_dim) under the class that explains a picture best."""
        parts = torch.split(image, max(1, _CHAINS // self.n_classes))
        return torch.cat([self._explained(part, chain) for part in parts])

    def classify(self, image: Tensor) -> Tensor:
        """Class (B,) int64 of pictures (B, C, S, S) in [0, 1], by chains of all classes."""
        return self.split(self.infer(image)).what.argmax(1)

    @torch.no_grad()
    def _explained(self, image: Tensor, chain: int) -> Tensor:
        count = len(image)
        what = self.class_codes().repeat(count, 1)
        every = image.repeat_interleave(self.n_classes, 0)
        where = self._chain(every, chain, what)
        energy = self._misfit(every, self.sigma[-1], what)(where) + where.square().sum(1) / 2
        best = energy.view(count, self.n_classes).argmin(1)
        codes = torch.cat([what, where], 1).view(count, self.n_classes, -1)
        return codes[torch.arange(count, device=best.device), best]

    def watched_codes(self, codes: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Also ``accuracy``, outside training: how often a picture's class is its label."""
        found = super().watched_codes(codes, batch)
        if self.training or "label" not in batch:
            return found
        hit = codes[:, : self.n_classes].argmax(1) == batch["label"]
        return found | {"accuracy": hit.float().mean()}

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Pictures (n, C, S, S): classes drawn evenly, geometric codes from the prior."""
        label = torch.randint(self.n_classes, (n,), device=self.device)
        where = torch.randn(n, self.shape.geometry_dim, device=self.device)
        return self.decode(Codes(where=where, what=self.class_codes()[label]))

    def prior_mean(self) -> Codes:
        """A geometric code of zeros (1, D), and the first class."""
        where = torch.zeros(1, self.shape.geometry_dim, device=self.device)
        return Codes(where=where, what=self.class_codes()[:1])
