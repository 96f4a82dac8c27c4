"""Alternating back-propagation against a discriminator (Xing et al. 2022, 5.3, eq. 22).

The generators explain the pictures as before, and also paint pictures from the prior that a
discriminator should hold to be real: the non-saturating loss (Goodfellow et al., NeurIPS 2014) with
R1 regularisation (Mescheder et al., ICML 2018), as the text says. Read literally, eq. 22 has the
discriminator *maximise* the length of its gradients; that sign is a misprint.
"""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from lightning_modules.deformable.alternating import AlternatingLearner
from lightning_modules.deformable.discriminator import Discriminator, gradient_penalty
from lightning_modules.deformable.network import GeneratorShape
from lightning_modules.deformable.painter import Finetune
from lightning_modules.interface import Batch
from lightning_modules.layers.noise import normal_noise

_PRIOR = -1


class AdversarialLearner(AlternatingLearner):
    """An `AlternatingLearner` whose generators also have to deceive a discriminator.

    Both sides learn from the same painted pictures in one backward pass and one step of Adam, in
    which each has a group of its own: the same as two optimisers that step in turn, the generators
    first. No gradient of either side's loss reaches the other.

    Args:
        shape: of the generators.
        finetune: what `begin_finetuning` leaves trainable; always the discriminator, too.
        likelihood_weight: lambda_1, of the squared error over 2 sigma^2.
        penalty_weight: lambda_2, of half the squared length of the discriminator's gradient at real
            pictures in [0, 1].
        discriminator_width: see `Discriminator`.
        discriminator_rate: learning rate of the discriminator at the start; it falls as that of the
            generators does.
        betas: of Adam, for both.
        learning: the other arguments of `AlternatingLearner`.
    """

    def __init__(
        self,
        shape: GeneratorShape,
        finetune: Finetune,
        *,
        likelihood_weight: float,
        penalty_weight: float,
        discriminator_width: int,
        discriminator_rate: float,
        betas: tuple[float, float],
        **learning: Any,
    ) -> None:
        super().__init__(shape, finetune, **learning)
        self.likelihood_weight, self.penalty_weight = likelihood_weight, penalty_weight
        self.discriminator_rate = discriminator_rate
        self.betas = (betas[0], betas[1])
        self.discriminator = Discriminator(
            shape.image_size, shape.image_channels, discriminator_width
        )

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """What both sides minimise, summed, with its parts; means over pictures.

        ``loss`` is ``likelihood + adversarial + discriminator``: the weighted misfit and the
        deception, which the generators learn from, and what the discriminator learns from, R1
        within. ``r1`` is without its weight; ``d_real`` and ``d_fake`` are mean logits. The rest is
        that of `AlternatingLearner`.
        """
        terms = super().losses(batch)
        likelihood = self.likelihood_weight * terms.pop("loss")
        fake = self.generators(self.drawn(batch["index"])).picture
        adversarial = F.softplus(-self._judged(fake)).mean()
        with torch.inference_mode(mode=False), torch.enable_grad():
            image = batch["image"].detach().clone().requires_grad_(True)
            on_real = self.discriminator(image)
            r1 = gradient_penalty(on_real, image)
        on_fake = self.discriminator(fake.detach())
        told = F.softplus(on_fake).mean() + F.softplus(-on_real).mean()
        discriminator = told + self.penalty_weight / 2 * r1
        return {
            "loss": likelihood + adversarial + discriminator,
            "likelihood": likelihood,
            "adversarial": adversarial,
            "discriminator": discriminator,
            "r1": r1,
            "d_real": on_real.mean(),
            "d_fake": on_fake.mean(),
            **terms,
        }

    def drawn(self, index: Tensor) -> Tensor:
        """Codes (B, D) from the prior, others for every sample's every visit."""
        epoch, size = self.current_epoch, self.shape.code_dim
        return normal_noise(self.seed, index, epoch, _PRIOR, size=size)

    def _judged(self, picture: Tensor) -> Tensor:
        """Logits whose gradients end at the picture and leave the discriminator alone."""
        fixed = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        logits: Tensor = functional_call(self.discriminator, fixed, (picture,))
        return logits

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam with a group for either side, their rates along the authors' table."""
        generators = [p for p in self.generators.parameters() if p.requires_grad]
        groups = [
            {"params": generators, "lr": self.learning_rate},
            {"params": list(self.discriminator.parameters()), "lr": self.discriminator_rate},
        ]
        return self.scheduled(torch.optim.Adam(groups, betas=self.betas))
