"""Learning by alternating back-propagation (Han et al., AAAI 2017; Xing et al. 2022, 3.3).

A visit of a training picture moves its persistent codes by a few Langevin steps; then the
generators take one gradient step for the batch. No encoder is learned.
"""

from __future__ import annotations

from typing import Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lightning_modules.deformable.network import GeneratorShape, Painted
from lightning_modules.deformable.painter import CodePainter, Finetune
from lightning_modules.interface import Batch
from lightning_modules.langevin import Misfit, chain_from_prior, langevin
from lightning_modules.latents import CodeBank, KeepsBank
from lightning_modules.layers.noise import content_key, normal_noise

InferBy = Literal["chain", "mode"]

PAPER_EPOCHS = 1001
"""Epochs of the authors' run, which their schedules are written for."""

_RATES = {0: 1.0, 101: 0.8, 201: 0.6, 301: 0.5, 401: 0.4, 501: 0.3, 701: 0.2, 901: 0.1}
_SIGMA_DROPS = 101


class AlternatingLearner(KeepsBank, CodePainter):
    """A painter that learns by alternating back-propagation.

    Args:
        shape: of the generators.
        finetune: what `begin_finetuning` leaves trainable.
        learning_rate: of Adam at the start; falls along the authors' table, stretched to the run.
        geometry_rate: of the geometric generator, relative to it.
        sigma: standard deviation of the noise of pixels, over the first tenth of the run and after.
        inference_scale: the Langevin steps use ``inference_scale * sigma``. The authors' code
            divides the energy by its batch size of 100 and so has 10; the paper's text has 1.
        langevin_steps: of a visit.
        step_size: of the Langevin steps.
        alternate: move the appearance code first, then the geometric one by a gradient of its own
            (paper); else both by one gradient (code).
        infer_steps: of a chain for a picture never seen.
        infer_by: ``chain`` starts from the prior; the last fifth of the steps are without noise,
            and their mean is the code. ``mode`` climbs from zero without noise, and its end is the
            code: the same in every chain, and sooner free of where it began.
        seed: of codes and noise.
        given_dim: how many numbers at the front of the codes are known of a training picture, see
            `given`; the bank holds the others.
    """

    def __init__(
        self,
        shape: GeneratorShape,
        finetune: Finetune,
        *,
        learning_rate: float,
        geometry_rate: float = 1.0,
        sigma: tuple[float, float],
        inference_scale: float,
        langevin_steps: int,
        step_size: float,
        alternate: bool,
        infer_steps: int,
        infer_by: InferBy = "chain",
        seed: int,
        given_dim: int = 0,
    ) -> None:
        super().__init__(shape, finetune, geometry_rate)
        self.learning_rate = learning_rate
        self.sigma = tuple(sigma)
        self.inference_scale = inference_scale
        self.langevin_steps = langevin_steps
        self.step_size = step_size
        self.blocks = (
            [size for size in (shape.appearance_dim, shape.geometry_dim) if size]
            if alternate
            else []
        )
        self.infer_steps = infer_steps
        self.infer_by = infer_by
        self.seed = seed
        self.bank = CodeBank(shape.code_dim - given_dim, seed)

    def begin_finetuning(self) -> None:
        """Also forget the codes of the pictures seen so far: the new ones have the same ids."""
        super().begin_finetuning()
        self.bank.clear()

    def paper_epoch(self) -> int:
        """Where the run stands on the authors' scale of epochs."""
        length = self.trainer.max_epochs or PAPER_EPOCHS
        return self.current_epoch * PAPER_EPOCHS // max(length, 1)

    def noise_level(self) -> float:
        """Sigma now; the last one outside training."""
        first, last = self.sigma
        training = self._trainer is not None and self.training
        return first if training and self.paper_epoch() < _SIGMA_DROPS else last

    def given(self, batch: Batch) -> Tensor | None:
        """The front of training pictures' codes (B, given_dim); None where all is inferred."""
        return None

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Half the squared error over sigma squared, summed over pixels, mean over pictures.

        In training, the codes of the batch are first read from the bank, moved, and kept there; in
        validation they come from a chain of their own.
        """
        image = batch["image"]
        codes = self._visit(batch) if self.training else self.infer(image)
        painted = self.generators(codes)
        error = self.generators.error(painted.picture, image).mean()
        return {
            "loss": error / (2 * self.noise_level() ** 2),
            "reconstruction": (painted.picture - image).detach().square().flatten(1).sum(1).mean(),
            **self.watched_codes(codes, batch),
            **self.watched(painted, batch),
        }

    def watched_codes(self, codes: Tensor, batch: Batch) -> dict[str, Tensor]:
        """``code_rms``: how large the inferred codes (B, D) are; about 1 under the prior."""
        return {"code_rms": codes[:, -self.bank.size :].square().mean().sqrt()}

    def _visit(self, batch: Batch) -> Tensor:
        index, given = batch["index"], self.given(batch)
        size, epoch = self.bank.size, self.current_epoch
        codes, _ = langevin(
            self.bank.read(index),
            self._misfit(batch["image"], self.noise_level(), given),
            steps=self.langevin_steps,
            step_size=self.step_size,
            noise=lambda step: normal_noise(self.seed, index, epoch, step, size=size),
            blocks=self.blocks,
        )
        self.bank.write(index, codes)
        return _joined(given, codes)

    def infer(self, image: Tensor, *, chain: int = 0) -> Tensor:
        """Codes from a chain of their own, which never touches the bank."""
        return self._chain(image, chain)

    def _chain(self, image: Tensor, chain: int, given: Tensor | None = None) -> Tensor:
        """The numbers of the codes that are not given, from a chain of each picture."""
        return chain_from_prior(
            self._misfit(image, self.sigma[-1], given),
            content_key(image),
            size=self.bank.size,
            steps=self.infer_steps,
            step_size=self.step_size,
            seed=self.seed,
            chain=chain,
            to_mode=self.infer_by == "mode",
            blocks=self.blocks,
        )

    def reconstruct_by_chain(self, image: Tensor, chain: int) -> Tensor:
        """The picture painted again from the codes that one of its chains finds."""
        painted: Painted = self.generators(self.infer(image, chain=chain))
        return painted.picture

    def _misfit(self, image: Tensor, sigma: float, given: Tensor | None) -> Misfit:
        variance = (self.inference_scale * sigma) ** 2
        wanted = image.detach().clone()

        def misfit(codes: Tensor) -> Tensor:
            picture = self.generators(_joined(given, codes)).picture
            return self.generators.error(picture, wanted) / (2 * variance)

        return misfit

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam over both generators, its rate along the authors' table."""
        return self.scheduled(torch.optim.Adam(self.trained_groups(self.learning_rate)))

    def scheduled(self, optimizer: Optimizer) -> OptimizerLRScheduler:
        """Let all rates of an optimizer fall along the authors' table, stretched to the run."""
        length = self.trainer.max_epochs or PAPER_EPOCHS

        def factor(epoch: int) -> float:
            return _RATES[max(start for start in _RATES if start <= epoch * PAPER_EPOCHS // length)]

        return {"optimizer": optimizer, "lr_scheduler": LambdaLR(optimizer, factor)}


def _joined(given: Tensor | None, inferred: Tensor) -> Tensor:
    return inferred if given is None else torch.cat([given, inferred], 1)
