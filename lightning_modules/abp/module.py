"""Alternating back-propagation with one generator (Han, Lu, Zhu and Wu, AAAI 2017)."""

from __future__ import annotations

from lightning_modules.deformable.alternating import AlternatingLearner, InferBy
from lightning_modules.deformable.network import GeneratorShape, Head


class AlternatingBackPropagation(AlternatingLearner):
    """The Deformable Generator without its geometry: one generator, one entangled code.

    Args:
        image_size: side of the picture, pixels; the doublings must reach it.
        image_channels: 3 for colour, 1 for grey.
        latent_dim: length of the code; that of both codes of the Deformable Generator.
        channels: widths of the generator, those of the geometric one.
        kernels: of its doublings.
        head: ``sigmoid`` or ``tanh``.
        learning_rate: this and the rest as in `DeformableGenerator`.
        sigma: noise of pixels in the first tenth of the run, and after.
        inference_scale: of sigma within the Langevin steps.
        langevin_steps: of a visit.
        step_size: of the Langevin steps.
        infer_steps: of the chain of a picture never seen.
        infer_by: ``chain`` (paper) or ``mode``, see `AlternatingLearner`.
        seed: of codes and noise.
    """

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        latent_dim: int = 128,
        channels: tuple[int, ...] = (128, 64, 32, 16),
        kernels: tuple[int, ...] = (3, 3, 5, 5),
        head: Head = "sigmoid",
        learning_rate: float = 1e-3,
        sigma: tuple[float, float] = (0.15, 0.1),
        inference_scale: float = 10.0,
        langevin_steps: int = 20,
        step_size: float = 0.1,
        infer_steps: int = 300,
        infer_by: InferBy = "chain",
        seed: int = 0,
    ) -> None:
        super().__init__(
            GeneratorShape.entangled(
                image_size, image_channels, latent_dim, channels, kernels, head
            ),
            "all",
            learning_rate=learning_rate,
            sigma=sigma,
            inference_scale=inference_scale,
            langevin_steps=langevin_steps,
            step_size=step_size,
            alternate=False,
            infer_steps=infer_steps,
            infer_by=infer_by,
            seed=seed,
        )
        self.save_hyperparameters()
