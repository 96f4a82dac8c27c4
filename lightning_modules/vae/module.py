"""Variational autoencoders (Kingma and Welling, ICLR 2014; Higgins et al., ICLR 2017)."""

from __future__ import annotations

from lightning_modules.deformable.amortised import AmortisedLearner
from lightning_modules.deformable.network import GeneratorShape, Head


class VAE(AmortisedLearner):
    """One encoder, one generator, one entangled code; beta above 1 makes it a beta-VAE.

    Args:
        image_size: side of the picture, pixels; the doublings must reach it.
        image_channels: 3 for colour, 1 for grey.
        latent_dim: length of the code; that of both codes of the Deformable Generator.
        channels: widths of the generator, those of the Deformable Generator's geometric one.
        kernels: of its doublings.
        head: ``sigmoid`` or ``tanh``.
        learning_rate: of Adam.
        sigma: standard deviation of the noise of pixels.
        beta: weight of the KL divergence.
        warmup: share of the first training over which that weight rises from zero.
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
        sigma: float = 1.0,
        beta: float = 1.0,
        warmup: float = 0.1,
    ) -> None:
        super().__init__(
            GeneratorShape.entangled(
                image_size, image_channels, latent_dim, channels, kernels, head
            ),
            "all",
            learning_rate=learning_rate,
            sigma=sigma,
            beta=beta,
            warmup=warmup,
            template=0.0,
        )
        self.save_hyperparameters()
