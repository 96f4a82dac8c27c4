"""How both DLP models learn: the parts of the evidence bound, the optimiser and its schedule."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final, Literal

from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import MultiStepLR

from lightning_modules.dlp.losses import chamfer_kl, matched_kl
from lightning_modules.dlp.parts import Gaussian, ProposalPrior, Sizes
from lightning_modules.interface import Batch, Method
from lightning_modules.layers.perceptual import (
    OrientedGradientLoss,
    VGGLoss,
    settle_vgg,
    summed_squared_error,
)
from lightning_modules.schedules import trapezoid

Initialisation = Literal["paper", "spread"]
PositionKL = Literal["chamfer", "matched", "none"]
Reconstruction = Literal["mse", "gradients", "vgg", "vgg_or_mse"]
Schedule = Literal["multistep", "trapezoid"]

_BETA_KL: Final = {"mse": 0.1, "gradients": 0.1, "vgg": 40.0}
_PERCEPTUAL: Final[dict[str, type[nn.Module]]] = {
    "gradients": OrientedGradientLoss,
    "vgg": VGGLoss,
}


class ParticleLearner(Method):
    """Base of the masked and of the object model.

    A subclass calls ``save_hyperparameters()`` with the names used here, makes its network, and
    calls `prepare`.
    """

    beta_kl: float
    painted_for: str
    """The reconstruction loss, settled."""

    def prepare(self, shape: Sizes, prior: ProposalPrior) -> None:
        """Settle the losses.

        Raises:
            ValueError: the matched KL is wanted of unequal numbers of particles and proposals.
        """
        h = self.hparams
        if h["position_kl"] == "matched" and shape.n_keypoints != shape.n_proposals:
            raise ValueError(
                f"position_kl 'matched' pairs particles with proposals one by one: n_keypoints "
                f"{shape.n_keypoints} must equal n_proposals {shape.n_proposals}"
            )
        loss = self.resolve_arguments({"reconstruction": h["reconstruction"]})["reconstruction"]
        # Not a registered module: a frozen measure belongs in no checkpoint.
        self.painted_for = loss
        self._perceptual = [_PERCEPTUAL[loss]()] if loss in _PERCEPTUAL else []
        self.beta_kl = _BETA_KL[loss] if h["beta_kl"] is None else h["beta_kl"]
        prior.requires_grad_(h["train_prior"] and h["position_kl"] != "none")
        self._prior = [prior]

    @classmethod
    def resolve_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Settle ``vgg_or_mse`` by whether this machine has VGG16 weights, and say which.

        Nor does a cell's id hang on how "as many proposals as particles" was said.
        """
        if arguments.get("n_proposals", 0) is None:
            usual = inspect.signature(cls).parameters["n_keypoints"].default
            arguments = arguments | {"n_proposals": arguments.get("n_keypoints", usual)}
        return settle_vgg(arguments)

    def reconstruction_loss(self, rebuilt: Tensor, image: Tensor) -> Tensor:
        """What a picture (B, 3, S, S) costs that is painted as ``rebuilt``, mean over B."""
        if not self._perceptual:
            return summed_squared_error(rebuilt, image)
        loss: Tensor = self._perceptual[0].to(image.device)(rebuilt, image)
        return loss

    def position_loss(self, position: Gaussian, batch: Batch) -> Tensor:
        """KL of positions (B, K + 1, 2), the background's last, to the picture's proposals.

        Proposals come from ``pair``, another view of the picture, where the batch has one.
        """
        kind, sigma = self.hparams["position_kl"], self.hparams["sigma"]
        if kind == "none":
            return position.mean.new_zeros(())
        proposals = self._prior[0](batch.get("pair", batch["image"]))
        if kind == "matched" or not self.hparams["background_in_chamfer"]:
            position = Gaussian(position.mean[:, :-1], position.log_variance[:, :-1])
        return (matched_kl if kind == "matched" else chamfer_kl)(*position, proposals, sigma)

    def optimiser(self, reading: Sequence[nn.Sequential]) -> OptimizerLRScheduler:
        """Adam with the paper's epoch milestones, or a trapezoid over all steps.

        Args:
            reading: perceptrons that read whole heat maps; the weights of their first layers have
                a rate of their own.
        """
        h = self.hparams
        wide = [p for perceptron in reading for p in perceptron[0].parameters() if p.ndim > 1]
        rest = [p for p in self.parameters() if p.requires_grad and all(p is not w for w in wide)]
        rate = h["learning_rate"]
        optimizer = Adam(
            [{"params": rest}, {"params": wide, "lr": rate * h["wide_layer_rate"]}],
            lr=rate,
            eps=h["adam_epsilon"],
            fused=True,
        )
        if h["schedule"] == "multistep":
            falls = MultiStepLR(optimizer, milestones=list(h["milestones"]), gamma=h["gamma"])
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": falls}}
        steps = int(self.trainer.estimated_stepping_batches)
        return trapezoid(optimizer, steps, max(1, h["warmup_steps"]))
