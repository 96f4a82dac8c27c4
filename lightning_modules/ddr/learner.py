"""How DDR and its baselines learn: by the evidence bound of clips, with an alarm for dead codes."""

from __future__ import annotations

import logging
from typing import ClassVar, Final, Literal, get_args

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Generator, Tensor

from lightning_modules.ddr.losses import Bound, joined
from lightning_modules.ddr.network import FrameNetwork, FrameShape, Noise, picked, repeated
from lightning_modules.interface import Batch, Codes, Method, Unit
from lightning_modules.layers.noise import normal_noise
from lightning_modules.schedules import trapezoid

logger = logging.getLogger(__name__)

Schedule = Literal["constant", "trapezoid"]

ALIVE: Final = 0.01
"""Nats that a dimension of a code carries at least, in the mean, if it is used."""
CLIPS_OF_FRAMES: Final = 2048
"""Frames of whole clips that are looked at together where no gradient is kept."""
_VALIDATION = -1


class Collapse:
    """Follows the KL divergence of every dimension of the codes over an epoch.

    A code has collapsed when none of its dimensions carries `ALIVE` nats: the decoder paints
    without it.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.dead: set[str] = set()

    def add(self, name: str, kl: Tensor) -> None:
        """Take in the divergences (..., D) of a batch."""
        rows = kl.detach().flatten(0, -2)
        total = self.sums.get(name)
        self.sums[name] = rows.sum(0) if total is None else total + rows.sum(0)
        self.counts[name] = self.counts.get(name, 0) + len(rows)

    def end(self, epoch: int) -> dict[str, int]:
        """Dimensions in use of every code since the last call; says aloud when one dies."""
        active = {}
        for name, total in self.sums.items():
            mean = total / self.counts[name]
            active[name] = int((mean >= ALIVE).sum())
            if active[name]:
                self.dead.discard(name)
            elif name not in self.dead:
                self.dead.add(name)
                logger.warning(
                    "epoch %d: the code '%s' has collapsed: none of its %d dimensions carries "
                    "%g nats, its KL divergence is %.2g nats in all",
                    epoch,
                    name,
                    len(mean),
                    ALIVE,
                    mean.sum(),
                )
        self.sums, self.counts = {}, {}
        return active


class ClipVAE(Method):
    """Learns a network of frames and clips by the evidence bound; paints and draws clips.

    Args:
        network: whose ``forward`` gives the bound.
        learning_rate: of Adam.
        schedule: ``constant`` (paper), or ``trapezoid``: linear to zero over the run's last fifth.
        warmup_steps: over which the weight of both KL divergences rises from zero to one; 0 for
            none (paper).
        seed: of all draws.

    Raises:
        ValueError: there is no such schedule.
    """

    sees: ClassVar[Unit] = "clips"

    def __init__(
        self,
        network: FrameNetwork,
        *,
        learning_rate: float,
        schedule: Schedule,
        warmup_steps: int,
        seed: int,
    ) -> None:
        super().__init__()
        if schedule not in get_args(Schedule):
            raise ValueError(
                f"schedule is one of {', '.join(get_args(Schedule))}, got {schedule!r}"
            )
        self.network = network
        self.learning_rate, self.warmup_steps, self.seed = learning_rate, warmup_steps, seed
        self.schedule = schedule
        self.collapse = Collapse()

    @property
    def shape(self) -> FrameShape:
        """Sizes of frames, codes and layers."""
        return self.network.shape

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative bound in nats a clip of as many frames as were learned from, mean over B.

        ``loss`` is ``reconstruction + kl_where + kl_what``, as soon as the warm-up is over;
        ``reconstruction`` is the negative log-likelihood. ``bound_per_frame`` is minus their sum,
        divided by the frames.

        Raises:
            ValueError: the batch has no clips, or some of other sizes than this model's.
        """
        clip = self.learned_from(self._clips(batch), batch["index"])
        bound: Bound = self.network(clip, self._noise(clip, batch["index"]))
        if self.training:
            self.collapse.add("where", bound.kl_where)
            if self.shape.f_dim:
                self.collapse.add("what", bound.kl_what)
        likely, kl_where, kl_what = (part.mean() for part in bound.parts().values())
        nats = kl_where + kl_what
        return {
            "loss": self.kl_weight() * nats - likely,
            "reconstruction": -likely,
            "kl_where": kl_where,
            "kl_what": kl_what,
            "bound_per_frame": (likely - nats) / clip.shape[1],
        }

    def learned_from(self, clip: Tensor, index: Tensor) -> Tensor:
        """The frames of ``clip`` (B, T, ...) that the bound is taken of; all of them."""
        return clip

    def kl_weight(self) -> float:
        """The weight of both divergences now; 1 outside training."""
        if not self.training or not self.warmup_steps:
            return 1.0
        return min(1.0, self.global_step / self.warmup_steps)

    def visit(self) -> int:
        """What draws are numbered by, beside the sample: the epoch; in validation always one."""
        return self.current_epoch if self.training else _VALIDATION

    def on_train_epoch_end(self) -> None:
        """Log how many dimensions of each code are in use, and say if none is."""
        for name, active in self.collapse.end(self.current_epoch).items():
            self.log(f"train/active_{name}", float(active))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam (section 4), at the rate of ``schedule``."""
        adam = torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)
        if self.schedule == "constant":
            return adam
        return trapezoid(adam, int(self.trainer.estimated_stepping_batches))

    def _clips(self, batch: Batch) -> Tensor:
        if "clip" not in batch:
            raise ValueError(
                f"{type(self).__name__} learns from clips, and the batch holds only "
                f"{', '.join(sorted(batch))}; take a dataset that can hand_out('clips')"
            )
        clip: Tensor = batch["clip"]
        frame = (self.shape.image_channels, self.shape.image_size, self.shape.image_size)
        if clip.dim() != 5 or clip.shape[2:] != frame:
            raise ValueError(
                f"clips are of {list(clip.shape[1:])} (T, C, H, W), this model's frames of "
                f"{list(frame)}; set image_channels and image_size to the dataset's"
            )
        return clip

    def _noise(self, clip: Tensor, index: Tensor) -> Noise:
        frames, f_dim, z_dim = clip.shape[1], self.shape.f_dim, self.shape.z_dim
        numbers = normal_noise(self.seed, index, self.visit(), 0, size=f_dim + frames * z_dim)
        return Noise(numbers[:, :f_dim], numbers[:, f_dim:].reshape(-1, frames, z_dim))

    # What a trained model can do with whole clips.

    @torch.no_grad()
    def clip_bound(self, clip: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Parts of the bound of every clip (B, T, C, S, S), (B,) each, see `HasClipBound`.

        The codes of a clip are drawn once; the divergences at them are exact.
        """
        (count, frames), shape = clip.shape[:2], self.shape
        parts = (
            clip,
            self.normal((count, shape.f_dim), generator),
            self.normal((count, frames, shape.z_dim), generator),
            self.normal((count, frames), generator).argsort(1),
        )
        bounds = [
            self.bound_of(part, Noise(what, where), order)
            for part, what, where, order in zip(
                *(torch.split(each, clips_at_once(frames)) for each in parts), strict=True
            )
        ]
        return joined(bounds).parts()

    def bound_of(self, clip: Tensor, noise: Noise, order: Tensor) -> Bound:
        """The bound of whole clips; ``order`` (B, T) holds their frames' numbers at random."""
        bound: Bound = self.network(clip, noise)
        return bound

    @torch.no_grad()
    def decode_clip(self, codes: Codes) -> Tensor:
        """Clips (B, T, C, S, S) in [0, 1], the means of pixels, of the codes of their frames."""
        return self.network.paint(codes.what, codes.where)

    def normal(self, sizes: tuple[int, ...], generator: Generator) -> Tensor:
        """Standard normal numbers on this model's device, whatever the generator's is."""
        return torch.randn(sizes, generator=generator, device=generator.device).to(self.device)


