"""The Dynamic Deformable Generator: clips (Xing et al., TPAMI 2022, section 4, Algorithm 2).

Alternating back-propagation through time: a visit of a training clip moves its persistent codes,
the first ones and the noise of every transition, by a few Langevin steps under the energy of the
whole clip; then generators and transitions take one gradient step.
"""

from __future__ import annotations

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from lightning_modules.deformable.alternating import InferBy
from lightning_modules.deformable.dynamics import TransitionKind
from lightning_modules.deformable.network import Head, Painted
from lightning_modules.deformable.painter import geometry_apart
from lightning_modules.deformable.video_network import VideoGenerators, VideoShape
from lightning_modules.deformable.video_painter import ClipPainter, per_frame, watched
from lightning_modules.interface import Batch
from lightning_modules.langevin import Misfit, chain_from_prior, langevin
from lightning_modules.latents import CodeBank, KeepsBank
from lightning_modules.layers.noise import content_key, normal_noise
from lightning_modules.layers.warp import BaseGrid
from lightning_modules.schedules import halving

_FRAMES = 480
"""Frames of unseen clips whose chains run at a time: what bounds the memory."""


class DeformableVideo(KeepsBank, ClipPainter):
    """Appearance and geometric generators with a transition each, learned by Langevin through time.

    No code of this model was released. Sizes, scheme and energy are the paper's; what it leaves
    open is said in the README beside this file.

    Args:
        image_size: side of a frame, pixels.
        image_channels: 3 for colour, 1 for grey.
        frames: T, of every training clip. Unseen clips may have another number.
        appearance_dim: length of the appearance code of a frame; this and the arguments up to
            ``transition_start`` as in `VideoShape`.
        geometry_dim: length of the geometric code of a frame.
        appearance_noise: length of xi of the appearance stream.
        geometry_noise: length of xi of the geometric stream.
        appearance_channels: widths of the appearance generator.
        appearance_kernels: of its layers.
        appearance_strides: of its layers.
        geometry_channels: widths of the geometric generator.
        geometry_kernels: of its layers.
        geometry_strides: of its layers.
        appearance_ratio: alpha of the first balance scheme.
        balance: beta of the second balance scheme (paper); None for the first.
        bound: largest displacement along an axis, as a fraction of the width.
        head: ``tanh`` (paper, Table V), which speaks of frames in [-1, 1]; or ``sigmoid``.
        base: ``identity`` or ``official``, see `base_grid`.
        field_start: multiplies the first weights of the field's last layer.
        hidden: widths of the transitions' hidden layers.
        transition: ``mlp`` (paper) or ``residual``.
        truncate: frames after which no gradient goes further back in time; 0 (paper) for never.
        transition_start: multiplies the first weights of the transitions' last layers.
        checkpoint_frames: frames painted at a time to save memory, see `VideoGenerators`; 0 for
            all.
        learning_rate: of Adam, betas 0.5 and 0.999; halved after half and three quarters of the
            run.
        geometry_rate: of the geometric generator and transition, relative to it.
        transition_rate: of both transitions, relative to the generators.
        sigma: standard deviation of the noise of pixels, in the range the head speaks of.
        inference_scale: the Langevin steps use ``inference_scale * sigma``; 1 (paper).
        langevin_steps: of a visit.
        step_size: of the Langevin steps; the default is for 60 frames of 64 px at a sigma of 1, and
            a stable one falls as the root of frames times pixels.
        even_steps: make the steps of z_0 and of all xi, of either stream, alike in length, see
            `langevin`; else one step size is for all (paper). The curvature of z_0 is that of all
            frames together, so that xi, which says what moves, moves hundreds of times too slowly
            in short chains.
        alternate: move the appearance stream first, then the geometric one by a gradient of its
            own (paper); else both by one gradient.
        infer_steps: of a chain for a clip never seen.
        infer_by: ``chain`` or ``mode``, see `AlternatingLearner`.
        seed: of codes and noise.
    """

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        frames: int = 60,
        appearance_dim: int = 60,
        geometry_dim: int = 30,
        appearance_noise: int = 3,
        geometry_noise: int = 10,
        appearance_channels: tuple[int, ...] = (512, 512, 256, 128, 64),
        appearance_kernels: tuple[int, ...] = (3, 3, 3, 3, 5),
        appearance_strides: tuple[int, ...] = (2, 2, 2, 2, 1),
        geometry_channels: tuple[int, ...] = (256, 128, 64),
        geometry_kernels: tuple[int, ...] = (4, 4, 5),
        geometry_strides: tuple[int, ...] = (4, 4, 1),
        appearance_ratio: float = 1.0,
        balance: float | None = 0.3,
        bound: float = 20 / 64,
        head: Head = "tanh",
        base: BaseGrid = "identity",
        field_start: float = 1.0,
        hidden: tuple[int, ...] = (20, 20),
        transition: TransitionKind = "mlp",
        truncate: int = 0,
        transition_start: float = 0.3,
        checkpoint_frames: int = 0,
        learning_rate: float = 2e-3,
        geometry_rate: float = 1.0,
        transition_rate: float = 0.1,
        sigma: float = 1.0,
        inference_scale: float = 1.0,
        langevin_steps: int = 20,
        step_size: float = 0.01,
        even_steps: bool = False,
        alternate: bool = False,
        infer_steps: int = 300,
        infer_by: InferBy = "chain",
        seed: int = 0,
    ) -> None:
        shape = VideoShape(
            image_size=image_size,
            image_channels=image_channels,
            appearance_dim=appearance_dim,
            geometry_dim=geometry_dim,
            bound=bound,
            head=head,
            base=base,
            balance=balance,
            field_start=field_start,
            appearance_noise=appearance_noise,
            geometry_noise=geometry_noise,
            appearance_channels=appearance_channels,
            appearance_kernels=appearance_kernels,
            appearance_strides=appearance_strides,
            geometry_channels=geometry_channels,
            geometry_kernels=geometry_kernels,
            geometry_strides=geometry_strides,
            appearance_ratio=appearance_ratio,
            hidden=hidden,
            transition=transition,
            truncate=truncate,
            transition_start=transition_start,
        )
        super().__init__(VideoGenerators(shape, checkpoint_frames), frames)
        self.learning_rate = learning_rate
        self.geometry_rate, self.transition_rate = geometry_rate, transition_rate
        self.sigma, self.inference_scale = sigma, inference_scale
        self.langevin_steps, self.step_size = langevin_steps, step_size
        self.even_steps, self.alternate = even_steps, alternate
        self.infer_steps = infer_steps
        self.infer_by: InferBy = infer_by
        self.seed = seed
        self.bank = CodeBank(sum(self.generators.dynamics.sizes(frames)), seed)
        self.save_hyperparameters()

    def begin_finetuning(self) -> None:
        """Forget the codes of the clips seen so far: the new ones have the same ids."""
        self.bank.clear()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Half the squared error over sigma squared, summed over a clip, mean over clips.

        In training, the codes of the batch are first read from the bank, moved, and kept there; in
        validation they come from chains of their own. ``reconstruction`` is the squared error of a
        frame in [0, 1].

        Raises:
            ValueError: the batch has no clips, or some of other sizes than this model's.
        """
        clip = self.clips_of(batch)
        codes = self._visit(batch["index"], clip) if self.training else self.infer(clip)
        painted: Painted = self.generators(codes, clip.shape[1])
        error = self.generators.error(painted.picture, clip).mean()
        return {
            "loss": error / (2 * self.sigma**2),
            "reconstruction": per_frame(painted.picture.detach(), clip),
            "code_rms": codes.square().mean().sqrt(),
            **watched(painted, clip),
        }

    def _visit(self, index: Tensor, clip: Tensor) -> Tensor:
        size, epoch = self.bank.size, self.current_epoch
        codes, _ = langevin(
            self.bank.read(index),
            self._misfit(clip),
            steps=self.langevin_steps,
            step_size=self.step_size,
            noise=lambda step: normal_noise(self.seed, index, epoch, step, size=size),
            blocks=self._blocks(clip.shape[1]),
            even=self._even(clip.shape[1]),
        )
        self.bank.write(index, codes)
        return codes

    def infer(self, clip: Tensor, *, chain: int = 0) -> Tensor:
        """Flat codes (B, size) of clips never seen, see `Dynamics`; the bank is not touched.

        Start and noise hang on the clip's content: it has the same codes in any batch.

        Args:
            clip: (B, T, C, S, S) in [0, 1], any T.
            chain: which of several independent tries.
        """
        frames = clip.shape[1]
        found = [
            chain_from_prior(
                self._misfit(part),
                content_key(part),
                size=sum(self.generators.dynamics.sizes(frames)),
                steps=self.infer_steps,
                step_size=self.step_size,
                seed=self.seed,
                chain=chain,
                to_mode=self.infer_by == "mode",
                blocks=self._blocks(frames),
                even=self._even(frames),
            )
            for part in torch.split(clip, max(1, _FRAMES // frames))
        ]
        return torch.cat(found)

    def _blocks(self, frames: int) -> tuple[int, ...]:
        return self.generators.dynamics.sizes(frames) if self.alternate else ()

    def _even(self, frames: int) -> tuple[int, ...]:
        return self.generators.dynamics.parts(frames) if self.even_steps else ()

    def _misfit(self, clip: Tensor) -> Misfit:
        variance = (self.inference_scale * self.sigma) ** 2
        wanted, frames = clip.detach().clone(), clip.shape[1]

        def misfit(codes: Tensor) -> Tensor:
            painted: Painted = self.generators(codes, frames)
            return self.generators.error(painted.picture, wanted) / (2 * variance)

        return misfit

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam over generators and transitions, its rate halved twice."""
        rate = self.learning_rate
        groups = [
            *geometry_apart(self.generators.frame, rate, self.geometry_rate),
            *geometry_apart(
                self.generators.dynamics, rate * self.transition_rate, self.geometry_rate
            ),
        ]
        optimizer = torch.optim.Adam(groups, betas=(0.5, 0.999))
        return halving(optimizer, int(self.trainer.estimated_stepping_batches))
