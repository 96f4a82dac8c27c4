"""The Deformable Generator for pictures, in all ways of learning (Xing et al., TPAMI 2022)."""

from __future__ import annotations

from lightning_modules.deformable.adversarial import AdversarialLearner
from lightning_modules.deformable.alternating import AlternatingLearner, InferBy
from lightning_modules.deformable.amortised import AmortisedLearner
from lightning_modules.deformable.network import GeneratorShape, Head
from lightning_modules.deformable.painter import FieldMixin, Finetune
from lightning_modules.layers.warp import BaseGrid


class DeformableGenerator(FieldMixin, AlternatingLearner):
    """Appearance and geometric generators, learned by alternating back-propagation.

    The defaults are the released code's; where the paper says otherwise, the argument says so.

    Args:
        image_size: side of the picture, pixels; the doublings must reach it.
        image_channels: 3 for colour, 1 for grey.
        appearance_dim: length of the appearance code.
        geometry_dim: length of the geometric code.
        channels: widths of the geometric generator (see `GeneratorShape`).
        kernels: of its doublings.
        appearance_ratio: alpha, the appearance generator's widths relative to ``channels``.
        bound: largest displacement along an axis, as a fraction of the width (20 of 64 px).
        head: ``sigmoid`` (code) or ``tanh`` (paper, Table IV).
        base: ``identity``, or ``official`` for the code's grid, which magnifies by 64/63.
        balance: beta of the second balance scheme (appendix); None for the first.
        field_start: 1 (code); a small number starts near the identity, see `GeneratorShape`.
        learning_rate: of Adam at the start.
        geometry_rate: of the geometric generator, relative to it; 1 (code).
        sigma: noise of pixels in the first tenth of the run, and after.
        inference_scale: 10 (code) or 1 (paper's text), see `AlternatingLearner`.
        langevin_steps: of a visit.
        step_size: of the Langevin steps.
        alternate: codes by turns (paper) or at once (code).
        infer_steps: of the chain of a picture never seen.
        infer_by: ``chain`` (paper) or ``mode``, see `AlternatingLearner`.
        finetune: what a second training changes: ``appearance`` (paper) or ``all``.
        seed: of codes and noise.
    """

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        appearance_dim: int = 64,
        geometry_dim: int = 64,
        channels: tuple[int, ...] = (128, 64, 32, 16),
        kernels: tuple[int, ...] = (3, 3, 5, 5),
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
        alternate: bool = False,
        infer_steps: int = 300,
        infer_by: InferBy = "chain",
        finetune: Finetune = "appearance",
        seed: int = 0,
    ) -> None:
        super().__init__(
            GeneratorShape(
                image_size=image_size,
                image_channels=image_channels,
                appearance_dim=appearance_dim,
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
            alternate=alternate,
            infer_steps=infer_steps,
            infer_by=infer_by,
            seed=seed,
        )
        self.save_hyperparameters()


class AmortisedDeformableGenerator(FieldMixin, AmortisedLearner):
    """The same generators and warp with an encoder for each code: no chains, at test time either.

    Args:
        image_size: as in `DeformableGenerator`, and so the arguments up to ``balance``.
        image_channels: 3 for colour, 1 for grey.
        appearance_dim: length of the appearance code.
        geometry_dim: length of the geometric code.
        channels: widths of the geometric generator.
        kernels: of its doublings.
        appearance_ratio: alpha.
        bound: largest displacement along an axis, as a fraction of the width.
        head: ``sigmoid`` or ``tanh``.
        base: ``identity`` or ``official``.
        balance: beta of the second balance scheme.
        learning_rate: of Adam.
        geometry_rate: of the geometric generator and encoder, relative to it.
        sigma: standard deviation of the noise of pixels.
        beta: weight of the KL divergence.
        warmup: share of the first training over which that weight rises from zero.
        template: share of the first training in which one template is warped to all pictures.
        finetune: what a second training changes.
    """

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        appearance_dim: int = 64,
        geometry_dim: int = 64,
        channels: tuple[int, ...] = (128, 64, 32, 16),
        kernels: tuple[int, ...] = (3, 3, 5, 5),
        appearance_ratio: float = 0.625,
        bound: float = 20 / 64,
        head: Head = "sigmoid",
        base: BaseGrid = "identity",
        balance: float | None = None,
        field_start: float = 0.3,
        learning_rate: float = 1e-3,
        geometry_rate: float = 1.0,
        sigma: float = 0.3,
        beta: float = 1.0,
        warmup: float = 0.1,
        template: float = 0.2,
        finetune: Finetune = "appearance",
    ) -> None:
        super().__init__(
            GeneratorShape(
                image_size=image_size,
                image_channels=image_channels,
                appearance_dim=appearance_dim,
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
            beta=beta,
            warmup=warmup,
            template=template,
        )
        self.save_hyperparameters()


class AdversarialDeformableGenerator(FieldMixin, AdversarialLearner):
    """The model of Experiment 3: larger pictures, and a discriminator that makes them sharp.

    The paper gives neither widths nor rates. The generators are those of 64 px with two more
    doublings, and the appearance generator four times as wide.

    Args:
        image_size: as in `DeformableGenerator`, and so the arguments up to ``learning_rate``.
        image_channels: 3 for colour, 1 for grey.
        appearance_dim: length of the appearance code.
        geometry_dim: length of the geometric code.
        channels: widths of the geometric generator.
        kernels: of its doublings.
        appearance_ratio: alpha, 4 * 0.625.
        bound: largest displacement along an axis, as a fraction of the width (80 of 256 px).
        head: ``sigmoid`` or ``tanh``.
        base: ``identity`` or ``official``.
        balance: beta of the second balance scheme; None for the first.
        learning_rate: of the generators at the start.
        discriminator_rate: of the discriminator at the start.
        betas: of Adam, for both.
        likelihood_weight: lambda_1.
        penalty_weight: lambda_2.
        discriminator_width: channels after the discriminator's first convolution.
        sigma: this and the rest as in `DeformableGenerator`.
        inference_scale: of sigma within the Langevin steps; four times that of 64 px, so that the
            sum over 16 times as many pixels weighs as much against the prior.
        langevin_steps: of a visit.
        step_size: of the Langevin steps.
        alternate: codes by turns or at once.
        infer_steps: of the chain of a picture never seen.
        finetune: what a second training changes.
        seed: of codes and noise.
    """

    uncompiled = frozenset({"discriminator"})  # its penalty is on a gradient

    def __init__(
        self,
        image_size: int = 256,
        image_channels: int = 3,
        appearance_dim: int = 64,
        geometry_dim: int = 64,
        channels: tuple[int, ...] = (128, 64, 32, 16, 8, 8),
        kernels: tuple[int, ...] = (3, 3, 5, 5, 5, 5),
        appearance_ratio: float = 2.5,
        bound: float = 80 / 256,
        head: Head = "sigmoid",
        base: BaseGrid = "identity",
        balance: float | None = None,
        learning_rate: float = 1e-3,
        discriminator_rate: float = 2e-4,
        betas: tuple[float, float] = (0.0, 0.99),
        likelihood_weight: float = 0.001,
        penalty_weight: float = 10.0,
        discriminator_width: int = 32,
        sigma: tuple[float, float] = (0.15, 0.1),
        inference_scale: float = 40.0,
        langevin_steps: int = 20,
        step_size: float = 0.1,
        alternate: bool = False,
        infer_steps: int = 300,
        finetune: Finetune = "appearance",
        seed: int = 0,
    ) -> None:
        super().__init__(
            GeneratorShape(
                image_size=image_size,
                image_channels=image_channels,
                appearance_dim=appearance_dim,
                geometry_dim=geometry_dim,
                channels=channels,
                kernels=kernels,
                appearance_ratio=appearance_ratio,
                bound=bound,
                head=head,
                base=base,
                balance=balance,
            ),
            finetune,
            likelihood_weight=likelihood_weight,
            penalty_weight=penalty_weight,
            discriminator_width=discriminator_width,
            discriminator_rate=discriminator_rate,
            betas=betas,
            learning_rate=learning_rate,
            sigma=sigma,
            inference_scale=inference_scale,
            langevin_steps=langevin_steps,
            step_size=step_size,
            alternate=alternate,
            infer_steps=infer_steps,
            seed=seed,
        )
        self.save_hyperparameters()