class TwoCodes(ClipVAE):
    """A `ClipVAE` with a static code as *what* and a dynamic code as *where*.

    A subclass says how codes are found, and how *where* is drawn for a given *what*.
    """

    def codes_of(self, clip: Tensor) -> Codes:
        """Dynamic codes (B, T, Dz) and the static code (B, Df), not repeated, of ``clip``."""
        raise NotImplementedError

    def static_of(self, clip: Tensor) -> Tensor:
        """The static code (B, Df) of ``clip`` (B, M, C, S, S), its frames taken in their order."""
        raise NotImplementedError

    @torch.no_grad()
    def encode_clip(self, clip: Tensor) -> Codes:
        """Dynamic code of every frame (B, T, Dz) as *where*; f, repeated (B, T, Df), as *what*."""
        frames = clip.shape[1]
        found = [self.codes_of(part) for part in torch.split(clip, clips_at_once(frames))]
        where, what = (torch.cat(codes) for codes in zip(*found, strict=True))
        return Codes(where, repeated(what, frames))

    @torch.no_grad()
    def static_code(self, clip: Tensor, order: Tensor) -> Tensor:
        """The static code (B, Df) of frames of ``clip`` in a given order, see `HasStaticCode`."""
        order = order.expand(len(clip), -1)
        at_once = clips_at_once(order.shape[1])
        parts = zip(torch.split(clip, at_once), torch.split(order, at_once), strict=True)
        return torch.cat([self.static_of(picked(part, places)) for part, places in parts])

    def draw_where_given(self, what: Tensor, frames: int, generator: Generator) -> Tensor:
        """*Where* codes (B, frames, Dz) from the prior, for *what* codes (B, Df) of clips."""
        raise NotImplementedError

    @torch.no_grad()
    def draw_what(self, n: int, frames: int, generator: Generator) -> Tensor:
        """*What* codes (n, frames, Df) from p(f) = N(0, I), repeated over frames."""
        return repeated(self.normal((n, self.shape.f_dim), generator), frames)

    @torch.no_grad()
    def draw_where(self, n: int, frames: int, generator: Generator) -> Tensor:
        """*Where* codes (n, frames, Dz) of clips nobody saw, their *what* drawn, too."""
        return self.draw_where_given(self.draw_what(n, 1, generator)[:, 0], frames, generator)

    def sample_clips(self, n: int, frames: int, generator: Generator) -> Tensor:
        """Clips (n, frames, C, S, S) in [0, 1] that nobody saw."""
        what = self.draw_what(n, frames, generator)
        where = self.draw_where_given(what[:, 0], frames, generator)
        return self.decode_clip(Codes(where, what))


def clips_at_once(frames: int) -> int:
    """Clips of so many frames that are looked at together where no gradient is kept."""
    return max(1, CLIPS_OF_FRAMES // frames)
