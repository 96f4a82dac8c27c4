"""MoCoGAN as a LightningModule (Tulyakov et al., CVPR 2018)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Generator, Tensor

from lightning_modules.interface import Batch, Codes, Method, Unit
from lightning_modules.layers.noise import normal_noise
from lightning_modules.mocogan.discriminators import SPAN, ClipDiscriminator, PictureDiscriminator
from lightning_modules.mocogan.draws import (
    Draw,
    draw,
    pace,
    phases,
    rejoined,
    single,
    stretches,
)
from lightning_modules.mocogan.inversion import invert
from lightning_modules.mocogan.losses import (
    category_error,
    deceived,
    judged,
    told_apart,
    unexplained,
)
from lightning_modules.mocogan.network import ClipGenerator, ClipShape, repeated, settled
from lightning_modules.mocogan.regressor import CodeRegressor, Found

InferBy = Literal["regressor", "inversion"]

_CLIP, _PICTURE, _NOISE = range(3)
_FRAMES_AT_ONCE = 1024


class MoCoGAN(Method):
    """A generator of clips from content, category and a path of motion codes, with two judges.

    The defaults are the authors' code's, as far as it is known. Generator, both discriminators and
    the regressor of codes learn from the same generated clips in one backward pass and one step of
    Adam, in which each has a group of its own; no loss of one reaches another.

    Args:
        image_size: side of a frame, pixels; the doublings must reach it.
        image_channels: 3 for colour, 1 for grey.
        content_dim: length of the content code.
        motion_dim: length of a frame's motion code.
        categories: values of the category, a one-hot part of *what*; 0 for none.
        channels: widths of the generator; one less for half the size.
        discriminator_width: channels after the first convolution of both discriminators.
        clip_length: frames of a clip in training, 16 or more.
        stride: from one of its frames to the next; less where the dataset's clips are too short.
        pictures_per_clip: single frames that the discriminator of pictures sees for every clip.
        information_weight: of InfoGAN's term in the generator's loss; 0 switches it off.
        supervised_categories: teach the discriminator categories by the ``expression`` of real
            clips (below 0: unknown) instead of by the generated ones.
        instance_noise: standard deviation of noise on all that discriminators see, in units of
            [-1, 1] (the code's option: 0.2).
        learning_rate: of generator and discriminators.
        betas: of Adam, for these.
        weight_decay: of these, as a part of the gradient.
        regressor_width: see `CodeRegressor`.
        regressor_hidden: see `CodeRegressor`.
        regressor_rate: learning rate of the regressor.
        infer_by: codes of a clip by the ``regressor``, or by ``inversion`` from what it finds.
        infer_steps: of the inversion.
        infer_rate: of Adam in it.
        infer_sigma: standard deviation of the noise of pixels in it.
        infer_feature_weight: in it, of the squared error of the picture discriminator's features.
        seed: of all draws.

    Raises:
        ValueError: sizes do not fit, or clips are too short for the discriminator.
    """

    sees: ClassVar[Unit] = "clips"

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        content_dim: int = 50,
        motion_dim: int = 10,
        categories: int = 6,
        channels: tuple[int, ...] = (512, 256, 128, 64),
        discriminator_width: int = 64,
        clip_length: int = SPAN,
        stride: int = 2,
        pictures_per_clip: int = 3,
        information_weight: float = 1.0,
        supervised_categories: bool = False,
        instance_noise: float = 0.0,
        learning_rate: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float = 1e-5,
        regressor_width: int = 32,
        regressor_hidden: int = 64,
        regressor_rate: float = 1e-3,
        infer_by: InferBy = "regressor",
        infer_steps: int = 200,
        infer_rate: float = 0.05,
        infer_sigma: float = 0.1,
        infer_feature_weight: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if clip_length < SPAN:
            raise ValueError(f"clip_length must be {SPAN} or more, got {clip_length}")
        if supervised_categories and not categories:
            raise ValueError("supervised_categories needs categories, got 0 of them")
        self.save_hyperparameters()
        self.shape = ClipShape(
            image_size, image_channels, content_dim, motion_dim, categories, channels
        )
        self.generator = ClipGenerator(self.shape).to(memory_format=torch.channels_last)
        self.picture_discriminator = PictureDiscriminator(
            image_size, image_channels, discriminator_width
        )
        self.clip_discriminator = ClipDiscriminator(
            image_size, image_channels, discriminator_width, categories
        )
        self.regressor = CodeRegressor(self.shape, regressor_width, regressor_hidden)
        self.clip_length, self.stride, self.seed = clip_length, stride, seed

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """What all sides minimise, summed, with its parts; means over clips and patches.

        ``loss`` is ``generator + picture_discriminator + clip_discriminator + regressor``. The
        generator's is ``deceived_pictures + deceived_clips``, and the weighted ``information``
        where there are categories; ``category`` is what the discriminator of clips learns them
        from, and a part of its loss. ``real_...`` and ``fake_...`` are mean logits; the
        ``..._unexplained`` are the regressor's squared errors as a share of the variance, and
        ``category_unexplained`` its cross-entropy, the parts of its loss. In validation
        ``reconstruction`` is the mean squared error of real stretches painted from its codes.
        """
        drawn = self.drawn(batch["index"], _CLIP)
        extra = self.drawn(self._visits(batch["index"]), _PICTURE)
        clip = stretches(batch["clip"], drawn.places[:, 0], self.clip_length, self.stride)
        pictures = single(self._repeat(batch["clip"]), extra.places[:, 0])
        where, what, fake_clip, fake_pictures = self._painted(drawn, extra)
        terms = self._adversarial(
            batch, drawn.category, *self._noisy(batch, clip, fake_clip, pictures, fake_pictures)
        )
        terms |= self._regressed(self.regressor(fake_clip.detach()), where, what, drawn.category)
        sides = ("generator", "picture_discriminator", "clip_discriminator", "regressor")
        loss = torch.stack([terms[name] for name in sides]).sum()
        if not self.training:
            codes = self._codes(clip, self.regressor(clip))
            terms["reconstruction"] = (self.decode_clip(codes) - clip).square().mean()
        return {"loss": loss, **terms}

    def drawn(self, index: Tensor, kind: int = _CLIP) -> Draw:
        """Codes from the prior, others for every sample's every visit."""
        epoch = self.current_epoch
        return draw(self.shape, self.clip_length, self.seed, index, epoch, kind)

    def _visits(self, index: Tensor) -> Tensor:
        """A number for each of a sample's single frames, (B * pictures_per_clip,)."""
        count: int = self.hparams["pictures_per_clip"]
        return (index[:, None] * count + torch.arange(count, device=index.device)).flatten()

    def _repeat(self, values: Tensor) -> Tensor:
        return values.repeat_interleave(self.hparams["pictures_per_clip"], 0)

    def _painted(self, drawn: Draw, extra: Draw) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Motion and static codes of the clips drawn; these clips, and a frame of each other."""
        where = self.generator.path(drawn.start, drawn.noise)
        what = self.generator.what(drawn.content, drawn.category)
        one = single(self.generator.path(extra.start, extra.noise), extra.places[:, 1])
        still = self.generator.what(extra.content, extra.category)
        every = repeated(what, self.clip_length)
        # All frames in one batch: its normalisation then has as many as there are.
        frames = self.generator(
            torch.cat([where.flatten(0, 1), one]), torch.cat([every.flatten(0, 1), still])
        )
        clip = frames[: -len(one)].reshape(*where.shape[:2], *frames.shape[1:])
        return where, what, clip, frames[-len(one) :]

    def _noisy(self, batch: Batch, *seen: Tensor) -> list[Tensor]:
        """Clips and pictures with instance noise on them, in training."""
        level = self.hparams["instance_noise"] / 2 if self.training else 0.0
        if not level:
            return list(seen)
        index, epoch = batch["index"], self.current_epoch
        found = []
        for kind, frames in enumerate(seen, _NOISE):
            keys = index if frames.dim() == 5 else self._visits(index)
            noise = normal_noise(self.seed, keys, epoch, kind, size=frames[0].numel())
            found.append(frames + level * noise.view_as(frames))
        return found

    def _adversarial(
        self,
        batch: Batch,
        category: Tensor,
        clip: Tensor,
        fake_clip: Tensor,
        pictures: Tensor,
        fake_pictures: Tensor,
    ) -> dict[str, Tensor]:
        """The losses of the generator and of both discriminators."""
        on_pictures = self.picture_discriminator(pictures)
        on_fake_pictures = self.picture_discriminator(fake_pictures.detach())
        on_clip = self.clip_discriminator(clip)
        on_fake_clip = self.clip_discriminator(fake_clip.detach())
        held = judged(self.clip_discriminator, fake_clip)
        terms = {
            "deceived_pictures": deceived(judged(self.picture_discriminator, fake_pictures)),
            "deceived_clips": deceived(held.real),
            "picture_discriminator": told_apart(on_pictures, on_fake_pictures),
            "clip_discriminator": told_apart(on_clip.real, on_fake_clip.real),
            "real_pictures": on_pictures.mean(),
            "fake_pictures": on_fake_pictures.mean(),
            "real_clips": on_clip.real.mean(),
            "fake_clips": on_fake_clip.real.mean(),
        }
        terms["generator"] = terms["deceived_pictures"] + terms["deceived_clips"]
        weight = self.hparams["information_weight"] if self.shape.categories else 0.0
        if weight:
            terms["information"] = category_error(held.category, category)
            terms["generator"] = terms["generator"] + weight * terms["information"]
        if self.hparams["supervised_categories"]:
            terms["category"] = category_error(on_clip.category, batch["expression"])
        elif weight:
            terms["category"] = weight * category_error(on_fake_clip.category, category)
        if "category" in terms:
            terms["clip_discriminator"] = terms["clip_discriminator"] + terms["category"]
        return terms

    def _regressed(
        self, found: Found, where: Tensor, what: Tensor, category: Tensor
    ) -> dict[str, Tensor]:
        """The regressor's loss at codes that are constants to it."""
        content = what[:, : self.shape.content_dim].detach()
        terms = {
            "motion_unexplained": unexplained(found.motion, where.detach()),
            "content_unexplained": (found.content - content).square().mean(),
        }
        if self.shape.categories:
            terms["category_unexplained"] = category_error(found.category, category)
        return {"regressor": torch.stack(list(terms.values())).sum(), **terms}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam with a group for the adversaries, at the paper's constant rate, and the regressor's.

        One optimizer, so that steps, resuming and several processes are as everywhere. That is what
        one for each side does that step in turn, the generator first, on the same painted clips.
        """
        h = self.hparams
        players = (self.generator, self.picture_discriminator, self.clip_discriminator)
        adversaries = {
            "params": [p for player in players for p in player.parameters()],
            "lr": h["learning_rate"],
            "betas": tuple(h["betas"]),
            "weight_decay": h["weight_decay"],
        }
        regressor = {"params": list(self.regressor.parameters()), "lr": h["regressor_rate"]}
        return torch.optim.Adam([adversaries, regressor])

    def encode_clip(self, clip: Tensor) -> Codes:
        """Motion codes (B, T, M) as *where*; content and category, repeated, as *what*.

        The category is given as probabilities. A clip is read at the pace that clips of its length
        were learned at: at a stride of 2, its even and its odd frames each as a clip with the same
        content. Works for any T from 1 on.
        """
        at_once = max(1, _FRAMES_AT_ONCE // clip.shape[1])
        found = [self._inferred(part) for part in torch.split(clip, at_once)]
        return Codes(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def _inferred(self, clip: Tensor) -> Codes:
        stride = pace(clip.shape[1], self.clip_length, self.stride)
        parts = phases(clip, stride)
        motion, *static = self.regressor(parts)
        found = Found(
            motion, *(code.view(len(clip), stride, code.shape[1]).mean(1) for code in static)
        )
        if self.hparams["infer_by"] == "inversion":
            found = self._inverted(parts, found)
        return self._codes(
            clip, found._replace(motion=rejoined(found.motion, stride, clip.shape[1]))
        )

    def _inverted(self, clip: Tensor, start: Found) -> Found:
        h = self.hparams
        with settled(self.generator), settled(self.picture_discriminator):
            return invert(
                self.generator,
                clip,
                start,
                steps=h["infer_steps"],
                rate=h["infer_rate"],
                sigma=h["infer_sigma"],
                features=self.picture_discriminator.features,
                feature_weight=h["infer_feature_weight"],
            )

    def _codes(self, clip: Tensor, found: Found) -> Codes:
        what = torch.cat([found.content, found.category.softmax(1)], 1)
        return Codes(found.motion, repeated(what, clip.shape[1]))

    def decode_clip(self, codes: Codes) -> Tensor:
        """Clip (B, T, C, S, S) in [0, 1], painted with the running statistics of training."""
        with settled(self.generator):
            painted: Tensor = self.generator(codes.where, codes.what)
        return painted

    def draw_where(self, n: int, frames: int, generator: Generator) -> Tensor:
        """Paths of motion codes (n, frames, M) from the prior, at the pace of training."""
        size, device = self.shape.motion_dim, generator.device
        start = torch.randn(n, size, generator=generator, device=device)
        noise = torch.randn(n, frames, size, generator=generator, device=device)
        return self.generator.path(start.to(self.device), noise.to(self.device))

    def draw_what(self, n: int, frames: int, generator: Generator) -> Tensor:
        """Content and category (n, frames, D + K) from the prior, repeated over frames."""
        device, categories = generator.device, max(self.shape.categories, 1)
        content = torch.randn(n, self.shape.content_dim, generator=generator, device=device)
        category = torch.randint(categories, (n,), generator=generator, device=device)
        what = self.generator.what(content.to(self.device), category.to(self.device))
        return repeated(what, frames)
